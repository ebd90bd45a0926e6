"""``fhir-trial``: the command line (VER-01 to VER-05)."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from fhir_trial.cli.explain import explain
from fhir_trial.cli.hospital import hospital
from fhir_trial.cli.screen import screen
from fhir_trial.cli.server import server
from fhir_trial.cli.services import sandbox, serve
from fhir_trial.cli.site import site
from fhir_trial.cli.trial import trial
from fhir_trial.errors import FhirTrialError
from fhir_trial.version import __version__

_DEFECT = 70


class _ReaderGoneError(Exception):
    """Whoever read our standard output has closed it."""


class _Door(click.Group):
    """Commands, whose reader may leave early (``| head``)."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:  # click would end with 1, which says that some input was unreadable (VER-03)
            raise _ReaderGoneError from None
        return status


@click.group(cls=_Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fhir-trial")
@click.option("--debug", is_flag=True, help="Show the traceback of a defect. May stand anywhere.")
def cli(debug: bool) -> None:
    """Finds the patients a clinical trial is looking for, in FHIR data, and says why."""


for command in (screen, explain, hospital, trial, server, site, sandbox, serve):
    cli.add_command(command)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell; source it from the shell's start file."""
    from click.shell_completion import get_completion_class

    completion_class = get_completion_class(shell)
    if completion_class is not None:
        click.echo(completion_class(cli, {}, "fhir-trial", "_FHIR_TRIAL_COMPLETE").source())


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a verdict."""
    from fhir_trial.contract.schema import verdict_schema_text

    click.echo(verdict_schema_text(), nl=False)


def main(arguments: list[str] | None = None) -> Any:
    """Runs the command line; every failure is one clear line on standard error and an exit status (VER-03)."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    try:
        status = cli.main([word for word in given if word != "--debug"], prog_name="fhir-trial", standalone_mode=False)
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        status = 130
    except FhirTrialError as error:
        click.echo(f"fhir-trial: {error}", err=True)
        status = error.exit_status
    except _ReaderGoneError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to say, at exit neither
        status = 141
    except Exception as error:
        if debug:
            raise
        # A defect of ours: its message may hold a patient's data, its type does not.
        click.echo(f"fhir-trial: a defect in fhir-trial ({type(error).__name__}); --debug shows where.", err=True)
        status = _DEFECT
    sys.exit(status or 0)
