"""``fhir-trial server``: what a FHIR server can do for a trial, before anybody relies on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.cli.options import DEFAULT_TRIAL, Behalf, tell_who_was_left_out, who_option
from fhir_trial.errors import PatientNotFoundError, UsageError

if TYPE_CHECKING:
    from fhir_trial.transport import FhirServer
    from fhir_trial.trials.model import ResolvedTrial
    from fhir_trial.wiring.desk import TryingOut


@click.group()
def server() -> None:
    """Try a FHIR server."""


@server.command()
@click.argument("name", metavar="URL|NAME")
@click.option("--trial", default=DEFAULT_TRIAL, show_default=True, metavar="ID[@VERSION]")
@click.option("--patients", type=click.IntRange(0, 100), default=3, show_default=True, help="So many are tried at most.")
@click.option("--patient", "named", multiple=True, metavar="ID", help="Try this patient instead; may be repeated.")
@click.option("--site", metavar="NAME", help="Site whose local codes and settings apply; that of the settings by default.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--overlay", type=click.Path(dir_okay=False, path_type=Path), help="Write a draft of a site overlay to this file.")
@who_option
def check(name: str, trial: str, site: str | None, form: str, overlay: Path | None, who: str | None, **sampled: Any) -> None:
    """Try the searches of a trial on a few patients of a server; nothing is written to it.

    Shows counts and codes, and nothing of a patient. With a store (FHIR_TRIAL_DATABASE), only on a basis, and without those
    who opted out. Exit status: 0 usable, 2 usage, 3 no patient of those named, 5 server unreachable or refused, or no basis.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.definitions.trial_files import load_trial
    from fhir_trial.inspection import check_server, overlay_draft, report_lines
    from fhir_trial.wiring.library import knowing_our_own, reference_of

    if overlay is not None and overlay.exists():
        raise UsageError("The overlay's file exists already and is not overwritten; name another.", expression=str(overlay))
    settings = read_settings()
    resolved = knowing_our_own(load_trial(trial, site=site or settings.site, timezone=settings.timezone), settings)
    desk = Behalf(who, None).desk(settings, name)
    desk.counts_only([resolved])
    named = desk.admitted(map(reference_of, sampled["named"]), [resolved])
    if sampled["named"] and not named:
        raise PatientNotFoundError("All patients named are on the site's register of opt-outs: name others.")
    with opened_server(name, [resolved], desk, watched=resolved) as opened, desk.finding([resolved]):
        report = check_server(opened, resolved, write_back=settings.write_back, patients=sampled["patients"], named=named)
    tell_who_was_left_out(desk, counting=True)
    if form == "json":
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        for line in report_lines(report):
            click.echo(line)
    if overlay is not None:
        _write(overlay, overlay_draft(report.local))


@contextmanager
def opened_server(
    name: str, trials: Sequence[ResolvedTrial], desk: TryingOut, *, watched: ResolvedTrial | None = None
) -> Iterator[FhirServer]:
    """A server by URL or by a name in the settings, asked for what the trials read; closed afterwards.

    Args:
        watched: The trial for which each Patient read is looked up at the desk first.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.sources.search_plan import trial_plan

    scopes = tuple(sorted({scope for trial in trials for scope in trial_plan(trial).scopes()}))
    with desk.open_server(read_settings().server_settings(name), scopes, watched) as opened:
        yield opened


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        raise UsageError("The overlay's file cannot be written.", expression=str(path)) from None
    click.echo(f"Overlay draft: {path}", err=True)
