"""``fhir-trial screen``: every patient of a source, for one or more trials."""

from __future__ import annotations

from pathlib import Path

import click

from fhir_trial.cli.options import DEFAULT_TRIAL, Asked, load_trials, screening_options, tell_what_was_left_out
from fhir_trial.errors import PatientNotFoundError, UsageError

_UNREADABLE = 1


@click.command()
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option("--server", metavar="URL|NAME", help="A FHIR R4 server to read from, instead of files.")
@click.option("--patient", "patients", multiple=True, metavar="ID", help="Only this patient; may be repeated.")
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
    patients: tuple[str, ...],
    trials: tuple[str, ...],
    form: str,
    output: Path | None,
    asked: Asked,
) -> int:
    """Screen the patients of Bundle files, folders, NDJSON files, "-" (standard input), or of a server.

    Exit status: 0 all read, 1 some input unreadable and the rest answered, 2 usage, 3 no patient found, 4 trial definition
    invalid, 5 server unreachable or refused.
    """
    from fhir_trial.cli.output import write_verdicts
    from fhir_trial.cli.progress import with_progress
    from fhir_trial.wiring import open_source, reference_of, screen_each

    if bool(sources) == bool(server):
        raise UsageError("Name either files to read or a --server.")
    resolved = load_trials(trials, asked)
    with open_source(sources, server, patients) as source:
        verdicts = screen_each(
            source, resolved, as_of=asked.as_of, first_dose=asked.first_dose, complete=asked.complete, only=patients
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
