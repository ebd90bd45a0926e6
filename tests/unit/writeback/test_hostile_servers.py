"""Servers that lie about what they hold, lose what finds it again, or show another's: WB-03, WB-07, WB-14, WB-23, DATA-47."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from fhir_trial.errors import ConflictError, FatalServerError
from fhir_trial.people.statuses import Standing, Status
from fhir_trial.transport import Found, Json, OutcomeIssue, ServerSettings
from fhir_trial.writeback import (
    Action,
    MemoryOutbox,
    Observations,
    PersonsDecision,
    WriteBack,
    Writer,
    WriteResult,
    WriteSettings,
)
from fhir_trial.writeback.document_note import DocumentNote
from fhir_trial.writeback.standing import held_subject
from tests.unit.writeback.fake_server import BASE, FakeServer
from tests.unit.writeback.verdicts import trial, verdict

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
SETTINGS = WriteSettings(
    WriteBack.WORK_LIST, create_study=True, observations=Observations.ALL, base="https://trials.hospital.invalid"
)


class Odd(FakeServer):
    """A server with one fault.

    Attributes:
        remark: Stands beside no matches, in an answer of 200, where a type named in ``silent`` is searched.
        strips: Types that lose their identifiers when they are kept.
        shown: What a read answers instead of what is there.
    """

    def __init__(self) -> None:
        self.remark: OutcomeIssue | None = None
        self.silent: tuple[str, ...] = ()
        self.strips: tuple[str, ...] = ()
        self.shown: Callable[[Json], Json] = lambda resource: resource
        super().__init__()

    def put(self, resource: Json) -> Json:
        lost = {"identifier"} if resource["resourceType"] in self.strips else set()
        return super().put({key: value for key, value in resource.items() if key not in lost})

    def read(self, reference: str) -> Json:
        return self.shown(super().read(reference))

    def search(self, resource_type: str, parameters: Sequence[tuple[str, str]]) -> Found:
        if resource_type in self.silent and self.remark is not None:
            return Found(issues=(self.remark,))
        return super().search(resource_type, parameters)


def write(server: FakeServer) -> tuple[WriteResult, ...]:
    """Of a process of its own: nothing is remembered."""
    return Writer(server, SETTINGS, software="fhir-trial test").write(verdict(), trial(), now=NOW)


@pytest.mark.parametrize("silent", ["ResearchStudy", "ResearchSubject", "Observation"])
@pytest.mark.parametrize(
    "remark",
    [OutcomeIssue("error", frozenset({"processing"})), OutcomeIssue("warning", frozenset({"suppressed"}))],
    ids=["error", "withheld"],
)
def test_a_search_that_reports_an_error_beside_no_matches_is_no_ground_for_a_create(silent: str, remark: OutcomeIssue) -> None:
    """WB-04, DATA-03: what was not shown may be there, and not every server looks at If-None-Exist."""
    server = Odd()
    server.ignores_conditions = True
    write(server)
    before = len(server.held)
    server.silent, server.remark = (silent,), remark

    with pytest.raises(FatalServerError, match="nothing is written on its strength"):
        write(server)

    assert len(server.held) == before


@pytest.mark.parametrize("kind", ["ResearchSubject", "Observation"])
def test_what_cannot_be_found_again_is_written_once(kind: str) -> None:
    """WB-05, WB-23: a server that does not keep identifiers would get another one in every run."""
    server = Odd()
    server.strips = (kind,)

    first = write(server)
    second = write(server)

    assert len(server.all(kind)) == 1
    written = next(result for result in first if result.reference.startswith(f"{kind}/"))
    assert "did not keep" in written.reason
    assert next(result for result in second if result.reference.startswith(kind)).action is Action.WITHHELD


def test_a_note_that_cannot_be_found_again_is_written_once() -> None:
    """WB-05, WB-29."""
    server = Odd()
    server.strips = ("DocumentReference",)

    def note() -> WriteResult:
        route = DocumentNote(server, replace(SETTINGS, note_code="11506-3"), software="fhir-trial test")
        return route.write(verdict(), trial(), now=NOW)[0]

    first, second = note(), note()

    assert len(server.all("DocumentReference")) == 1
    assert (first.action, second.action) == (Action.CREATED, Action.WITHHELD)


def test_a_server_that_keeps_no_identifiers_is_sent_no_more_of_them_in_this_process() -> None:
    """WB-02, WB-23: the first loss switches the request off, with its reason."""
    server = Odd()
    server.strips = ("ResearchStudy",)
    server.held.pop("ResearchStudy/s1")
    writer = Writer(server, SETTINGS, software="fhir-trial test")

    writer.write(verdict(), trial(), now=NOW)
    (study,) = writer.write(verdict(), trial(), now=NOW)

    assert len(server.all("ResearchStudy")) == 1
    assert study.action is Action.WITHHELD
    assert "identifier" in writer.refused["create ResearchStudy"]


@pytest.mark.parametrize("shown", [{"id": "another"}, {"id": None}, {"id": 7}])
def test_a_read_back_of_something_else_confirms_nothing(shown: Json) -> None:
    """WB-07."""
    server = Odd()
    server.shown = lambda resource: {**resource, **(shown if resource["resourceType"] == "ResearchSubject" else {})}

    with pytest.raises(FatalServerError, match="another"):
        write(server)


@pytest.mark.parametrize("status", ["on-study", "withdrawn", "not-registered"])
def test_who_is_on_the_study_under_a_record_merged_into_this_one_gets_no_flag(status: str) -> None:
    """WB-01, DATA-45: the subject still names the earlier record, so that a search by the patient does not find it."""
    server = Odd()
    replaced = {"type": "replaces", "other": {"reference": f"{BASE}/Patient/old"}}
    server.put({"resourceType": "Patient", "id": "p1", "link": [{"type": "seealso", "other": {}}, replaced]})
    subject = {"resourceType": "ResearchSubject", "id": "r9", "status": status, "study": {"reference": "ResearchStudy/s1"}}
    server.put({**subject, "individual": {"reference": "Patient/old"}})

    result = write(server)[1]

    assert result.action is Action.WITHHELD
    assert "merged" in result.reason
    assert [each["id"] for each in server.all("ResearchSubject")] == ["r9"]


def test_each_create_in_a_transaction_has_its_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    """WB-12, WB-18: another run may have written since we looked; a Provenance has no identifier to be found by."""
    server = FakeServer(transaction=True)
    sent: list[Json] = []
    process = server.process

    def seen(bundle: Json) -> Json:
        sent.append(bundle)
        return process(bundle)

    monkeypatch.setattr(server, "process", seen)

    Writer(server, replace(SETTINGS, transactions=True), software="fhir-trial test").write(verdict(), trial(), now=NOW)

    entries = {each["resource"]["resourceType"]: each for each in sent[0]["entry"]}
    for kind in ("ResearchSubject", "Observation"):
        named = entries[kind]["resource"]["identifier"][0]
        assert entries[kind]["request"]["ifNoneExist"] == f"identifier={named['system']}|{named['value']}"
    assert "ifNoneExist" not in entries["Provenance"]["request"]


def elsewhere(server: FakeServer) -> None:
    """A store of several hospitals: the subject there is of another hospital's patient with the same id."""
    subject = {"resourceType": "ResearchSubject", "id": "r9", "status": "candidate", "study": {"reference": "ResearchStudy/s1"}}
    server.put({**subject, "individual": {"reference": "https://other.example.invalid/fhir/Patient/p1"}})


def test_a_person_is_not_shown_the_subject_of_another_hospitals_patient() -> None:
    """DATA-47, WB-14."""
    server = Odd()
    elsewhere(server)

    with pytest.raises(ConflictError, match="aliases"):
        held_subject(server, SETTINGS, trial(), "Patient/p1", 1)


def test_a_persons_decision_does_not_reach_another_hospitals_patient() -> None:
    """DATA-47, WB-14."""
    server = Odd()
    elsewhere(server)
    shown = ("ResearchSubject/r9", "1")
    decision = PersonsDecision(
        "Patient/p1", Standing(Status.CONTACTED), Status.DECLINED, date(2026, 3, 3), reason="not-interested", shown=shown
    )

    with pytest.raises(ConflictError, match="aliases"):
        Writer(server, SETTINGS, software="fhir-trial test").decide(decision, trial(), now=NOW)

    assert server.held["ResearchSubject/r9"]["status"] == "candidate"


def test_a_persons_decision_reaches_the_patient_under_an_alias() -> None:
    """DATA-01, WB-14."""
    server = Odd()
    elsewhere(server)
    server.settings = ServerSettings(BASE, aliases=("https://other.example.invalid/fhir",))

    held = held_subject(server, SETTINGS, trial(), "Patient/p1", 1)

    assert held is not None
    assert held.reference == "ResearchSubject/r9"


def test_a_study_whose_identifier_was_lost_is_not_made_again_by_the_next_process() -> None:
    """WB-27: the store knows that it was created, though no search finds it."""
    server, outbox = Odd(), MemoryOutbox()
    server.strips = ("ResearchStudy",)
    for name in [name for name in server.held if name.startswith("ResearchStudy/")]:
        del server.held[name]
    Writer(server, SETTINGS, software="x", outbox=outbox).write(verdict(), trial(), now=NOW)
    made = len(server.all("ResearchStudy"))

    Writer(server, SETTINGS, software="x", outbox=outbox).write(verdict(), trial(), now=NOW)

    assert len(server.all("ResearchStudy")) == made == 1
