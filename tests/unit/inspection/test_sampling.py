"""A few patients to try a server with, and no more of a hospital's patients than that (DATA-20)."""

from __future__ import annotations

import pytest
import responses

from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.inspection.sampling import sample
from fhir_trial.transport import FhirServer, ServerSettings

BASE = "https://ehr.example.invalid/fhir"
LUPUS = {"coding": [{"system": "http://snomed.info/sct", "code": "55464009"}]}


@pytest.mark.parametrize("kind", ["Condition", "Patient"])
def test_of_an_answer_in_many_pages_one_is_read(kind: str) -> None:
    found = {
        "Condition": {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}, "code": LUPUS},
        "Patient": {"resourceType": "Patient", "id": "p1"},
    }
    page = {"resourceType": "Bundle", "link": [{"relation": "next", "url": f"{BASE}/{kind}?page=2"}]}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        http.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"})
        for each, resource in found.items():
            answer = {**page, "entry": [{"resource": resource}]}
            http.get(f"{BASE}/{each}", status=200 if each == kind else 400, json=answer)
        with FhirServer(ServerSettings(BASE, retries=0)) as server:
            chosen = sample(server, load_trial("nct06789107"), 1)
        asked = [str(call.request.url) for call in http.calls]

    assert chosen.patients == ("Patient/p1",)
    assert not any("page=2" in url for url in asked)
