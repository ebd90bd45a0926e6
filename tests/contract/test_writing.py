"""What we rely on when we write, asked of servers of different makes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fhir_trial.errors import ConflictError, FatalServerError
from fhir_trial.transport import FhirServer, NotFoundError
from tests.servers.loading import place_all
from tests.servers.peers import Peer

Json = dict[str, Any]

SYSTEM = "https://site.example.invalid/fhir-trial/test"
PATIENT_URN = "urn:uuid:6b1f2a52-5c1e-4f0a-9d5e-000000000001"


def identified(kind: str, value: str, **more: Any) -> Json:
    return {"resourceType": kind, "identifier": [{"system": SYSTEM, "value": value}], **more}


def posted(resource: Json, full_url: str | None = None, **request: Any) -> Json:
    entry = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}
    return {"fullUrl": full_url, **entry} if full_url else entry


def bundle(kind: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def statuses(answer: Json) -> list[str]:
    return [str(entry["response"]["status"])[:3] for entry in answer["entry"]]


def test_what_was_created_is_read_back_as_it_was_sent(server: FhirServer) -> None:
    """WB-07, WB-15."""
    sent = identified("Patient", "a", gender="female", birthDate="1996-08")

    written = server.create(sent)

    assert written.created
    assert written.reference is not None
    held = server.read(written.reference)
    assert {key: held[key] for key in sent} == sent
    assert written.version == held["meta"]["versionId"] == "1"


def test_if_none_exist_twice_makes_one_and_names_it_again(server: FhirServer) -> None:
    """WB-04, WB-12."""
    condition = f"identifier={SYSTEM}|once"

    first = server.create(identified("Patient", "once", gender="female"), if_none_exist=condition)
    second = server.create(identified("Patient", "once", gender="male"), if_none_exist=condition)

    assert (first.created, second.created) == (True, False)
    assert first.reference == second.reference
    assert [each["gender"] for each in server.search("Patient", [("identifier", f"{SYSTEM}|once")]).matches] == ["female"]


def test_if_none_exist_on_two_that_match_is_a_conflict(server: FhirServer) -> None:
    """WB-12."""
    for _ in range(2):
        server.create(identified("Patient", "twin"))

    with pytest.raises(ConflictError):
        server.create(identified("Patient", "twin"), if_none_exist=f"identifier={SYSTEM}|twin")


def test_an_update_of_a_version_that_is_no_longer_held_is_a_conflict_and_changes_nothing(peer: Peer, server: FhirServer) -> None:
    """WB-14: 412 by the book, 409 by HAPI; to our callers it is one error."""
    place_all(server, [{"resourceType": "Patient", "id": "ann", "gender": "female"}])
    old = server.read("Patient/ann")
    version = old["meta"]["versionId"]
    newer = server.update({**old, "gender": "other"}, if_match=version)

    with pytest.raises(ConflictError, match=f"answered {peer.stale}"):
        server.update({**old, "gender": "male"}, if_match=version)

    assert newer.version != version
    held = server.read("Patient/ann")
    assert (held["gender"], held["meta"]["versionId"]) == ("other", newer.version)


def test_a_transaction_turns_its_own_urns_into_references(server: FhirServer) -> None:
    """WB-19."""
    condition = {"resourceType": "Condition", "subject": {"reference": PATIENT_URN}}

    answer = server.process(bundle("transaction", posted(condition), posted(identified("Patient", "t"), PATIENT_URN)))

    assert statuses(answer) == ["201", "201"]
    (patient,) = server.search("Patient", [("identifier", f"{SYSTEM}|t")]).matches
    (stored,) = server.search("Condition", [("patient", patient["id"])]).matches
    assert stored["subject"]["reference"] == f"Patient/{patient['id']}"


def test_a_transaction_that_finds_its_patient_refers_to_the_one_that_is_there(server: FhirServer) -> None:
    """WB-07, WB-12: one server advertised ifNoneExist and did not heed it inside transactions."""
    there = server.create(identified("Patient", "known"))
    condition = {"resourceType": "Condition", "subject": {"reference": PATIENT_URN}}
    guarded = posted(identified("Patient", "known"), PATIENT_URN, ifNoneExist=f"identifier={SYSTEM}|known")

    answer = server.process(bundle("transaction", guarded, posted(condition)))

    assert statuses(answer) == ["200", "201"]
    assert len(server.search("Patient", [("identifier", f"{SYSTEM}|known")]).matches) == 1
    (stored,) = server.search("Condition", [("patient", str(there.reference).split("/")[1])]).matches
    assert stored["subject"]["reference"] == there.reference


def test_a_transaction_with_one_bad_entry_leaves_nothing_behind(server: FhirServer) -> None:
    """WB-20."""
    bad = {"resourceType": "NoSuchType"}

    with pytest.raises(FatalServerError):
        server.process(bundle("transaction", posted(identified("Patient", "gone")), posted(bad)))

    assert server.search("Patient", [("identifier", f"{SYSTEM}|gone")]).matches == ()


def test_a_batch_answers_each_entry_for_itself(server: FhirServer) -> None:
    """WB-19: 200 for the whole is no success of its parts."""
    good = posted(identified("Patient", "good"))
    missing = {"request": {"method": "GET", "url": "Patient/nobody"}}

    answer = server.process(bundle("batch", good, missing, good))

    assert statuses(answer) == ["201", "404", "201"]
    assert len(server.search("Patient", [("identifier", f"{SYSTEM}|good")]).matches) == 2


def test_a_reference_to_nothing_is_refused_where_references_are_checked(peer: Peer, server: FhirServer) -> None:
    stray = {"resourceType": "Condition", "id": "stray", "subject": {"reference": "Patient/nobody"}}

    if not peer.checks_references:
        assert server.place(stray).created
        return
    with pytest.raises(FatalServerError, match="answered 400"):
        server.place(stray)
    with pytest.raises(NotFoundError):
        server.read("Condition/stray")


def test_sixteen_conditional_creates_at_once(peer: Peer) -> None:
    """WB-07: what the server itself guarantees. HAPI keeps one and refuses the late; the sandbox may keep several."""

    def create(number: int) -> str:
        with peer.connect() as own:
            try:
                written = own.create(identified("Patient", "race"), if_none_exist=f"identifier={SYSTEM}|race")
            except ConflictError:
                return "conflict"
            return "created" if written.created else "there"

    with ThreadPoolExecutor(16) as callers:
        outcomes = list(callers.map(create, range(16)))

    with peer.connect() as server:
        held = server.search("Patient", [("identifier", f"{SYSTEM}|race")]).matches
    assert len(held) == outcomes.count("created") >= 1
    if peer.creates_once:
        assert len(held) == 1
