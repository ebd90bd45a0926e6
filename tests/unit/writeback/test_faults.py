"""Writing to a server that misbehaves: WB-02, WB-04, WB-07, WB-14, WB-23; the decision about a subject, case by case."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import responses
from responses import matchers

from fhir_trial.errors import FatalServerError, TemporaryServerError, WriteRefusedError
from fhir_trial.transport import FhirServer, ServerSettings
from fhir_trial.verdict.model import Overall
from fhir_trial.writeback import Action, MemoryOutbox, Observations, WriteBack, Writer, WriteResult, WriteSettings
from fhir_trial.writeback.decisions import decide_subject
from fhir_trial.writeback.identifiers import subject_value
from fhir_trial.writeback.shapes import research_subject
from tests.unit.writeback.verdicts import not_eligible, trial, verdict

BASE = "https://ehr.example.invalid/fhir"
OURS = "https://trials.hospital.invalid"
NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
SETTINGS = WriteSettings(WriteBack.WORK_LIST, create_study=False, observations=Observations.WITH_SUBJECT, base=OURS)
VALUE = subject_value("default", "NCT00000000", "Patient/p1")
STUDY = {
    "resourceType": "ResearchStudy",
    "id": "s1",
    "identifier": [{"system": "https://clinicaltrials.gov/nctid", "value": "NCT00000000"}],
}


def statement(*interactions: str) -> dict[str, Any]:
    kinds = ("ResearchSubject", "Observation", "ResearchStudy")
    resources = [{"type": kind, "interaction": [{"code": code} for code in interactions]} for kind in kinds]
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": resources}]}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": each} for each in resources]}


def stored(status: str = "potential-candidate", version: str = "1", **more: Any) -> dict[str, Any]:
    made = research_subject(OURS, VALUE, status, "ResearchStudy/s1", "Patient/p1")
    return {**made, "id": "7", "meta": {"versionId": version}, **more}


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE}/metadata", json=statement("create", "update"))
        mock.get(f"{BASE}/Patient/p1", json={"resourceType": "Patient", "id": "p1"})
        mock.get(f"{BASE}/ResearchStudy", json=bundle(STUDY))
        mock.get(f"{BASE}/Observation", json=bundle())
        yield mock


def write(settings: WriteSettings = SETTINGS, **changes: Any) -> tuple[WriteResult, ...]:
    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        return Writer(server, settings, software="fhir-trial 0.1.0").write(verdict(**changes), trial(), now=NOW)


def subject_result(http: responses.RequestsMock) -> WriteResult:
    """The result for the subject, where the Observation that follows goes well."""
    created = {"resourceType": "Observation", "id": "o7", "meta": {"versionId": "1"}}
    http.post(f"{BASE}/Observation", status=201, json=created)
    http.get(f"{BASE}/Observation/o7", json=created)
    return write()[1]


def test_a_conflict_on_create_is_settled_by_reading_again(http: responses.RequestsMock) -> None:
    """HAPI answers 409 to the losers of a race, others 412."""
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.get(f"{BASE}/ResearchSubject", json=bundle(stored()))
    http.post(f"{BASE}/ResearchSubject", status=409)

    result = subject_result(http)

    assert (result.reference, result.action) == ("ResearchSubject/7", Action.UNCHANGED)


def test_a_conflict_that_does_not_end_is_withheld(http: responses.RequestsMock) -> None:
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.post(f"{BASE}/ResearchSubject", status=412)

    result = write()[1]

    assert (result.action, result.reason) == (Action.WITHHELD, "Somebody else is writing it now.")


def test_after_a_time_out_the_server_is_searched_before_anything_is_sent_again(http: responses.RequestsMock) -> None:
    """WB-04: the write had arrived."""
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.get(f"{BASE}/ResearchSubject", json=bundle(stored()))
    sent = http.post(f"{BASE}/ResearchSubject", body=requests.Timeout())

    result = subject_result(http)

    assert (result.reference, result.action) == ("ResearchSubject/7", Action.UNCHANGED)
    assert sent.call_count == 1


def test_a_server_that_stays_away_is_an_error(http: responses.RequestsMock) -> None:
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.post(f"{BASE}/ResearchSubject", status=503)

    with pytest.raises(TemporaryServerError):
        write()


def test_a_create_carries_its_condition_and_is_read_back(http: responses.RequestsMock) -> None:
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    condition = matchers.header_matcher({"If-None-Exist": f"identifier={OURS}/research-subject|{VALUE}"})
    http.post(
        f"{BASE}/ResearchSubject", status=201, headers={"Location": f"{BASE}/ResearchSubject/7/_history/1"}, match=[condition]
    )
    http.get(f"{BASE}/ResearchSubject/7", json=stored())

    result = subject_result(http)

    assert (result.reference, result.action, result.reason) == (
        "ResearchSubject/7",
        Action.CREATED,
        "Undecided: for the work list.",
    )


def test_what_the_server_did_not_keep_is_named(http: responses.RequestsMock) -> None:
    """WB-23."""
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.post(f"{BASE}/ResearchSubject", status=201, headers={"Location": "ResearchSubject/7"})
    kept = stored()
    del kept["identifier"]
    http.get(f"{BASE}/ResearchSubject/7", json=kept)

    assert subject_result(http).reason.endswith("The server did not keep: ResearchSubject.identifier.")


def test_what_a_person_made_of_it_before_the_read_back_is_not_remembered_as_ours(http: responses.RequestsMock) -> None:
    """The machine remembers the version that it wrote, never a later one that it happens to read."""
    outbox = MemoryOutbox()
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.post(f"{BASE}/ResearchSubject", status=201, json=stored(version="1"), headers={"Location": "ResearchSubject/7"})
    http.get(f"{BASE}/ResearchSubject/7", json=stored("ineligible", "2"))
    created = {"resourceType": "Observation", "id": "o7", "meta": {"versionId": "1"}}
    http.post(f"{BASE}/Observation", status=201, json=created)
    http.get(f"{BASE}/Observation/o7", json=created)

    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        Writer(server, SETTINGS, software="fhir-trial test", outbox=outbox).write(verdict(), trial(), now=NOW)

    assert outbox.version("default", BASE, "ResearchSubject/7") == "1"


def test_a_write_that_cannot_be_read_back_is_an_error(http: responses.RequestsMock) -> None:
    """WB-07."""
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.post(f"{BASE}/ResearchSubject", status=201, headers={"Location": "ResearchSubject/7"})
    http.get(f"{BASE}/ResearchSubject/7", status=404)

    with pytest.raises(FatalServerError, match="does not show it"):
        write()


def test_a_create_that_says_no_place_is_found_by_its_identifier(http: responses.RequestsMock) -> None:
    """WB-16, WB-07: 201 with neither Location nor body."""
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.get(f"{BASE}/ResearchSubject", json=bundle(stored()))
    http.post(f"{BASE}/ResearchSubject", status=201)
    http.get(f"{BASE}/ResearchSubject/7", json=stored())

    result = subject_result(http)

    assert (result.reference, result.action) == ("ResearchSubject/7", Action.CREATED)


@pytest.mark.parametrize("headers", [{}, {"Location": f"{BASE}/ResearchSubject/7/_history/2"}, {"ETag": 'W/"2"'}])
def test_an_update_that_is_answered_with_nothing_was_an_update(http: responses.RequestsMock, headers: dict[str, str]) -> None:
    """WB-16: 200 or 204 with an empty body; where it went is known."""
    http.get(f"{BASE}/ResearchSubject", json=bundle(stored()))
    sent = http.put(f"{BASE}/ResearchSubject/7", status=200, headers=headers)
    http.get(f"{BASE}/ResearchSubject/7", json=stored("ineligible", "2"))
    created = {"resourceType": "Observation", "id": "o7", "meta": {"versionId": "1"}}
    http.post(f"{BASE}/Observation", status=201, json=created)
    http.get(f"{BASE}/Observation/o7", json=created)
    outbox = MemoryOutbox()

    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        one = Writer(server, SETTINGS, software="fhir-trial test", outbox=outbox)
        result = one.write(not_eligible(), trial(), now=NOW)[1]

    assert (result.reference, result.action) == ("ResearchSubject/7", Action.UPDATED)
    assert sent.calls[0].request.headers["If-Match"] == 'W/"1"'
    assert outbox.version("default", BASE, "ResearchSubject/7") == "2"


def test_a_conditional_create_that_found_one_is_not_called_created(http: responses.RequestsMock) -> None:
    """WB-12: 200 means that it was there."""
    http.get(f"{BASE}/ResearchSubject", json=bundle())
    http.post(f"{BASE}/ResearchSubject", status=200, json=stored())
    http.get(f"{BASE}/ResearchSubject/7", json=stored())

    assert subject_result(http).action is Action.UNCHANGED


def test_what_the_server_does_not_offer_is_not_tried(http: responses.RequestsMock) -> None:
    """WB-02."""
    http.replace("GET", f"{BASE}/metadata", json=statement("read"))
    http.get(f"{BASE}/ResearchSubject", json=bundle())

    result = write()[1]

    assert (result.action, result.reason) == (Action.WITHHELD, "The server does not offer create of ResearchSubject.")


def test_a_search_that_was_cut_short_is_no_ground_for_a_write(http: responses.RequestsMock) -> None:
    cut = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "incomplete"}]}
    http.get(f"{BASE}/ResearchSubject", json=bundle(cut))

    with pytest.raises(FatalServerError, match="cut short"):
        write()


def test_the_search_is_matched_again_locally(http: responses.RequestsMock) -> None:
    """A server that ignores the parameter answers with everything."""
    stranger = {**STUDY, "id": "s0", "identifier": [{"system": "https://clinicaltrials.gov/nctid", "value": "NCT99999999"}]}
    http.replace("GET", f"{BASE}/ResearchStudy", json=bundle(stranger, STUDY))
    http.get(
        f"{BASE}/ResearchSubject",
        json=bundle(stored(individual={"reference": "Patient/p2"}, identifier=[{"system": "x", "value": "y"}])),
    )
    http.post(f"{BASE}/ResearchSubject", status=412)

    study, subject = write()[:2]

    assert study.reference == "ResearchStudy/s1"
    assert subject.reason == "Somebody else is writing it now."


def test_two_studies_with_the_same_number_stop_everything(http: responses.RequestsMock) -> None:
    http.replace("GET", f"{BASE}/ResearchStudy", json=bundle(STUDY, {**STUDY, "id": "s2"}))

    (only,) = write()

    assert only.action is Action.WITHHELD


@pytest.mark.parametrize("version", ["3.0.2", "6.0.0", "45.0", None])
def test_a_server_of_another_fhir_version_is_not_written_to(http: responses.RequestsMock, version: str | None) -> None:
    """WB-25."""
    http.replace("GET", f"{BASE}/metadata", json={**statement("create"), "fhirVersion": version})

    (only,) = write()

    assert only.reason == "The server speaks neither FHIR R4 nor R5."


def test_a_patient_known_only_from_a_file_is_not_written_to(http: responses.RequestsMock) -> None:
    (only,) = write(patient="urn:uuid:x")

    assert only.action is Action.WITHHELD


def test_the_example_base_is_refused_before_anything_is_read() -> None:
    with FhirServer(BASE) as server, pytest.raises(WriteRefusedError):
        Writer(server, WriteSettings(), software="fhir-trial 0.1.0")


# --- the decision ---------------------------------------------------------------------

ELIGIBLE, NOT, UNDECIDED = Overall.POTENTIALLY_ELIGIBLE, Overall.NOT_ELIGIBLE, Overall.INDETERMINATE
#  held                            version written  overall     work-list   candidates
DECISIONS = [
    (None,                         None,            ELIGIBLE,   "created",   "created"),
    (None,                         None,            UNDECIDED,  "created",   "withheld"),
    (None,                         None,            NOT,        "withheld",  "withheld"),
    (stored(),                     None,            ELIGIBLE,   "unchanged", "unchanged"),
    (stored(),                     None,            UNDECIDED,  "unchanged", "unchanged"),
    (stored(),                     None,            NOT,        "updated",   "updated"),
    (stored(version="3"),          None,            NOT,        "withheld",  "withheld"),
    (stored(version="3"),          "3",             NOT,        "updated",   "updated"),
    (stored(version="3"),          "2",             NOT,        "withheld",  "withheld"),
    (stored(meta={}),              None,            NOT,        "withheld",  "withheld"),  # no version, no If-Match
    (stored("ineligible", meta={}), None,           ELIGIBLE,   "withheld",  "withheld"),
    (stored("ineligible", "2"),    "2",             ELIGIBLE,   "updated",   "updated"),
    (stored("ineligible", "2"),    "2",             UNDECIDED,  "updated",   "unchanged"),
    (stored("ineligible", "2"),    "2",             NOT,        "unchanged", "unchanged"),
    (stored("ineligible", "2"),    None,            ELIGIBLE,   "withheld",  "withheld"),
    (stored("ineligible", "3"),    "2",             ELIGIBLE,   "withheld",  "withheld"),
    (stored("candidate"),          "1",             NOT,        "withheld",  "withheld"),
    (stored("on-study"),           "1",             ELIGIBLE,   "withheld",  "withheld"),
    (stored(consent={"reference": "Consent/1"}), "1", NOT,      "withheld",  "withheld"),
    (stored(study={"reference": "ResearchStudy/s2"}), "1", NOT, "withheld",  "withheld"),
]  # fmt: skip


@pytest.mark.parametrize(("held", "known", "overall", "work_list", "candidates"), DECISIONS)
def test_what_becomes_of_the_subject(
    held: dict[str, Any] | None, known: str | None, overall: Overall, work_list: str, candidates: str
) -> None:
    wanted = research_subject(OURS, VALUE, "potential-candidate", "ResearchStudy/s1", "Patient/p1")
    ours = [held] if held else []
    written = {"ResearchSubject/7": known} if known else {}

    for setting, expected in ((WriteBack.WORK_LIST, work_list), (WriteBack.CANDIDATES, candidates), (WriteBack.OFF, "withheld")):
        decision = decide_subject(overall, setting, wanted, ours=ours, others=[], written=written)
        assert str(decision.action) == expected
        assert (decision.resource is not None) is (expected in ("created", "updated"))
        if expected == "updated":
            assert decision.version == (held or {})["meta"].get("versionId")


def test_two_subjects_with_our_identifier_and_one_of_somebody_elses_are_a_persons_affair() -> None:
    wanted = research_subject(OURS, VALUE, "potential-candidate", "ResearchStudy/s1", "Patient/p1")

    twice = decide_subject(ELIGIBLE, WriteBack.WORK_LIST, wanted, ours=[stored(), stored(id="8")], others=[], written={})
    others = decide_subject(ELIGIBLE, WriteBack.WORK_LIST, wanted, ours=[], others=[stored("on-study")], written={})

    assert (twice.action, others.action) == (Action.WITHHELD, Action.WITHHELD)
    assert "on-study" in others.reason


def test_a_result_is_shown_in_the_form_of_the_contract() -> None:
    """VER-20."""
    plain = WriteResult("ResearchSubject/1", Action.CREATED, "New.")
    dry = WriteResult("ResearchSubject?identifier=s|v", Action.CREATED, "New.", {"resourceType": "ResearchSubject"})

    assert plain.as_json() == {"reference": "ResearchSubject/1", "action": "created", "reason": "New."}
    assert dry.as_json() == {**plain.as_json(), "reference": dry.reference, "resource": {"resourceType": "ResearchSubject"}}
