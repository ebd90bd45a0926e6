"""The steps of a status: one after another, never two at once, the whole history kept."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.errors import ConflictError, UsageError
from fhir_trial.people.statuses import NO_STANDING, By, Standing, Status, moved, new_episode
from fhir_trial.store import Keyring, Step, StepState, StoreSteps, Taken
from fhir_trial.store.sealing import SealError
from fhir_trial.store.tables import StepRow
from tests.unit.store.kept import ANNA, AS_OF, NOW

KEY = "pt-00000000000000aa"
PATIENT = "Patient/planted"
TRIAL = "nct1"
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def steps(engine: Engine, keys: Keyring) -> StoreSteps:
    return StoreSteps(engine, keys, "north")


def go(steps: StoreSteps, to: Status | None, by: By = By.PERSON, code: str | None = None, reason: str = "She said so.") -> Step:
    """The next step, as a caller takes it."""
    before, last = steps.standing(KEY, TRIAL)
    after = moved(before, to, by, code)
    return take(steps, before, after, last.number if last else None, by, reason)


def take(
    steps: StoreSteps, before: Standing, after: Standing, after_step: int | None, by: By = By.PERSON, reason: str = "She said so."
) -> Step:
    person = Taken(NOW, AS_OF, by, ANNA.issuer, "anna", reason)
    taken = person if by is By.PERSON else Taken(NOW, AS_OF, by, None, "job")
    return steps.take(KEY, PATIENT, TRIAL, before, after, after_step=after_step, taken=taken)


def test_nobody_stands_anywhere_before_the_first_step(steps: StoreSteps) -> None:
    """WB-26."""
    assert steps.standing(KEY, TRIAL) == (NO_STANDING, None)
    assert steps.of_patient(KEY, TRIAL) == steps.open() == []


def test_a_step_is_kept_with_old_and_new_value_who_when_and_why(steps: StoreSteps, engine: Engine, keys: Keyring) -> None:
    """SEC-08, WB-26."""
    go(steps, Status.POTENTIAL, By.MACHINE)

    taken = go(steps, Status.DECLINED, code="too-far")

    _, last = StoreSteps(engine, keys, "north").standing(KEY, TRIAL)
    assert last == taken
    assert (taken.before, taken.status, taken.reason_code, taken.reason) == (
        *(Status.POTENTIAL, Status.DECLINED),
        *("too-far", "She said so."),
    )
    assert (taken.by, taken.issuer, taken.subject, taken.at, taken.since) == (By.PERSON, ANNA.issuer, "anna", NOW, AS_OF)
    assert (taken.state, taken.settled, taken.patient_reference, taken.episode) == (StepState.DECIDED, None, PATIENT, 1)
    assert PATIENT not in repr(taken)


def test_a_standing_is_read_back_as_it_was_through_a_whole_course(steps: StoreSteps) -> None:
    """WB-26: with episode and registration."""
    course: list[tuple[Status | None, By, str | None]] = [
        (Status.POTENTIAL, By.MACHINE, None),
        (None, By.MACHINE, None),
        (Status.POTENTIAL, By.MACHINE, None),
        (Status.CONTACTED, By.PERSON, None),
        (Status.CONSENTED, By.PERSON, None),
        (Status.SCREENING, By.PERSON, None),
        (Status.ELIGIBLE, By.PERSON, None),
        (Status.ON_STUDY, By.PERSON, None),
        (Status.WITHDRAWN, By.PERSON, "moved-away"),
    ]
    expected = NO_STANDING
    for to, by, code in course:
        expected = moved(expected, to, by, code)
        go(steps, to, by, code)
        assert steps.standing(KEY, TRIAL)[0] == expected

    assert [step.status for step in steps.of_patient(KEY, TRIAL)] == [to for to, _, _ in course]
    assert steps.standing(KEY, TRIAL)[0].is_registered


def test_a_new_episode_leaves_the_old_one_as_it_was(steps: StoreSteps) -> None:
    """SEC-08, WB-26."""
    go(steps, Status.CONTACTED)
    go(steps, Status.DECLINED, code="too-far")
    declined, last = steps.standing(KEY, TRIAL)
    assert last is not None
    fresh = new_episode(declined)

    take(steps, fresh, moved(fresh, Status.CONTACTED, By.PERSON), last.number)

    assert [(step.episode, step.before, step.status) for step in steps.of_patient(KEY, TRIAL)] == [
        (1, None, Status.CONTACTED),
        (1, Status.CONTACTED, Status.DECLINED),
        (2, None, Status.CONTACTED),
    ]


def test_who_decides_on_what_is_no_more_so_is_refused(steps: StoreSteps) -> None:
    """WB-26."""
    before, _ = steps.standing(KEY, TRIAL)
    first = take(steps, before, moved(before, Status.CONTACTED, By.PERSON), None)

    with pytest.raises(ConflictError, match="somebody else"):
        take(steps, before, moved(before, Status.POTENTIAL, By.MACHINE), None, By.MACHINE)
    with pytest.raises(ConflictError, match="somebody else"):
        take(steps, before, moved(before, Status.CONTACTED, By.PERSON), first.number + 1)

    assert steps.of_patient(KEY, TRIAL) == [first]


def test_of_sixteen_who_decide_at_once_one_does(steps: StoreSteps) -> None:
    """WB-26."""
    go(steps, Status.POTENTIAL, By.MACHINE)
    before, last = steps.standing(KEY, TRIAL)
    assert last is not None
    ready = threading.Barrier(16)
    outcomes: list[Step | ConflictError] = []

    def decide(to: Status, code: str | None) -> None:
        ready.wait()
        try:
            outcomes.append(take(steps, before, moved(before, to, By.PERSON, code), last.number))
        except ConflictError as conflict:
            outcomes.append(conflict)

    choices = [(Status.CONTACTED, None), (Status.DECLINED, "too-far")] * 8
    threads = [threading.Thread(target=decide, args=choice) for choice in choices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (won,) = (one for one in outcomes if isinstance(one, Step))
    assert sum(isinstance(one, ConflictError) for one in outcomes) == 15
    assert steps.standing(KEY, TRIAL)[1] == won
    assert len(steps.of_patient(KEY, TRIAL)) == 2


def test_what_the_server_refused_stays_in_the_history_and_counts_no_more(steps: StoreSteps) -> None:
    """SEC-08, WB-26."""
    flagged = go(steps, Status.POTENTIAL, By.MACHINE)
    steps.settle(flagged.number, StepState.WRITTEN, reference="ResearchSubject/9", version="1", at=LATER)
    refused = go(steps, Status.CONTACTED)

    steps.settle(refused.number, StepState.REFUSED, note="Somebody changed it there.", at=LATER)

    standing, last = steps.standing(KEY, TRIAL)
    assert standing.status is Status.POTENTIAL
    assert last is not None
    assert (last.number, last.reference, last.version, last.settled) == (flagged.number, "ResearchSubject/9", "1", LATER)
    assert [(one.status, one.state, one.note) for one in steps.of_patient(KEY, TRIAL)] == [
        (Status.POTENTIAL, StepState.WRITTEN, None),
        (Status.CONTACTED, StepState.REFUSED, "Somebody changed it there."),
    ]
    assert go(steps, Status.CONTACTED).number > refused.number


def test_steps_not_known_on_the_server_are_found_after_a_crash(steps: StoreSteps, engine: Engine, keys: Keyring) -> None:
    """WB-03."""
    written, kept, lost = (go(steps, to) for to in (Status.CONTACTED, Status.CONSENTED, Status.SCREENING))
    steps.settle(written.number, StepState.WRITTEN, at=LATER)
    steps.settle(kept.number, StepState.KEPT, at=LATER)
    steps.settle(lost.number, StepState.DECIDED, note="The server was busy.", at=LATER)

    (found,) = StoreSteps(engine, keys, "north").open()

    assert found == replace(lost, note="The server was busy.")
    assert steps.open(KEY) == [found]
    assert steps.open("pt-00000000000000bb") == []


def test_what_became_of_a_step_is_said_once(steps: StoreSteps) -> None:
    """SEC-08."""
    step = go(steps, Status.CONTACTED)
    steps.settle(step.number, StepState.WRITTEN, note="Written.", at=LATER)

    steps.settle(step.number, StepState.REFUSED, note="Refused.", at=LATER + timedelta(hours=1))

    (kept,) = steps.of_patient(KEY, TRIAL)
    assert (kept.state, kept.note, kept.settled) == (StepState.WRITTEN, "Written.", LATER)


def test_what_never_arrived_is_overtaken_by_a_later_step_that_did(steps: StoreSteps) -> None:
    """WB-03, SEC-08: it stays in the history, and nobody waits for it any more."""
    first, second = go(steps, Status.CONTACTED), go(steps, Status.CONSENTED)
    assert steps.open() == [first, second]

    steps.settle(second.number, StepState.WRITTEN, at=LATER)

    assert steps.open() == []
    assert [(one.status, one.state, one.settled) for one in steps.of_patient(KEY, TRIAL)] == [
        (Status.CONTACTED, StepState.KEPT, LATER),
        (Status.CONSENTED, StepState.WRITTEN, LATER),
    ]


def test_a_note_longer_than_its_column_is_cut(steps: StoreSteps) -> None:
    step = go(steps, Status.CONTACTED)

    steps.settle(step.number, StepState.REFUSED, note="x" * 1500, at=LATER)

    assert steps.of_patient(KEY, TRIAL)[0].note == "x" * 1000


def test_a_tenant_sees_and_settles_its_own_alone(steps: StoreSteps, engine: Engine, keys: Keyring) -> None:
    """SEC-13: by every way in."""
    step = go(steps, Status.CONTACTED)
    other = StoreSteps(engine, keys, "south")

    assert other.standing(KEY, TRIAL) == (NO_STANDING, None)
    assert other.of_patient(KEY, TRIAL) == other.open() == other.open(KEY) == []
    with pytest.raises(UsageError, match="no such step"):
        other.settle(step.number, StepState.REFUSED, at=LATER)
    with pytest.raises(ConflictError):
        take(other, NO_STANDING, moved(NO_STANDING, Status.CONTACTED, By.PERSON), step.number)
    assert steps.of_patient(KEY, TRIAL) == [step]


def test_trials_and_patients_stand_apart(steps: StoreSteps) -> None:
    go(steps, Status.CONTACTED)

    assert steps.standing(KEY, "nct2") == (NO_STANDING, None)
    assert steps.standing("pt-00000000000000bb", TRIAL) == (NO_STANDING, None)


@pytest.mark.parametrize("column", ["sealed_patient", "sealed_reason"])
def test_a_value_moved_to_another_step_does_not_open(steps: StoreSteps, engine: Engine, column: str) -> None:
    """SEC-28."""
    go(steps, Status.CONTACTED)
    go(steps, Status.CONSENTED)
    with Session(engine) as session, session.begin():
        first, second = session.scalars(select(StepRow).order_by(StepRow.number)).all()
        setattr(second, column, getattr(first, column))

    with pytest.raises(SealError, match="altered or moved"):
        steps.of_patient(KEY, TRIAL)


class TestUnsent:
    """WB-03: the last decision of each patient and trial, while the server does not have it."""

    def test_only_the_last_of_several_that_never_arrived_is_told(self, steps: StoreSteps) -> None:
        go(steps, Status.CONTACTED)
        last = go(steps, Status.CONSENTED)

        assert steps.unsent() == [last]
        assert steps.unsent_counts() == {"decided": 1, "kept": 0}

    def test_what_was_written_or_refused_or_overtaken_is_not(self, steps: StoreSteps) -> None:
        go(steps, Status.CONTACTED)
        steps.settle(go(steps, Status.CONSENTED).number, StepState.WRITTEN, at=LATER)
        steps.settle(go(steps, Status.SCREENING).number, StepState.REFUSED, at=LATER)

        assert steps.unsent() == []
        assert steps.unsent_counts() == {"decided": 0, "kept": 0}

    def test_what_was_refused_later_hides_nothing(self, steps: StoreSteps) -> None:
        kept = go(steps, Status.CONTACTED)
        steps.settle(kept.number, StepState.KEPT, at=LATER)
        steps.settle(go(steps, Status.CONSENTED).number, StepState.REFUSED, at=LATER)

        assert [step.number for step in steps.unsent()] == [kept.number]
        assert steps.unsent_counts() == {"decided": 0, "kept": 1}

    def test_it_is_of_these_trials_and_of_this_tenant_alone(self, steps: StoreSteps, engine: Engine, keys: Keyring) -> None:
        """SEC-13."""
        go(steps, Status.CONTACTED)
        other = StoreSteps(engine, keys, "south")

        assert (steps.unsent(["nct2"]), other.unsent()) == ([], [])
        assert other.unsent_counts() == {"decided": 0, "kept": 0}
        assert len(steps.unsent([TRIAL], 1)) == 1
