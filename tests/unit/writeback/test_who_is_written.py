"""For whom something is written, and for whom nothing: WB-01, WB-06, WB-26, WB-29."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.people.statuses import Standing, Status
from fhir_trial.verdict.model import Overall, Verdict
from fhir_trial.verdict.overall import DECEASED
from fhir_trial.writeback import Action, MemoryOutbox, Observations, PersonsDecision, WriteBack, Writer, WriteSettings
from fhir_trial.writeback.document_note import DocumentNote
from fhir_trial.writeback.file_outbox import FileOutbox
from tests.unit.writeback.fake_server import FakeServer
from tests.unit.writeback.verdicts import ANSWERS, not_eligible, trial, verdict

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
SETTINGS = WriteSettings(WriteBack.WORK_LIST, base="https://trials.hospital.invalid", note_code="00000-0")
CANDIDATES = replace(SETTINGS, write_back=WriteBack.CANDIDATES)
ELIGIBLE = verdict(Overall.POTENTIALLY_ELIGIBLE, missing=())
DEAD = replace(not_eligible(), blockers=(DECEASED,))


def subject(writer: Any, given: Verdict, **more: Any) -> Any:
    results = writer.write(given, trial(), now=NOW, **more)
    return next(each for each in results if each.reference.startswith("ResearchSubject"))


# --- who has died, whom others know ----------------------------------------------------------


@pytest.mark.parametrize("died", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-03-01"}])
@pytest.mark.parametrize("transactions", [False, True])
def test_a_death_recorded_since_the_screening_stops_a_new_flag(died: dict[str, Any], transactions: bool) -> None:
    """WB-06: the verdict may be older than the server's record."""
    server = FakeServer(transaction=True)
    server.put({**server.held["Patient/p1"], **died})

    told = subject(Writer(server, replace(SETTINGS, transactions=transactions), software="x"), ELIGIBLE)

    assert (told.action, told.reason) == (Action.WITHHELD, "No subject is created for a patient who has died.")
    assert server.requests == []


def test_a_flag_that_was_taken_back_is_not_set_again_for_one_who_has_died() -> None:
    server, outbox = FakeServer(), MemoryOutbox()
    writer = Writer(server, SETTINGS, software="x", outbox=outbox)
    for given in (ELIGIBLE, not_eligible()):
        writer.write(given, trial(), now=NOW)
    server.put({**server.held["Patient/p1"], "deceasedBoolean": True})

    assert subject(writer, ELIGIBLE).action is Action.WITHHELD
    assert server.all("ResearchSubject")[0]["status"] == "ineligible"


@pytest.mark.parametrize("transactions", [False, True])
def test_a_flag_that_somebody_deleted_is_not_set_again(transactions: bool) -> None:
    """WB-01: who deleted it did not want it; a person may still decide about the patient."""
    server, outbox = FakeServer(transaction=True), MemoryOutbox()
    settings = replace(SETTINGS, transactions=transactions)
    Writer(server, settings, software="x", outbox=outbox).write(ELIGIBLE, trial(), now=NOW)
    (flag,) = server.all("ResearchSubject")
    del server.held[f"ResearchSubject/{flag['id']}"]

    told = subject(Writer(server, settings, software="x", outbox=outbox), ELIGIBLE)

    assert (told.action, told.reason) == (
        Action.WITHHELD,
        "The subject that was created here is gone from the server: a person decides.",
    )
    assert server.all("ResearchSubject") == []


def test_one_who_is_not_dead_by_the_record_is_flagged() -> None:
    server = FakeServer()
    server.put({**server.held["Patient/p1"], "deceasedBoolean": False})

    assert subject(Writer(server, SETTINGS, software="x"), ELIGIBLE).action is Action.CREATED


def test_a_flag_is_not_set_again_beside_somebody_elses_subject() -> None:
    """WB-01: the patient is on the study by another's account."""
    server = FakeServer()
    writer = Writer(server, SETTINGS, software="x")
    for given in (ELIGIBLE, not_eligible()):
        writer.write(given, trial(), now=NOW)
    theirs = {key: value for key, value in server.all("ResearchSubject")[0].items() if key not in ("identifier", "meta")}
    server.put({**theirs, "id": "ctms", "status": "on-study"})

    left = subject(writer, ELIGIBLE)

    assert (left.action, "on-study" in left.reason) == (Action.WITHHELD, True)
    assert server.held["ResearchSubject/1"]["status"] == "ineligible"


def test_the_machine_still_takes_its_own_flag_back_beside_somebody_elses_subject() -> None:
    """WB-01."""
    server = FakeServer()
    writer = Writer(server, SETTINGS, software="x")
    writer.write(ELIGIBLE, trial(), now=NOW)
    theirs = {key: value for key, value in server.all("ResearchSubject")[0].items() if key not in ("identifier", "meta")}
    server.put({**theirs, "id": "ctms", "status": "not-registered"})

    assert subject(writer, not_eligible()).action is Action.UPDATED


# --- episodes --------------------------------------------------------------------------------


def test_a_new_episode_may_be_flagged_though_the_one_before_failed() -> None:
    """WB-26: our own subject of an earlier episode is not somebody else's."""
    server, outbox = FakeServer(), MemoryOutbox()
    writer = Writer(server, SETTINGS, software="x", outbox=outbox)
    writer.write(ELIGIBLE, trial(), now=NOW)
    failed = PersonsDecision(
        "Patient/p1",
        Standing(Status.POTENTIAL),
        Status.SCREEN_FAILURE,
        date(2026, 3, 3),
        reason="inclusion-not-met",
        shown=("ResearchSubject/1", "1"),
    )
    writer.decide(failed, trial(), now=NOW)

    first, second = subject(writer, ELIGIBLE), subject(writer, ELIGIBLE, episode=2)

    assert (first.action, second.action) == (Action.WITHHELD, Action.CREATED)
    assert [each["status"] for each in server.all("ResearchSubject")] == ["ineligible", "potential-candidate"]


# --- what a person called an error -----------------------------------------------------------


@pytest.mark.parametrize("transactions", [False, True])
def test_a_result_that_a_person_called_an_error_is_not_written_again(transactions: bool) -> None:
    """WB-08: the same content has the same identifier, and would be found rather than written."""
    server = FakeServer(transaction=True)
    writer = Writer(server, replace(SETTINGS, transactions=transactions), software="x")
    writer.write(not_eligible(), trial(), now=NOW)
    writer.write(ELIGIBLE, trial(), now=NOW)
    (wrong,) = server.all("Observation")
    server.put({**wrong, "status": "entered-in-error"})
    sent = len(server.requests)

    told = writer.write(ELIGIBLE, trial(), now=NOW)[-1]

    assert (told.action, told.reference) == (Action.WITHHELD, f"Observation/{wrong['id']}")
    assert told.reason == "A person called this result entered in error: it is not written again."
    assert len(server.requests) == sent


def test_another_result_after_one_that_a_person_called_an_error_is_written() -> None:
    """WB-08, WB-28: and it replaces the one before."""
    server = FakeServer()
    writer = Writer(server, replace(SETTINGS, observations=Observations.ALL), software="x")
    writer.write(verdict(), trial(), now=NOW)
    writer.write(not_eligible(), trial(), now=NOW)
    first, wrong = server.all("Observation")
    server.put({**wrong, "status": "entered-in-error"})

    other = verdict(answers=ANSWERS[1:])
    told = [each for each in writer.write(other, trial(), now=NOW) if each.reference.startswith("Observation")]

    assert [each.action for each in told] == [Action.CREATED]
    targets = [each["valueReference"]["reference"] for each in server.all("Observation")[-1]["extension"]]
    assert f"Observation/{first['id']}" in targets


def test_a_note_that_a_person_called_an_error_is_not_written_again() -> None:
    """WB-08, WB-29."""
    server = FakeServer()
    note = DocumentNote(server, SETTINGS, software="x")
    note.write(ELIGIBLE, trial(), now=NOW)
    (wrong,) = server.all("DocumentReference")
    server.put({**wrong, "status": "entered-in-error"})

    (told,) = note.write(ELIGIBLE, trial(), now=NOW)

    assert (told.action, told.reference) == (Action.WITHHELD, f"DocumentReference/{wrong['id']}")
    assert server.requests == ["create DocumentReference"]


def test_a_note_stays_the_same_though_the_one_that_it_replaced_was_called_an_error() -> None:
    server = FakeServer()
    note = DocumentNote(server, SETTINGS, software="x")
    note.write(ELIGIBLE, trial(), now=NOW)
    note.write(not_eligible(), trial(), now=NOW)
    server.put({**server.all("DocumentReference")[0], "status": "entered-in-error"})

    (told,) = note.write(not_eligible(), trial(), now=NOW)

    assert told.action is Action.UNCHANGED


# --- notes and files -------------------------------------------------------------------------

#  setting        observations  first      then         done
LISTED = [
    (SETTINGS,   "with-subject", ELIGIBLE,       None,  ["created"]),
    (SETTINGS,   "with-subject", verdict(),      None,  ["created"]),
    (SETTINGS,   "with-subject", not_eligible(), None,  ["withheld"]),
    (CANDIDATES, "with-subject", verdict(),      None,  ["withheld"]),
    (CANDIDATES, "with-subject", ELIGIBLE,       not_eligible(), ["created", "created"]),
    (CANDIDATES, "all",          not_eligible(), None,  ["created"]),
    (SETTINGS,   "with-subject", DEAD,           None,  ["withheld"]),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["note", "file"])
@pytest.mark.parametrize(("settings", "observations", "first", "then", "done"), LISTED)
def test_a_note_or_a_line_is_written_for_those_on_the_list_and_for_those_who_were(
    kind: str, settings: WriteSettings, observations: str, first: Verdict, then: Verdict | None, done: list[str], tmp_path: Path
) -> None:
    """WB-01, WB-29, WB-47: a patient who never was on the list gets no word in the chart."""
    settings = replace(settings, observations=Observations(observations))
    server = FakeServer()
    route = (
        DocumentNote(server, settings, software="x") if kind == "note" else FileOutbox(tmp_path / "out", settings, software="x")
    )

    results = [route.write(each, trial(), now=NOW)[0] for each in (first, then) if each is not None]

    assert [str(result.action) for result in results] == done
    assert (done != ["withheld"]) is bool(server.all("DocumentReference") or list(tmp_path.glob("out/*.csv")))


def test_no_note_is_begun_for_a_patient_who_has_died_since() -> None:
    """WB-06."""
    server = FakeServer()
    server.put({**server.held["Patient/p1"], "deceasedBoolean": True})

    (told,) = DocumentNote(server, SETTINGS, software="x").write(ELIGIBLE, trial(), now=NOW)

    assert (told.action, server.requests) == (Action.WITHHELD, [])
