"""``fhir-trial screen``: every patient of a source, for one or more trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fhir_trial.cli.options import DEFAULT_TRIAL, Asked, load_answers, load_trials, screening_options, tell_what_was_left_out
from fhir_trial.errors import PatientNotFoundError, UsageError

if TYPE_CHECKING:
    from fhir_trial.trials.model import ResolvedTrial

_UNREADABLE = 1


@click.command()
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option("--server", metavar="URL|NAME", help="A FHIR R4 server to read from, instead of files.")
@click.option("--patient", "patients", multiple=True, metavar="ID", help="Only this patient; may be repeated.")
@click.option(
    "--candidates",
    multiple=True,
    metavar="condition|Group/ID|List/ID|FILE",
    help="Of a server, only patients with the trial's diagnosis, of a Group or List, or named in a file; may be repeated.",
)
@click.option(
    "--trial",
    "trials",
    multiple=True,
    default=(DEFAULT_TRIAL,),
    show_default=True,
    metavar="ID[@VERSION]",
    help="May be repeated.",
)
@click.option("--format", "form", type=click.Choice(["table", "json", "ndjson", "csv"]), default="table", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of standard output.")
@screening_options
def screen(
    sources: tuple[str, ...],
    server: str | None,
    trials: tuple[str, ...],
    form: str,
    output: Path | None,
    asked: Asked,
    **who: tuple[str, ...],
) -> int:
    """Screen the patients of Bundle files, folders, NDJSON files, "-" (standard input), or of a server.

    Exit status: 0 all read, 1 some input unreadable and the rest answered, 2 usage, 3 no patient found, 4 trial definition
    invalid, 5 server unreachable or refused.
    """
    from fhir_trial.cli.output import write_verdicts
    from fhir_trial.cli.progress import with_progress
    from fhir_trial.wiring.library import open_source, reference_of, screen_each

    if bool(sources) == bool(server):
        raise UsageError("Name either files to read or a --server.")
    resolved = load_trials(trials, asked)
    answers = load_answers(asked, resolved)
    patients = who["patients"]
    wanted = (*patients, *_candidates(server, who["candidates"], resolved))
    with open_source(sources, server, wanted, resolved) as source:
        verdicts = screen_each(
            source,
            resolved,
            as_of=asked.as_of,
            first_dose=asked.first_dose,
            complete=asked.complete,
            only=wanted,
            answers=answers,
        )
        if output is not None or form in ("table", "csv"):
            verdicts = with_progress(verdicts)
        try:
            found = write_verdicts(verdicts, form, output)
        finally:
            tell_what_was_left_out(source.report, complete=asked.complete)
        if not found:
            raise PatientNotFoundError("No patient found in the source.")
        absent = {reference_of(name) for name in patients} - found
        if absent:
            raise PatientNotFoundError(f"{len(absent)} of the patients named are not in the source.")
        return _UNREADABLE if source.report.some_unreadable else 0


def _candidates(server: str | None, ways: tuple[str, ...], trials: list[ResolvedTrial]) -> tuple[str, ...]:
    """The patients of a server that the ways name, told apart by nothing but their reference; none when no way is given."""
    if not ways:
        return ()
    if server is None:
        raise UsageError("--candidates asks a server: name it with --server.")
    from fhir_trial.cli.server import opened_server
    from fhir_trial.sources.candidates import find_candidates

    with opened_server(server, trials) as opened:
        found = find_candidates(opened, ways, trials)
    for remark in found.remarks:
        click.echo(remark, err=True)
    click.echo(f"Candidates: {len(found.patients)}.", err=True)
    if not found.patients:
        raise PatientNotFoundError("No candidate found on the server; docs/pull.md says what each way cannot see.")
    return found.patients
