"""Options and ways of speaking that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.sources.report import ReadReport
    from fhir_trial.trials.model import ResolvedTrial

DEFAULT_TRIAL = "nct06789107"


class Day(click.ParamType[date]):
    """A calendar date, 2026-03-02."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is no date. Expected one such as 2026-03-02.", param, ctx)


def screening_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What decides an answer besides the data: day, first dose, zone, site, settings, completeness."""
    for option in reversed(
        (
            click.option("--as-of", type=Day(), help="Screening date S; today in the site's zone by default."),
            click.option("--first-dose", type=Day(), help="Planned first dose D; S by default."),
            click.option("--timezone", metavar="ZONE", help="Where a date-time counts on its calendar date; UTC by default."),
            click.option("--site", metavar="NAME", help="Site whose local codes and settings apply."),
            click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A named setting of the trial."),
            click.option("--complete", is_flag=True, help="The source holds each patient's whole record."),
        )
    ):
        command = option(command)
    return command


def load_trials(names: tuple[str, ...], site: str | None, settings: tuple[str, ...], timezone: str | None) -> list[ResolvedTrial]:
    """The trials named, resolved; a repeated name counts once."""
    from fhir_trial.definitions.trial_files import load_trial

    given = dict(_setting(written) for written in settings)
    return [load_trial(name, site=site, settings=given, timezone=timezone) for name in dict.fromkeys(names)]


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
        counted = ", ".join(f"{count} {code}" for code, count in sorted(report.counts.items()))
        click.echo(f"Left out: {counted}.", err=True)
