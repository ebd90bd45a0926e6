"""``fhir-trial site opt-out``: the patients who are to be left alone (SEC-36). No id of a patient is printed or kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from fhir_trial.cli.site_store import (
    NAME,
    TRIAL,
    Changes,
    known_trial,
    of_trials,
    open_site,
    tell_table,
    who_option,
    why_option,
)
from fhir_trial.errors import SourceError, UsageError
from fhir_trial.people.opt_outs import OptOutKind

if TYPE_CHECKING:
    from fhir_trial.config import Settings

_ID = re.compile(r"(?:Patient/)?([A-Za-z0-9.-]{1,64})")

_patients = click.argument("patients", nargs=-1, metavar="[PATIENT]...")
_file = click.option(
    "--file",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Ids, one a line; - for standard input. All of it, or none.",
)
_server = click.option("--server", type=NAME, metavar="URL|NAME", help="Whose ids they are; FHIR_TRIAL_SERVER by default.")


@click.group(name="opt-out")
def opt_out() -> None:
    """The register of patients who are not screened, listed, contacted or written about.

    PATIENT is an id of the FHIR server, 123 or Patient/123. A shell keeps a history of what is typed: better give --file.
    """


@opt_out.command()
@_patients
@_file
@_server
@click.option("--trial", type=TRIAL, metavar="ID", help="For this trial alone; for all trials by default.")
@click.option("--kind", type=click.Choice([str(kind) for kind in OptOutKind]), required=True, help="Why.")
@who_option
def add(patients: tuple[str, ...], file: str | None, server: str | None, trial: str | None, kind: str, who: str) -> None:
    """Enter patients into the kept.opt_outs."""
    from fhir_trial.audit import AuditAction
    from fhir_trial.wiring.clock import now

    on = known_trial(trial) if trial is not None else None
    kept, settings = open_site()
    keys = _keys(settings, server, patients, file)
    changes = Changes(kept, who)
    with ExitStack() as steps:
        for key in keys:
            steps.enter_context(changes.begin(AuditAction.OPT_OUT, trial=on, patient=key, reason=kind))
        new = kept.opt_outs.record_all(keys, on, OptOutKind(kind), by=who, at=now())
    click.echo(f"Entered: {new} of {len(keys)} ({kind}, {of_trials(on)}); the rest were on the register already.")
    if server is not None and settings.server is not None and settings.url_of(server) != settings.server_url:
        click.echo("Note: these are ids of another server than FHIR_TRIAL_SERVER; they count for that one alone.", err=True)


@opt_out.command()
@_patients
@_file
@_server
@click.option("--trial", type=TRIAL, metavar="ID", help="As they were entered; without it, the entries for all trials.")
@who_option
@why_option
def lift(patients: tuple[str, ...], file: str | None, server: str | None, trial: str | None, who: str, why: str) -> None:
    """Take patients from the register; the history stays."""
    from fhir_trial.audit import AuditAction
    from fhir_trial.wiring.clock import now

    on = trial.lower() if trial is not None else None
    kept, settings = open_site()
    keys = _keys(settings, server, patients, file)
    changes = Changes(kept, who)
    with ExitStack() as steps:
        for key in keys:
            steps.enter_context(changes.begin(AuditAction.LIFT_OPT_OUT, trial=on, patient=key, reason=why))
        kept.opt_outs.lift_all(keys, on, by=who, why=why, at=now())
    click.echo(f"Lifted: {len(keys)} ({of_trials(on)}).")
    if on is not None and (left := kept.opt_outs.among(keys, on)):
        click.echo(f"Note: {len(left)} of them are on the register for all trials, and are left alone still.", err=True)


@opt_out.command(name="list")
@click.option("--all", "with_lifted", is_flag=True, help="Entries that were lifted as well.")
def list_opt_outs(with_lifted: bool) -> None:
    """List the register: our keys for patients, never an id."""
    kept, _ = open_site()
    shown = [one for one in kept.opt_outs.all() if with_lifted or one.lifted_at is None]
    head = ("Patient", "Kind", "Trial", "Since", "By", "Lifted")
    rows = (
        (
            one.patient,
            str(one.kind),
            of_trials(one.trial),
            f"{one.recorded_at:%Y-%m-%d}",
            one.recorded_by,
            f"{one.lifted_at:%Y-%m-%d}, {one.lifted_by}: {one.lifted_why}" if one.lifted_at is not None else "",
        )
        for one in shown
    )
    columns = len(head) if with_lifted else len(head) - 1
    tell_table(head[:columns], (row[:columns] for row in rows))


def _keys(settings: Settings, server: str | None, patients: tuple[str, ...], file: str | None) -> list[str]:
    """Our keys, each once, in the order given."""
    from fhir_trial.audit import patient_key

    base = settings.url_of(server) if server is not None else settings.server_url
    given = [*_checked(patients, "argument"), *(_of_file(file) if file is not None else ())]
    if not given:
        raise UsageError("No patient was given: name ids, or a file with --file.")
    return list(dict.fromkeys(patient_key(settings.tenant, base, f"Patient/{one}") for one in given))


def _of_file(file: str) -> Iterator[str]:
    name = "standard input" if file == "-" else file
    try:
        with click.open_file(file, encoding="utf-8-sig") as stream:
            lines = stream.read().splitlines()
    except (OSError, UnicodeDecodeError):
        raise SourceError("The file of patients cannot be read as text.", expression=name) from None
    return _checked(lines, name)


def _checked(written: list[str] | tuple[str, ...], where: str) -> Iterator[str]:
    """Ids without "Patient/"; blank lines are left out. A wrong one is told by its number, not repeated."""
    for number, one in enumerate(written, 1):
        if not one.strip():
            continue
        found = _ID.fullmatch(one.strip())
        if found is None:
            raise UsageError("This is no id of a FHIR patient, such as 123 or Patient/123.", expression=f"{where}:{number}")
        yield found[1]
