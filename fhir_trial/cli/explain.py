"""``fhir-trial explain``: one patient, each sentence of the protocol beside its answer and the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

import click

from fhir_trial.cli.options import DEFAULT_TRIAL, load_trials, screening_options, tell_what_was_left_out

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from fhir_trial.criteria.answers import Answer, Evidence
    from fhir_trial.trials.evaluation import PartPath
    from fhir_trial.trials.model import Criterion
    from fhir_trial.verdict.model import Verdict

_UNREADABLE = 1
_SIGNS = {
    "met": ("✓", "green"),
    "not-met": ("✗", "red"),
    "unknown": ("?", "yellow"),
    "needs-clinician": ("!", "magenta"),
    "not-applicable": ("–", "bright_black"),
}


@click.command()
@click.argument("source")
@click.option("--patient", required=True, metavar="ID", help="The patient's id or reference.")
@click.option("--trial", default=DEFAULT_TRIAL, show_default=True, metavar="ID[@VERSION]")
@click.option("--server", is_flag=True, help="SOURCE is the URL or name of a FHIR server.")
@screening_options
def explain(
    source: str,
    patient: str,
    trial: str,
    server: bool,
    as_of: date | None,
    first_dose: date | None,
    timezone: str | None,
    site: str | None,
    settings: tuple[str, ...],
    complete: bool,
) -> int:
    """Explain one patient of a source: each criterion in the protocol's words, its answer, the reason, the evidence."""
    from rich.console import Console

    from fhir_trial.wiring import find_patient, open_source, screen_raw

    (resolved,) = load_trials((trial,), site, settings, timezone)
    with open_source(() if server else (source,), source if server else None, (patient,)) as opened:
        raw = find_patient(opened, patient, resolved)
        verdict = screen_raw(raw, resolved, as_of=as_of, first_dose=first_dose, complete=complete)
        console = Console(highlight=False)
        for piece in explanation(verdict):
            console.print(piece)
        tell_what_was_left_out(opened.report)
        return _UNREADABLE if opened.report.some_unreadable else 0


def explanation(verdict: Verdict) -> Iterator[RenderableType]:
    """The pieces to print, top to bottom."""
    from rich.padding import Padding
    from rich.text import Text

    yield _head(verdict)
    for criterion, answer in verdict.answers:
        yield Text("")
        yield _headline(criterion, answer)
        yield Padding(Text(f"“{' '.join(criterion.text.split())}”", style="italic bright_black"), (0, 0, 0, 4))
        yield Padding(Text(str(answer.reason)), (0, 0, 0, 4))
        yield from _details(answer, verdict.ends(criterion.id))
    yield Text("")
    for sentence in verdict.not_evaluated:
        yield Text(f"Not evaluated: {sentence}", style="yellow")
    for issue in verdict.issues:
        if issue.severity != "information":
            yield Text(f"Issue: {issue.reference or ''} {issue.path or ''}: {issue.text}".replace("  ", " "), style="yellow")
    from fhir_trial.contract.verdicts import NOTICE

    yield Text(NOTICE, style="bright_black")


def _head(verdict: Verdict) -> Text:
    from rich.text import Text

    head = Text.assemble((verdict.patient, "bold"), f" for {verdict.trial}@{verdict.version} on {verdict.as_of}: ")
    head.append(verdict.overall.value, style="bold")
    if verdict.blockers:
        head.append(f"\nBlocked by {', '.join(verdict.blockers)}.", style="red")
    if verdict.missing:
        head.append(f"\nMissing: {', '.join(verdict.missing)}.", style="yellow")
    cutoff = verdict.data_cutoff or "no dated data"
    return head.append(f"\nNewest datum: {cutoff}.", style="bright_black")


def _headline(criterion: Criterion, answer: Answer) -> Text:
    from rich.text import Text

    sign, style = _SIGNS[answer.outcome.value]
    why = f" ({answer.why})" if answer.why else ""
    return Text.assemble((f"{sign} {criterion.id:<5} ", style), (criterion.title, "bold"), ": ", (f"{answer.outcome}{why}", style))


def _details(answer: Answer, ends: Mapping[PartPath, date | None], path: PartPath = ()) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    indent = 4 * (len(path) + 1)
    for evidence in answer.evidence:
        yield Padding(Text(f"· {evidence_line(evidence)}", style="cyan"), (0, 0, 0, indent))
    if answer.next_step:
        yield Padding(Text(f"→ {answer.next_step}"), (0, 0, 0, indent))
    if ends.get(path):
        yield Padding(Text(f"  holds until {ends[path]}", style="bright_black"), (0, 0, 0, indent))
    for name, part in answer.parts:
        sign, style = _SIGNS[part.outcome.value]
        yield Padding(Text.assemble((f"{sign} {name} ", style), str(part.reason)), (0, 0, 0, indent))
        yield from _details(part, ends, (*path, name))


def evidence_line(evidence: Evidence) -> str:
    """ "2026-02-20 8.0 g/dL = 80 g/L, limit >= 80 g/L, decides (Observation/o1, version 3)"."""
    from fhir_trial.criteria.answers import readable

    words = [readable(evidence.dated) if evidence.dated else "undated"]
    if evidence.original:
        words.append(evidence.original)
    if evidence.value is not None:
        converted = f"{readable(evidence.value)} {evidence.unit or ''}".strip()
        if converted != evidence.original:
            words.append(f"= {converted}")
    line = " ".join(words)
    if evidence.limit:
        line += f", limit {evidence.limit}"
    version = f", version {evidence.origin.version}" if evidence.origin.version else ""
    return f"{line}, {evidence.role} ({evidence.origin.reference}{version})"
