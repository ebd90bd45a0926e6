"""A report as rows of a table for spreadsheets: one count a row, with what it counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fhir_trial.population.report import Report, TrialReport

HEAD: Final = ["trial", "version", "as_of", "section", "criterion", "title", "measure", "patients"]


def report_rows(report: Report) -> Iterator[list[str]]:
    """The cells of each line, the head first. Trial text is the protocol's own: the writer must keep formulas out (SEC-21)."""
    yield HEAD
    for trial in report.trials:
        for section, criterion, title, measure, patients in (*_whole(report, trial), *_steps(trial), *_bands(trial)):
            yield [trial.trial, trial.version, report.as_of.isoformat(), section, criterion, title, measure, patients]


_Line = tuple[str, str, str, str, str]


def _whole(report: Report, trial: TrialReport) -> Iterator[_Line]:
    yield "export", "", "Patients in the export", "patients", report.patients
    if trial.signs is not None:
        yield "export", "", "Who show a sign of the trial", "signs", trial.signs
        yield "export", "", "No sign: not looked at, which is no answer", "not-looked-at", trial.not_looked_at
    for overall, patients in trial.overall.items():
        yield "overall", "", "", overall, patients


def _steps(trial: TrialReport) -> Iterator[_Line]:
    yield "in-order", "", "Have died; come to no criterion", "deceased", trial.deceased
    for step in trial.steps:
        yield "in-order", step.criterion, step.title, "reached", step.reached
        yield "in-order", step.criterion, step.title, "fallen", step.fallen
    yield "in-order", "", "Whom no criterion decides against", "left", trial.left
    for step in trial.steps:
        yield "any-order", step.criterion, step.title, "against", step.against
        for reason in step.open:
            yield "any-order", step.criterion, step.title, f"open: {reason.why}", reason.patients
        yield "any-order", step.criterion, step.title, "only-blocker", step.only_blocker
        yield "any-order", step.criterion, step.title, "only-open", step.only_open
        yield "any-order", step.criterion, step.title, "only-datum", step.only_datum


def _bands(trial: TrialReport) -> Iterator[_Line]:
    for band in trial.bands:
        for overall, patients in band.patients.items():
            yield "age-and-sex", "", f"{band.age}, {band.sex}", overall, patients
