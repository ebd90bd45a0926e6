"""A real FHIR server on loopback, started once for all tests that ask for it."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from fhir_trial.sandbox import Sandbox
from fhir_trial.transport import FhirServer


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    if find_spec("sekmet") is None:
        pytest.skip("sekmet-fhir is not installed: pip install 'fhir-trial[sandbox]'")
    with Sandbox() as running:
        yield running


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[FhirServer]:
    with FhirServer(sandbox.base_url) as speaking:
        yield speaking
