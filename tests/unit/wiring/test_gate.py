"""The day on which a basis ends is a day of the trial's own zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import cast

import pytest

from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.people.bases import Basis, BasisKind, NoBasisError
from fhir_trial.store import StoreBases, StoreOptOuts
from fhir_trial.wiring import gate
from fhir_trial.wiring.gate import Gate

TRIAL = "nct06789107"
LAST_DAY = date(2026, 3, 2)
#: 2026-03-03 00:30 in the zone ahead, 2026-03-02 in UTC and behind.
MOMENT = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)


class Recorded:
    """One basis for every trial, which ends on LAST_DAY."""

    def in_force(self, trial: str) -> Basis:
        return Basis(trial, BasisKind.TREATMENT, None, date(2026, 1, 1), LAST_DAY)


def day_in(zone: tzinfo) -> date:
    return MOMENT.astimezone(zone).date()


@pytest.mark.parametrize(("zone", "is_over"), [("Pacific/Kiritimati", True), ("UTC", False), ("America/Los_Angeles", False)])
def test_a_basis_ends_with_its_last_day_in_the_trial_s_zone(zone: str, is_over: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-34."""
    monkeypatch.setattr(gate, "today", day_in)
    asked = Gate(cast(StoreBases, Recorded()), cast(StoreOptOuts, None))
    trial = load_trial(TRIAL, timezone=zone)

    if is_over:
        with pytest.raises(NoBasisError, match="expired after 2026-03-02"):
            asked.basis(trial)
    else:
        assert asked.basis(trial).last_day == LAST_DAY
