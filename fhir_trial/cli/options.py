"""Options and ways of speaking that several commands share."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.cli.site_store import NAME
from fhir_trial.errors import UsageError
from fhir_trial.people.small_cells import shown_count

if TYPE_CHECKING:
    from fhir_trial.config import Settings
    from fhir_trial.screening.ports import AnswerBook, PatientSource, RawPatient
    from fhir_trial.sources.report import ReadReport
    from fhir_trial.trials.model import ResolvedTrial
    from fhir_trial.verdict.model import Verdict
    from fhir_trial.wiring.desk import Screen, TryingOut

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

    def screener(self, source: PatientSource, answers: AnswerBook | None) -> Screen:
        """Screens a patient of the source for a trial."""
        from fhir_trial.wiring.library import holds_whole_records, screen_raw

        def screen(raw: RawPatient, trial: ResolvedTrial) -> Verdict:
            whole = self.complete and holds_whole_records(source)
            return screen_raw(raw, trial, as_of=self.as_of, first_dose=self.first_dose, complete=whole, answers=answers)

        return screen


@dataclass(frozen=True, slots=True)
class Behalf:
    """On whose behalf, and about whose patients: for the store alone.

    Attributes:
        who: Name for the audit log; None for that of the operating system's user.
        of_server: URL or name of the server that the patients of files come from; None for that of the settings.
    """

    who: str | None
    of_server: str | None

    def desk(self, settings: Settings, server: str | None = None) -> TryingOut:
        """Where bases, opt-outs, answers and the audit log are asked.

        Args:
            server: URL or name of the server that is read; None where files are.

        Raises:
            UsageError: As for ``open_desk``; or a server is read, and files are spoken of.
        """
        from fhir_trial.wiring.desk import open_desk

        if server is not None and self.of_server is not None:
            raise UsageError("--of-server says whose patients files hold: leave it out where a server is read.")
        named = server or self.of_server
        if settings.database and settings.server and named and settings.url_of(named) != settings.server_url:
            click.echo(
                "Note: this is another server than FHIR_TRIAL_SERVER, whose opt-outs and answers do not count here.", err=True
            )
        return open_desk(settings, self.who or os_user(), server=server, of_server=self.of_server)


def who_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--who``."""
    return click.option(
        "--who", type=NAME, metavar="NAME", help="Who asks, for the audit log of the store; the system's user by default."
    )(function)


def behalf_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--who`` and ``--of-server``; the command is given them as ``behalf``."""

    @wraps(function)
    def command(**given: Any) -> Any:
        behalf = Behalf(**{field.name: given.pop(field.name) for field in fields(Behalf)})
        return function(behalf=behalf, **given)

    of_server = click.option(
        "--of-server",
        metavar="URL|NAME",
        help="With a store: the FHIR server that the files' patients come from; FHIR_TRIAL_SERVER by default.",
    )
    return who_option(of_server(command))


def os_user() -> str:
    """The operating system's name of who runs this, whatever the environment says; a number where it has no name."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
    except ImportError:  # no Unix
        return getpass.getuser()


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
    """The trials named, resolved; one named twice, with and without its version, counts once.

    With a store, site and time zone are those of the settings unless given, as they are for the service.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.definitions.trial_files import load_trial
    from fhir_trial.wiring.library import knowing_our_own

    settings = read_settings()
    site, timezone = asked.site, asked.timezone
    if settings.database is not None:
        site, timezone = site or settings.site, timezone or settings.timezone
    given = dict(_setting(written) for written in asked.settings)
    resolved = [load_trial(name, site=site, settings=given, timezone=timezone) for name in dict.fromkeys(names)]
    return [knowing_our_own(trial, settings) for trial in {(one.trial.id, one.trial.version): one for one in resolved}.values()]


def load_answers(asked: Asked, trials: list[ResolvedTrial], desk: TryingOut) -> AnswerBook | None:
    """What people answered: the file that was named, else what the store has; what is not applied is told on standard error."""
    if asked.answers is None:
        if desk.keeps and desk.answers is None:
            click.echo(
                "Note: nobody said whose patients these files hold (--of-server), so no answer of the store is used.", err=True
            )
        return desk.answers
    from fhir_trial.wiring.library import read_answers_file

    found, left_out = read_answers_file(asked.answers, trials)
    for sentence in left_out:
        click.echo(sentence, err=True)
    if desk.keeps:
        click.echo("Note: the answers of the file are used, and none of those that people gave in the store.", err=True)
    return found


def _setting(written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not equals:
        raise UsageError(f"'{written}' is no setting. Expected NAME=VALUE.")
    return name.strip(), value.strip()


def tell_what_was_left_out(report: ReadReport, *, complete: bool, counting: bool = False) -> None:
    """On standard error: what could not be read or was dropped, by reason (VER-06), and a claim that does not hold (R12).

    Args:
        counting: Nobody may be named (SEC-35): no place, since a file may be named after a patient, and no small number.
    """
    if not counting:
        for trouble in report.troubles:
            click.echo(str(trouble), err=True)
    if complete and report.lost_types:
        lost = ", ".join(sorted(report.lost_types))
        click.echo(f"Not taken as complete: what could not be read may belong to any patient ({lost}).", err=True)
    if report.counts:
        shown = sorted(report.counts.items())
        counted = ", ".join(f"{_REASONS.get(code, code)} ({shown_count(count, exact=not counting)})" for code, count in shown)
        click.echo(f"Not taken as data: {counted}.", err=True)


def tell_who_was_left_out(desk: TryingOut, *, counting: bool = False) -> None:
    """On standard error, how many patients the register kept out; never who."""
    if desk.left_out:
        click.echo(f"Left out, on the site's register of opt-outs: {_patients(len(desk.left_out), counting)}.", err=True)
    if desk.without_id:
        number = _patients(desk.without_id, counting)
        click.echo(f"Left out, since without an id nobody can be looked up in that register: {number}.", err=True)


def _patients(number: int, counting: bool) -> str:
    return f"{shown_count(number, exact=not counting)} {'patient' if number == 1 and not counting else 'patients'}"
