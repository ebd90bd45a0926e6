"""Which references of a record are followed: DATA-32, DATA-63."""

from typing import Any

import pytest

from fhir_trial.sources.following import follow
from fhir_trial.transport import FhirServer, Found

BASE = "https://ehr.example.invalid/fhir"
DRUG, SPECIMEN, RESULT, ROLE = (
    {"reference": f"{kind}/x"} for kind in ("Medication", "Specimen", "Observation", "PractitionerRole")
)


class Recorder(FhirServer):
    """A server that only notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__(BASE)
        self.asked: list[tuple[str, Any]] = []

    def search(self, resource_type: str, parameters: Any) -> Found:
        self.asked.append((resource_type, list(parameters)))
        return Found()

    def read(self, reference: str) -> dict[str, Any]:
        kind, identity = reference.split("/")
        return {"resourceType": kind, "id": identity}


def asked_for(*resources: dict[str, Any]) -> list[tuple[str, Any]]:
    with Recorder() as server:
        follow(server, resources, {})
        return server.asked


@pytest.mark.parametrize(
    ("kind", "elements", "followed"),
    [
        ("MedicationRequest", {"medicationReference": DRUG}, "Medication"),
        ("MedicationStatement", {"medicationReference": {"reference": f"{BASE}/Medication/x/_history/3"}}, "Medication"),
        ("Medication", {"ingredient": [{"itemReference": {"reference": "Substance/x"}}]}, "Substance"),
        ("Observation", {"hasMember": [RESULT]}, "Observation"),
        ("Observation", {"derivedFrom": [RESULT]}, "Observation"),
        ("Observation", {"specimen": SPECIMEN}, "Specimen"),
        ("Observation", {"performer": [{"display": "somebody"}, ROLE]}, "PractitionerRole"),
        ("DiagnosticReport", {"result": [RESULT]}, "Observation"),
        ("DiagnosticReport", {"specimen": [SPECIMEN]}, "Specimen"),
        ("Condition", {"evidence": [{"detail": [RESULT]}]}, "Observation"),
        ("Condition", {"asserter": ROLE}, "PractitionerRole"),
        ("Encounter", {"participant": [{"individual": ROLE}]}, "PractitionerRole"),
        ("Procedure", {"reasonReference": [RESULT]}, "Observation"),
        ("ResearchSubject", {"study": {"reference": "ResearchStudy/x"}}, "ResearchStudy"),
        ("Consent", {"sourceReference": {"reference": "ResearchStudy/x"}}, "ResearchStudy"),
        ("Flag", {"extension": [{"url": "https://ehr.example.invalid/why", "valueReference": RESULT}]}, "Observation"),
        ("Observation", {"contained": [{"resourceType": "Observation", "hasMember": [RESULT]}]}, "Observation"),
    ],
)
def test_what_an_element_names_is_read(kind: str, elements: dict[str, Any], followed: str) -> None:
    assert asked_for({"resourceType": kind, "id": "r", **elements}) == [(followed, [("_id", "x")])]


def test_what_many_name_is_read_once() -> None:
    orders = [{"resourceType": "MedicationRequest", "id": f"m{nth}", "medicationReference": DRUG} for nth in range(3)]

    assert asked_for(*orders) == [("Medication", [("_id", "x")])]


@pytest.mark.parametrize(
    "elements",
    [
        {"subject": {"reference": "Patient/p1"}, "encounter": {"reference": "Encounter/e1"}},
        {"specimen": SPECIMEN, "effectiveDateTime": "2026-01-05"},
        {
            "hasMember": [
                {"reference": "#here"},
                {"reference": "urn:uuid:1"},
                {"reference": "https://other.example.invalid/Observation/1"},
            ]
        },
        {"hasMember": [{"reference": 7}, "Observation/x", {"display": "Observation/x"}]},
    ],
)
def test_what_leads_elsewhere_or_is_not_needed_is_not_read(elements: dict[str, Any]) -> None:
    assert asked_for({"resourceType": "Observation", "id": "o", **elements}) == []
