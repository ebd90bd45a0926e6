"""What changed from one run to the next, and why: the data, the clock, or the trial's own definition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from itertools import groupby
from pathlib import Path

from fhir_trial.population.kept_runs import KeptRun, read_run, rows_of_run
from fhir_trial.population.rows import Answered, Row


class Cause(StrEnum):
    """Why an answer is another one now. Where the definition changed, it is named, whatever else did."""

    DEFINITION = "definition"
    DATA = "data"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Changed:
    """One criterion of one patient."""

    criterion: str
    before: Answered | None
    after: Answered | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class RowChange:
    """One patient and trial, of whom something is another than before.

    Attributes:
        before: None: the patient was not looked at then.
        after: None: the patient is not looked at any more.
    """

    patient: str
    trial: str
    before: Row | None
    after: Row | None
    answers: tuple[Changed, ...]


def changes(earlier: Path, later: Path) -> Iterator[RowChange]:
    """By patient, then trial.

    Raises:
        SourceError: A folder holds no whole run.
    """
    defined = [_definitions(read_run(folder)) for folder in (earlier, later)]
    both = merge(
        ((row.patient, row.trial, 0, row) for row in rows_of_run(earlier)),
        ((row.patient, row.trial, 1, row) for row in rows_of_run(later)),
        key=lambda one: one[:3],
    )
    for (patient, trial), found in groupby(both, key=lambda one: one[:2]):
        rows = {nth: row for _, _, nth, row in found}
        before, after = rows.get(0), rows.get(1)
        is_redefined = defined[0].get(trial) != defined[1].get(trial)
        answers = tuple(_changed(before, after, is_redefined=is_redefined)) if before and after else ()
        if before is None or after is None or answers or before.overall != after.overall:
            yield RowChange(patient, trial, before, after, answers)


def _definitions(run: KeptRun) -> dict[str, tuple[str, str]]:
    return {trial.id: (trial.version, trial.definition) for trial in run.trials}


def _changed(before: Row, after: Row, *, is_redefined: bool) -> Iterator[Changed]:
    then = {answer.criterion: answer for answer in before.answers}
    cause = Cause.DEFINITION if is_redefined else Cause.CLOCK if before.inputs == after.inputs else Cause.DATA
    now = {answer.criterion: answer for answer in after.answers}
    for criterion in dict.fromkeys((*then, *now)):
        one, other = then.get(criterion), now.get(criterion)
        if one is None or other is None or (one.outcome, one.why) != (other.outcome, other.why):
            yield Changed(criterion, one, other, cause)
