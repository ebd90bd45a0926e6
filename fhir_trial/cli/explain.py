"""``fhir-trial explain``: one patient, each sentence of the protocol beside its answer and the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

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
)
from fhir_trial.criteria.answers import readable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from fhir_trial.criteria.answers import Answer, Evidence
    from fhir_trial.trials.adjudication import Adjudication
    from fhir_trial.trials.evaluation import PartPath
    from fhir_trial.trials.model import Criterion
    from fhir_trial.verdict.model import Verdict

_UNREADABLE = 1
_WIDEST = 110
#: So many pieces that only show what is known; the others are in the JSON.
_SHOWN = 6
_INDENT = 4
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
@click.option("--digests", is_flag=True, help="Show what an answer to each criterion must name as its evidence.")
@behalf_options
@screening_options
def explain(
    source: str,
    patient: str,
    trial: str,
    server: bool,
    digests: bool,
    asked: Asked,
    behalf: Behalf,
) -> int:
    """Explain one patient of a source: each criterion in the protocol's words, its answer, the reason, the evidence.

    With a store (FHIR_TRIAL_DATABASE), only on a basis that allows to name patients, and nobody who opted out.
    """
    from rich.console import Console

    from fhir_trial.config import read_settings
    from fhir_trial.wiring.library import find_patient, open_source, reference_of

    (resolved,) = load_trials((trial,), asked)
    desk = behalf.desk(read_settings(), source if server else None)
    reference = reference_of(patient)
    desk.admit(reference, resolved)
    answers = load_answers(asked, [resolved], desk)
    with open_source(() if server else (source,), source if server else None, (patient,), [resolved], desk.halted) as opened:
        with desk.looking(reference, resolved, pulls=server):
            try:
                raw = find_patient(opened, patient, resolved)
            finally:
                tell_what_was_left_out(opened.report, complete=asked.complete)
            verdict = asked.screener(opened, answers)(raw, resolved)
        desk.admit(reference, resolved)  # reading took its time: somebody may have opted out
        console = Console(highlight=False, soft_wrap=False)
        console.width = min(console.width, _WIDEST) if console.is_terminal else _WIDEST
        for piece in explanation(verdict, digests=digests):
            console.print(piece)
        return _UNREADABLE if opened.report.some_unreadable else 0


def explanation(verdict: Verdict, *, digests: bool = False) -> Iterator[RenderableType]:
    """The pieces to print, top to bottom; with the digests that an answer is to name as its evidence, if wanted."""
    from rich.text import Text

    from fhir_trial.contract.verdicts import NOTICE
    from fhir_trial.people.digests import evidence_digest

    yield _head(verdict)
    for criterion, answer in verdict.answers:
        yield Text("")
        yield _headline(criterion, answer)
        yield _hung("", f"“{' '.join(criterion.text.split())}”", 1, "italic bright_black")
        if said := verdict.people.get(criterion.id):
            yield from _said(said)
        if digests:
            yield _hung("", f"Evidence digest: {evidence_digest(verdict.computed(criterion.id))}", 1, "bright_black")
        yield from _answer(answer, verdict.ends(criterion.id))
    yield Text("")
    yield from _remarks(verdict)
    yield Text(NOTICE, style="bright_black")


def _head(verdict: Verdict) -> Text:
    from rich.text import Text

    head = Text.assemble((verdict.patient, "bold"), f"\n{verdict.trial}@{verdict.version} on {verdict.as_of}: ")
    head.append(verdict.overall.value, style="bold")
    if verdict.blockers:
        head.append(f"\nBlocked by {', '.join(verdict.blockers)}.", style="red")
    if verdict.missing:
        head.append(f"\nMissing: {', '.join(verdict.missing)}.", style="yellow")
    newest = f"The newest datum is of {verdict.data_cutoff}." if verdict.data_cutoff else "No dated data."
    return head.append(f"\n{newest}", style="bright_black")


def _headline(criterion: Criterion, answer: Answer) -> Text:
    from rich.text import Text

    sign, style = _SIGNS[answer.outcome.value]
    why = f" ({answer.why})" if answer.why else ""
    kind = "" if criterion.type.value == "inclusion" else f" [{criterion.type}]"
    return Text.assemble(
        (f"{sign} {criterion.id:<6}", style), (criterion.title, "bold"), kind, ": ", (f"{answer.outcome}{why}", style)
    )


def _said(said: Adjudication) -> Iterator[RenderableType]:
    """Who answered, and whether that counts; the reason says the rest."""
    given = said.given
    who = f"{given.by.name or given.by.subject} ({given.by.subject} at {given.by.issuer}), {given.at.isoformat()}"
    if said.expired:
        because = f": {given.reason}" if given.reason else "."
        yield _hung("! ", f"Expired, since what it was based on has changed: {given.says}, by {who}{because}", 1, "magenta")
    else:
        why = f" ({said.computed.why})" if said.computed.why else ""
        yield _hung("✎ ", f"{given.says}, by {who}; computed: {said.computed.outcome}{why}", 1, "magenta")


def _answer(answer: Answer, ends: Mapping[PartPath, date | None]) -> Iterator[RenderableType]:
    """The reason, the evidence beside it, what to do next; then the parts, without what was just said."""
    yield _hung("", str(answer.reason), 1)
    yield from _evidence(answer.evidence, 1)
    yield from _outlook(answer, ends.get(()), 1)
    yield from _parts(answer, ends, ())


def _parts(answer: Answer, ends: Mapping[PartPath, date | None], path: PartPath) -> Iterator[RenderableType]:
    told = {evidence_line(evidence) for evidence in answer.evidence}
    for name, part in answer.parts:
        here = (*path, name)
        sign, style = _SIGNS[part.outcome.value]
        yield _hung(f"{sign} {name} ", str(part.reason), len(here), sign_style=style)
        new = [evidence for evidence in part.evidence if evidence_line(evidence) not in told]
        yield from _evidence(new, len(here) + 1)
        if str(part.next_step) != str(answer.next_step):
            yield from _outlook(part, ends.get(here), len(here) + 1)
        yield from _parts(part, ends, here)


def _evidence(pieces: Sequence[Evidence], depth: int) -> Iterator[RenderableType]:
    shown = [piece for piece in pieces if piece.role.value == "shown"]
    left_out = set(map(id, shown[_SHOWN:]))
    for piece in pieces:
        if id(piece) not in left_out:
            yield _hung("· ", evidence_line(piece), depth, "cyan")
    if left_out:
        yield _hung("· ", f"and {len(left_out)} more that only show what is known", depth, "bright_black")


def _outlook(answer: Answer, ends: date | None, depth: int) -> Iterator[RenderableType]:
    if answer.next_step:
        yield _hung("→ ", str(answer.next_step), depth)
    if ends:
        yield _hung("", f"The clock alone changes this answer on {ends}.", depth, "bright_black")


def _hung(mark: str, words: str, depth: int, style: str = "", *, sign_style: str | None = None) -> RenderableType:
    """Words at an indent of four by depth, their further lines below the first one's words."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    indent = (0, 0, 0, _INDENT * depth)
    if not mark:
        return Padding(Text(words, style=style), indent, expand=False)
    line = Table.grid(padding=0)
    line.add_column(width=len(mark), no_wrap=True)
    line.add_column(overflow="fold")
    line.add_row(Text(mark, style=style if sign_style is None else sign_style), Text(words, style=style))
    return Padding(line, indent, expand=False)


def _remarks(verdict: Verdict) -> Iterator[RenderableType]:
    """What was not looked at, and what of the record is odd; mere information only by its number."""
    from rich.text import Text

    for sentence in verdict.not_evaluated:
        yield Text(f"Not evaluated: {sentence}", style="yellow")
    for issue in verdict.issues:
        if issue.severity != "information":
            where = " ".join(word for word in (issue.reference, issue.path) if word)
            yield Text(f"Issue: {f'{where}: ' if where else ''}{issue.text}", style="yellow")
    less = Counter(issue.code for issue in verdict.issues if issue.severity == "information")
    if less:
        yield Text(f"Also noted: {', '.join(f'{count} {code}' for code, count in sorted(less.items()))}.", style="bright_black")


_READABLE_UNITS = {"a": "years"}


def evidence_line(evidence: Evidence) -> str:
    """One datum on a line: "decides: 8.0 g/dL = 80 g/L on 2026-02-20, limit >= 80 g/L (Observation/o1, version 3)"."""
    words = [f"{evidence.role}:"]
    if evidence.original:
        words.append(evidence.original)
    if evidence.value is not None:
        unit = _READABLE_UNITS.get(evidence.unit or "", evidence.unit)
        converted = f"{readable(evidence.value)} {unit or ''}".strip()
        if not (evidence.original or "").lower().startswith(converted.lower()):
            words.append(f"= {converted}" if evidence.original else converted)
    if evidence.dated:
        words.append(f"on {readable(evidence.dated)}")
    elif not evidence.origin.reference.startswith("Patient/"):
        words.append("(undated)")
    line = " ".join(words)
    if evidence.limit:
        line += f", limit {evidence.limit}" if evidence.limit[0] in "<>=" else f"; {evidence.limit}"
    version = f", version {evidence.origin.version}" if evidence.origin.version else ""
    return f"{line} ({evidence.origin.reference}{version})"
