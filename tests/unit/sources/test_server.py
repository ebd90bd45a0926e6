"""Patients from a server that misbehaves: DATA-05 to DATA-07, 10, 14 to 16, 19, 26, 27, 32, 45, 47."""

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import matchers

from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.errors import FatalServerError, PatientNotFoundError, TemporaryServerError
from fhir_trial.records.model import LoadState
from fhir_trial.records.references import References
from fhir_trial.sources import ServerSource
from fhir_trial.sources.search_plan import plan
from fhir_trial.transport import FhirServer, ServerSettings
from fhir_trial.transport.connection import StoppedError
from fhir_trial.transport.scopes import read_scopes

BASE = "https://ehr.example.invalid/fhir"
CONDITIONS = Needs.of(Need("Condition"), Need("Patient"))


def statement(**parameters: tuple[str, ...]) -> dict[str, Any]:
    """A CapabilityStatement that offers searches; these mocks answer GET alone, so POST is refused below."""
    resources = [
        {"type": kind, "interaction": [{"code": "search-type"}], "searchParam": [{"name": name} for name in names]}
        for kind, names in parameters.items()
    ]
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": resources}]}


def bundle(*resources: dict[str, Any], self_link: str | None = None, next_link: str | None = None) -> dict[str, Any]:
    links = [{"relation": name, "url": url} for name, url in (("self", self_link), ("next", next_link)) if url]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": [{"resource": each} for each in resources]}


def resource(kind: str, identity: str, subject: str | None = "Patient/p1", **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": identity, **({"subject": {"reference": subject}} if subject else {}), **more}


def remark(code: str, severity: str) -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": "processing", "details": {"coding": [{"code": code}]}}],
    }


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(
            f"{BASE}/metadata",
            json=statement(
                **dict.fromkeys(
                    ("Condition", "Observation", "MedicationRequest", "Medication", "Patient"), ("patient", "category")
                )
            ),
        )
        mock.get(f"{BASE}/Patient/p1", json={"resourceType": "Patient", "id": "p1"})
        for kind in ("Condition", "Observation", "MedicationRequest", "Medication", "Patient"):
            mock.post(f"{BASE}/{kind}/_search", status=405)
        yield mock


@pytest.fixture
def source() -> Iterator[ServerSource]:
    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        yield ServerSource(server, ["p1"])


def only(source: ServerSource, needs: Needs = CONDITIONS) -> Any:
    (found,) = source.patients(needs)
    return found


def test_a_type_read_entirely_is_fetched_and_a_type_not_asked_for_says_so(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    """DATA-19."""
    http.get(f"{BASE}/Condition", json=bundle(resource("Condition", "c1")))

    found = only(source)

    assert found.states == {"Condition": LoadState.FETCHED}
    assert found.default_state is LoadState.NOT_ASKED
    assert found.by_reference["Condition/c1"] is found.by_reference[f"{BASE}/Condition/c1"]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"status": 401}, LoadState.NOT_AUTHORISED),
        ({"status": 403}, LoadState.NOT_AUTHORISED),
        ({"status": 403, "json": remark("4130", "fatal")}, LoadState.RESTRICTED),
        ({"status": 500}, LoadState.FAILED),
        ({"status": 400}, LoadState.FAILED),
        ({"json": remark("processing", "error")}, LoadState.FAILED),
        ({"json": remark("4130", "fatal")}, LoadState.RESTRICTED),
        ({"json": bundle(remark("4134", "information"))}, LoadState.RESTRICTED),
        ({"json": bundle(remark("4119", "warning"))}, LoadState.RESTRICTED),
        ({"json": bundle(remark("59133", "warning"))}, LoadState.PARTIAL),
        ({"json": bundle(remark("x", "error"))}, LoadState.FAILED),
        ({"json": bundle(remark("59100", "warning"))}, LoadState.FETCHED),
        ({"json": bundle(resource("Condition", "c1"), next_link="https://evil.invalid/2")}, LoadState.PARTIAL),
    ],
)
def test_what_an_answer_means_for_the_type(
    http: responses.RequestsMock, source: ServerSource, answer: dict[str, Any], state: LoadState
) -> None:
    """DATA-07, DATA-10, DATA-19, DATA-26, DATA-27."""
    http.get(f"{BASE}/Condition", **answer)

    found = only(source)

    assert found.states == {"Condition": state}
    assert bool(found.issues) is (state is not LoadState.FETCHED)


def test_a_type_that_the_server_does_not_offer_is_not_asked_for(http: responses.RequestsMock, source: ServerSource) -> None:
    found = only(source, Needs.of(Need("MedicationStatement")))

    assert found.states == {"MedicationStatement": LoadState.NOT_ASKED}


@pytest.mark.parametrize("subject", ["Patient/p2", None, "https://other.invalid/fhir/Patient/p1", "Group/p1", "#p1"])
def test_data_of_somebody_else_is_dropped_and_reported(
    http: responses.RequestsMock, source: ServerSource, subject: str | None
) -> None:
    """DATA-47, R33."""
    http.get(f"{BASE}/Condition", json=bundle(resource("Condition", "c1"), resource("Condition", "c2", subject)))

    found = only(source)

    assert [each["id"] for each in found.resources] == ["c1"]
    assert [issue.code for issue in found.issues] == ["wrong-patient"]
    assert source.report.counts.total() == 1


@pytest.mark.parametrize("subject", ["Patient/p1", f"{BASE}/Patient/p1", "Patient/p1/_history/3"])
def test_the_patients_own_data_is_kept_however_it_is_filed(
    http: responses.RequestsMock, source: ServerSource, subject: str
) -> None:
    http.get(f"{BASE}/Condition", json=bundle(resource("Condition", "c1", subject)))

    assert [each["id"] for each in only(source).resources] == ["c1"]


def test_a_resource_is_known_under_every_base_of_its_server(http: responses.RequestsMock) -> None:
    """DATA-23: so that evidence names it by type and id, however the server writes its references."""
    inner = "http://inner.example.invalid:8080/fhir"
    drug = {"concept": {"reference": f"{inner}/Medication/m1"}}
    http.get(f"{BASE}/Condition", json=bundle(resource("Condition", "c1", f"{inner}/Patient/p1", **drug)))
    http.get(f"{BASE}/Medication", json=bundle({"resourceType": "Medication", "id": "m1"}))

    with FhirServer(ServerSettings(BASE, aliases=(inner,), retries=0)) as server:
        found = only(ServerSource(server, ["p1"]))

    read = References(found)
    assert read.find(f"{inner}/Medication/m1") == {"resourceType": "Medication", "id": "m1"}
    assert [read.plain(f"{base}/Practitioner/d7/_history/2") for base in (BASE, inner)] == ["Practitioner/d7"] * 2
    assert (
        read.plain("https://other.example.invalid/fhir/Practitioner/d7") == "https://other.example.invalid/fhir/Practitioner/d7"
    )


def test_a_server_that_ignores_the_patient_is_not_believed(http: responses.RequestsMock, source: ServerSource) -> None:
    """DATA-05, DATA-06."""
    answer = bundle(
        resource("Condition", "c1"), resource("Condition", "c2", "Patient/p2"), self_link=f"{BASE}/Condition?status=x"
    )
    http.get(f"{BASE}/Condition", json=answer)

    found = only(source)

    assert found.resources == ()
    assert found.states == {"Condition": LoadState.FAILED}


def test_duplicates_across_pages_count_once_and_the_higher_version_wins(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    """DATA-16."""
    old, new = (resource("Condition", "c1", meta={"versionId": version}) for version in ("9", "10"))
    http.get(f"{BASE}/Condition", json=bundle(new, old))

    (kept,) = only(source).resources

    assert kept["meta"]["versionId"] == "10"


@pytest.mark.parametrize("before", range(2, 9))
def test_the_kill_switch_ends_a_pull_and_leaves_no_half_of_a_record(http: responses.RequestsMock, before: int) -> None:
    """SEC-60: a record whose pull was stopped is no record with gaps, on which a verdict could rest."""
    http.get(f"{BASE}/Condition", json=bundle(resource("Condition", "c1"), next_link=f"{BASE}/Condition?page=2"))
    http.get(f"{BASE}/Condition?page=2", json=bundle(resource("Condition", "c2", x={"reference": "Medication/m1"})))
    http.get(f"{BASE}/Observation", status=400)
    http.get(f"{BASE}/Medication", status=400)
    http.get(f"{BASE}/Medication/m1", json={"resourceType": "Medication", "id": "m1"})
    asked: list[int] = []

    def halted() -> bool:
        asked.append(1)
        return len(asked) > before

    with FhirServer(ServerSettings(BASE, retries=0), halted=halted) as server, pytest.raises(StoppedError):
        only(ServerSource(server, ["p1"], codes=["http://loinc.org|777-3"]), Needs.of(*CONDITIONS.needs, *LABS.needs))
    assert len(http.calls) == before


# --- observations ------------------------------------------------------------------


def test_observations_are_asked_for_by_category_and_then_for_all_others() -> None:
    """DATA-14, DATA-15."""
    needs = Needs.of(
        Need("Observation", categories=("laboratory",)), Need("Observation", categories=("vital-signs", "laboratory"))
    )

    searches = plan(needs).of("Observation").searches

    assert [search.filters for search in searches] == [
        (("category", "laboratory"),),
        (("category", "vital-signs"),),
        (("category:not", "laboratory,vital-signs"),),
    ]
    assert [search.optional for search in searches] == [False, False, True]


def test_a_need_without_category_asks_for_every_one() -> None:
    (planned,) = plan(Needs.of(Need("Observation"), Need("Medication"), Need("Patient"))).types

    assert planned.resource_type == "Observation"
    assert (("category", "laboratory"),) in [search.filters for search in planned.searches]


@pytest.mark.parametrize(
    ("status", "state"),
    [(400, LoadState.FETCHED), (501, LoadState.FETCHED), (503, LoadState.FAILED), (403, LoadState.NOT_AUTHORISED)],
)
def test_a_server_that_does_not_know_the_search_for_all_others_leaves_no_gap(
    http: responses.RequestsMock, source: ServerSource, status: int, state: LoadState
) -> None:
    known = {"patient": "p1", "_count": "200"}
    http.get(
        f"{BASE}/Observation",
        json=bundle(resource("Observation", "o1")),
        match=[matchers.query_param_matcher({**known, "category": "laboratory"})],
    )
    http.get(f"{BASE}/Observation", status=status, match=[matchers.query_param_matcher({**known, "category:not": "laboratory"})])
    http.get(f"{BASE}/Observation", status=400, match=[matchers.query_param_matcher(known)])

    found = only(source, Needs.of(Need("Observation", categories=("laboratory",))))

    assert found.states == {"Observation": state}
    assert [each["id"] for each in found.resources] == ["o1"]


def test_where_a_type_has_no_search_by_patient_it_is_searched_by_subject(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    http.replace("GET", f"{BASE}/metadata", json=statement(Condition=("subject",)))
    http.get(
        f"{BASE}/Condition",
        json=bundle(resource("Condition", "c1")),
        match=[matchers.query_param_matcher({"subject": "Patient/p1", "_count": "200"})],
    )

    assert only(source).states == {"Condition": LoadState.FETCHED}


# --- references -----------------------------------------------------------------------

ORDERS = Needs.of(Need("MedicationRequest"))


def order(identity: str, drug: str) -> dict[str, Any]:
    return resource("MedicationRequest", identity, medicationReference={"reference": drug})


def test_medications_are_read_in_one_batch(http: responses.RequestsMock, source: ServerSource) -> None:
    """DATA-32."""
    orders = [
        order("m1", "Medication/a"),
        order("m2", f"{BASE}/Medication/b"),
        order("m3", "Medication/a/_history/1"),
        order("m4", "#c"),
    ]
    http.get(f"{BASE}/MedicationRequest", json=bundle(*orders))
    batch = http.get(
        f"{BASE}/Medication",
        json=bundle(*(resource("Medication", each, None) for each in "abx")),
        match=[matchers.query_param_matcher({"_id": "a,b", "_count": "200"})],
    )

    found = only(source, ORDERS)

    assert sorted(each["id"] for each in found.resources) == ["a", "b", "m1", "m2", "m3", "m4"]
    assert batch.call_count == 1


@pytest.mark.parametrize(("status", "state"), [(404, None), (403, LoadState.NOT_AUTHORISED), (500, LoadState.FAILED)])
def test_a_server_that_only_reads_medications_is_asked_one_by_one(
    http: responses.RequestsMock, source: ServerSource, status: int, state: LoadState | None
) -> None:
    http.get(f"{BASE}/MedicationRequest", json=bundle(order("m1", "Medication/a"), order("m2", "Medication/b")))
    http.get(f"{BASE}/Medication", status=400)
    http.get(f"{BASE}/Medication/a", json=resource("Medication", "a", None))
    http.get(f"{BASE}/Medication/b", status=status)

    found = only(source, ORDERS)

    assert sorted(each["id"] for each in found.resources) == ["a", "m1", "m2"]
    assert found.states.get("Medication") == state


def test_a_report_result_of_another_patient_is_not_followed_into_the_record(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    report = resource(
        "Condition", "c1", evidence=[{"detail": [{"reference": "Observation/o1"}, {"reference": "Observation/o2"}]}]
    )
    http.get(f"{BASE}/Condition", json=bundle(report))
    http.get(f"{BASE}/Observation", json=bundle(resource("Observation", "o1"), resource("Observation", "o2", "Patient/p2")))

    assert sorted(each["id"] for each in only(source).resources) == ["c1", "o1"]


# --- patients -------------------------------------------------------------------------


def test_every_patient_is_screened_when_none_is_named(http: responses.RequestsMock) -> None:
    patients = [{"resourceType": "Patient", "id": name} for name in ("p2", "p10", "p1")]
    http.get(f"{BASE}/Patient", json=bundle(*patients))
    http.get(f"{BASE}/Condition", json=bundle())

    with FhirServer(BASE) as server:
        assert [found.reference for found in ServerSource(server).patients(CONDITIONS)] == [
            "Patient/p1",
            "Patient/p10",
            "Patient/p2",
        ]


def test_one_patient_of_several_who_is_not_there_is_told_and_the_others_are_read(http: responses.RequestsMock) -> None:
    http.get(f"{BASE}/Patient/p0", status=404)
    http.get(f"{BASE}/Condition", json=bundle())

    with FhirServer(BASE) as server:
        source = ServerSource(server, ["Patient/p0", "p1"])
        assert [found.reference for found in source.patients(CONDITIONS)] == ["Patient/p1"]
    assert source.report.counts == {"patient-not-found": 1}


@pytest.mark.parametrize("answer", [{"status": 403}, {"status": 403, "json": remark("4131", "fatal")}])
def test_one_protected_patient_of_several_does_not_stop_the_others(http: responses.RequestsMock, answer: dict[str, Any]) -> None:
    """DATA-27: marked, not asked for again."""
    refused = http.get(f"{BASE}/Patient/p0", **answer)
    http.get(f"{BASE}/Condition", json=bundle())

    with FhirServer(BASE) as server:
        source = ServerSource(server, ["p0", "p1"])
        assert [found.reference for found in source.patients(CONDITIONS)] == ["Patient/p1"]
    assert source.report.counts.total() == 1
    assert refused.call_count == 1


@pytest.mark.parametrize("answer", [{"status": 404}, {"json": {"resourceType": "Patient", "id": "p9"}}, {"status": 302}])
def test_a_patient_who_is_not_there_or_was_merged_is_not_found(
    http: responses.RequestsMock, source: ServerSource, answer: dict[str, Any]
) -> None:
    """DATA-45, R33."""
    http.replace("GET", f"{BASE}/Patient/p1", **answer)

    with pytest.raises(PatientNotFoundError):
        list(source.patients(CONDITIONS))
    with pytest.raises(PatientNotFoundError):
        source.patient("Patient/p1", CONDITIONS)


@pytest.mark.parametrize(("status", "error"), [(503, TemporaryServerError), (401, FatalServerError)])
def test_a_server_that_does_not_let_a_patient_be_read_is_an_error(
    http: responses.RequestsMock, source: ServerSource, status: int, error: type[Exception]
) -> None:
    http.replace("GET", f"{BASE}/Patient/p1", status=status)

    with pytest.raises(error):
        list(source.patients(CONDITIONS))


def test_more_references_than_the_limit_make_the_type_partial(
    http: responses.RequestsMock, source: ServerSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_trial.sources.following._MOST_OF_A_TYPE", 1)
    http.get(f"{BASE}/MedicationRequest", json=bundle(order("m1", "Medication/a"), order("m2", "Medication/b")))
    http.get(f"{BASE}/Medication", json=bundle(resource("Medication", "a", None)))

    found = only(source, ORDERS)

    assert sorted(each["id"] for each in found.resources) == ["a", "m1", "m2"]
    assert found.states["Medication"] is LoadState.PARTIAL


def test_a_specimen_is_read_only_for_a_result_without_a_date(http: responses.RequestsMock, source: ServerSource) -> None:
    dated = resource("Condition", "c1", effectiveDateTime="2026-01-01", specimen={"reference": "Specimen/s1"})
    undated = resource("Condition", "c2", specimen={"reference": "Specimen/s2"})
    http.get(f"{BASE}/Condition", json=bundle(dated, undated))
    http.get(
        f"{BASE}/Specimen",
        json=bundle(resource("Specimen", "s2")),
        match=[matchers.query_param_matcher({"_id": "s2", "_count": "200"})],
    )

    assert sorted(each["id"] for each in only(source).resources) == ["c1", "c2", "s2"]


def test_a_list_of_patients_that_breaks_off_is_an_error_and_not_a_short_list(http: responses.RequestsMock) -> None:
    http.get(f"{BASE}/Patient", json=bundle({"resourceType": "Patient", "id": "p1"}, next_link="https://evil.invalid/2"))

    with FhirServer(BASE) as server, pytest.raises(FatalServerError, match="aliases"):
        list(ServerSource(server).patients(CONDITIONS))


def test_a_resource_without_id_is_dropped_and_counted(http: responses.RequestsMock, source: ServerSource) -> None:
    http.get(f"{BASE}/Condition", json=bundle({"resourceType": "Condition", "subject": {"reference": "Patient/p1"}}))

    assert only(source).resources == ()
    assert source.report.counts == {"not-a-resource": 1}


# --- what a server makes of a filter ---------------------------------------------------

LABS = Needs.of(Need("Observation", categories=("laboratory",)))
KNOWN = {"patient": "p1", "_count": "200"}


def labelled(identity: str, *categories: str, **more: Any) -> dict[str, Any]:
    return resource("Observation", identity, category=[{"coding": [{"code": code}]} for code in categories], **more)


def answer_to(http: responses.RequestsMock, asked: dict[str, str], **answer: Any) -> responses.BaseResponse:
    found: responses.BaseResponse = http.get(
        f"{BASE}/Observation", match=[matchers.query_param_matcher({**KNOWN, **asked})], **answer
    )
    return found


def test_a_category_that_is_refused_falls_back_to_the_whole_type_once_for_all_patients(http: responses.RequestsMock) -> None:
    """DATA-14, DATA-20."""
    http.get(f"{BASE}/Patient/p2", json={"resourceType": "Patient", "id": "p2"})
    refused = answer_to(http, {"category": "laboratory"}, status=400)
    answer_to(http, {}, json=bundle(labelled("o1"), labelled("o2", "vital-signs"), labelled("o3", "laboratory")))
    answer_to(http, {"patient": "p2"}, json=bundle())

    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        source = ServerSource(server, ["p1", "p2"])
        first, second = source.patients(LABS)

    assert [each["id"] for each in first.resources] == ["o1", "o2", "o3"]
    assert [issue.code for issue in first.issues] == ["filter-refused"]
    assert first.states == second.states == {"Observation": LoadState.FETCHED}
    assert refused.call_count == 1
    assert [(each.count, each.refusal is None) for each in source.searched] == [(0, False), (3, True), (0, True)]


def test_a_category_that_is_ignored_brings_the_whole_type_and_is_noted(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    """DATA-05, DATA-06."""
    whole = bundle(
        labelled("o1", "laboratory"), labelled("o2"), labelled("o3", "exam"), self_link=f"{BASE}/Observation?patient=p1"
    )
    ignored = http.get(f"{BASE}/Observation", json=whole)

    found = only(source, LABS)

    assert [each["id"] for each in found.resources] == ["o1", "o2", "o3"]
    assert [issue.code for issue in found.issues] == ["filter-ignored"]
    assert found.states == {"Observation": LoadState.FETCHED}
    assert ignored.call_count == 1


def test_what_answers_another_category_than_asked_is_left_to_the_search_that_asks_for_it(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    """DATA-06: what has no coded category cannot be judged, and stays."""
    answer_to(
        http, {"category": "laboratory"}, json=bundle(labelled("o1", "vital-signs"), labelled("o2"), labelled("o3", "laboratory"))
    )
    answer_to(http, {"category:not": "laboratory"}, json=bundle())

    assert [each["id"] for each in only(source, LABS).resources] == ["o2", "o3"]


@pytest.mark.parametrize("code", ["4130", "4131"])
def test_a_record_withheld_from_the_last_search_is_restricted_though_that_search_is_optional(
    http: responses.RequestsMock, source: ServerSource, code: str
) -> None:
    """DATA-19, DATA-27."""
    answer_to(http, {"category": "laboratory"}, json=bundle(labelled("o1", "laboratory")))
    answer_to(http, {"category:not": "laboratory"}, status=403, json=remark(code, "fatal"))

    assert only(source, LABS).states == {"Observation": LoadState.RESTRICTED}


def test_a_last_search_that_brings_other_peoples_data_makes_the_type_failed(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    """DATA-05, DATA-47."""
    answer_to(http, {"category": "laboratory"}, json=bundle(labelled("o1", "laboratory")))
    other = resource("Observation", "o2", "Patient/p2")
    answer_to(http, {"category:not": "laboratory"}, json=bundle(other, self_link=f"{BASE}/Observation?category:not=laboratory"))

    found = only(source, LABS)

    assert [each["id"] for each in found.resources] == ["o1"]
    assert found.states == {"Observation": LoadState.FAILED}


# --- panels and reports --------------------------------------------------------------------


def test_members_of_a_panel_and_results_of_a_report_are_fetched_when_absent_each_once(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    """DATA-32, DATA-63."""
    panel = labelled("panel", "laboratory", hasMember=[{"reference": "Observation/m1"}, {"reference": "Observation/m2"}])
    report = resource("DiagnosticReport", "r1", result=[{"reference": "Observation/m1"}, {"reference": "Observation/panel"}])
    http.replace(
        "GET",
        f"{BASE}/metadata",
        json=statement(Observation=("patient", "category"), DiagnosticReport=("patient",), Patient=("patient",)),
    )
    http.post(f"{BASE}/DiagnosticReport/_search", status=405)
    http.get(f"{BASE}/DiagnosticReport", json=bundle(report))
    answer_to(http, {"category": "laboratory"}, json=bundle(panel))
    answer_to(http, {"category:not": "laboratory"}, json=bundle())
    derived = {"derivedFrom": [{"reference": "Observation/d1"}]}
    members = bundle(labelled("m1", "laboratory", **derived), labelled("m2", "laboratory"))
    ids = http.get(f"{BASE}/Observation", json=members, match=[matchers.query_param_matcher({"_id": "m1,m2", "_count": "200"})])
    http.get(
        f"{BASE}/Observation",
        json=bundle(labelled("d1", "laboratory")),
        match=[matchers.query_param_matcher({"_id": "d1", "_count": "200"})],
    )

    found = only(source, Needs.of(Need("Observation", categories=("laboratory",)), Need("DiagnosticReport")))

    assert sorted(each["id"] for each in found.resources) == ["d1", "m1", "m2", "panel", "r1"]
    assert found.states == {"DiagnosticReport": LoadState.FETCHED, "Observation": LoadState.FETCHED}
    assert ids.call_count == 1


def test_a_chain_of_references_longer_than_is_followed_makes_the_type_partial(
    http: responses.RequestsMock, source: ServerSource
) -> None:
    """DATA-32: a cap is told."""
    answer_to(
        http, {"category": "laboratory"}, json=bundle(labelled("o0", "laboratory", derivedFrom=[{"reference": "Observation/o1"}]))
    )
    answer_to(http, {"category:not": "laboratory"}, json=bundle())
    for number in range(1, 5):
        link = [{"reference": f"Observation/o{number + 1}"}]
        http.get(
            f"{BASE}/Observation",
            json=bundle(labelled(f"o{number}", "laboratory", derivedFrom=link)),
            match=[matchers.query_param_matcher({"_id": f"o{number}", "_count": "200"})],
        )

    found = only(source, LABS)

    assert sorted(each["id"] for each in found.resources) == ["o0", "o1", "o2", "o3"]
    assert found.states == {"Observation": LoadState.PARTIAL}


def test_a_server_that_ignores_the_ids_is_asked_one_by_one(http: responses.RequestsMock, source: ServerSource) -> None:
    """DATA-05, DATA-32."""
    http.get(f"{BASE}/MedicationRequest", json=bundle(order("m1", "Medication/a")))
    everything = bundle(resource("Medication", "x", None), self_link=f"{BASE}/Medication?_count=200")
    http.get(f"{BASE}/Medication", json=everything)
    http.get(f"{BASE}/Medication/a", json=resource("Medication", "a", None))

    assert sorted(each["id"] for each in only(source, ORDERS).resources) == ["a", "m1"]


# --- what was granted ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("granted", "state", "asked"),
    [
        ("system/Condition.rs", LoadState.FETCHED, 1),
        ("system/*.read", LoadState.FETCHED, 1),
        ("system/Condition.rs?category=problem-list-item", LoadState.PARTIAL, 1),
        ("system/Condition.r", LoadState.NOT_AUTHORISED, 0),
        ("system/Patient.rs", LoadState.NOT_AUTHORISED, 0),
    ],
)
def test_a_type_that_the_scopes_leave_out_is_not_asked_for_and_a_granular_one_proves_no_absence(
    http: responses.RequestsMock,
    source: ServerSource,
    monkeypatch: pytest.MonkeyPatch,
    granted: str,
    state: LoadState,
    asked: int,
) -> None:
    """DATA-19, DATA-26, SMART-24, SMART-31."""
    monkeypatch.setattr(FhirServer, "granted_scopes", read_scopes(granted))
    search = http.get(f"{BASE}/Condition", json=bundle())

    assert only(source).states == {"Condition": state}
    assert search.call_count == asked
