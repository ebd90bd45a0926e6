"""Age and sex of a patient, with what the record leaves open about them.

A birth date may be a year or a month (DATA-41): an age is then a range. Birth sex goes before ``gender`` (R28).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fhir_trial.logic import Truth
from fhir_trial.records.model import Origin, Patient
from fhir_trial.times import FAR_PAST, Span, age_in_years


class Sex(StrEnum):
    """Of the two that formulas and criteria ask for."""

    FEMALE = "female"
    MALE = "male"


class SexDoubt(StrEnum):
    """Why the sex is not known."""

    CONFLICTING = "conflicting"  # birth sex against gender (R28), or one copy of the Patient against another (VER-07)
    UNDETERMINED = "undetermined"  # gender other or unknown, without a birth sex
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class AgeRange:
    """Completed years: from the youngest that the birth date allows to the oldest, both possible."""

    youngest: int
    oldest: int

    @property
    def years(self) -> range:
        return range(self.youngest, self.oldest + 1)


@dataclass(frozen=True, slots=True)
class Person:
    """Who the patient is, as far as criteria ask.

    Attributes:
        birth: Every day that the birth date may mean; None if absent or unreadable.
        births_disagree: Merged copies of the Patient have different birth dates: what rests on it is conflicting (VER-07).
        sex: None exactly when there is a ``sex_doubt``.
        sex_recorded: As recorded, for people: "birth sex female, gender male".
        deceased, deceased_on: As recorded; ask ``died_by``.
    """

    origin: Origin
    birth: Span | None
    births_disagree: bool
    sex: Sex | None
    sex_doubt: SexDoubt | None
    sex_recorded: str
    deceased: bool = False
    deceased_on: Span | None = None

    def age_on(self, day: date) -> AgeRange | None:
        """Completed years on a day; None without a birth date. Negative before birth."""
        if self.birth is None:
            return None
        return AgeRange(age_in_years(self.birth.last, day), age_in_years(self.birth.first, day))

    def died_by(self, day: date) -> Truth:
        """Whether the patient was dead on ``day``: a later date of death is not evidence yet, a partial one may leave it open."""
        if not self.deceased:
            return Truth.FALSE
        return Truth.TRUE if self.deceased_on is None else self.deceased_on.within(FAR_PAST, day)


def read_person(patient: Patient) -> Person:
    """The person that a Patient resource describes."""
    sex, doubt = _sex(patient)
    return Person(
        origin=patient.origin,
        birth=patient.birth,
        births_disagree="birthDate" in patient.disagreements,
        sex=sex,
        sex_doubt=doubt,
        sex_recorded=_recorded(patient),
        deceased=patient.deceased,
        deceased_on=patient.deceased_on,
    )


def _sex(patient: Patient) -> tuple[Sex | None, SexDoubt | None]:
    if "sex" in patient.disagreements:
        return None, SexDoubt.CONFLICTING
    at_birth, administrative = _binary(patient.birth_sex), _binary(patient.gender)
    # R28, precision: gender "other" or "unknown" contradicts nothing.
    if at_birth and administrative and at_birth is not administrative:
        return None, SexDoubt.CONFLICTING
    known = at_birth or administrative
    if known:
        return known, None
    return None, SexDoubt.ABSENT if patient.gender is None else SexDoubt.UNDETERMINED


def _binary(word: str | None) -> Sex | None:
    return Sex(word) if word in (Sex.FEMALE, Sex.MALE) else None


def _recorded(patient: Patient) -> str:
    at_birth = f"birth sex {patient.birth_sex}" if patient.birth_sex else ""
    gender = f"gender {patient.gender}" if patient.gender else ""
    return ", ".join(filter(None, (at_birth, gender))) or "not recorded"
