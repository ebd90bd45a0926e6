"""The register of patients who are left alone, kept: SEC-08, SEC-13, SEC-36."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from fhir_trial.audit import patient_key
from fhir_trial.errors import UsageError
from fhir_trial.people.opt_outs import OptOutKind
from fhir_trial.store import StoreOptOuts

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
TRIAL, ANOTHER = "nct06789107", "nct05471050"
SERVER = "https://ehr.example.invalid/fhir"
JANE, JOHN = (patient_key("north", SERVER, f"Patient/{name}") for name in ("jane", "john"))
NO_CONTACT, OBJECTION, WITHDRAWN = OptOutKind.NO_CONTACT, OptOutKind.OBJECTION, OptOutKind.CONSENT_WITHDRAWN


@pytest.fixture
def register(engine: Engine) -> StoreOptOuts:
    return StoreOptOuts(engine, "north")


def entered(register: StoreOptOuts, trial: str | None, kind: OptOutKind = OBJECTION, patient: str = JANE) -> bool:
    return register.record(patient, trial, kind, by="Adams", at=NOW)


def lifted(register: StoreOptOuts, trial: str | None, patient: str = JANE) -> None:
    register.lift(patient, trial, by="Baker", why="asked to", at=LATER)


def test_an_entry_for_one_trial_counts_for_it_alone(register: StoreOptOuts) -> None:
    """SEC-36."""
    assert entered(register, TRIAL)

    assert register.kind_of(JANE, TRIAL) is OBJECTION
    assert register.kind_of(JANE, ANOTHER) is None
    assert register.kind_of(JANE, None) is None
    assert register.kind_of(JOHN, TRIAL) is None


def test_an_entry_for_all_trials_counts_for_each(register: StoreOptOuts) -> None:
    """SEC-36."""
    entered(register, None)

    assert register.kind_of(JANE, TRIAL) is OBJECTION
    assert register.kind_of(JANE, None) is OBJECTION
    assert register.among([JOHN, JANE], ANOTHER) == {JANE}


def test_of_several_entries_the_gravest_is_named(register: StoreOptOuts) -> None:
    entered(register, TRIAL, NO_CONTACT)
    entered(register, None, WITHDRAWN)

    assert register.kind_of(JANE, TRIAL) is WITHDRAWN


def test_entered_twice_is_one_entry(register: StoreOptOuts) -> None:
    assert entered(register, TRIAL)
    assert not entered(register, TRIAL)
    assert entered(register, TRIAL, NO_CONTACT)

    assert len(register.all()) == 2


def test_a_lifted_entry_counts_no_more_and_its_history_stays(register: StoreOptOuts) -> None:
    """SEC-08, SEC-36."""
    entered(register, TRIAL)
    entered(register, TRIAL, NO_CONTACT)

    lifted(register, TRIAL)

    assert register.kind_of(JANE, TRIAL) is None
    assert [(one.kind, one.recorded_by, one.lifted_at, one.lifted_by, one.lifted_why) for one in register.all()] == [
        (OBJECTION, "Adams", LATER, "Baker", "asked to"),
        (NO_CONTACT, "Adams", LATER, "Baker", "asked to"),
    ]
    assert entered(register, TRIAL)


def test_lifting_for_one_trial_leaves_the_entry_for_all(register: StoreOptOuts) -> None:
    """SEC-36."""
    entered(register, None)
    entered(register, TRIAL)

    lifted(register, TRIAL)

    assert register.kind_of(JANE, TRIAL) is OBJECTION
    with pytest.raises(UsageError, match="as it was made"):
        lifted(register, TRIAL)


def test_if_one_of_several_is_not_on_the_register_none_is_lifted_and_nobody_is_named(register: StoreOptOuts) -> None:
    entered(register, TRIAL)

    with pytest.raises(UsageError, match="1 of 2 patients") as refused:
        register.lift_all([JANE, JOHN], TRIAL, by="Baker", why="asked to", at=LATER)

    assert register.kind_of(JANE, TRIAL) is OBJECTION
    assert JOHN not in str(refused.value)


def test_another_tenant_has_a_register_of_its_own(engine: Engine, register: StoreOptOuts) -> None:
    """SEC-13, SEC-36."""
    entered(register, None)
    south = StoreOptOuts(engine, "south")

    assert south.kind_of(JANE, TRIAL) is None
    assert south.among([JANE], TRIAL) == frozenset()
    assert south.all() == []
    with pytest.raises(UsageError):
        lifted(south, None)


def test_a_whole_hospital_is_looked_up_in_pieces(register: StoreOptOuts) -> None:
    """SEC-36."""
    hospital = [f"pt-{number:016}" for number in range(2600)]
    out = frozenset(hospital[::7])
    assert register.record_all(out, None, NO_CONTACT, by="Adams", at=NOW) == len(out)

    assert register.among(hospital, TRIAL) == out
    assert register.among([], TRIAL) == frozenset()
    assert register.record_all(hospital, None, NO_CONTACT, by="Adams", at=NOW) == len(hospital) - len(out)


@pytest.mark.parametrize("odd", ["pt-\0", "pt-\ud800", "", "x" * 5000])
def test_a_key_that_cannot_be_one_of_ours_is_not_on_the_register_and_cannot_be_entered(register: StoreOptOuts, odd: str) -> None:
    entered(register, None)

    assert register.kind_of(odd, TRIAL) is None
    assert register.among([odd, JANE], TRIAL) == {JANE}
    with pytest.raises(UsageError):
        entered(register, None, patient=odd)


def test_if_one_of_many_cannot_be_entered_none_is(register: StoreOptOuts) -> None:
    with pytest.raises(UsageError):
        register.record_all([JANE, "x" * 81], TRIAL, OBJECTION, by="Adams", at=NOW)

    assert register.all() == []


def test_entered_by_sixteen_at_once_it_is_one_entry(register: StoreOptOuts) -> None:
    with ThreadPoolExecutor(16) as pool:
        new = list(pool.map(lambda _: entered(register, TRIAL), range(16)))

    assert sum(new) == 1
    assert len(register.all()) == 1
