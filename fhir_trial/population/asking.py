"""What is asked of a population, how far it is, and what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from fhir_trial.screening.ports import AnswerBook
from fhir_trial.sources.report import ReadReport
from fhir_trial.trials.model import ResolvedTrial

#: Whether a patient, by reference, may be screened for a trial, by id. Asked in other processes, it must not need a connection.
Admits = Callable[[str, str], bool]

#: ``Row.overall`` of who is not admitted: they are told from whoever is not in the export, and are not to be kept or shown.
LEFT_OUT: Final = "left-out"


def admit_all(_patient: str, _trial: str) -> bool:
    """For where nobody has opted out."""
    return True


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        everyone: Screen all, and not only who shows a sign.
        complete: The export holds each patient's whole record (R12).
        processes: How many work side by side.
        admits: Who is on a register of opt-outs gets no verdict (SEC-36).
        answers: What people have answered; asked in other processes, too.
    """

    trials: Sequence[ResolvedTrial]
    as_of: date
    first_dose: date | None = None
    everyone: bool = False
    complete: bool = False
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    admits: Admits = admit_all
    answers: AnswerBook | None = None

    @property
    def looks_at_all(self) -> bool:
        """Whether some trial does not say what makes a candidate."""
        return self.everyone or any(trial.signs is None for trial in self.trials)

    @property
    def types(self) -> frozenset[str]:
        """Of all resources that any of the trials reads."""
        return frozenset(kind for trial in self.trials for kind in trial.needs.resource_types)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Attributes:
        stage: "signs", "records" or "verdicts".
        done, whole: Bytes on disk, or piles of patients for verdicts.
    """

    stage: str
    done: int
    whole: int


@dataclass(slots=True)
class Population:
    """What was found.

    Attributes:
        report: What could not be read; complete before the first row.
        patients: Patient resources in the export.
        candidates: Who showed a sign of any trial; None where all were looked at.
        signs: By trial id, how many showed a sign of it.
        lines: NDJSON lines read.
    """

    report: ReadReport = field(default_factory=ReadReport)
    patients: int = 0
    candidates: int | None = None
    signs: dict[str, int] = field(default_factory=dict)
    lines: int = 0


#: Told of each step.
Told = Callable[[Progress], None]


def tell_nobody(progress: Progress) -> None:
    """For callers who do not want to know."""
