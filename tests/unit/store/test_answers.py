"""People's answers, kept: they count until what they rest on changes, and none is lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.criteria.answers import Outcome
from fhir_trial.errors import UsageError
from fhir_trial.people.answers import PeoplesAnswers
from fhir_trial.screening.ports import AnswerBook
from fhir_trial.store import KeptAnswer, Keyring, StoreAnswers
from fhir_trial.store.sealing import SealError
from fhir_trial.store.tables import AnswerRow
from fhir_trial.trials.adjudication import Says
from fhir_trial.trials.model import ResolvedTrial
from tests.unit.store.kept import ANNA, BEN, NOW, OPEN, SERVER, Shelf, named, newer, raw, screened, trial

TRIAL = "nct06789107"


@pytest.fixture
def shelf(engine: Engine, keys: Keyring) -> Shelf:
    return Shelf(engine, keys)


def without(criterion: str, version: str | None = None) -> ResolvedTrial:
    """The trial without one of its criteria, in its own or in another version."""
    plain = trial().trial
    kept = tuple(one for one in plain.criteria if one.id != criterion)
    return replace(trial(), trial=replace(plain, criteria=kept, version=version or plain.version))


def test_an_answer_is_kept_with_who_when_why_and_the_evidence(shelf: Shelf, engine: Engine, keys: Keyring) -> None:
    """SEC-08, SEC-51."""
    screening = shelf.keep()
    given = shelf.said(screening)

    kept = shelf.answers.give(screening.id, given)

    assert StoreAnswers(engine, keys, "north", SERVER).of_patient(screening.patient, TRIAL) == [kept]
    assert kept == KeptAnswer(
        id=kept.id,
        criterion=OPEN,
        answer="met",
        reason="Seen on paper.",
        subject="anna",
        issuer=ANNA.issuer,
        name="Anna",
        at=NOW + timedelta(minutes=1),
        version=screening.version,
        screening=screening.id,
        evidence=given.answer.evidence,
    )


def test_the_store_answers_as_the_answers_themselves_do(shelf: Shelf) -> None:
    """VER-20: command line and service agree, since both ask the one evaluator."""
    screening = shelf.keep()
    given = shelf.said(screening)
    shelf.answers.give(screening.id, given)
    book: AnswerBook = shelf.answers

    from_store = verdict_json(screened(answers=book))

    assert from_store == verdict_json(screened(answers=PeoplesAnswers([given])))
    assert from_store != verdict_json(screened())


def test_an_answer_expires_when_its_evidence_changes_and_the_history_stays(shelf: Shelf) -> None:
    """SEC-51, SEC-55: two screenings, between which the report was written anew."""
    first = shelf.keep()
    shelf.answers.give(first.id, shelf.said(first))

    same = shelf.keep(minutes=2)
    changed = shelf.keep(newer("2"), minutes=3)

    def told(of: object) -> dict[str, object]:
        (one,) = (one for one in of.verdict["criteria"] if one["id"] == OPEN)  # type: ignore[attr-defined]
        return {"answer": one["answer"], "expired": one["person"]["expired"], "says": one["person"]["answer"]}

    assert told(same) == {"answer": "met", "expired": False, "says": "met"}
    assert told(changed) == {"answer": "needs-clinician", "expired": True, "says": "met"}
    again = shelf.said(changed, Says.NOT_MET, minutes=4)
    shelf.answers.give(changed.id, again)
    assert told(shelf.keep(newer("2"), minutes=5)) == {"answer": "not-met", "expired": False, "says": "not-met"}
    assert [one.answer for one in shelf.answers.of_patient(first.patient, TRIAL)] == ["met", "not-met"]


def test_the_last_answer_counts_and_the_earlier_ones_stay(shelf: Shelf) -> None:
    """SEC-08."""
    screening = shelf.keep()
    shelf.answers.give(screening.id, shelf.said(screening, Says.MET, minutes=1))
    shelf.answers.give(screening.id, shelf.said(screening, Says.NOT_MET, by=BEN, minutes=2))

    assert screened(answers=shelf.answers).answer(OPEN).outcome is Outcome.NOT_MET
    assert [(one.answer, one.subject) for one in shelf.answers.of_patient(screening.patient, TRIAL)] == [
        ("met", "anna"),
        ("not-met", "ben"),
    ]


def test_of_two_at_one_instant_the_later_row_counts(shelf: Shelf) -> None:
    screening = shelf.keep()
    shelf.answers.give(screening.id, shelf.said(screening, Says.MET))
    shelf.answers.give(screening.id, shelf.said(screening, Says.NOT_MET, by=BEN))

    assert screened(answers=shelf.answers).answer(OPEN).outcome is Outcome.NOT_MET


def test_the_same_answer_twice_is_one(shelf: Shelf) -> None:
    screening = shelf.keep()
    first = shelf.answers.give(screening.id, shelf.said(screening, minutes=1))

    assert shelf.answers.give(screening.id, shelf.said(screening, minutes=2)) == first
    assert shelf.answers.of_patient(screening.patient, TRIAL) == [first]


@pytest.mark.parametrize(
    "second",
    [{"by": BEN}, {"says": Says.NOT_MET}, {"reason": "Another."}, {"reason": None}, {"criterion": "C9"}],
)
def test_an_answer_that_differs_in_anything_is_another(shelf: Shelf, second: dict[str, object]) -> None:
    screening = shelf.keep()
    shelf.answers.give(screening.id, shelf.said(screening))

    shelf.answers.give(screening.id, shelf.said(screening, minutes=2, **second))  # type: ignore[arg-type]

    assert len(shelf.answers.of_patient(screening.patient, TRIAL)) == 2


def test_an_answer_said_again_after_somebody_elses_is_a_new_one(shelf: Shelf) -> None:
    screening = shelf.keep()
    for minutes, (says, by) in enumerate([(Says.MET, ANNA), (Says.NOT_MET, BEN), (Says.MET, ANNA)], 1):
        shelf.answers.give(screening.id, shelf.said(screening, says, by=by, minutes=minutes))

    assert screened(answers=shelf.answers).answer(OPEN).outcome is Outcome.MET
    assert len(shelf.answers.of_patient(screening.patient, TRIAL)) == 3


def test_sixteen_clicks_at_once_keep_one_answer(shelf: Shelf) -> None:
    screening = shelf.keep()
    given = shelf.said(screening)
    threads = [threading.Thread(target=shelf.answers.give, args=(screening.id, given)) for _ in range(16)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(shelf.answers.of_patient(screening.patient, TRIAL)) == 1


def test_a_newer_version_that_lacks_the_criterion_is_screened_all_the_same(shelf: Shelf) -> None:
    screening = shelf.keep()
    shelf.answers.give(screening.id, shelf.said(screening))

    assert shelf.answers.about(raw().reference, without(OPEN, "next")) == {}
    assert shelf.answers.about(raw().reference, without(OPEN)) == {}
    assert list(shelf.answers.about(raw().reference, trial())) == [OPEN]


def test_an_answer_rests_on_what_the_screening_showed_and_on_nothing_else(shelf: Shelf) -> None:
    """SEC-51."""
    screening, another = shelf.keep(), shelf.keep(named("Patient/another"), minutes=1)
    given = shelf.said(screening)

    for wrong in (
        replace(given, version="0"),
        replace(given, trial="nct00000000"),
        replace(given, criterion="C99"),
        replace(given, answer=replace(given.answer, evidence="ev-" + "0" * 32)),
    ):
        with pytest.raises(UsageError, match="something else"):
            shelf.answers.give(screening.id, wrong)
    with pytest.raises(UsageError, match="something else"):
        shelf.answers.give(another.id, given)
    with pytest.raises(UsageError, match="no such screening"):
        shelf.answers.give("sc-0", given)
    assert shelf.answers.of_patient(screening.patient, TRIAL) == []


@pytest.mark.parametrize(("tenant", "server"), [("south", SERVER), ("north", "https://other.example.invalid/fhir")])
def test_another_tenants_answers_are_not_there(shelf: Shelf, engine: Engine, keys: Keyring, tenant: str, server: str) -> None:
    """SEC-13: by every way in."""
    screening = shelf.keep()
    given = shelf.said(screening)
    shelf.answers.give(screening.id, given)
    other = StoreAnswers(engine, keys, tenant, server)

    assert other.about(raw().reference, trial()) == {}
    with pytest.raises(UsageError, match="no such screening"):
        other.give(screening.id, given)


def test_a_tenant_does_not_list_anothers_answers(shelf: Shelf, engine: Engine, keys: Keyring) -> None:
    """SEC-13: not even by the other's key of the patient."""
    screening = shelf.keep()
    shelf.answers.give(screening.id, shelf.said(screening))

    assert StoreAnswers(engine, keys, "south", SERVER).of_patient(screening.patient, TRIAL) == []


def test_a_reason_moved_to_another_answer_does_not_open(shelf: Shelf, engine: Engine) -> None:
    """SEC-28."""
    screening = shelf.keep()
    shelf.answers.give(screening.id, shelf.said(screening))
    shelf.answers.give(screening.id, shelf.said(screening, by=BEN, reason="Mine.", minutes=2))
    with Session(engine) as session, session.begin():
        first, second = session.scalars(select(AnswerRow).order_by(AnswerRow.number)).all()
        second.sealed_reason = first.sealed_reason

    with pytest.raises(SealError, match="altered or moved"):
        shelf.answers.of_patient(screening.patient, TRIAL)
