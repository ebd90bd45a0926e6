"""A FHIR server with two patients of its own, once for all functional tests; Jane's name, number and birthday are planted."""

import json
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.sandbox import Sandbox

#: What must never be seen in a log or an error.
PLANTED = ("Plantedname", "MRN-99887766", "2013-08-17", "20130817")


def bundle() -> dict[str, Any]:
    jane = {
        "resourceType": "Patient",
        "id": "jane",
        "active": True,
        "gender": "female",
        "birthDate": PLANTED[2],
        "name": [{"family": PLANTED[0], "given": ["Jane"], "text": f"Jane {PLANTED[0]}"}],
        "identifier": [{"system": "urn:mrn", "value": PLANTED[1]}],
    }
    adult = {"resourceType": "Patient", "id": "adult", "active": True, "gender": "male", "birthDate": "1961-04-12"}
    lupus = {
        "resourceType": "Condition",
        "id": "jane-lupus",
        "subject": {"reference": "Patient/jane"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "55464009"}], "text": f"SLE of {PLANTED[0]}"},
        "onsetDateTime": "2024-05",
    }
    broken = {
        "resourceType": "Observation",
        "id": "jane-odd",
        "status": "final",
        "subject": {"reference": "Patient/jane", "display": PLANTED[0]},
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}], "text": f"Platelets of {PLANTED[0]}"},
        "effectiveDateTime": "2026-02-27",
        "valueQuantity": {"value": 142, "unit": f"{PLANTED[1]}/L", "code": f"{PLANTED[1]}/L"},
        "note": [{"text": f"{PLANTED[0]}, {PLANTED[3]}"}],
    }
    resources = [jane, adult, lupus, broken]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


@pytest.fixture(scope="session")
def fhir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    if find_spec("sekmet") is None:
        pytest.skip("sekmet-fhir is not installed: pip install 'fhir-trial[sandbox]'")
    file: Path = tmp_path_factory.mktemp("samples") / "two.json"
    file.write_text(json.dumps(bundle()))
    with Sandbox() as running:
        report = running.load(file)
        assert not report.refused
        yield running


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
