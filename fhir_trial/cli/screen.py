"""``fhir-trial screen``: every patient of a source, for one or more trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.cli.options import (
    DEFAULT_TRIAL,
    Asked,
    Behalf,
    behalf_options,
    load_answers,
    load_trials,
    screening_options,
    tell_what_was_left_out,
    tell_who_was_left_out,
)
from fhir_trial.errors import PatientNotFoundError, UsageError

if TYPE_CHECKING:
    from fhir_trial.transport import FhirServer
    from fhir_trial.trials.model import ResolvedTrial
    from fhir_trial.verdict.model import Verdict
    from fhir_trial.wiring.desk import TryingOut

_UNREADABLE = 1
_NO_CANDIDATE = "No candidate found on the server; docs/pull.md says what each way cannot see."
_NOBODY_LEFT = "Nobody is left to be screened: whoever was found is on the site's register of opt-outs."


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
@click.option("--counts", is_flag=True, help="Only how many got which overall answer, rounded; nobody is named.")
@behalf_options
@screening_options
def screen(
    sources: tuple[str, ...],
    server: str | None,
    trials: tuple[str, ...],
    asked: Asked,
    behalf: Behalf,
    **more: Any,
) -> int:
    """Screen the patients of Bundle files, folders, NDJSON files, "-" (standard input), or of a server.

    With a store (FHIR_TRIAL_DATABASE), only on a basis, without those who opted out, and with people's answers; on a basis
    that is preparatory to research, patients are counted and nobody is named.

    Exit status: 0 all read, 1 some input unreadable and the rest answered, 2 usage, 3 no patient found, 4 trial definition
    invalid, 5 server unreachable or refused, or no basis to screen.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.wiring.library import open_source, reference_of

    if bool(sources) == bool(server):
        raise UsageError("Name either files to read or a --server.")
    resolved = load_trials(trials, asked)
    desk = behalf.desk(read_settings(), server)
    form = _Form(more["form"], more["output"], _is_counting(desk, resolved, more))
    answers = load_answers(asked, resolved, desk)
    named = [reference_of(name) for name in more["patients"]]
    wanted = _wanted(server, named, more["candidates"], resolved, desk, form)
    with open_source(sources, server, wanted, resolved, desk.halted) as source:
        try:
            with closing(desk.verdicts(source, resolved, asked.screener(source, answers), wanted)) as screened:
                found = form.write(screened, resolved, desk)
        finally:
            tell_what_was_left_out(source.report, complete=asked.complete, counting=form.counting)
            tell_who_was_left_out(desk, counting=form.counting)
        if not found:
            raise PatientNotFoundError(_NOBODY_LEFT if desk.left_out else "No patient found in the source.")
        absent = set(desk.admitted(named, resolved)) - found
        if absent:
            raise PatientNotFoundError(f"{len(absent)} of the patients named are not in the source.")
        return _UNREADABLE if source.report.some_unreadable else 0


@dataclass(frozen=True, slots=True)
class _Form:
    """How the verdicts are told, and where.

    Attributes:
        form: "table", "json", "ndjson" or "csv".
        counting: How many there are, and not whose.
    """

    form: str
    output: Path | None
    counting: bool

    def write(self, verdicts: Iterable[Verdict], trials: list[ResolvedTrial], desk: TryingOut) -> set[str]:
        """Writes them; the references of the patients."""
        from fhir_trial.cli.counts import write_counts
        from fhir_trial.cli.output import write_verdicts
        from fhir_trial.cli.progress import with_progress

        if self.counting:  # without progress, which would tell their exact number
            return write_counts(verdicts, self.form, self.output)
        if self.output is not None or self.form in ("table", "csv"):
            verdicts = with_progress(verdicts)
        if self.output is None and self.form == "table":
            return write_verdicts(verdicts, self.form, None)
        with desk.exporting(trials) as jobs:
            return write_verdicts(jobs.counted(verdicts), self.form, self.output)


def _is_counting(desk: TryingOut, trials: list[ResolvedTrial], more: Mapping[str, Any]) -> bool:
    """Whether nobody is named, by the bases or by wish.

    Raises:
        NoBasisError: A trial has no basis in force.
        UsageError: Patients are named whose count would tell of each.
    """
    forced = desk.counts_only(trials)
    if (forced or more["counts"]) and more["patients"]:
        raise UsageError("Where patients are counted only, none is named with --patient: the counts would tell of each.")
    if forced:
        if any(_is_file(way) for way in more["candidates"]):
            raise UsageError(
                "On a basis preparatory to research no patients are named by a file: use condition, Group/ID or List/ID."
            )
        click.echo("Counts only: the basis to screen is preparatory to research, and nobody is named.", err=True)
    return forced or more["counts"]


def _is_file(way: str) -> bool:
    return way != "condition" and (Path(way).exists() or not way.startswith(("Group/", "List/")))


def _wanted(
    server: str | None,
    named: list[str],
    ways: tuple[str, ...],
    trials: list[ResolvedTrial],
    desk: TryingOut,
    form: _Form,
) -> tuple[str, ...]:
    """References of the patients to read: those named, those that the ways find, without those who opted out; none for everybody.

    Of a server with a store, everybody is a list as well, so that whoever opted out is not read.
    """
    if ways and server is None:
        raise UsageError("--candidates asks a server: name it with --server.")
    if server is None:
        return tuple(named)
    found = list(named)
    if ways or (desk.keeps and not named):
        from fhir_trial.cli.server import opened_server
        from fhir_trial.wiring.desk import everybody

        with opened_server(server, trials, desk) as opened, desk.finding(trials):
            found += _candidates(opened, ways, trials, form) if ways else everybody(opened)
        if not found:
            raise PatientNotFoundError(_NO_CANDIDATE if ways else "The server lists no patient.")
    admitted = desk.admitted(found, trials)
    if found and not admitted:
        tell_who_was_left_out(desk, counting=form.counting)
        raise PatientNotFoundError(_NOBODY_LEFT)
    return tuple(admitted)


def _candidates(server: FhirServer, ways: tuple[str, ...], trials: list[ResolvedTrial], form: _Form) -> tuple[str, ...]:
    """The patients of a server that the ways name, told apart by nothing but their reference."""
    from fhir_trial.sources.candidates import find_candidates

    found = find_candidates(server, ways, trials)
    for remark in found.remarks:
        click.echo(remark, err=True)
    if not form.counting:  # a sum beside its parts would give small ones away (SEC-41)
        click.echo(f"Candidates: {len(found.patients)}.", err=True)
    return found.patients
