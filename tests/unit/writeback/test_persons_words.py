"""What a person said of a criterion leaves without their name and their own words."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_trial.criteria.answers import met, not_met, say
from fhir_trial.people.answers import PeoplesAnswers, give
from fhir_trial.trials.adjudication import Person, Says
from fhir_trial.verdict.model import Overall, Verdict
from fhir_trial.writeback import Action, Observations, WriteBack, Writer, WriteResult, WriteSettings
from fhir_trial.writeback.document_note import DocumentNote
from fhir_trial.writeback.file_outbox import FileOutbox
from tests.unit.writeback.fake_server import FakeServer
from tests.unit.writeback.verdicts import criterion, trial, verdict

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
SETTINGS = WriteSettings(
    WriteBack.WORK_LIST, observations=Observations.ALL, base="https://trials.hospital.invalid", note_code="51851-4"
)
COMPUTED = met(say("142 x 10^9/L on 2026-02-27"))
MARKED = ("Dr. Ilse Tränkle", "told me at dinner that her count fell")
NEUTRAL = "A person answered not-met on 2026-03-02."


def answered(says: Says = Says.NOT_MET, at: datetime = NOW) -> Verdict:
    """A verdict in which a person answered C1; C2 is a composite that quotes it."""
    plain = verdict(answers=((criterion("C1"), COMPUTED),))
    name, words = MARKED
    given = give(plain, "C1", says, by=Person("https://id.example.invalid", "u1", name), at=at, reason=words)
    resolved = trial(criteria=(criterion("C1"),))
    said = PeoplesAnswers([given]).about("Patient/p1", resolved)["C1"](COMPUTED)
    composite = not_met(say("Of two: {first} And more.", first=said.answer.reason))
    answers = ((criterion("C1"), said.answer), (criterion("C2"), composite))
    return verdict(Overall.NOT_ELIGIBLE, answers=answers, blockers=("C1",), missing=(), people={"C1": said})


def written(given: Verdict, **changes: Any) -> tuple[tuple[WriteResult, ...], FakeServer]:
    server = FakeServer(transaction=True)
    writer = Writer(server, replace(SETTINGS, **changes), software="fhir-trial test")
    return writer.write(given, trial(), now=NOW), server


@pytest.mark.parametrize("at_once", [False, True])
def test_the_observation_says_that_a_person_answered_and_neither_who_nor_in_which_words(at_once: bool) -> None:
    _, server = written(answered(), transactions=at_once)

    (observation,) = server.all("Observation")
    texts = [component["valueCodeableConcept"]["text"] for component in observation["component"]]
    assert texts == [f"not met: {NEUTRAL}", f"not met: Of two: {NEUTRAL} And more."]
    assert not any(word in json.dumps(server.held, ensure_ascii=False) for word in MARKED)


def test_the_verdict_that_people_are_shown_keeps_name_and_words() -> None:
    reason = str(answered().answer("C1").reason)

    assert all(word in reason for word in MARKED)


def test_a_person_who_cannot_say_leaves_without_a_name_too() -> None:
    _, server = written(answered(Says.CANNOT_SAY))

    component = server.all("Observation")[0]["component"][0]
    assert component["valueCodeableConcept"]["text"] == "A person answered cannot-say on 2026-03-02."


def test_a_person_who_overrides_a_composite_leaves_nothing_of_the_part_that_another_answered() -> None:
    """Their sentence quotes the computed one, which quotes the other person's."""
    inner = answered()
    computed = inner.answer("C2")
    name, words = "Someone Else", "I disagree, whatever they say"
    given = give(inner, "C2", Says.MET, by=Person("x", "u2", name), at=NOW, reason=words)
    said = PeoplesAnswers([given]).about("Patient/p1", trial(criteria=(criterion("C2"),)))["C2"](computed)
    answers = (inner.answers[0], (criterion("C2"), said.answer))

    _, server = written(replace(inner, answers=answers, people={**inner.people, "C2": said}))

    told = json.dumps(server.held, ensure_ascii=False)
    assert not any(word in told for word in (*MARKED, name, words))
    texts = [component["valueCodeableConcept"]["text"] for component in server.all("Observation")[0]["component"]]
    assert texts[1] == "met: A person answered met on 2026-03-02."


def test_an_expired_answer_leaves_the_computed_reason_as_it_is() -> None:
    given = answered()
    expired = replace(given.people["C1"], answer=COMPUTED, expired=True)

    _, server = written(verdict(answers=((criterion("C1"), COMPUTED),), people={"C1": expired}))

    texts = [component["valueCodeableConcept"]["text"] for component in server.all("Observation")[0]["component"]]
    assert texts == ["met: 142 x 10^9/L on 2026-02-27"]


def test_the_note_and_the_file_carry_neither(tmp_path: Any) -> None:
    server = FakeServer()
    DocumentNote(server, SETTINGS, software="x").write(answered(), trial(), now=NOW)
    FileOutbox(tmp_path, SETTINGS, software="x").write(answered(), trial(), now=NOW)

    (note,) = server.all("DocumentReference")
    text = base64.b64decode(note["content"][0]["attachment"]["data"]).decode()
    assert NEUTRAL in text
    told = text + "".join(path.read_text("utf-8") for path in tmp_path.iterdir())
    assert not any(word in told for word in MARKED)


def test_other_words_of_a_person_are_no_new_result() -> None:
    """WB-05: the same outcome on the same evidence writes nothing, whoever said it and when."""
    server = FakeServer()
    writer = Writer(server, SETTINGS, software="x")
    writer.write(answered(), trial(), now=NOW)

    again = writer.write(answered(at=NOW + timedelta(days=1)), trial(), now=NOW)

    assert {result.action for result in again if result.reference.startswith("Observation/")} == {Action.UNCHANGED}
