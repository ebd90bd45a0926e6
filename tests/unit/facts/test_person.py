"""Age and sex as known from a Patient: DATA-41, DATA-42, R28, R30, VER-07."""

from __future__ import annotations

from datetime import UTC, date

import pytest

from fhir_trial.facts.person import AgeRange, Person, read_person
from fhir_trial.logic import Truth
from fhir_trial.records.model import Origin, Patient
from fhir_trial.times import read_span

# birth sex, gender, copies disagree -> sex, doubt
SEXES = """
    female   female   no   female  -
    female   male     no   -       conflicting
    male     female   no   -       conflicting
    female   other    no   female  -
    male     unknown  no   male    -
    female   -        no   female  -
    unknown  female   no   female  -
    -        male     no   male    -
    -        other    no   -       undetermined
    -        unknown  no   -       undetermined
    unknown  unknown  no   -       undetermined
    unknown  -        no   -       absent
    -        -        no   -       absent
    female   female   yes  -       conflicting
    -        male     yes  -       conflicting
"""


def person_of(birth: str | None = "2010-05-17", **more: object) -> Person:
    told: dict[str, object] = {
        "gender": None, "birth_sex": None, "deceased": False, "deceased_on": None, "active": None, "replaced_by": None,
        "disagreements": frozenset(),
    }  # fmt: skip
    return read_person(Patient(Origin("Patient/p1"), read_span(birth, UTC), **(told | more)))  # type: ignore[arg-type]


@pytest.mark.parametrize("row", [line.split() for line in SEXES.strip().splitlines()], ids=" ".join)
def test_birth_sex_goes_before_gender_and_a_contradiction_is_no_sex(row: list[str]) -> None:
    """R28 and its precision, DATA-42, VER-07."""
    birth_sex, gender, disagree, sex, doubt = [None if word == "-" else word for word in row]

    person = person_of(birth_sex=birth_sex, gender=gender, disagreements=frozenset({"sex"} if disagree == "yes" else ()))

    assert (person.sex, person.sex_doubt) == (sex, doubt)


def test_what_was_recorded_of_the_sex_is_told_in_words() -> None:
    assert person_of(birth_sex="female", gender="male").sex_recorded == "birth sex female, gender male"
    assert person_of(gender="other").sex_recorded == "gender other"
    assert person_of().sex_recorded == "not recorded"


@pytest.mark.parametrize(
    ("birth", "on", "youngest", "oldest"),
    [
        ("2021-03-03", date(2026, 3, 2), 4, 4),
        ("2021-03-02", date(2026, 3, 2), 5, 5),
        ("2021", date(2026, 3, 2), 4, 5),
        ("2021-03", date(2026, 3, 2), 4, 5),
        ("2021-03", date(2026, 3, 31), 5, 5),
        ("2020-02-29", date(2025, 2, 28), 4, 4),
        ("2020-02-29", date(2025, 3, 1), 5, 5),
        ("2027-01-01", date(2026, 3, 2), -1, -1),
    ],
)
def test_an_age_is_as_exact_as_the_birth_date(birth: str, on: date, youngest: int, oldest: int) -> None:
    """DATA-41, R30, C1 [J] for 29 February."""
    assert person_of(birth).age_on(on) == AgeRange(youngest, oldest)


def test_the_years_of_an_age_are_all_that_are_possible() -> None:
    assert list(AgeRange(4, 5).years) == [4, 5]


def test_without_a_birth_date_there_is_no_age() -> None:
    assert person_of(None).age_on(date(2026, 3, 2)) is None


def test_copies_that_disagree_on_the_birth_date_are_noted() -> None:
    """VER-07."""
    assert person_of(disagreements=frozenset({"birthDate"})).births_disagree
    assert not person_of().births_disagree


@pytest.mark.parametrize(
    ("deceased", "on", "dead"),
    [
        (False, None, Truth.FALSE),
        (True, None, Truth.TRUE),
        (True, "2026-03-02", Truth.TRUE),
        (True, "2026-03-03", Truth.FALSE),
        (True, "2026-03", Truth.UNKNOWN),
        (True, "2026-02", Truth.TRUE),
    ],
)
def test_a_death_after_the_day_is_ignored(deceased: bool, on: str | None, dead: Truth) -> None:
    """Readings, "Patient": deceasedDateTime after as_of is ignored; R30 for a partial one."""
    assert person_of(deceased=deceased, deceased_on=read_span(on, UTC)).died_by(date(2026, 3, 2)) is dead
