"""``fhir-trial hospital``: screening everybody of a folder of NDJSON, and what a study team plans with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from fhir_trial.cli.hospital_export import export
from fhir_trial.cli.hospital_options import desk_of, output_option, run_argument
from fhir_trial.cli.options import (
    DEFAULT_TRIAL,
    Asked,
    Behalf,
    behalf_options,
    load_answers,
    load_trials,
    screening_options,
    tell_what_was_left_out,
    tell_who_was_left_out,
)
from fhir_trial.errors import PatientNotFoundError

_UNREADABLE = 1


@click.group()
def hospital() -> None:
    """Screen a whole hospital; docs/hospital.md."""


hospital.add_command(export)


@hospital.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--keep", required=True, type=click.Path(path_type=Path), metavar="RUN", help="A new folder to keep the run in.")
@click.option(
    "--trial",
    "trials",
    multiple=True,
    default=(DEFAULT_TRIAL,),
    show_default=True,
    metavar="ID[@VERSION]",
    help="May be repeated.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--everyone", is_flag=True, help="Screen all patients, and not only who shows a sign of a trial.")
@click.option("--processes", type=click.IntRange(1, 256), help="How many work side by side; one for each core by default.")
@behalf_options
@screening_options
def screen(folder: Path, keep: Path, trials: tuple[str, ...], asked: Asked, behalf: Behalf, **more: Any) -> int:
    """Screen everybody in a folder of NDJSON files who shows a sign of a trial, with the answers that `screen` gives.

    The run is kept in RUN: its rows name patients. With a store (FHIR_TRIAL_DATABASE), only on a basis and without those who
    opted out; on a basis that is preparatory to research only rounded counts are kept, and nobody is named.

    Exit status: 0 all read, 1 some input unreadable and the rest answered, 2 usage, 3 no patient found, 4 trial definition
    invalid, 5 no basis to screen.
    """
    from fhir_trial.cli.hospital_progress import progress
    from fhir_trial.cli.hospital_summary import write_summary
    from fhir_trial.population.asking import Question
    from fhir_trial.wiring.clock import today
    from fhir_trial.wiring.hospital import screen_folder

    resolved = load_trials(trials, asked)
    desk = desk_of(behalf)
    counting = desk.counts_only(resolved)
    if counting:
        click.echo("Counts only: the basis to screen is preparatory to research, and nobody is named.", err=True)
    question = Question(
        resolved,
        as_of=asked.as_of or today(resolved[0].zone),
        first_dose=asked.first_dose,
        everyone=more["everyone"],
        complete=asked.complete,
        processes=more["processes"] or os.cpu_count() or 1,
        answers=load_answers(asked, resolved, desk),
    )
    with progress(counting=counting) as told:
        done = screen_folder(folder, question, desk, keep, told, counting=counting)
    tell_what_was_left_out(done.found.report, complete=asked.complete, counting=counting)
    tell_who_was_left_out(desk, counting=counting)
    if not done.found.patients:
        raise PatientNotFoundError("No patient is in the folder.")
    write_summary(done, more["form"], keep)
    return _UNREADABLE if done.found.report.some_unreadable else 0


@hospital.command()
@run_argument()
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "csv", "json", "sear-csv"]),
    default="html",
    show_default=True,
    help="sear-csv is a screening log: a row a patient.",
)
@click.option("--exact/--rounded", help="Exact counts, and ids in a log, for people who may see the patients; else rounded.")
@output_option
@behalf_options
def report(run: Path, form: str, exact: bool, output: Path | None, behalf: Behalf) -> None:
    """The funnel of a run: how many fall where, of how many what is not known, who waits for one thing alone.

    Exit status: 0, 1 the run cannot be read or its trial is defined otherwise now, 2 usage, 5 no basis.
    """
    from fhir_trial.cli.hospital_people import write_log
    from fhir_trial.cli.hospital_report import report_of_run, write_report

    desk = desk_of(behalf)
    if form == "sear-csv":
        write_log(run, desk, output, exact=exact)
    else:
        write_report(report_of_run(run, desk, exact=exact), form, output)


@hospital.command()
@run_argument()
@click.option("--format", "form", type=click.Choice(["csv", "group", "list"]), default="csv", show_default=True)
@click.option("--trial", metavar="ID[@VERSION]", help="Where the run has several.")
@click.option("--include-open", is_flag=True, help="Also of whom something is still open (indeterminate).")
@output_option
@behalf_options
def candidates(run: Path, form: str, trial: str | None, include_open: bool, output: Path | None, behalf: Behalf) -> None:
    """Whom a person should look at: as CSV, or as a FHIR R4 Group or List. Names patients.

    Exit status: as for `report`; 5 too where the basis allows counts alone.
    """
    from fhir_trial.cli.hospital_people import write_candidates

    write_candidates(run, desk_of(behalf), trial, form, output, include_open=include_open)


@hospital.command()
@run_argument("earlier")
@run_argument("later")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("--exact/--rounded", help="Exact counts, for people who may see the patients; rounded by default.")
@output_option
@behalf_options
def changes(earlier: Path, later: Path, form: str, exact: bool, output: Path | None, behalf: Behalf) -> None:
    """What is answered otherwise in a later run, and why: the data, the clock, or the definition.

    table and json count; csv has a row for each change, and names the patient. Exit status: as for `candidates`.
    """
    from fhir_trial.cli.hospital_people import write_changes

    write_changes(earlier, later, desk_of(behalf), form, output, exact=exact)
