"""One verdict per patient and trial (VER-10, VER-15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from fhir_trial.criteria.answers import Answer
from fhir_trial.records.model import Issue
from fhir_trial.trials.adjudication import Adjudication
from fhir_trial.trials.evaluation import PartPath
from fhir_trial.trials.model import Criterion


class Overall(StrEnum):
    """What all answers together say (VER-15)."""

    POTENTIALLY_ELIGIBLE = "potentially-eligible"
    NOT_ELIGIBLE = "not-eligible"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one patient for one trial on one day, and what is missing.

    Attributes:
        patient: ``Patient/id`` or the fullUrl.
        answers: Each criterion and its answer, in the trial's order.
        blockers: Ids of criteria, or "deceased", that make the patient not eligible.
        missing: The smallest set of undecided prescreening criteria that would have to be met.
        data_cutoff: Date of the newest datum read, at most ``as_of``; None without any.
        ends: For a criterion's id, the first day on which the clock alone changes its answer, and those of its parts.
        people: For a criterion that a person answered, their answer beside the computed one; ``answers`` has the one that counts.
    """

    patient: str
    trial: str
    version: str
    as_of: date
    first_dose: date | None
    overall: Overall
    answers: tuple[tuple[Criterion, Answer], ...]
    blockers: tuple[str, ...]
    missing: tuple[str, ...]
    not_evaluated: tuple[str, ...]
    settings: Mapping[str, str | int]
    site: str | None
    data_cutoff: date | None
    issues: tuple[Issue, ...]
    ends: Callable[[str], Mapping[PartPath, date | None]]
    people: Mapping[str, Adjudication] = field(default_factory=dict)

    def answer(self, criterion: str) -> Answer:
        """The answer to one criterion; KeyError if the trial has none of that id."""
        for found, answer in self.answers:
            if found.id == criterion:
                return answer
        raise KeyError(criterion)

    def computed(self, criterion: str) -> Answer:
        """What was computed of one criterion, whatever a person says of it; KeyError if the trial has none of that id."""
        return self.people[criterion].computed if criterion in self.people else self.answer(criterion)

    def holds_until(self, criterion: str) -> date | None:
        """The first day on which the same data, screened again, would change the answer to a criterion; None if none (VER-16)."""
        return self.ends(criterion)[()]
