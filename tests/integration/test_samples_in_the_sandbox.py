"""The samples in the sandbox: a server that validates strictly takes every one of them."""

from importlib.util import find_spec

import pytest

from fhir_trial.config import read_settings
from fhir_trial.sandbox import Sandbox
from fhir_trial.sandbox.loading import load_samples
from fhir_trial.transport import FhirServer

pytestmark = pytest.mark.server


def test_the_sandbox_refuses_no_sample() -> None:
    if find_spec("sekmet") is None:
        pytest.skip("sekmet-fhir is not installed: pip install 'fhir-trial[sandbox]'")

    with Sandbox() as sandbox, FhirServer(sandbox.base_url) as server:
        report = load_samples(server, read_settings().samples)

    assert report.refused == []
    assert report.loaded["Patient"] > 40
