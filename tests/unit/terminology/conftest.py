"""The shipped terminology, read once."""

from __future__ import annotations

import pytest

from fhir_trial.terminology import Terminology, load_terminology


@pytest.fixture(scope="session")
def terminology() -> Terminology:
    return load_terminology()
