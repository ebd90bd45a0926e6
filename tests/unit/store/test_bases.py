"""The basis of screening, kept: SEC-08, SEC-13, SEC-34."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from fhir_trial.errors import UsageError
from fhir_trial.people.bases import Basis, BasisKind, NoBasisError, check_basis
from fhir_trial.store import StoreBases

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
TRIAL = "nct06789107"
WAIVER = Basis(TRIAL, BasisKind.PARTIAL_WAIVER, "IRB-12", date(2026, 3, 1), date(2026, 12, 31))
TREATMENT = Basis(TRIAL, BasisKind.TREATMENT, None, date(2026, 3, 2), None)


@pytest.fixture
def bases(engine: Engine) -> StoreBases:
    return StoreBases(engine, "north")


def test_a_recorded_basis_is_in_force_for_its_trial_alone(bases: StoreBases) -> None:
    """SEC-34."""
    recorded = bases.record(WAIVER, by="Adams", at=NOW)

    assert recorded.number is not None
    assert replace(recorded, number=None) == WAIVER
    assert bases.in_force(TRIAL) == recorded
    assert bases.in_force("nct1") is None


def test_another_tenant_has_bases_of_its_own(engine: Engine, bases: StoreBases) -> None:
    """SEC-13, SEC-34."""
    bases.record(WAIVER, by="Adams", at=NOW)
    south = StoreBases(engine, "south")

    assert south.in_force(TRIAL) is None
    assert south.all() == []
    with pytest.raises(UsageError):
        south.end(TRIAL, by="Baker", why="x", at=LATER)
    south.record(TREATMENT, by="Clark", at=NOW)
    assert bases.in_force(TRIAL) is not None


def test_a_newer_basis_ends_the_former_one_and_its_history_stays(bases: StoreBases) -> None:
    """SEC-08, SEC-34."""
    first = bases.record(WAIVER, by="Adams", at=NOW)
    second = bases.record(TREATMENT, by="Baker", at=LATER)

    assert bases.in_force(TRIAL) == second
    former, newer = bases.all()
    assert (former.basis, former.recorded_by, former.recorded_at) == (first, "Adams", NOW)
    assert (former.ended_at, former.ended_by, former.ended_why) == (LATER, "Baker", f"replaced by number {second.number}")
    assert (newer.basis, newer.ended_at) == (second, None)


def test_an_ended_basis_is_none_and_what_it_was_is_known(bases: StoreBases) -> None:
    """SEC-08, SEC-34."""
    recorded = bases.record(TREATMENT, by="Adams", at=NOW)

    assert bases.end(TRIAL, by="Baker", why="ward closed", at=LATER) == recorded

    assert bases.in_force(TRIAL) is None
    (ended,) = bases.all()
    assert (ended.ended_at, ended.ended_by, ended.ended_why) == (LATER, "Baker", "ward closed")
    with pytest.raises(UsageError, match="`fhir-trial site basis list`"):
        bases.end(TRIAL, by="Baker", why="again", at=LATER)


def test_an_expired_basis_is_still_found_so_that_the_refusal_can_say_when_it_expired(bases: StoreBases) -> None:
    """SEC-34."""
    bases.record(WAIVER, by="Adams", at=NOW)

    with pytest.raises(NoBasisError, match="expired after 2026-12-31"):
        check_basis(bases.in_force(TRIAL), TRIAL, date(2027, 1, 1))


@pytest.mark.parametrize(
    "basis",
    [replace(WAIVER, last_day=None), replace(WAIVER, reference=None), replace(WAIVER, reference="x" * 301)],
)
def test_a_basis_that_is_not_complete_leaves_the_former_one_in_force(bases: StoreBases, basis: Basis) -> None:
    """SEC-34."""
    former = bases.record(TREATMENT, by="Adams", at=NOW)

    with pytest.raises(UsageError):
        bases.record(basis, by="Baker", at=LATER)

    assert bases.in_force(TRIAL) == former
    assert len(bases.all()) == 1


def test_of_many_recorded_at_once_one_is_in_force(bases: StoreBases) -> None:
    """SEC-34."""
    with ThreadPoolExecutor(8) as pool:
        recorded = list(pool.map(lambda n: bases.record(replace(WAIVER, reference=f"IRB-{n}"), by="Adams", at=NOW), range(8)))

    open_ones = [one.basis for one in bases.all() if one.ended_at is None]
    assert open_ones == [bases.in_force(TRIAL)]
    assert open_ones[0] in recorded
    assert len(bases.all()) == 8
