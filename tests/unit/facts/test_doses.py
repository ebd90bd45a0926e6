"""Daily doses: every way in which FHIR says how much and how often."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from fhir_trial.facts.doses import DailyDose, Dose, Unreadable, daily_dose, times_per_day, total
from fhir_trial.records.model import Dosage, Quantity, QuantityRange, Timing
from fhir_trial.terminology import Strength
from tests.unit.medication_records import terminology

TABLET = Strength(Fraction(5))
SOLUTION = Strength(Fraction(1), "mL")
DAILY = Timing(frequency=Decimal(1), period=Decimal(1), period_unit="d")


def quantity(number: str | None, unit: str | None = "mg", comparator: str | None = None) -> Quantity:
    return Quantity(Decimal(number) if number else None, comparator, unit, False, "")


def dose(amount: Any, strength: Strength | None = TABLET, timing: Timing | None = DAILY, **more: Any) -> DailyDose:
    said = {"text": None, "as_needed": False, "route": None, "rate": None} | more
    return daily_dose(Dosage(dose=amount, timing=timing, **said), strength, terminology())


def often(frequency: int | None = None, period: str | None = None, unit: str | None = None, **more: Any) -> Timing:
    return Timing(
        frequency=None if frequency is None else Decimal(frequency),
        period=None if period is None else Decimal(period),
        period_unit=unit,
        **more,
    )


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (often(1, "1", "d"), 1),
        (often(2, "1", "d"), 2),
        (often(1, "2", "d"), Fraction(1, 2)),  # alternate days are averaged
        (often(1, "1", "wk"), Fraction(1, 7)),
        (often(1, "8", "h"), 3),
        (often(1, "480", "min"), 3),
        (often(1, "43200", "s"), 2),
        (often(1, "1", "mo"), Fraction(16, 487)),
        (often(1, "1", "a"), Fraction(4, 1461)),
        (often(None, "1", "d"), 1),
        (often(period="1", unit="d", times_of_day=3), 3),
        (often(times_of_day=2), 2),
        (often(when=2), 2),
        (often(2, "1", "d", when=2), 2),
        (often(1, "1", "d", days_of_week=3), Fraction(3, 7)),
        (often(2, "1", "d", days_of_week=1), Fraction(2, 7)),
        (often(3, "1", "wk", days_of_week=3), Fraction(3, 7)),
        (often(days_of_week=1), Fraction(1, 7)),
        (often(period="1", unit="wk", days_of_week=2), Fraction(2, 7)),
        (Timing(code="BID"), 2),
        (Timing(code="QOD"), Fraction(1, 2)),
        (often(2, "1", "d", code="BID"), 2),
        (often(2, "1", "d", code="LOCAL"), 2),
    ],
)
def test_times_per_day(timing: Timing, expected: Fraction | int) -> None:
    assert times_per_day(timing, terminology()) == Dose.of(expected)


@pytest.mark.parametrize(
    ("timing", "low", "high"),
    [
        (often(1, "1", "d", frequency_max=Decimal(2)), 1, 2),
        (often(1, "6", "h", period_max=Decimal(8)), 3, 4),
    ],
)
def test_a_schedule_that_is_a_range_stays_a_range(timing: Timing, low: int, high: int) -> None:
    assert times_per_day(timing, terminology()) == Dose(Fraction(low), Fraction(high))


@pytest.mark.parametrize(
    "timing",
    [
        often(1, "1", "fortnight"),
        often(1, "1"),
        often(1, "0", "d"),
        often(3, "1", "d", when=2),
        often(1, "1", "wk", days_of_week=2),
        often(1, "2", "d", days_of_week=2),
        often(1, "1", "d", code="BID"),  # the code says twice, the repeat once
        Timing(code="LOCAL"),
    ],
)
def test_a_schedule_that_cannot_be_read_or_contradicts_itself_is_not_guessed(timing: Timing) -> None:
    assert times_per_day(timing, terminology()) is Unreadable.TIMING
    assert dose(quantity("5"), timing=timing) is Unreadable.TIMING


@pytest.mark.parametrize("timing", [None, Timing(), Timing(events=2)])
def test_a_schedule_may_say_nothing(timing: Timing | None) -> None:
    assert times_per_day(timing, terminology()) is None
    assert dose(quantity("5"), timing=timing) is Unreadable.NO_TIMING
    assert dose(quantity("5"), timing=timing, text="5 mg daily") is Unreadable.TEXT_ONLY


@pytest.mark.parametrize(
    ("amount", "strength", "expected"),
    [
        (quantity("5"), None, 5),
        (quantity("0.5", "g"), None, 500),
        (quantity("250", "ug"), None, Fraction(1, 4)),
        (quantity("2", "tablet"), TABLET, 10),
        (quantity("0.5", "{tbl}"), TABLET, Fraction(5, 2)),
        (quantity("3", "capsule"), TABLET, 15),
        (quantity("7.5", "mL"), SOLUTION, Fraction(15, 2)),
        (quantity("2", "tablet"), None, Unreadable.STRENGTH),
        (quantity("2", "tablet"), SOLUTION, Unreadable.STRENGTH),
        (quantity("5", "mL"), TABLET, Unreadable.STRENGTH),
        (quantity("5", "mg/kg"), TABLET, Unreadable.UNIT),
        (quantity("5", None), TABLET, Unreadable.UNIT),
        (quantity("5", "mg", "<"), TABLET, Unreadable.NO_DOSE),
        (quantity("0"), TABLET, Unreadable.NO_DOSE),
        (quantity(None), TABLET, Unreadable.NO_DOSE),
        (None, TABLET, Unreadable.NO_DOSE),
    ],
)
def test_a_dose_in_milligrams_or_through_the_strength_of_the_product(
    amount: Quantity | None, strength: Strength | None, expected: Fraction | int | Unreadable
) -> None:
    """A dose in tablets or capsules without a strength is unreadable (readings, "More")."""
    assert dose(amount, strength) == (expected if isinstance(expected, Unreadable) else Dose.of(expected))


def test_a_dose_range_stays_a_range() -> None:
    assert dose(QuantityRange(quantity("1", "tablet"), quantity("2", "tablet"), "")) == Dose(Fraction(5), Fraction(10))
    assert dose(QuantityRange(quantity("1"), None, "")) is Unreadable.NO_DOSE
    assert dose(QuantityRange(quantity("1", "x"), quantity("2"), "")) is Unreadable.UNIT
    assert dose(QuantityRange(quantity("1"), quantity("2", "x"), "")) is Unreadable.UNIT


def test_as_needed_and_text_only_are_unreadable() -> None:
    assert dose(quantity("5"), as_needed=True) is Unreadable.AS_NEEDED
    assert dose(None, timing=None, text="as directed") is Unreadable.TEXT_ONLY
    assert dose(None, text="as directed") is Unreadable.TEXT_ONLY
    assert dose(None, timing=None) is Unreadable.NO_DOSE


def test_a_sum_is_unreadable_as_soon_as_a_part_is() -> None:
    assert total([Dose.of(5), Dose(Fraction(1), Fraction(2))]) == Dose(Fraction(6), Fraction(7))
    assert total([Dose.of(5), Unreadable.NO_DOSE]) is Unreadable.NO_DOSE
    assert total([]) == Dose.of(0)
    assert not Dose(Fraction(1), Fraction(2)).single
