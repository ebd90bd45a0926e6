"""``fhir-trial trial``: what trials there are, what they say, whether they are written well, and what they need."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fhir_trial.cli.options import DEFAULT_TRIAL
from fhir_trial.errors import DefinitionError

_FOLDER = click.option(
    "--mappings", type=click.Path(file_okay=False, exists=True, path_type=Path), help="Another mappings folder."
)
_INVALID = 4


@click.group()
def trial() -> None:
    """List, show, check and test the trials that are known."""


@trial.command(name="list")
@_FOLDER
def list_trials(mappings: Path | None) -> None:
    """Every version of every trial."""
    from fhir_trial.definitions.trial_files import trial_files
    from fhir_trial.terminology import mappings_folder

    for file in trial_files(mappings or mappings_folder()):
        click.echo(f"{file.trial}@{file.version}  {file.dated}  {file.title}")


@trial.command()
@click.argument("name", default=DEFAULT_TRIAL, metavar="ID[@VERSION]")
@click.option("--site", metavar="NAME")
@_FOLDER
def show(name: str, site: str | None, mappings: Path | None) -> None:
    """The criteria in plain English, beside the protocol's words."""
    from fhir_trial.definitions.english import told
    from fhir_trial.definitions.trial_files import load_trial

    click.echo(told(load_trial(name, site=site, mappings=mappings)))


@trial.command()
@click.argument("names", nargs=-1, metavar="[ID[@VERSION] | FILE.yaml]...")
@_FOLDER
def check(names: tuple[str, ...], mappings: Path | None) -> int:
    """Look for mistakes in trials (all of them by default) and site overlays; exit status 4 if there is one."""
    from fhir_trial.definitions.checking import check_everything
    from fhir_trial.terminology import mappings_folder

    report = check_everything(names, mappings or mappings_folder())
    for error in report.errors:
        click.echo(str(error), err=True)
    click.echo(f"{_counted(report.checked, 'file')} checked, {_counted(len(report.errors), 'mistake')}.")
    return _INVALID if report.errors else 0


def _counted(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


@trial.command()
@click.argument("names", nargs=-1, metavar="[ID[@VERSION]]...")
@_FOLDER
@click.option("--verbose", "-v", is_flag=True, help="Name the cases that pass, too.")
def test(names: tuple[str, ...], mappings: Path | None, verbose: bool) -> int:
    """Run the case files of trials (all of them by default)."""
    from fhir_trial.definitions.case_files import run_cases, trials_with_cases
    from fhir_trial.terminology import mappings_folder

    folder = mappings or mappings_folder()
    passed = failed = 0
    for name in names or trials_with_cases(folder):
        for result in run_cases(name, folder):
            passed, failed = passed + result.passed, failed + (not result.passed)
            if verbose or not result.passed:
                click.echo(f"{'ok  ' if result.passed else 'FAIL'} {result.place} {result.name}")
            for difference in result.differences:
                click.echo(f"       {difference}")
    click.echo(f"{passed} passed, {failed} failed")
    if passed + failed == 0:
        raise DefinitionError("No case was found.")
    return 1 if failed else 0


@trial.command()
@click.argument("name", default=DEFAULT_TRIAL, metavar="ID[@VERSION]")
@click.option("--site", metavar="NAME", help="With the site's own codes and settings.")
@_FOLDER
def needs(name: str, site: str | None, mappings: Path | None) -> None:
    """What must be fetched of a patient, as JSON: types, codes, categories, windows."""
    from fhir_trial.contract.needs import needs_json
    from fhir_trial.definitions.trial_files import load_trial

    click.echo(json.dumps(needs_json(load_trial(name, site=site, mappings=mappings)), indent=2, ensure_ascii=False))
