"""A clinic: the service on a real FHIR server, a store with a basis, and a coordinator who is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from fhir_trial.config import Settings
from fhir_trial.sandbox import Sandbox
from tests.functional.clinics import SIGNING_IN, Clinic, issuer_keys
from tests.functional.stores import store_settings, with_basis


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings(fhir: Sandbox, tmp_path: Path) -> Settings:
    return with_basis(store_settings(fhir, tmp_path, **SIGNING_IN))


@pytest.fixture(autouse=True)
def issuer(fhir: Sandbox) -> Iterator[None]:
    with issuer_keys(fhir):
        yield


@pytest.fixture
def clinic(settings: Settings, jane: str) -> Clinic:
    return Clinic(settings, jane)
