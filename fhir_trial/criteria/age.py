"""Age in completed years on the screening date.

Rules: C1, R1, R30, R44, VER-07. Source: FHIR R4 Patient.birthDate, which may be a year or a month.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from fhir_trial.criteria.answers import Answer, Evidence, Role, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.facts.person import Person
from fhir_trial.times import Span, add_days, age_in_years, birthday


@dataclass(frozen=True, slots=True)
class Age:
    """The patient is old enough, and not too old, on the screening date.

    As protocols put it: "Age: >= 5 years old", "aged 18 to 75 years".

    Attributes:
        at_least_years: Completed years, or None for no lower limit.
        at_most_years: Completed years, or None: 75 includes the day before the 76th birthday.
        turning_within_days: A birthday that brings the lower limit within so many days after the screening date, the last one
            included, or up to a planned first dose, is put to a clinician (R1).
    """

    at_least_years: int | None = None
    at_most_years: int | None = None
    turning_within_days: int | None = None

    def __post_init__(self) -> None:
        if self.at_least_years is None and self.at_most_years is None:
            raise ValueError("An age has at_least_years, at_most_years or both.")
        if self.at_least_years is not None and self.at_most_years is not None and self.at_least_years > self.at_most_years:
            raise ValueError("at_least_years is above at_most_years: nobody is of that age.")
        if self.turning_within_days is not None and self.at_least_years is None:
            raise ValueError("turning_within_days needs at_least_years, the birthday that it is about.")

    def needs(self) -> Needs:
        return Needs.of(Need("Patient"))

    def answer(self, case: Case) -> Answer:
        """UNKNOWN without a birth date, or when the one on file leaves both answers possible."""
        person = case.facts.person
        shown = (self._evidence(person, case.as_of),)
        if person.births_disagree:
            return needs_clinician(  # VER-07
                Why.CONFLICTING,
                say("Copies of the patient's record give different birth dates."),
                shown,
                next_step=say("Find out which birth date is right, and correct the record."),
            )
        if person.birth is None:
            return unknown(
                case.absent("Patient"), say("No birth date is recorded."), next_step=say("Record the patient's date of birth.")
            )
        oldest, youngest = (
            self._of_someone_born(person.birth.first, case, shown),
            self._of_someone_born(person.birth.last, case, shown),
        )
        if oldest.outcome is youngest.outcome:
            return oldest
        return unknown(  # R30
            Why.UNUSABLE,
            say(
                "Born {birth}: too imprecise to tell whether the age is {limit} on {day}.",
                birth=person.birth,
                limit=self._limit(),
                day=case.as_of,
            ),
            (self._evidence(person, case.as_of, Role.UNUSABLE),),
            next_step=say("Record the full date of birth."),
        )

    def turning_points(self, case: Case) -> Iterable[date]:
        birth = case.facts.person.birth
        for born in (birth.first, birth.last) if birth else ():
            if self.at_least_years is not None:
                turning = birthday(born, self.at_least_years)
                yield turning
                yield add_days(turning, -(self.turning_within_days or 0))
            if self.at_most_years is not None:
                yield birthday(born, self.at_most_years + 1)

    def in_words(self) -> str:
        return f"age {self._limit()} on the screening date"

    def _of_someone_born(self, born: date, case: Case, shown: tuple[Evidence, ...]) -> Answer:
        age = age_in_years(born, case.as_of)
        if self.at_most_years is not None and age > self.at_most_years:
            return not_met(say("Aged {age} on {day}; the limit is {limit}.", age=age, day=case.as_of, limit=self._limit()), shown)
        if self.at_least_years is None or age >= self.at_least_years:
            return met(say("Aged {age} on {day}.", age=age, day=case.as_of), shown)
        turning = birthday(born, self.at_least_years)
        if turning <= self._end_of_screening(case):
            return needs_clinician(
                Why.JUDGEMENT,
                say("Turns {years} on {turning}, within the screening period.", years=self.at_least_years, turning=turning),
                shown,
                next_step=say("Decide whether to screen now or on {turning}.", turning=turning),
            )
        return not_met(say("Turns {years} only on {turning}.", years=self.at_least_years, turning=turning), shown)

    def _end_of_screening(self, case: Case) -> date:
        """R1: the last day of the screening period, which is D where a first dose is planned."""
        if self.turning_within_days is None:
            return case.as_of
        return case.planned_first_dose or add_days(case.as_of, self.turning_within_days)

    def _evidence(self, person: Person, day: date, role: Role = Role.DECIDES) -> Evidence:
        birth: Span | None = person.birth
        age = str(age_in_years(birth.first, day)) if birth is not None and birth.exact else None
        return Evidence(
            person.origin,
            role,
            original=birth.text if birth else None,
            value=age,
            unit="a" if age else None,
            limit=self._limit(),
        )

    def _limit(self) -> str:
        bounds = (
            f">= {self.at_least_years}" if self.at_least_years is not None else "",
            f"<= {self.at_most_years}" if self.at_most_years is not None else "",
        )
        return " and ".join(filter(None, bounds)) + " years"
