"""``fhir-trial server``: what a FHIR server can do for a trial, before anybody relies on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.cli.options import DEFAULT_TRIAL
from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.transport import FhirServer
    from fhir_trial.trials.model import ResolvedTrial


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
def check(name: str, trial: str, site: str | None, form: str, overlay: Path | None, **who: Any) -> None:
    """Try the searches of a trial on a few patients of a server; nothing is written to it.

    Shows counts and codes, and nothing of a patient. Exit status: 0 usable, 2 usage, 3 no patient of those
    named, 5 server unreachable or refused.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.definitions.trial_files import load_trial
    from fhir_trial.inspection import check_server, overlay_draft, report_lines
    from fhir_trial.wiring.library import knowing_our_own

    if overlay is not None and overlay.exists():
        raise UsageError("The overlay's file exists already and is not overwritten; name another.", expression=str(overlay))
    settings = read_settings()
    resolved = knowing_our_own(load_trial(trial, site=site or settings.site, timezone=settings.timezone), settings)
    with opened_server(name, [resolved]) as opened:
        report = check_server(opened, resolved, write_back=settings.write_back, **who)
    if form == "json":
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        for line in report_lines(report):
            click.echo(line)
    if overlay is not None:
        _write(overlay, overlay_draft(report.local))


@contextmanager
def opened_server(name: str, trials: Sequence[ResolvedTrial]) -> Iterator[FhirServer]:
    """A server by URL or by a name in the settings, asked for what the trials read; closed afterwards."""
    from fhir_trial.config import read_settings
    from fhir_trial.sources.search_plan import trial_plan
    from fhir_trial.transport import FhirServer

    scopes = tuple(sorted({scope for trial in trials for scope in trial_plan(trial).scopes()}))
    with FhirServer(read_settings().server_settings(name), scopes=scopes) as opened:
        yield opened


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        raise UsageError("The overlay's file cannot be written.", expression=str(path)) from None
    click.echo(f"Overlay draft: {path}", err=True)
