"""Options and ways of speaking that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.people.answers import PeoplesAnswers
    from fhir_trial.sources.report import ReadReport
    from fhir_trial.trials.model import ResolvedTrial

DEFAULT_TRIAL = "nct06789107"


#: Why something was not taken as data, by the report's code.
_REASONS = {
    "absent-patient": "patient not in the source",
    "export-incomplete": "missing by the export's own account",
    "file-unreadable": "unreadable files",
    "line-unreadable": "unreadable lines",
    "no-subject": "no subject",
    "not-a-resource": "no FHIR resource",
    "server-remark": "remarks of a server",
    "subject-not-a-patient": "subject is no patient",
    "wrong-patient": "another patient than asked for",
}


class Day(click.ParamType[date]):
    """A calendar date, 2026-03-02."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value if len(value) == len("2026-03-02") and "W" not in value else "")
        except ValueError:
            self.fail(f"'{value}' is no date. Expected one such as 2026-03-02.", param, ctx)


@dataclass(frozen=True, slots=True)
class Asked:
    """What decides an answer besides the data.

    Attributes:
        settings: ``NAME=VALUE``, as written.
        answers: File of people's answers.
    """

    as_of: date | None
    first_dose: date | None
    timezone: str | None
    site: str | None
    settings: tuple[str, ...]
    complete: bool
    answers: Path | None = None


def screening_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options for what decides an answer besides the data; the command is given them as ``asked``."""

    @wraps(function)
    def command(**given: Any) -> Any:
        asked = Asked(**{field.name: given.pop(field.name) for field in fields(Asked)})
        return function(asked=asked, **given)

    for option in reversed(
        (
            click.option("--as-of", type=Day(), help="Screening date S; today in the site's zone by default."),
            click.option("--first-dose", type=Day(), help="Planned first dose D; S by default."),
            click.option("--timezone", metavar="ZONE", help="Where a date-time counts on its calendar date; UTC by default."),
            click.option("--site", metavar="NAME", help="Site whose local codes and settings apply."),
            click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A named setting of the trial."),
            click.option("--complete", is_flag=True, help="The source holds each patient's whole record."),
            click.option(
                "--answers",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="People's answers to criteria, as JSON Lines; docs/answers.md.",
            ),
        )
    ):
        command = option(command)
    return command


def load_trials(names: tuple[str, ...], asked: Asked) -> list[ResolvedTrial]:
    """The trials named, resolved; one named twice, with and without its version, counts once."""
    from fhir_trial.definitions.trial_files import load_trial
    from fhir_trial.wiring.library import knowing_our_own

    given = dict(_setting(written) for written in asked.settings)
    resolved = [load_trial(name, site=asked.site, settings=given, timezone=asked.timezone) for name in dict.fromkeys(names)]
    return [knowing_our_own(trial) for trial in {(one.trial.id, one.trial.version): one for one in resolved}.values()]


def load_answers(asked: Asked, trials: list[ResolvedTrial]) -> PeoplesAnswers | None:
    """What people answered, if a file was named; what of it is not applied is told on standard error."""
    if asked.answers is None:
        return None
    from fhir_trial.wiring.library import read_answers_file

    found, left_out = read_answers_file(asked.answers, trials)
    for sentence in left_out:
        click.echo(sentence, err=True)
    return found


def _setting(written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not equals:
        raise UsageError(f"'{written}' is no setting. Expected NAME=VALUE.")
    return name.strip(), value.strip()


def tell_what_was_left_out(report: ReadReport, *, complete: bool) -> None:
    """On standard error: what could not be read or was dropped, by reason (VER-06), and a claim that does not hold (R12)."""
    for trouble in report.troubles:
        click.echo(str(trouble), err=True)
    if complete and report.lost_types:
        lost = ", ".join(sorted(report.lost_types))
        click.echo(f"Not taken as complete: what could not be read may belong to any patient ({lost}).", err=True)
    if report.counts:
        counted = ", ".join(f"{_REASONS.get(code, code)} ({count})" for code, count in sorted(report.counts.items()))
        click.echo(f"Not taken as data: {counted}.", err=True)
