"""Whom to screen without a list: DATA-01, DATA-06, DATA-11, DATA-47, DATA-50, DATA-55."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from responses import matchers

from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.errors import FatalServerError, SourceError, UsageError
from fhir_trial.sources.candidates import by_file, disease_of, find_candidates
from fhir_trial.terminology import Coding, Concept
from fhir_trial.transport import FhirServer, ServerSettings
from fhir_trial.transport.connection import StoppedError
from fhir_trial.trials.model import ResolvedTrial

BASE = "https://ehr.example.invalid/fhir"
SNOMED = "http://snomed.info/sct"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


@pytest.fixture(scope="module")
def trial() -> ResolvedTrial:
    return load_trial("nct06789107")


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        kinds = ("Condition", "Patient")
        resources = [{"type": kind, "interaction": [{"code": "search-type"}]} for kind in kinds]
        mock.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "rest": [{"resource": resources}]})
        yield mock


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer(ServerSettings(BASE, retries=0)) as opened:
        yield opened


def bundle(*resources: dict[str, Any], next_link: str | None = None, self_link: str | None = None) -> dict[str, Any]:
    links = [{"relation": name, "url": url} for name, url in (("self", self_link), ("next", next_link)) if url]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": [{"resource": each} for each in resources]}


def lupus(identity: str, patient: str, system: str = SNOMED, code: str = "55464009", **more: Any) -> dict[str, Any]:
    subject = {"reference": patient}
    return {
        "resourceType": "Condition",
        "id": identity,
        "subject": subject,
        "code": {"coding": [{"system": system, "code": code}]},
        **more,
    }


def member(reference: str, **more: Any) -> dict[str, Any]:
    return {"entity": {"reference": reference}, **more}


def test_every_subject_of_the_disease_is_a_candidate_once_whatever_the_status(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial
) -> None:
    """DATA-01, DATA-50: the screening judges a refuted diagnosis, the search does not."""
    refuted: dict[str, Any] = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    first = bundle(lupus("c1", "Patient/p9"), lupus("c2", "Patient/p10", **refuted), next_link=f"{BASE}/Condition?page=2")
    search = http.post(f"{BASE}/Condition/_search", json=first)
    http.get(f"{BASE}/Condition?page=2", json=bundle(lupus("c3", "Patient/p9"), lupus("c4", "Patient/p2", ICD, "M32.14")))

    found = find_candidates(server, ["condition"], [trial])

    assert found.patients == ("Patient/p10", "Patient/p2", "Patient/p9")
    assert search.call_count == len(range(0, len(disease_of(trial).codes), 40))
    asked = [code for call in search.calls for code in parse_qs(str(call.request.body))["code"][0].split(",")]
    assert {f"{SNOMED}|55464009", f"{ICD}|M32.14", f"{ICD}|M3214", "http://hl7.org/fhir/sid/icd-10|M32.9"} <= set(asked)
    assert not any("M32.0" in code for code in asked)  # drug-induced lupus is taken out of the set


def test_a_code_filter_that_is_ignored_is_applied_here(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial
) -> None:
    """DATA-06, DATA-47."""
    everything = bundle(
        lupus("c1", "Patient/p1"),
        lupus("c2", "Patient/p2", code="44054006"),
        lupus("c3", "https://other.example.invalid/fhir/Patient/p3"),
        lupus("c4", "Group/p4"),
        {"resourceType": "Condition", "id": "c5", "code": {"text": "Lupus"}},
    )
    http.post(f"{BASE}/Condition/_search", json=everything)

    assert find_candidates(server, ["condition"], [trial]).patients == ("Patient/p1",)


def test_a_server_that_searches_no_diagnoses_across_patients_says_what_else_to_do(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial
) -> None:
    """DATA-11."""
    http.post(f"{BASE}/Condition/_search", status=400)
    http.get(f"{BASE}/Condition", status=400)

    with pytest.raises(FatalServerError, match="Group/ID, List/ID or a file"):
        find_candidates(server, ["condition"], [trial])


def test_a_list_of_candidates_that_breaks_off_is_an_error(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial
) -> None:
    """DATA-10."""
    http.post(f"{BASE}/Condition/_search", json=bundle(lupus("c1", "Patient/p1"), next_link="https://evil.example.invalid/2"))

    with pytest.raises(FatalServerError, match="aliases"):
        find_candidates(server, ["condition"], [trial])


def test_a_trial_that_does_not_say_what_makes_a_candidate_cannot_be_asked_for_them(trial: ResolvedTrial) -> None:
    from dataclasses import replace

    nameless = replace(trial, trial=replace(trial.trial, candidates=None))

    with pytest.raises(UsageError, match="does not say"):
        disease_of(nameless)


@pytest.mark.parametrize(
    ("system", "code", "is_it"),
    [(ICD, "M3210", True), (ICD, "M32.0", False), (SNOMED, "55464009", True), (SNOMED, "200938002", False), ("", "M32.1", False)],
)
def test_the_disease_is_the_value_set_of_the_trials_own_criterion(
    trial: ResolvedTrial, system: str, code: str, is_it: bool
) -> None:
    """DATA-55."""
    assert disease_of(trial).includes(Concept((Coding(system, code),))) is is_it


def test_members_of_a_group_and_of_groups_in_it_are_candidates_unless_inactive(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial
) -> None:
    inner = {"resourceType": "Group", "id": "g2", "member": [member("Patient/p3"), member("Group/g1")]}
    outer = [member("Patient/p2"), member("Patient/p1", inactive=True), member("Group/g2"), member("Device/d"), {"entity": {}}]
    http.get(f"{BASE}/Group/g1", json={"resourceType": "Group", "id": "g1", "member": outer})
    http.get(f"{BASE}/Group/g2", json=inner)

    found = find_candidates(server, ["Group/g1"], [trial])

    assert found.patients == ("Patient/p2", "Patient/p3")
    assert len(found.remarks) == 2


def test_a_group_that_keeps_its_members_to_itself_is_searched_page_by_page(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial
) -> None:
    """DATA-01."""
    http.get(f"{BASE}/Group/g1", json={"resourceType": "Group", "id": "g1", "quantity": 2})
    one, two = ({"resourceType": "Patient", "id": name} for name in ("p1", "p2"))
    asked = {"_has:Group:member:_id": "g1", "_count": "200"}
    first = bundle(one, next_link=f"{BASE}/Patient?page=2")
    http.post(f"{BASE}/Patient/_search", json=first, match=[matchers.urlencoded_params_matcher(asked)])
    http.post(f"{BASE}/Patient/_search", json=bundle())
    http.get(f"{BASE}/Patient?page=2", json=bundle(two))

    assert find_candidates(server, ["Group/g1"], [trial]).patients == ("Patient/p1", "Patient/p2")


def test_a_server_that_ignores_membership_does_not_make_everybody_a_candidate(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial
) -> None:
    """DATA-05."""
    http.get(f"{BASE}/Group/g1", json={"resourceType": "Group", "id": "g1"})
    everybody = bundle({"resourceType": "Patient", "id": "p1"}, self_link=f"{BASE}/Patient?name=x")
    http.post(f"{BASE}/Patient/_search", json=everybody)
    http.get(f"{BASE}/Patient", json=everybody)

    found = find_candidates(server, ["Group/g1"], [trial])

    assert found.patients == ()
    assert found.remarks == ("Group: it lists no members, and the server ignores a search by membership.",)


def test_several_ways_are_one_list_without_repeats(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial, tmp_path: Path
) -> None:
    entries = [{"item": {"reference": f"Patient/{name}"}, **more} for name, more in (("p2", {}), ("p3", {"deleted": True}))]
    http.get(f"{BASE}/List/l1", json={"resourceType": "List", "id": "l1", "entry": entries})
    names = tmp_path / "names.txt"
    names.write_text("# our clinic\np2\n\nPatient/p1  # called on Monday\n")

    assert find_candidates(server, ["List/l1", str(names)], [trial]).patients == ("Patient/p1", "Patient/p2")


def test_a_group_that_is_not_there_is_a_mistake_of_the_caller(
    http: responses.RequestsMock, server: FhirServer, trial: ResolvedTrial
) -> None:
    http.get(f"{BASE}/Group/g1", status=404)

    with pytest.raises(UsageError, match="Group/g1: The server has no such Group"):
        find_candidates(server, ["Group/g1"], [trial])


def test_a_line_that_is_no_id_is_told_with_its_place_and_not_its_words(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("p1\nJane Plantedname\n")

    with pytest.raises(UsageError, match="Expected the id of one patient") as caught:
        list(by_file(names))

    assert caught.value.expression == f"{names}:2"
    assert "Plantedname" not in str(caught.value)


def test_a_file_that_is_not_there_says_what_candidates_may_be(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="condition, Group/ID, List/ID"):
        list(by_file(tmp_path / "none"))


@given(st.lists(st.from_regex(r"(Patient/)?[A-Za-z0-9\-.]{1,64}", fullmatch=True), max_size=5))
def test_every_id_of_a_file_comes_back_as_a_reference(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    file = tmp_path_factory.mktemp("names") / "names.txt"
    file.write_text("\n".join(names))

    assert list(by_file(file)) == [f"Patient/{name.removeprefix('Patient/')}" for name in names]


@pytest.mark.parametrize("way", ["condition", "Group/g1"])
def test_the_kill_switch_is_told_as_itself_and_not_as_a_way_that_does_not_work(http: responses.RequestsMock, way: str) -> None:
    """SEC-60."""
    http.get(f"{BASE}/Group/g1", json={"resourceType": "Group", "id": "g1"})
    asked: list[int] = []

    def halted() -> bool:
        asked.append(1)
        return len(asked) > 1

    with FhirServer(ServerSettings(BASE, retries=0), halted=halted) as server, pytest.raises(StoppedError):
        find_candidates(server, [way], [load_trial("nct06789107")])
