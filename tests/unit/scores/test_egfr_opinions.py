"""Which formulas speak of whom, and between which rates."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from fractions import Fraction

import pytest

from fhir_trial.facts.person import Person, read_person
from fhir_trial.quantities import Possible
from fhir_trial.records.model import Origin, Patient
from fhir_trial.scores.egfr_opinions import Measured, Opinion, age_at, opinions
from fhir_trial.times import Span, read_span

CM_150 = Possible.exactly(150)


def span(text: str) -> Span:
    found = read_span(text, UTC)
    assert found is not None
    return found


def person(birth: str | None, gender: str | None = "female") -> Person:
    born = span(birth) if birth else None
    return read_person(Patient(Origin("Patient/p1"), born, gender, None, False, None, None, None, frozenset()))


def asked(who: Person, creatinine: str = "1.9", height: Possible | None = CM_150, **more: Possible) -> tuple[Opinion, ...]:
    return opinions(who, Measured(Possible.exactly(Decimal(creatinine)), span("2026-03-02"), height, **more))


def names(found: tuple[Opinion, ...]) -> list[str]:
    return [f"{one.formula} {one.sex or '-'}{'' if one.first else ' second'}" for one in found]


#  birth date    height   formulas
WHO_IS_ASKED = [
    ("2026-01-01", CM_150, []),  # no formula holds under one year
    ("2025-03-03", CM_150, []),  # the day before the first birthday
    ("2025-03-02", CM_150, ["bedside Schwartz -", "CKiD U25 creatinine female second"]),
    ("2014-03-02", CM_150, ["bedside Schwartz -", "CKiD U25 creatinine female second"]),
    ("2014-03-02", None, []),  # a child without a height
    ("2008-03-03", CM_150, ["bedside Schwartz -", "CKiD U25 creatinine female second"]),
    ("2008-03-02", CM_150, ["CKD-EPI 2021 female", "CKiD U25 creatinine female second"]),
    ("2008-03-02", None, ["CKD-EPI 2021 female"]),
    ("2000-03-03", CM_150, ["CKD-EPI 2021 female", "CKiD U25 creatinine female second"]),  # 25 years and 364 days
    ("2000-03-02", CM_150, ["CKD-EPI 2021 female"]),
    ("2008", CM_150, ["CKD-EPI 2021 female", "bedside Schwartz -", "CKiD U25 creatinine female second"]),  # 17 or 18
    (None, CM_150, []),
]


@pytest.mark.parametrize(("birth", "height", "formulas"), WHO_IS_ASKED)
def test_the_age_says_which_formulas_speak(birth: str | None, height: Possible | None, formulas: list[str]) -> None:
    assert names(asked(person(birth), height=height)) == formulas


def test_an_unknown_sex_is_asked_both_ways_r29() -> None:
    assert names(asked(person("1990-01-01", None))) == ["CKD-EPI 2021 female", "CKD-EPI 2021 male"]


def test_cystatin_c_is_a_further_second_opinion() -> None:
    found = asked(person("2011-03-02", "male"), cystatin=Possible.exactly(Decimal("1.6")))

    assert names(found)[-1] == "CKiD U25 cystatin C male second"
    assert round(found[-1].rate.single or 0, 1) == Decimal("54.5")


def test_an_unknown_birthday_makes_the_rate_an_interval() -> None:
    (found,) = asked(person("1986"), height=None)

    assert found.rate.single is None
    assert found.rate.low is not None
    assert found.rate.high is not None
    assert found.rate.low < found.rate.high


@pytest.mark.parametrize(
    ("creatinine", "low_known", "high_known"),
    [
        (Possible.compared("<", 2), True, False),  # creatinine below 2: the rate is above some number
        (Possible.compared(">", 2), False, True),
        (Possible.between(0, 2), True, False),  # nothing divides by zero
    ],
)
def test_a_bound_of_creatinine_bounds_the_rate_the_other_way(creatinine: Possible, low_known: bool, high_known: bool) -> None:
    (found,) = opinions(person("1990-01-01"), Measured(creatinine, span("2026-03-02")))

    assert (found.rate.low is not None, found.rate.high is not None) == (low_known, high_known)


def test_the_end_that_is_impossible_stays_so() -> None:
    (found,) = opinions(person("1990-01-01"), Measured(Possible(None, Fraction(2), high_open=True), span("2026-03-02")))

    assert found.rate.low_open


def test_the_age_counts_on_the_day_of_the_result() -> None:
    age = age_at(person("2008-03-02"), span("2026-03"))

    assert age is not None
    assert (age.youngest, age.oldest) == (17, 18)
