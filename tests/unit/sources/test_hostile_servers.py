"""Servers whose answers must not be taken for everything there is: DATA-06, DATA-10, DATA-19, DATA-47, R33."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import matchers

from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.errors import FatalServerError
from fhir_trial.records.model import LoadState
from fhir_trial.sources import ServerSource
from fhir_trial.sources.candidates import find_candidates
from fhir_trial.transport import FhirServer, ServerSettings

BASE = "https://ehr.example.invalid/fhir"
P1 = {"reference": "Patient/p1"}
KINDS = ("Condition", "Consent", "Patient", "ResearchSubject")


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}


def patient(identity: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": identity}


def remark(code: str, severity: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    """Searches by GET alone."""
    resources = [{"type": kind, "interaction": [{"code": "search-type"}]} for kind in KINDS]
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        statement = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": resources}]}
        mock.get(f"{BASE}/metadata", json=statement)
        mock.get(f"{BASE}/Patient/p1", json=patient("p1"))
        for kind in KINDS:
            mock.post(f"{BASE}/{kind}/_search", status=405)
        yield mock


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer(ServerSettings(BASE, retries=0)) as speaking:
        yield speaking


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        ("Condition", {"subject": {"reference": "http://inner.example.invalid/fhir/Patient/p1"}}),  # an alias nobody named
        ("Condition", {"subject": {"identifier": {"system": "urn:mrn", "value": "4711"}}}),
        ("Condition", {"subject": {"reference": "Patient/old"}}),  # merged into p1, and not rewritten
        ("ResearchSubject", {"subject": {"reference": "Patient/p1"}}),  # R5
    ],
)
def test_a_type_of_which_something_was_dropped_is_not_whole(
    http: responses.RequestsMock, server: FhirServer, kind: str, link: dict[str, Any]
) -> None:
    """DATA-19, DATA-47, R33: the server gave it out as this patient's, so that its absence proves nothing."""
    http.get(f"{BASE}/{kind}", json=bundle({"resourceType": kind, "id": "a", **link}))

    (found,) = ServerSource(server, ["p1"]).patients(Needs.of(Need(kind)))

    assert found.resources == ()
    assert found.states == {kind: LoadState.PARTIAL}
    assert [issue.code for issue in found.issues] == ["wrong-patient"]
    assert ("aliases" in found.issues[0].text) is ("inner" in str(link))


@pytest.mark.parametrize(
    "said", [remark("too-costly", "warning"), remark("incomplete", "information"), remark("processing", "error")]
)
def test_a_list_of_all_patients_that_was_cut_short_is_no_list(
    http: responses.RequestsMock, server: FhirServer, said: dict[str, Any]
) -> None:
    """DATA-10: whoever is not on it would be passed over without a word."""
    http.get(f"{BASE}/Patient", json=bundle(patient("p1"), said))

    with pytest.raises(FatalServerError, match="cut its answer short"):
        list(ServerSource(server).patients(Needs.of(Need("Patient"))))


@pytest.mark.parametrize(("strangers", "expected"), [((), ("Patient/p1",)), (("p1", "p2"), ())])
def test_a_search_by_membership_counts_where_the_server_reads_it(
    http: responses.RequestsMock, server: FhirServer, strangers: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """DATA-06: nothing in a Patient tells its Groups, and a server that passes over the search gives everybody it has."""
    group = {"resourceType": "Group", "id": "g1", "actual": True}
    asked = {"_count": "200", "_has:Group:member:_id": "g1"}
    http.get(f"{BASE}/Group/g1", json=group)
    http.get(f"{BASE}/Patient", json=bundle(patient("p1")), match=[matchers.query_param_matcher(asked)])
    http.get(f"{BASE}/Patient", json=bundle(*map(patient, strangers)))

    found = find_candidates(server, ["Group/g1"], [])

    assert found.patients == expected
    assert bool(found.remarks) is not bool(expected)


def test_a_server_that_ignores_the_ids_is_not_sent_batch_after_batch(http: responses.RequestsMock, server: FhirServer) -> None:
    """DATA-05, DATA-32: it would send everything that it has again and again; what it has sent counts, the rest is read."""
    names = [f"m{number:03}" for number in range(60)]
    drugs = [{"reference": f"Medication/{name}"} for name in names]
    http.get(f"{BASE}/Condition", json=bundle({"resourceType": "Condition", "id": "c", "subject": P1, "x": drugs}))
    everything = bundle({"resourceType": "Medication", "id": "m000"}, {"resourceType": "Medication", "id": "other"})
    self_link = {"relation": "self", "url": f"{BASE}/Medication?status=x"}
    searched = http.get(f"{BASE}/Medication", json={**everything, "link": [self_link]})
    for name in names[1:]:
        http.get(f"{BASE}/Medication/{name}", json={"resourceType": "Medication", "id": name})

    (found,) = ServerSource(server, ["p1"]).patients(Needs.of(Need("Condition")))

    assert searched.call_count == 1
    assert sorted(each["id"] for each in found.resources) == ["c", *names]


def test_what_was_searched_is_not_kept_for_all_patients_of_a_hospital(
    http: responses.RequestsMock, server: FhirServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_trial.sources.server._SEARCHES_KEPT", 2)
    http.get(f"{BASE}/Patient", json=bundle(*map(patient, ("p1", "p2", "p3"))))
    http.get(f"{BASE}/Condition", json=bundle())
    source = ServerSource(server)

    counts = [len(source.searched) for _ in source.patients(Needs.of(Need("Condition")))]

    assert counts == [1, 2, 2]


@pytest.mark.parametrize("identity", [None, 7, {}])
def test_a_resource_that_cannot_be_named_leaves_its_type_partial(
    http: responses.RequestsMock, server: FhirServer, identity: object
) -> None:
    """DATA-19."""
    http.get(f"{BASE}/Condition", json=bundle({"resourceType": "Condition", "id": identity, "subject": P1}))

    (found,) = ServerSource(server, ["p1"]).patients(Needs.of(Need("Condition")))

    assert found.resources == ()
    assert found.states == {"Condition": LoadState.PARTIAL}


def test_a_server_that_refuses_a_search_by_a_group_that_is_not_there_reads_it(
    http: responses.RequestsMock, server: FhirServer
) -> None:
    """DATA-06."""
    asked = {"_count": "200", "_has:Group:member:_id": "g1"}
    http.get(f"{BASE}/Group/g1", json={"resourceType": "Group", "id": "g1", "actual": True})
    http.get(f"{BASE}/Patient", json=bundle(patient("p1")), match=[matchers.query_param_matcher(asked)])
    http.get(f"{BASE}/Patient", status=404)

    assert find_candidates(server, ["Group/g1"], []).patients == ("Patient/p1",)
