"""What names patients of a kept run: candidates, a screening log, what changed. Refused where the basis allows counts alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fhir_trial.cli.output import csv_row, put
from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.population.change_counts import ChangeCounts
    from fhir_trial.population.changes import RowChange
    from fhir_trial.population.kept_runs import KeptRun
    from fhir_trial.trials.model import ResolvedTrial
    from fhir_trial.wiring.hospital import HospitalDesk

_CHANGE_HEAD = ["patient", "trial", "overall_before", "overall_after", "criterion", "before", "after", "cause"]


def run_naming(run: Path, desk: HospitalDesk) -> tuple[KeptRun, list[ResolvedTrial]]:
    """A kept run and its trials, for something that names patients.

    Raises:
        SourceError: The folder holds no whole run, or a trial is defined otherwise now.
        UsageError: The run kept counts alone.
        NoBasisError: A trial has no basis in force, or one that allows counts alone.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.people.bases import CountsOnlyError
    from fhir_trial.population.kept_runs import read_run
    from fhir_trial.wiring.hospital import trials_of

    kept = read_run(run)
    trials = trials_of(kept, read_settings())
    if desk.counts_only(trials):
        raise CountsOnlyError("The basis to screen is preparatory to research: it allows counts, and names no patient.")
    return kept, trials


def write_candidates(
    run: Path, desk: HospitalDesk, wanted: str | None, form: str, output: Path | None, *, include_open: bool
) -> None:
    """Whom a person should look at.

    Args:
        wanted: Id of the trial; None where the run has one.
    """
    from fhir_trial.population.handing_over import HEAD, candidate_rows, candidates, group_of, list_of
    from fhir_trial.population.kept_runs import rows_of_run

    kept, trials = run_naming(run, desk)
    trial = _the_one(trials, wanted)
    named = f"Candidates for {trial.trial.short_title or trial.trial.title}, screened for {kept.as_of}"
    with desk.passing([trial], screening=False) as passing:
        found = passing(candidates(rows_of_run(run), trial, include_open=include_open))
        if form == "csv":
            put(_csv(HEAD, candidate_rows(found)), output)
        elif form == "group":
            put(_json(group_of(found, trial, named=named)), output)
        else:
            put(_json(list_of(found, trial, named=named, at=kept.began)), output)


def write_log(run: Path, desk: HospitalDesk, output: Path | None, *, exact: bool) -> None:
    """A screening log: one row a patient and trial.

    Args:
        exact: With the hospital's own id, else with a key of ours or a running number.
    """
    from fhir_trial.population.kept_runs import rows_of_run
    from fhir_trial.population.screening_log import HEAD, log_rows

    kept, trials = run_naming(run, desk)

    def named(patient: str, number: int) -> str:
        return patient if exact else desk.key_of(patient) or str(number)

    with desk.passing(trials, screening=False) as passing:
        put(_csv(HEAD, log_rows(passing(rows_of_run(run)), trials, kept.as_of.isoformat(), named)), output)


def write_changes(earlier: Path, later: Path, desk: HospitalDesk, form: str, output: Path | None, *, exact: bool) -> None:
    """What is answered otherwise in the later run.

    Args:
        form: "table" or "json" for counts, "csv" for a row a change, which names the patient.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.people.bases import CountsOnlyError
    from fhir_trial.population.change_counts import count_changes
    from fhir_trial.population.changes import changes
    from fhir_trial.population.kept_runs import read_run
    from fhir_trial.wiring.hospital import trials_of

    trials = trials_of(read_run(later), read_settings())
    if desk.counts_only(trials) and (exact or form == "csv"):
        raise CountsOnlyError("The basis to screen is preparatory to research: it allows rounded counts, and names no patient.")
    admits = desk.admits()
    found = (change for change in changes(earlier, later) if admits(change.patient, change.trial))
    if form == "csv":
        kept = list(found)
        with desk.passing(trials, screening=False) as passing:
            rows = [row for one in kept for row in [one.after or one.before] if row is not None]
            may = {(row.patient, row.trial) for row in passing(rows)}
            put(_csv(_CHANGE_HEAD, _change_rows(one for one in kept if (one.patient, one.trial) in may)), output)
        return
    counts = count_changes(found, exact=exact)
    put(_json(msgspec.to_builtins(counts)) if form == "json" else _change_table(counts), output)


def _change_rows(found: Iterable[RowChange]) -> Iterator[list[str]]:
    from fhir_trial.population.change_counts import NOT_LOOKED_AT, in_words

    for change in found:
        overall = [row.overall if row else NOT_LOOKED_AT for row in (change.before, change.after)]
        start = [change.patient, change.trial, *overall]
        if not change.answers:
            yield [*start, "", "", "", ""]
        for one in change.answers:
            yield [*start, one.criterion, in_words(one.before), in_words(one.after), one.cause.value]


def _change_table(counts: ChangeCounts) -> Iterator[str]:
    yield "Overall answer\n"
    for turned in counts.overall:
        yield f"  {turned.patients:>7}  {turned.trial}: {turned.before} -> {turned.after}\n"
    yield "Criterion, and why its answer is another one\n"
    for one in counts.answers:
        yield f"  {one.patients:>7}  {one.trial} {one.criterion}: {one.before or 'none'} -> {one.after or 'none'} ({one.cause})\n"
    if not counts.exact:
        yield "Patients, rounded to tens; what changed for fewer than 11 is not listed.\n"


def _the_one(trials: list[ResolvedTrial], wanted: str | None) -> ResolvedTrial:
    found = [trial for trial in trials if wanted in (None, trial.trial.id, f"{trial.trial.id}@{trial.trial.version}")]
    if len(found) != 1:
        known = ", ".join(f"{trial.trial.id}@{trial.trial.version}" for trial in trials)
        raise UsageError(f"Of which trial? Name one of this run with --trial: {known}.")
    return found[0]


def _csv(head: list[str], lines: Iterable[list[str]]) -> Iterator[str]:
    yield csv_row(head)
    yield from map(csv_row, lines)


def _json(content: object) -> Iterator[str]:
    yield json.dumps(content, ensure_ascii=False, indent=1) + "\n"
