"""How much of a drug a dosage makes in a day, in milligrams, as an exact range.

Schedules are averaged: 10 mg every other day is 5 mg a day. What does not say how much and how often is unreadable.

Source: FHIR R4 Dosage, Timing; clinical/criteria.md C6 "dose".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from fhir_trial.records.model import Dosage, Quantity, QuantityRange, Timing
from fhir_trial.terminology import Strength, Terminology

#: Days in a unit of time (UnitsOfTime); months and years are averages.
_DAYS = {
    "s": Fraction(1, 86400),
    "min": Fraction(1, 1440),
    "h": Fraction(1, 24),
    "d": Fraction(1),
    "wk": Fraction(7),
    "mo": Fraction(487, 16),
    "a": Fraction(1461, 4),
}


class Unreadable(StrEnum):
    """Why a daily dose cannot be told."""

    NO_DOSAGE = "no dosage is given"
    AS_NEEDED = "it is taken as needed"
    TEXT_ONLY = "the dosage is only text"
    NO_DOSE = "no dose is given"
    NO_TIMING = "how often it is taken is not given"
    TIMING = "how often it is taken cannot be read"
    UNIT = "the unit of the dose is missing or not known"
    STRENGTH = "the dose counts tablets or millilitres, and the strength of the product is not known"
    RANGE = "the dose is a range"
    STEPS = "its steps follow each other without dates"
    CONFLICT = "orders and reports give different doses"
    EQUIVALENT = "no prednisone equivalent is known for it"


@dataclass(frozen=True, slots=True)
class Dose:
    """Milligrams a day, lowest and highest; equal unless the dosage is a range."""

    low: Fraction
    high: Fraction

    @staticmethod
    def of(mg: Fraction | int) -> Dose:
        return Dose(Fraction(mg), Fraction(mg))

    @property
    def single(self) -> bool:
        return self.low == self.high

    def __add__(self, other: Dose) -> Dose:
        return Dose(self.low + other.low, self.high + other.high)

    def times(self, low: Fraction, high: Fraction) -> Dose:
        """Multiplied by a factor that is itself a range of positive numbers."""
        return Dose(self.low * low, self.high * high)


DailyDose = Dose | Unreadable


def total(doses: list[DailyDose]) -> DailyDose:
    """The sum; unreadable as soon as one of them is."""
    whole: Dose | None = None
    for dose in doses:
        if isinstance(dose, Unreadable):
            return dose
        whole = dose if whole is None else whole + dose
    return Dose.of(0) if whole is None else whole


def daily_dose(dosage: Dosage, strength: Strength | None, terminology: Terminology) -> DailyDose:
    """Milligrams a day of one dosage instruction.

    Args:
        dosage: As recorded.
        strength: Of the product, for doses counted in tablets, capsules or millilitres.
        terminology: For units and timing codes.
    """
    if dosage.as_needed:
        return Unreadable.AS_NEEDED
    if dosage.dose is None and dosage.timing is None and dosage.text:
        return Unreadable.TEXT_ONLY
    each = _amount(dosage, strength, terminology)
    if isinstance(each, Unreadable):
        return each
    times = times_per_day(dosage.timing, terminology)
    if times is None:
        return Unreadable.NO_TIMING if dosage.text is None else Unreadable.TEXT_ONLY
    return times if isinstance(times, Unreadable) else each.times(times.low, times.high)


def _amount(dosage: Dosage, strength: Strength | None, terminology: Terminology) -> DailyDose:
    match dosage.dose:
        case None:
            return Unreadable.TEXT_ONLY if dosage.text else Unreadable.NO_DOSE
        case Quantity():
            return _milligrams(dosage.dose, strength, terminology)
        case QuantityRange(low=Quantity() as low, high=Quantity() as high):
            lowest, highest = (_milligrams(end, strength, terminology) for end in (low, high))
            if isinstance(lowest, Unreadable):
                return lowest
            return highest if isinstance(highest, Unreadable) else Dose(lowest.low, highest.high)
        case _:
            return Unreadable.NO_DOSE


def _milligrams(dose: Quantity, strength: Strength | None, terminology: Terminology) -> DailyDose:
    if dose.number is None or dose.comparator or dose.number <= 0:
        return Unreadable.NO_DOSE
    unit = terminology.dose_unit(dose.unit) if dose.unit else None
    if unit is None:
        return Unreadable.UNIT
    number = Fraction(dose.number) * unit.factor
    if unit.kind == "mass":
        return Dose.of(number)
    per = "mL" if unit.kind == "volume" else "unit"
    if strength is None or strength.per != per:
        return Unreadable.STRENGTH
    return Dose.of(number * strength.mg)


def times_per_day(timing: Timing | None, terminology: Terminology) -> Dose | Unreadable | None:
    """How often in a day, as a range; None when it says nothing of it."""
    if timing is None:
        return None
    repeat = _of_repeat(timing)
    code = terminology.times_per_day(timing.code) if timing.code else None
    if code is None:
        return repeat if repeat is not None or timing.code is None else Unreadable.TIMING
    # Timing.code is a complete statement in itself; a repeat beside it must say the same.
    return Dose.of(code) if repeat in (None, Dose.of(code)) else Unreadable.TIMING


def _of_repeat(timing: Timing) -> Dose | Unreadable | None:
    by_the_clock = timing.times_of_day or timing.when
    if timing.frequency is None and timing.period is None and not by_the_clock and not timing.days_of_week:
        return None
    length = Fraction(timing.period if timing.period is not None else 1)
    unit = timing.period_unit or ("d" if timing.period is None else None)
    if unit not in _DAYS or length <= 0:
        return Unreadable.TIMING
    if by_the_clock and timing.frequency not in (None, by_the_clock):
        return Unreadable.TIMING
    least = Fraction(timing.frequency if timing.frequency is not None else by_the_clock or 1)
    most = Fraction(timing.frequency_max) if timing.frequency_max is not None else least
    shortest, longest = length * _DAYS[unit], Fraction(timing.period_max or length) * _DAYS[unit]
    often = Dose(least / longest, most / shortest)
    return _on_days(often, timing, unit) if timing.days_of_week else often


def _on_days(often: Dose, timing: Timing, unit: str) -> Dose | Unreadable:
    """Only on certain days of the week: "daily" then means on each of them; "weekly" must name as many days as times."""
    days = timing.days_of_week
    if unit == "d" and timing.period in (None, 1):
        return often.times(Fraction(days, 7), Fraction(days, 7))
    if unit == "wk" and timing.frequency in (None, days) and timing.period in (None, 1):
        return Dose.of(Fraction(days, 7))
    return Unreadable.TIMING
