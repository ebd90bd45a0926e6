"""Decisions about one patient wait for one another, and those about others hardly ever."""

from __future__ import annotations

from typing import Any, cast

from fhir_trial.wiring.deciding import Deciding


def test_a_patient_has_one_lock_and_others_mostly_another() -> None:
    """WB-14: a slow server keeps nobody else waiting; there is a fixed number of locks, however many patients there are."""
    anything = cast(Any, None)
    deciding = Deciding(anything, anything, anything)

    locks = [deciding._lock(f"pt-{number:016x}") for number in range(1000)]

    assert all(deciding._lock(f"pt-{number:016x}") is lock for number, lock in enumerate(locks))
    assert 32 < len({id(lock) for lock in locks}) <= len(deciding.locks)
