"""What we rely on when we read, asked of servers of different makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.errors import FatalServerError, PatientNotFoundError
from fhir_trial.records.model import LoadState
from fhir_trial.sandbox import load_samples
from fhir_trial.sources import ServerSource
from fhir_trial.transport import FhirServer, NotFoundError
from tests.servers.loading import place_all
from tests.servers.peers import Peer

Json = dict[str, Any]


def patient(identity: str, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": identity, "gender": "female", **more}


def of(kind: str, identity: str, whose: str, **more: Any) -> Json:
    return {"resourceType": kind, "id": identity, "subject": {"reference": f"Patient/{whose}"}, **more}


def result(identity: str, whose: str, **more: Any) -> Json:
    category = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}]
    code = {"coding": [{"system": "http://loinc.org", "code": "777-3"}]}
    return of("Observation", identity, whose, status="final", category=category, code=code, **more)


def test_a_search_by_post_is_answered_and_needs_no_get(server: FhirServer) -> None:
    """DATA-17: ids stay out of URLs."""
    place_all(server, [patient("ann"), patient("bea"), of("Condition", "c1", "ann"), of("Condition", "c2", "bea")])

    found = server.search("Condition", [("patient", "ann")])

    assert [each["id"] for each in found.matches] == ["c1"]
    assert (found.ignored, found.complete) == (frozenset(), True)
    assert server._post_refused == set()


def test_a_search_of_several_pages_brings_every_match_once(peer: Peer, server: FhirServer) -> None:
    """DATA-09, DATA-16."""
    expected = {f"o{number}" for number in range(23)}
    place_all(server, [patient("ann"), patient("bea"), result("other", "bea"), *(result(each, "ann") for each in expected)])

    with peer.connect(page_size=5, most_pages=5) as small:
        found = small.search("Observation", [("patient", "ann")])
    with peer.connect(page_size=5, most_pages=4) as smaller:
        cut = smaller.search("Observation", [("patient", "ann")])

    assert sorted(each["id"] for each in found.matches) == sorted(expected)
    assert found.complete
    assert not cut.complete  # so there were five pages, and a cut is never silent
    assert len(cut.matches) == 20


def test_the_drug_that_an_order_refers_to_is_read_with_it(server: FhirServer) -> None:
    """DATA-32."""
    drug = {"resourceType": "Medication", "id": "d1", "code": {"text": "prednisone"}}
    order = {"status": "active", "intent": "order", "medicationReference": {"reference": "Medication/d1"}}
    place_all(server, [patient("ann"), drug, of("MedicationRequest", "m1", "ann", **order)])

    found = ServerSource(server).patient("ann", Needs.of(Need("Patient"), Need("MedicationRequest")))

    assert {f"{each['resourceType']}/{each['id']}" for each in found.resources} == {"MedicationRequest/m1", "Medication/d1"}
    assert found.by_reference["Medication/d1"]["code"] == {"text": "prednisone"}
    assert found.states["MedicationRequest"] is LoadState.FETCHED
    assert found.issues == ()


def test_results_without_a_category_are_found_beside_those_with_one(server: FhirServer) -> None:
    """DATA-06, DATA-15."""
    bare = {key: value for key, value in result("bare", "ann").items() if key != "category"}
    local = result("local", "ann") | {"category": [{"coding": [{"system": "https://lab.example.invalid", "code": "LIS"}]}]}
    place_all(server, [patient("ann"), result("coded", "ann"), bare, local])

    found = ServerSource(server).patient("ann", Needs.of(Need("Observation")))

    assert {each["id"] for each in found.resources} == {"coded", "bare", "local"}
    assert found.states["Observation"] is LoadState.FETCHED


def test_samples_go_in_whatever_their_order(server: FhirServer, tmp_path: Path) -> None:
    """WB-19: a server that checks references refuses what comes before its target, and is sent it again."""
    visit = of("Encounter", "e1", "ann", status="finished", **{"class": {"code": "AMB"}})
    circle = of("Condition", "c1", "ann", encounter={"reference": "Encounter/e2"})
    back = {**visit, "id": "e2", "diagnosis": [{"condition": {"reference": "Condition/c1"}}]}
    entries = [result("o1", "ann", encounter={"reference": "Encounter/e1"}), visit, circle, back, patient("ann")]
    file = tmp_path / "samples.json"
    file.write_text(
        json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in entries]})
    )

    report = load_samples(server, file)

    assert report.refused == []
    assert server.read("Observation/o1")["encounter"] == {"reference": "Encounter/e1"}
    assert server.read("Condition/c1")["encounter"] == {"reference": "Encounter/e2"}


def test_a_missing_patient_is_an_error_of_its_own(server: FhirServer) -> None:
    """DATA-45."""
    with pytest.raises(PatientNotFoundError, match="No such patient"):
        ServerSource(server).patient("nobody", Needs.of(Need("Condition")))
    with pytest.raises(PatientNotFoundError, match="No such patient"):
        list(ServerSource(server, ["nobody"]).patients(Needs.of(Need("Condition"))))


def test_a_deleted_resource_is_not_found(peer: Peer, server: FhirServer) -> None:
    """A server that keeps histories answers 410, another 404: to us it is one thing."""
    place_all(server, [patient("ann")])
    entry = {"request": {"method": "DELETE", "url": "Patient/ann"}}
    server.process({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})

    with pytest.raises(NotFoundError):
        server.read("Patient/ann")


def test_a_search_parameter_that_the_server_does_not_know_is_refused_or_reported_never_silent(
    peer: Peer, server: FhirServer
) -> None:
    """DATA-05."""
    place_all(server, [patient("ann"), of("Condition", "c1", "ann")])
    wanted = [("patient", "ann"), ("no-such-parameter", "x")]

    if peer.ignores_unknown_parameters:
        assert server.search("Condition", wanted).ignored == {"no-such-parameter"}
        return
    with pytest.raises(FatalServerError, match="answered 400"):
        server.search("Condition", wanted)


def test_every_patient_is_listed_in_order_over_several_pages(peer: Peer, server: FhirServer) -> None:
    """DATA-09."""
    names = [f"p{number:02}" for number in range(12)]
    place_all(server, [patient(each) for each in reversed(names)])

    with peer.connect(page_size=5) as small:
        found = [raw.reference for raw in ServerSource(small).patients(Needs.of(Need("Patient")))]

    assert found == [f"Patient/{each}" for each in names]


def test_the_server_says_what_it_is_and_that_it_keeps_what_we_write(server: FhirServer) -> None:
    """WB-02."""
    capabilities = server.capabilities()

    assert (capabilities.fhir_version or "").startswith("4.0")
    for kind in ("ResearchStudy", "ResearchSubject", "Observation"):
        assert capabilities.offers(kind, "create")
        assert capabilities.searches_by(kind, "identifier")
    assert capabilities.searches_by("ResearchSubject", "patient") or capabilities.searches_by("ResearchSubject", "individual")
