"""Servers that hand out Observations by code alone: what came is used, and nothing is taken for absent (DATA-14, DATA-15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import responses
from responses import matchers

from fhir_trial.criteria.answers import Why
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.records.model import LoadState
from fhir_trial.screening.screen import screen_patient
from fhir_trial.sources import ServerSource
from fhir_trial.sources.search_plan import observation_codes, plan, trial_plan
from fhir_trial.terminology.laboratory import LabCode
from fhir_trial.terminology.overlay import Overlay
from fhir_trial.transport import Capabilities, FhirServer, ServerSettings

BASE = "https://ehr.example.invalid/fhir"
LABS = Needs.of(Need("Observation", laboratory=("platelets",), categories=("laboratory",)))
PLATELETS, LOCAL = "http://loinc.org|777-3", "https://his.example.invalid/lab|XJ-0120"
CODES = (PLATELETS, LOCAL)
ASKED = {"patient": "p1", "_count": "200"}


def result(identity: str, whose: str = "p1", **more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "777-3"}]}
    status = {"status": "final", "code": code, "subject": {"reference": f"Patient/{whose}"}}
    return {"resourceType": "Observation", "id": identity, **status, **more}


def bundle(*resources: dict[str, Any], self_link: str | None = None) -> dict[str, Any]:
    link = [{"relation": "self", "url": self_link}] if self_link else []
    return {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": [{"resource": each} for each in resources]}


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    """A server that names ``code`` among the searches of Observation and ``category`` not, by GET."""
    offered = {
        "type": "Observation",
        "interaction": [{"code": "search-type"}],
        "searchParam": [{"name": "patient"}, {"name": "code"}],
    }
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "rest": [{"resource": [offered]}]})
        mock.post(f"{BASE}/Observation/_search", status=405)
        for identity in ("p1", "p2"):
            mock.get(f"{BASE}/Patient/{identity}", json={"resourceType": "Patient", "id": identity})
        yield mock


def answer_to(http: responses.RequestsMock, asked: dict[str, str], **answer: Any) -> responses.BaseResponse:
    match = [matchers.query_param_matcher({**ASKED, **asked})]
    found: responses.BaseResponse = http.get(f"{BASE}/Observation", match=match, **answer)
    return found


def fetched(*patients: str, codes: tuple[str, ...] = CODES) -> list[Any]:
    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        return list(ServerSource(server, patients or ("p1",), codes=codes).patients(LABS))


def test_the_whole_type_is_asked_for_first_since_codes_alone_miss_the_local_ones(http: responses.RequestsMock) -> None:
    """DATA-15."""
    answer_to(http, {}, json=bundle(result("o1")))

    (found,) = fetched()

    assert found.states == {"Observation": LoadState.FETCHED}
    assert found.issues == ()


def test_a_server_that_refuses_the_whole_type_is_asked_by_code_and_the_type_is_partial(http: responses.RequestsMock) -> None:
    """DATA-14, DATA-15, DATA-19: the site's own codes too, and once known the refusal is not provoked again."""
    http.get(f"{BASE}/Observation", match=[matchers.query_param_matcher({**ASKED, "patient": "p2"})], status=400)
    refused = answer_to(http, {}, status=400)
    answer_to(http, {"code": ",".join(CODES)}, json=bundle(result("o1")))
    answer_to(http, {"code": ",".join(CODES), "patient": "p2"}, json=bundle(result("o2", "p2")))

    first, second = fetched("p1", "p2")

    assert [each["id"] for each in (*first.resources, *second.resources)] == ["o1", "o2"]
    assert first.states == second.states == {"Observation": LoadState.PARTIAL}
    assert [issue.code for issue in first.issues] == ["type-partial"]
    assert "by code" in first.issues[0].text
    assert refused.call_count == 1


def test_a_code_that_is_ignored_brings_the_whole_type(http: responses.RequestsMock) -> None:
    """DATA-05."""
    answer_to(http, {}, status=400)
    whole = bundle(result("o1"), result("o2"), self_link=f"{BASE}/Observation?patient=p1")
    answer_to(http, {"code": ",".join(CODES)}, json=whole)

    (found,) = fetched()

    assert len(found.resources) == 2
    assert found.states == {"Observation": LoadState.FETCHED}
    assert [issue.code for issue in found.issues] == ["filter-ignored"]


@pytest.mark.parametrize("status", [400, 503])
def test_a_server_that_refuses_that_as_well_has_failed(http: responses.RequestsMock, status: int) -> None:
    """DATA-19."""
    answer_to(http, {}, status=400)
    answer_to(http, {"code": ",".join(CODES)}, status=status)

    (found,) = fetched()

    assert found.states == {"Observation": LoadState.FAILED}


def test_without_codes_to_ask_by_a_refusal_stays_a_failure(http: responses.RequestsMock) -> None:
    answer_to(http, {}, status=400)

    assert fetched(codes=())[0].states == {"Observation": LoadState.FAILED}


def test_nothing_that_the_codes_did_not_bring_counts_as_absent(http: responses.RequestsMock) -> None:
    """DATA-15, VER-05: no result of platelets came, and none is said to be missing."""
    answer_to(http, {}, status=400)
    answer_to(http, {"code": ",".join(CODES)}, json=bundle())
    trial = load_trial("nct06789107")

    verdict = screen_patient(fetched()[0], trial, as_of=date(2026, 3, 2))

    (platelets,) = (answer for criterion, answer in verdict.answers if criterion.id == "C7.5")
    assert platelets.why is Why.NOT_LOADED


# --- the plan --------------------------------------------------------------------------


def offering(*names: str) -> Capabilities:
    return Capabilities("4.0.1", {"Observation": frozenset({"search-type"})}, {"Observation": frozenset(names)})


def test_the_codes_are_those_of_the_analytes_that_the_trial_reads_and_of_the_sites_overlay() -> None:
    """DATA-15, DATA-61."""
    trial = load_trial("nct06789107")
    system, code = LOCAL.split("|")
    ours = replace(trial, terminology=trial.terminology.with_overlay(_overlay(system, code)))

    assert PLATELETS in observation_codes(trial)
    assert LOCAL not in observation_codes(trial)
    assert LOCAL in observation_codes(ours)


def _overlay(system: str, code: str) -> Overlay:
    return Overlay("ours", lab_codes=(LabCode("platelets", "accept", system, code, local=True),))


def test_searches_by_code_are_short_enough_for_a_url_and_shown_with_the_plan() -> None:
    """DATA-20."""
    planned = trial_plan(load_trial("nct06789107"), offering("patient", "code")).of("Observation")

    assert len(planned.by_code) > 1
    assert all(len(search.query()) < 2000 for search in planned.by_code)
    assert "where that is refused, by code" in str(planned)


@pytest.mark.parametrize(("names", "by_code"), [(("patient",), False), ((), True), (("patient", "category", "code"), True)])
def test_a_server_that_names_its_searches_and_code_not_among_them_is_not_asked_by_code(
    names: tuple[str, ...], by_code: bool
) -> None:
    """DATA-20."""
    planned = plan(LABS, offering(*names), codes=CODES).of("Observation")

    assert bool(planned.by_code) is by_code
