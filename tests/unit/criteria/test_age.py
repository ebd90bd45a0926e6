"""C1: age on the screening date. R1, R30, R44, VER-07."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from fhir_trial.criteria.age import Age
from fhir_trial.criteria.answers import Answer
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import briefly, case_of, check_turning_points, patient

FIVE = Age(at_least_years=5, turning_within_days=28)

# S is 2026-03-02, S + 28 d is 2026-03-30. birth date, first dose or -, answer
TABLE = """
    2021-03-02  -           met
    2021-03-03  -           needs-clinician judgement
    2021-03-30  -           needs-clinician judgement
    2021-03-31  -           not-met
    1936-01-01  -           met
    2020        -           met
    2021        -           unknown unusable
    2022        -           not-met
    2021-02     -           met
    2021-03     -           unknown unusable
    2021-04     -           not-met
    2021-03-10  2026-03-10  needs-clinician judgement
    2021-03-11  2026-03-10  not-met
    2021-03-02  2026-03-10  met
    2021-03-03  2026-02-20  not-met
    2027-01-01  -           not-met
"""


def born(birth: str, first_dose: str = "-", on: date = date(2026, 3, 2)) -> Case:
    case = case_of(who=patient(birthDate=birth), on=on)
    return case if first_dose == "-" else replace(case, planned_first_dose=date.fromisoformat(first_dose))


@pytest.mark.parametrize("row", [line.split(maxsplit=2) for line in TABLE.strip().splitlines()], ids=" ".join)
def test_the_fifth_birthday_decides_and_the_screening_period_softens(row: list[str]) -> None:
    birth, first_dose, expected = row

    assert briefly(FIVE.answer(born(birth, first_dose))) == expected


@pytest.mark.parametrize(("on", "expected"), [(date(2025, 2, 28), "needs-clinician judgement"), (date(2025, 3, 1), "met")])
def test_someone_born_on_29_february_completes_a_year_on_1_march(on: date, expected: str) -> None:
    """C1 [J]."""
    assert briefly(FIVE.answer(born("2020-02-29", on=on))) == expected


def test_a_child_of_four_years_and_364_days_is_told_with_the_day_it_turns_five() -> None:
    answer = FIVE.answer(born("2021-03-03"))

    assert str(answer.reason) == "Turns 5 on 2026-03-03, within the screening period."
    assert str(answer.next_step) == "Decide whether to screen now or on 2026-03-03."
    [evidence] = answer.evidence
    assert (evidence.original, evidence.value, evidence.limit) == ("2021-03-03", "4", ">= 5 years")


def test_without_a_birth_date_the_age_is_not_recorded() -> None:
    nameless = patient()
    del nameless["birthDate"]

    answer = FIVE.answer(case_of(who=nameless))

    assert briefly(answer) == "unknown not-recorded"
    assert answer.next_step is not None
    assert list(FIVE.turning_points(case_of(who=nameless))) == []
    assert briefly(FIVE.answer(case_of(who=nameless, states={"Patient": LoadState.RESTRICTED}))) == "unknown not-loaded"


def test_copies_with_different_birth_dates_conflict() -> None:
    """VER-07."""
    case = born("2010-01-01")
    record = case.facts.record
    torn = replace(record, patient=replace(record.patient, disagreements=frozenset({"birthDate"})))
    case.facts.record = torn

    assert briefly(FIVE.answer(case)) == "needs-clinician conflicting"


def test_without_a_screening_period_a_younger_child_is_not_old_enough() -> None:
    assert briefly(Age(at_least_years=5).answer(born("2021-03-03"))) == "not-met"


# the upper limit ends on the day before the next birthday
UPPER = """
    1951-03-02  met
    1950-03-03  met
    1950-03-02  not-met
    1950        unknown unusable
    1949        not-met
    2008-03-02  met
    2008-03-03  not-met
    2008        unknown unusable
"""


@pytest.mark.parametrize("row", [line.split(maxsplit=1) for line in UPPER.strip().splitlines()], ids=" ".join)
def test_an_upper_limit_holds_until_the_day_before_the_next_birthday(row: list[str]) -> None:
    birth, expected = row

    assert briefly(Age(at_least_years=18, at_most_years=75).answer(born(birth))) == expected


def test_an_upper_limit_may_stand_alone() -> None:
    assert briefly(Age(at_most_years=17).answer(born("2008-03-03"))) == "met"
    assert briefly(Age(at_most_years=17).answer(born("2008-03-02"))) == "not-met"


@pytest.mark.parametrize(
    ("kind", "birth", "first_dose"),
    [
        (FIVE, "2021-06-15", "-"),
        (FIVE, "2021", "-"),
        (FIVE, "2021-06", "-"),
        (FIVE, "2020-02-29", "-"),
        (FIVE, "2021-03-20", "2026-03-25"),
        (FIVE, "2021-06-15", "2026-03-25"),
        (Age(at_least_years=18, at_most_years=18), "2008-06", "-"),
        (Age(at_most_years=75), "1950", "-"),
    ],
)
def test_every_change_of_the_answer_is_a_turning_point(kind: Age, birth: str, first_dose: str) -> None:
    """VER-16."""
    start = date(2025, 1, 1)

    check_turning_points(kind, born(birth, first_dose, on=start), 900)


@pytest.mark.parametrize(
    "fields", [{}, {"at_least_years": 6, "at_most_years": 5}, {"at_most_years": 5, "turning_within_days": 28}]
)
def test_an_age_that_nobody_can_have_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at_"):
        Age(**fields)


def test_the_rule_is_told_in_words_and_needs_the_patient_alone() -> None:
    assert FIVE.in_words() == "age >= 5 years on the screening date"
    assert Age(at_least_years=18, at_most_years=75).in_words() == "age >= 18 and <= 75 years on the screening date"
    assert FIVE.needs() == Needs.of(Need("Patient"))
    assert isinstance(FIVE, Kind)


def test_a_decided_age_says_which() -> None:
    answer: Answer = FIVE.answer(born("2016-03-02"))

    assert str(answer.reason) == "Aged 10 on 2026-03-02."
