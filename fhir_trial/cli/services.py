"""``fhir-trial serve`` and ``fhir-trial sandbox``: the two that run until they are stopped."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fhir_trial.config import Settings
    from fhir_trial.sandbox import LoadReport


@click.command()
@click.option("--server", metavar="URL|NAME", help="The FHIR R4 server to read from and write to.")
@click.option("--host", metavar="ADDRESS", help="Loopback only; 127.0.0.1 by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 for a free one; 8090 by default.")
@click.option("--site", metavar="NAME", help="Site whose local codes and settings apply.")
@click.option("--timezone", metavar="ZONE", help="Where a date-time counts on its calendar date; UTC by default.")
@click.option("--tenant", metavar="NAME", help="The site's name in identifiers and audit lines.")
@click.option("--identifier-base", metavar="URL", help="Under which our identifiers and code systems stand.")
@click.option(
    "--write-back",
    type=click.Choice(["off", "candidates", "work-list"]),
    help="Who is flagged on the server; off by default.",
)
@click.option("--create-study/--no-create-study", default=None, help="Create a missing ResearchStudy; not by default.")
@click.option("--observations", type=click.Choice(["with-subject", "all"]), help="Who gets a result; with-subject by default.")
def serve(**given: Any) -> None:
    """Serve POST /api/screenings and the rest of the JSON API on this machine, until stopped.

    What is not given is read from FHIR_TRIAL_SERVER, FHIR_TRIAL_PORT and so on. Prints the address once it listens.
    """
    from fhir_trial.web import create_app
    from fhir_trial.web.serving import listen, run, url_of
    from fhir_trial.wiring.service import ScreeningService

    settings = settings_with(given)
    with listen(settings.host, settings.port, beyond_loopback=bool(settings.issuers)) as listener:
        service = ScreeningService(settings)
        service.prepare()
        app = create_app(settings, service)
        click.echo(url_of(listener))
        run(app, listener, settings.threads)


def settings_with(given: dict[str, Any]) -> Settings:
    """The settings of the environment, with those given on the command line in their place."""
    from dataclasses import replace

    from fhir_trial.config import read_settings
    from fhir_trial.writeback import Observations, WriteBack

    kinds = {"write_back": WriteBack, "observations": Observations}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    values |= {name: kind(values[name]) for name, kind in kinds.items() if name in values}
    return replace(read_settings(), **values)


@click.group(invoke_without_command=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 for a free one.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where it keeps its data; temporary by default.",
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    help="Bundles to fill it with; our own by default. A folder with one folder for each tenant fills each with its own.",
)
@click.option("--tenants", metavar="NAME,NAME", help="Several servers side by side, the ports counting up from --port.")
@click.option("--auth", is_flag=True, help="Ask for a token (SMART Backend Services); makes a key pair in the data folder.")
@click.option("--dirty", is_flag=True, help="Answer as a careless server does.")
@click.option(
    "--servers-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write how to reach what runs, as FHIR_TRIAL_SERVERS_FILE is read.",
)
@click.pass_context
def sandbox(context: click.Context, /, tenants: str | None, samples: Path | None, **given: Any) -> None:
    """Run a FHIR R4 server on this machine, filled with sample patients, until stopped (Ctrl-C). Prints its address.

    With --tenants, a line "name address" for each; all end together.
    """
    if context.invoked_subcommand is not None:
        return
    from fhir_trial.config import read_settings
    from fhir_trial.sandbox import Wanted, run_sandboxes

    names = tuple(name.strip() for name in tenants.split(",")) if tenants is not None else ()
    wanted = Wanted(samples=samples or read_settings().samples, tenants=names, **given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by a script: tidy up as after Ctrl-C
    run_sandboxes(wanted, _tell_named if names else _tell)


@sandbox.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    required=True,
    help="That of the sandbox, running or not; with tenants, of all of them.",
)
def reset(data_dir: Path) -> None:
    """Return a sandbox to the state just after it was filled."""
    from fhir_trial.sandbox import reset_folder

    for folder in reset_folder(data_dir):
        click.echo(folder)


def _tell(_: str, url: str, report: LoadReport) -> None:
    click.echo(url)
    loaded = ", ".join(f"{count} {kind}" for kind, count in sorted(report.loaded.items()))
    click.echo(f"Loaded: {loaded or 'nothing'}. Stop with Ctrl-C.", err=True)
    for refused in report.refused:
        click.echo(refused, err=True)


def _tell_named(name: str, url: str, report: LoadReport) -> None:
    _tell(name, f"{name} {url}", report)
