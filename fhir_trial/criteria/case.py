"""One patient on one day: what every kind of criterion is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date

from fhir_trial.criteria.answers import Answer, Why
from fhir_trial.facts.sheet import FactSheet


@dataclass(frozen=True, slots=True)
class Case:
    """A patient's facts and the anchors of time (R44).

    Attributes:
        facts: Everything known; data dated after ``as_of`` are in it and never evidence.
        as_of: S, the screening date, a calendar date in the site's zone.
        planned_first_dose: D if it is planned, else None.
        answer_to: The answer of another criterion of the trial on the same day, by id; ``turning_points_of`` its turning points.
    """

    facts: FactSheet
    as_of: date
    planned_first_dose: date | None
    answer_to: Callable[[Case, str], Answer]
    turning_points_of: Callable[[Case, str], Iterable[date]] = lambda _case, _criterion: ()

    @property
    def first_dose(self) -> date:
        """D: the planned first dose, else S."""
        return self.planned_first_dose or self.as_of

    def on(self, day: date) -> Case:
        """The same data, screened on another day."""
        return replace(self, as_of=day)

    def other(self, criterion: str) -> Answer:
        return self.answer_to(self, criterion)

    def other_turning_points(self, criterion: str) -> Iterable[date]:
        return self.turning_points_of(self, criterion)

    def absent(self, *resource_types: str) -> Why:
        """Why nothing is on file: not loaded, if any of the types was not, else not recorded (VER-05)."""
        states = [self.facts.record.state(name) for name in resource_types]
        return Why.NOT_RECORDED if all(state.loaded for state in states) else Why.NOT_LOADED

    def loaded(self, *resource_types: str) -> bool:
        """Whether every one of the types was loaded whole, or comes from a file that makes no claim."""
        return all(self.facts.record.state(name).loaded for name in resource_types)
