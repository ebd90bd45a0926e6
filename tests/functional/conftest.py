"""A FHIR server with two patients of its own, once for all functional tests; Jane's name, number and birthday are planted."""

import json
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.sandbox import Sandbox

_NUMBERS = count(1)

#: What must never be seen in a log or an error.
PLANTED = ("Plantedname", "MRN-99887766", "2013-08-17", "20130817")


def bundle(name: str = "jane") -> dict[str, Any]:
    """Jane, under an id of her own, and a grown man."""
    jane = {
        "resourceType": "Patient",
        "id": name,
        "active": True,
        "gender": "female",
        "birthDate": PLANTED[2],
        "name": [{"family": PLANTED[0], "given": ["Jane"], "text": f"Jane {PLANTED[0]}"}],
        "identifier": [{"system": "urn:mrn", "value": PLANTED[1]}],
    }
    adult = {"resourceType": "Patient", "id": "adult", "active": True, "gender": "male", "birthDate": "1961-04-12"}
    lupus = {
        "resourceType": "Condition",
        "id": f"{name}-lupus",
        "subject": {"reference": f"Patient/{name}"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "55464009"}], "text": f"SLE of {PLANTED[0]}"},
        "onsetDateTime": "2024-05",
    }
    broken = {
        "resourceType": "Observation",
        "id": f"{name}-odd",
        "status": "final",
        "subject": {"reference": f"Patient/{name}", "display": PLANTED[0]},
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}], "text": f"Platelets of {PLANTED[0]}"},
        "effectiveDateTime": "2026-02-27",
        "valueQuantity": {"value": 142, "unit": f"{PLANTED[1]}/L", "code": f"{PLANTED[1]}/L"},
        "note": [{"text": f"{PLANTED[0]}, {PLANTED[3]}"}],
    }
    # Without a current drug, a server that gave every medication it has would make C6 not met (R12).
    hydroxychloroquine = {
        "resourceType": "MedicationRequest",
        "id": f"{name}-hcq",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{name}"},
        "authoredOn": "2025-09-01",
        "medicationCodeableConcept": {"text": "hydroxychloroquine 200 MG Oral Tablet"},
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 200, "unit": "mg"}}],
            }
        ],
    }
    resources = [jane, adult, lupus, broken, hydroxychloroquine]
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
def jane(fhir: Sandbox, tmp_path: Path) -> str:
    """A Jane that no other test has written about; her reference."""
    name = f"jane-{next(_NUMBERS)}"
    file = tmp_path / "jane.json"
    file.write_text(json.dumps(bundle(name)))
    assert not fhir.load(file).refused
    return f"Patient/{name}"


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
