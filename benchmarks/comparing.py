"""Two ways to screen the same folder: all at once, and one patient at a time from a reader that knows all files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from benchmarks.chart import AS_OF
from benchmarks.generate import truth_of
from fhir_trial.criteria.needs import Needs
from fhir_trial.population.asking import Population, Question
from fhir_trial.population.rows import Row, row_of
from fhir_trial.population.screening import screened
from fhir_trial.records.own_results import OwnMarks
from fhir_trial.records.reading import read_record
from fhir_trial.screening.inputs import inputs_digest, inputs_of
from fhir_trial.screening.screen import judge
from fhir_trial.sources.files import FileSource
from fhir_trial.sources.report import ReadReport
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.library import holds_whole_records

TRIALS = ("nct05471050", "nct06789107")


def one_at_a_time(folder: Path, trials: Sequence[ResolvedTrial], *, complete: bool = False) -> tuple[ReadReport, list[Row]]:
    """Everybody's rows, by patient, then trial; each patient's record is put together by the reader of files."""
    source = FileSource([folder])
    rows: list[Row] = []
    for raw in source.patients(Needs.union(trial.needs for trial in trials)):
        whole = complete and holds_whole_records(source)
        inputs = inputs_digest(inputs_of(raw))
        for trial in sorted(trials, key=lambda trial: (trial.trial.id, trial.trial.version)):
            record = read_record(raw, trial.zone, complete=whole, own=OwnMarks(trial.own_bases))
            rows.append(row_of(judge(record, trial, as_of=AS_OF, first_dose=None, reference=raw.reference), record, inputs))
    return source.report, rows


def at_once(folder: Path, question: Question) -> tuple[Population, list[Row]]:
    """The population's rows."""
    with screened(folder, question) as (population, rows):
        return population, list(rows)


def expected_candidates(folder: Path) -> frozenset[str]:
    """Whom the truth says show a sign."""
    return frozenset(known.patient for known in truth_of(folder) if known.signs)


def only(patients: Collection[str], rows: Sequence[Row]) -> Iterator[Row]:
    """Rows of these."""
    return (row for row in rows if row.patient in patients)
