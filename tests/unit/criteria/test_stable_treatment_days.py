"""C6 day by day: against a count of every day, and every day on which the clock alone changes the answer."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_trial.criteria.answers import Outcome
from fhir_trial.criteria.background import BackgroundClass
from fhir_trial.criteria.stable_treatment import StableTreatment
from tests.unit.medication_records import DRUGS, Json, S, case_of, days, dosage, medication

CLASSES = (
    BackgroundClass("C6.1", "oral_corticosteroid", "oral corticosteroid", 7, "first-dose", in_equivalents=True, pulses=True),
    BackgroundClass("C6.2", "antimalarial", "antimalarial", 7, "first-dose"),
    BackgroundClass(
        "C6.3", "conventional_immunosuppressant", "immunosuppressant", 28, "screening", by_weight_in_children=("methotrexate",)
    ),
)
C6 = StableTreatment(CLASSES)
ONE = timedelta(days=1)


# --- against a count of every day -----------------------------------------------------------------------------------


@st.composite
def spells(draw: st.DrawFn) -> list[tuple[date, date | None, int]]:
    """Orders of one drug one after the other: first and last day, mg. The last one may be open."""
    backwards = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 12), st.sampled_from([5, 10])), min_size=1, max_size=5))
    day = S + timedelta(days=draw(st.integers(-3, 3)))
    found: list[tuple[date, date | None, int]] = []
    for gap, length, mg in backwards:
        first = day - timedelta(days=length - 1)
        found.append((first, day, mg))
        day = first - timedelta(days=gap + 1)
    if draw(st.booleans()):
        first, _, mg = found[0]
        found[0] = (first, None, mg)
    return found[::-1]


def counted(orders: list[tuple[date, date | None, int]], window: int) -> str:
    """The ruling, by counting days: changes strictly inside, gaps of up to three days joined."""
    doses: dict[date, int] = {}
    for first, last, mg in orders:
        if first <= S:
            for number in range(((last or S) - first).days + 1):
                doses[first + number * ONE] = mg
    covered = sorted(doses)
    for before, after in pairwise(covered):
        for number in range(1, (after - before).days):
            if (after - before).days - 1 <= 3:
                doses[before + number * ONE] = doses[before]
    if S not in doses:
        return "not current"
    inside = [S - number * ONE for number in range(window)]
    dates = [(doses.get(day - ONE), doses[day]) for day in inside if day in doses]
    if min(doses) in inside or any(before is not None and before != after for before, after in dates):
        return "changed"
    return "interrupted" if any(before is None for before, _ in dates) else "stable"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(orders=spells())
@pytest.mark.parametrize(("drug", "window"), [("hcq 200", 7), ("prednisone 5", 7), ("azathioprine 50", 28)])
def test_a_stable_dose_is_what_counting_days_says(orders: list[tuple[date, date | None, int]], drug: str, window: int) -> None:
    resources = [
        medication("report", drug, first.isoformat(), f"{mg} mg", end=last.isoformat() if last else None, status="active")
        for first, last, mg in orders
        if first <= S
    ]

    found = C6.answer(case_of(*resources)).outcome

    expected = {
        "stable": (Outcome.MET,),
        "changed": (Outcome.NOT_MET,),
        "interrupted": (Outcome.NEEDS_CLINICIAN,),
        "not current": (Outcome.UNKNOWN, Outcome.NEEDS_CLINICIAN),  # an active report whose end has passed is doubtful
    }
    assert found in expected[counted(orders, window)]


# --- turning points -------------------------------------------------------------------------------------------------


def random_record(random: Random) -> list[Json]:
    """A few records of every type, status and precision around S."""
    found = []
    for _ in range(random.randint(1, 6)):
        kind = random.choice(["order", "order", "order", "report", "supply", "given"])
        start = S + timedelta(days=random.randint(-120, 200))
        end = start + timedelta(days=random.randint(0, 90)) if random.random() < 0.5 else None
        text = start.isoformat()[: random.choice([10, 10, 10, 7, 4])]
        drug: str | Json = random.choice([*DRUGS, "prednisone 5", "hcq 200", "mmf 500", "methotrexate 2.5"])
        if random.random() < 0.1:
            drug = {"medicationReference": {"display": "a drug"}}
        more: dict[str, Any] = {"dosages": [dosage(random.choice(["10 mg", "20 mg", "5 mg", None]))]}
        statuses = {
            "order": ["active", "active", "active", "completed", "stopped", "unknown"],
            "report": ["active", "active", "completed", "not-taken", "stopped"],
            "supply": ["completed"],
            "given": ["completed"],
        }
        more["status"] = random.choice(statuses[kind])
        if kind == "order" and random.random() < 0.3:
            more["authoredOn"] = (start - timedelta(days=20)).isoformat()
        if kind == "report" and random.random() < 0.5:
            more["dateAsserted"] = (start + timedelta(days=random.randint(-30, 30))).isoformat()
        if kind in ("order", "supply") and random.random() < 0.5:
            supply = days(random.choice([14, 30, 90]))
            more |= {"dispenseRequest": {"expectedSupplyDuration": supply}} if kind == "order" else {"daysSupply": supply}
        if random.random() < 0.3:
            more["meta"] = {"lastUpdated": (start + timedelta(days=random.randint(0, 60))).isoformat() + "T08:00:00Z"}
        found.append(medication(kind, drug, text, end=end.isoformat() if end and kind in ("order", "report") else None, **more))
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("first_dose", [None, S + timedelta(days=40)])
def test_turning_points_hold_every_day_on_which_the_answer_changes(seed: int, first_dose: date | None) -> None:
    random = Random(seed)
    case = case_of(*random_record(random), first_dose=first_dose, birth="2008-05-01", complete=random.random() < 0.5)
    turning = set(C6.turning_points(case))
    before = C6.answer(case).outcome
    for later in range(1, 250):
        day = S + timedelta(days=later)
        now = C6.answer(case.on(day)).outcome
        assert now is before or day in turning, day
        before = now


def test_turning_points_lie_ahead() -> None:
    case = case_of(*random_record(Random(1)), birth=None)

    assert all(day > S for day in C6.turning_points(case))


@pytest.mark.parametrize(
    ("resource", "turn"),
    [
        (medication("order", "hcq 200", "2026-02-27"), "2026-03-06"),  # seven full days (R11)
        (medication("order", "azathioprine 50", "2026-02-27"), "2026-03-27"),  # four weeks
        (medication("supply", "hcq 200", "2026-02-10", daysSupply=days(30)), "2026-03-12"),  # the supply ends
        (medication("order", "hcq 200", "2025-06-01", dispenseRequest={"validityPeriod": {"end": "2026-02-01"}}), "2026-05-03"),
        (medication("order", "hcq 200", "2025-06-01", end="2026-04-01"), "2026-04-02"),
        (medication("order", "hcq 200", "2025-06-01") | {"authoredOn": "2026-03-20"}, "2026-03-20"),  # dated in the future
    ],
)
def test_the_first_day_on_which_the_clock_changes_the_answer_is_a_turning_point(resource: Json, turn: str) -> None:
    """VER-16."""
    case = case_of(resource)
    before = C6.answer(case).outcome

    turning = sorted(set(C6.turning_points(case)))

    assert next(day for day in turning if C6.answer(case.on(day)).outcome is not before).isoformat() == turn
