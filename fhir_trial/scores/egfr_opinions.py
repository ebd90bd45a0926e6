"""What the formulas for the glomerular filtration rate say of one patient, each as an interval, by age, height and sex.

From 18 years CKD-EPI 2021; from 1 to 17 bedside Schwartz, which needs a height; CKiD U25 beside either up to 25 years where there
is a height (C7.7). An unknown sex means both (R29).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

from fhir_trial.facts.person import AgeRange, Person, Sex
from fhir_trial.quantities import Number, Possible
from fhir_trial.scores.egfr import ckd_epi_2021, schwartz_bedside, u25_creatinine, u25_cystatin
from fhir_trial.times import Span

ADULT: Final = 18
_YOUNGEST: Final = 1
_U25_OLDEST: Final = 25
_YEAR: Final = Fraction(1461, 4)  # days


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one formula says.

    Attributes:
        formula: For people.
        first: Whether it is the formula for the age; the others are second opinions.
        sex: The sex put in, None for a formula that needs none.
        rate: mL/min/1.73 m2.
    """

    formula: str
    first: bool
    sex: Sex | None
    rate: Possible


@dataclass(frozen=True, slots=True)
class Measured:
    """What goes into the formulas, beside age and sex.

    Attributes:
        creatinine: mg/dL.
        dated: Its date; the age counts then.
        height: cm, None if none is recent enough.
        cystatin: mg/L, None likewise.
    """

    creatinine: Possible
    dated: Span
    height: Possible | None = None
    cystatin: Possible | None = None


def age_at(person: Person, dated: Span) -> AgeRange | None:
    """Completed years on the day of a result, as far as both dates say; None without a birth date."""
    before, after = person.age_on(dated.first), person.age_on(dated.last)
    return None if before is None or after is None else AgeRange(before.youngest, after.oldest)


def opinions(person: Person, measured: Measured) -> tuple[Opinion, ...]:
    """Every formula that applies, the one for the age first.

    None without a birth date, under 1 year, and for a child without a height.
    """
    age = age_at(person, measured.dated)
    if age is None or person.birth is None or age.youngest < _YOUNGEST:
        return ()
    sexes = (person.sex,) if person.sex is not None else (Sex.FEMALE, Sex.MALE)
    found: list[Opinion] = []
    if age.oldest >= ADULT:
        found += [_ckd_epi(measured, sex, age) for sex in sexes]
    if age.youngest < ADULT:
        if measured.height is None:
            return ()
        found.append(_schwartz(measured.creatinine, measured.height))
    if age.youngest <= _U25_OLDEST and measured.height is not None:
        years = _decimal_years(person.birth, measured.dated)
        found += [one for sex in sexes for one in _u25(measured, measured.height, years, sex)]
    return tuple(found)


def _ckd_epi(measured: Measured, sex: Sex, age: AgeRange) -> Opinion:
    ages = (max(age.youngest, ADULT), age.oldest)
    rate = _rate(measured.creatinine, lambda creatinine: [ckd_epi_2021(creatinine, years, sex) for years in ages])
    return Opinion("CKD-EPI 2021", True, sex, rate)


def _schwartz(creatinine: Possible, height: Possible) -> Opinion:
    return Opinion(
        "bedside Schwartz", True, None, _rate(creatinine, lambda one: [schwartz_bedside(one, cm) for cm in _ends(height)])
    )


def _u25(measured: Measured, height: Possible, years: tuple[Fraction, Fraction], sex: Sex) -> Iterator[Opinion]:
    rate = _rate(
        measured.creatinine,
        lambda creatinine: [u25_creatinine(creatinine, cm, age, sex) for cm in _ends(height) for age in years],
    )
    yield Opinion("CKiD U25 creatinine", False, sex, rate)
    if measured.cystatin is not None:
        rate = _rate(measured.cystatin, lambda cystatin: [u25_cystatin(cystatin, age, sex) for age in years])
        yield Opinion("CKiD U25 cystatin C", False, sex, rate)


def _rate(measured: Possible, rates_at: Callable[[Number], list[Decimal]]) -> Possible:
    """Every formula falls as creatinine rises: the highest value gives the lowest rate."""
    low = None if measured.high is None else Fraction(min(rates_at(measured.high)))
    high = Fraction(max(rates_at(measured.low))) if measured.low else None
    return Possible(low, high, measured.high_open, measured.low_open, measured.approximate)


def _ends(height: Possible) -> list[Fraction]:
    return [end for end in (height.low, height.high) if end is not None]


def _decimal_years(birth: Span, dated: Span) -> tuple[Fraction, Fraction]:
    return _between(birth.last, dated.first), _between(birth.first, dated.last)


def _between(born: date, day: date) -> Fraction:
    return max(Fraction((day - born).days) / _YEAR, Fraction(_YOUNGEST))
