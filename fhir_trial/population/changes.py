"""What changed from one run to the next, and why: the trial's own definition, a person's answer, the data, or the clock."""

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
    """Why an answer is another one now: the first of these that did change."""

    DEFINITION = "definition"
    PERSON = "person"  # somebody answered it, or their answer does not count any more
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
    runs = [read_run(folder) for folder in (earlier, later)]
    defined = [_definitions(run) for run in runs]
    is_same_day = (runs[0].as_of, runs[0].first_dose) == (runs[1].as_of, runs[1].first_dose)
    both = merge(
        ((row.patient, row.trial, 0, row) for row in rows_of_run(earlier)),
        ((row.patient, row.trial, 1, row) for row in rows_of_run(later)),
        key=lambda one: one[:3],
    )
    for (patient, trial), found in groupby(both, key=lambda one: one[:2]):
        rows = {nth: row for _, _, nth, row in found}
        before, after = rows.get(0), rows.get(1)
        is_redefined = defined[0].get(trial) != defined[1].get(trial)
        cause = _Causes(is_redefined, is_same_day)
        answers = tuple(_changed(before, after, cause)) if before and after else ()
        if before is None or after is None or answers or before.overall != after.overall:
            yield RowChange(patient, trial, before, after, answers)


def _definitions(run: KeptRun) -> dict[str, tuple[str, str]]:
    return {trial.id: (trial.version, trial.definition) for trial in run.trials}


@dataclass(frozen=True, slots=True)
class _Causes:
    is_redefined: bool
    is_same_day: bool

    def of(self, criterion: str, before: Row, after: Row) -> Cause:
        if self.is_redefined:
            return Cause.DEFINITION
        if (criterion in before.people) != (criterion in after.people):
            return Cause.PERSON
        if before.inputs != after.inputs:
            return Cause.DATA
        return Cause.PERSON if self.is_same_day else Cause.CLOCK  # on the same day and data, a part was answered


def _changed(before: Row, after: Row, causes: _Causes) -> Iterator[Changed]:
    then = {answer.criterion: answer for answer in before.answers}
    now = {answer.criterion: answer for answer in after.answers}
    for criterion in dict.fromkeys((*then, *now)):
        one, other = then.get(criterion), now.get(criterion)
        if one is None or other is None or (one.outcome, one.why) != (other.outcome, other.why):
            yield Changed(criterion, one, other, causes.of(criterion, before, after))
