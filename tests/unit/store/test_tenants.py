"""What one tenant keeps is as if it were not there for another, by every method that there is (SEC-13)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from fhir_trial.errors import ConflictError, UsageError
from fhir_trial.people.answers import GivenAnswer
from fhir_trial.people.statuses import NO_STANDING, By, Standing, Status, moved
from fhir_trial.store import (
    KeptScreening,
    Keyring,
    Step,
    StepState,
    StoreAnswers,
    StoreScreenings,
    StoreSteps,
    Taken,
    rewrap,
)
from fhir_trial.store.sealing import SealError
from fhir_trial.store.tables import ScreeningRow
from tests.unit.store.kept import AS_OF, NOW, Shelf, named, raw, trial

TRIAL = "nct06789107"
CONTACTED = moved(NO_STANDING, Status.CONTACTED, By.PERSON)
TAKEN = Taken(NOW, AS_OF, By.PERSON, "https://login.example.invalid", "anna", "She said so.")


@dataclass(frozen=True)
class Theirs:
    """What the other tenant keeps: known to us by accident, every id and key of it."""

    screening: KeptScreening
    given: GivenAnswer
    step: Step


def keep(engine: Engine, keys: Keyring, tenant: str) -> Theirs:
    shelf = Shelf(engine, keys, tenant)
    screening = shelf.keep()
    given = shelf.said(screening)
    shelf.answers.give(screening.id, given)
    steps = StoreSteps(engine, keys, tenant)
    step = steps.take(screening.patient, raw().reference, TRIAL, NO_STANDING, CONTACTED, after_step=None, taken=TAKEN)
    return Theirs(screening, given, step)


def refused(error: type[Exception], action: Callable[[], object]) -> bool:
    with pytest.raises(error):
        action()
    return True


def took(steps: StoreSteps, theirs: Theirs, before: Standing, after_step: int | None) -> Step:
    key = theirs.screening.patient
    return steps.take(key, "Patient/x", TRIAL, before, CONTACTED, after_step=after_step, taken=TAKEN)


#: For each public method, whether it gives and changes nothing of theirs.
SCREENINGS: dict[str, Callable[[StoreScreenings, Theirs], bool]] = {
    "screening": lambda our, their: our.screening(their.screening.id) is None,
    "shown": lambda our, their: our.shown(their.screening.id) is None,
    "inputs": lambda our, their: our.inputs(their.screening.id) == (),
    "of_patient": lambda our, their: our.of_patient(their.screening.patient) == [],
    "reference_of": lambda our, their: our.reference_of(their.screening.patient) is None,
    "last_day": lambda our, their: our.last_day(their.screening.patient, TRIAL, date.max) is None,
    "key_of": lambda our, their: our.key_of(raw().reference) != their.screening.patient,
    "purge": lambda our, _: our.purge(NOW + timedelta(days=900)) <= 1,  # at most our own one
    "keep": lambda our, their: our.screening(their.screening.id) is None,  # gives a new id each time
}
ANSWERS: dict[str, Callable[[StoreAnswers, Theirs], bool]] = {
    "about": lambda our, _: our.about(raw().reference, trial()) == {},
    "give": lambda our, their: refused(UsageError, lambda: our.give(their.screening.id, their.given)),
    "of_patient": lambda our, their: our.of_patient(their.screening.patient, TRIAL) == [],
}
STEPS: dict[str, Callable[[StoreSteps, Theirs], bool]] = {
    "standing": lambda our, their: our.standing(their.screening.patient, TRIAL) == (NO_STANDING, None),
    "of_patient": lambda our, their: our.of_patient(their.screening.patient, TRIAL) == [],
    "open": lambda our, their: our.open() == our.open(their.screening.patient) == [],
    "unsent": lambda our, their: their.step not in our.unsent(),
    "unsent_counts": lambda our, _: sum(our.unsent_counts().values()) == len(our.unsent()),
    "take": lambda our, their: refused(ConflictError, lambda: took(our, their, CONTACTED, their.step.number)),
    "settle": lambda our, their: refused(
        UsageError, lambda: our.settle(their.step.number, StepState.REFUSED, note="Ours.", at=NOW)
    ),
}


@pytest.mark.parametrize(("store", "table"), [(StoreScreenings, SCREENINGS), (StoreAnswers, ANSWERS), (StoreSteps, STEPS)])
def test_no_method_is_left_out(store: type, table: dict[str, object]) -> None:
    """SEC-13."""
    assert set(table) == {name for name, _ in inspect.getmembers(store, inspect.isfunction) if not name.startswith("_")}


def test_nothing_of_another_tenant_is_given_or_changed(engine: Engine, keys: Keyring) -> None:
    """SEC-13: with something of our own beside it, and with nothing."""
    theirs = keep(engine, keys, "south")
    for _ in range(2):
        ours = Shelf(engine, keys, "north")
        steps = StoreSteps(engine, keys, "north")

        assert [name for name, check in SCREENINGS.items() if not check(ours.screenings, theirs)] == []
        assert [name for name, check in ANSWERS.items() if not check(ours.answers, theirs)] == []
        assert [name for name, check in STEPS.items() if not check(steps, theirs)] == []
        ours.keep(named("Patient/ours"))

    south = Shelf(engine, keys, "south")
    assert south.screenings.of_patient(theirs.screening.patient) == [theirs.screening]
    assert [one.screening for one in south.answers.of_patient(theirs.screening.patient, TRIAL)] == [theirs.screening.id]
    assert StoreSteps(engine, keys, "south").open() == [theirs.step]


def test_the_same_patient_at_two_tenants_is_two_patients(engine: Engine, keys: Keyring) -> None:
    """SEC-13, SEC-26."""
    north, south = keep(engine, keys, "north"), keep(engine, keys, "south")

    assert north.screening.patient != south.screening.patient
    assert Shelf(engine, keys, "north").screenings.of_patient(north.screening.patient) == [north.screening]


def test_a_value_moved_to_another_tenant_does_not_open(engine: Engine, keys: Keyring) -> None:
    """SEC-28: and sealing anew does not help whoever moved it."""
    theirs = keep(engine, keys, "south")
    Shelf(engine, keys, "north").keep()
    with Session(engine) as session, session.begin():
        session.get_one(ScreeningRow, theirs.screening.id).tenant = "north"

    with pytest.raises(SealError, match="altered or moved"):
        Shelf(engine, keys, "north").screenings.screening(theirs.screening.id)
    with pytest.raises(SealError, match="altered or moved"):
        rewrap(engine, Keyring("k2", {"k2": b"2" * 32, **keys.keys}), "north")


def test_a_servers_patients_are_not_anothers(engine: Engine, keys: Keyring) -> None:
    """SEC-13: one tenant may have had two servers, each with a Patient/1 of its own."""
    shelf = Shelf(engine, keys)
    other = Shelf(engine, keys, server="https://other.example.invalid/fhir")
    screening = shelf.keep()
    shelf.answers.give(screening.id, shelf.said(screening))

    assert other.screenings.key_of(raw().reference) != screening.patient
    assert other.answers.about(raw().reference, trial()) == {}
