"""The report of a kept run, for whoever may see it, in a form for people or machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fhir_trial.cli.output import csv_row, put
from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.population.report import Report
    from fhir_trial.wiring.hospital import HospitalDesk


def report_of_run(run: Path, desk: HospitalDesk, *, exact: bool) -> Report:
    """The funnels of a kept run.

    Raises:
        SourceError: The folder holds no whole run, or a trial is defined otherwise now.
        UsageError: Exact counts are asked for where the basis allows rounded ones alone.
        NoBasisError: A trial has no basis in force.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.population.funnel import funnels
    from fhir_trial.population.kept_counts import read_counts
    from fhir_trial.population.kept_runs import read_run, rows_of_run
    from fhir_trial.population.report import report_of
    from fhir_trial.wiring.hospital import trials_of

    counts = read_counts(run)
    if counts is not None:
        if exact:
            raise UsageError("This run was on a basis that allows rounded counts alone.", expression=str(run))
        return counts
    kept = read_run(run)
    trials = trials_of(kept, read_settings())
    if desk.counts_only(trials) and exact:
        raise UsageError("The basis to screen is preparatory to research: counts are rounded.")
    admits = desk.admits()
    rows = (row for row in rows_of_run(run) if admits(row.patient, row.trial))
    return report_of(kept, funnels(rows, trials), exact=exact)


def write_report(report: Report, form: str, output: Path | None) -> None:
    """To a file, whole or not at all and for its owner alone, or to standard output.

    Raises:
        UsageError: The file cannot be written.
    """
    from fhir_trial.population.report_page import report_page
    from fhir_trial.population.report_rows import report_rows

    if form == "html":
        put(iter([report_page(report)]), output)
    elif form == "json":
        put(iter([msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"]), output)
    else:
        put(map(csv_row, report_rows(report)), output)
