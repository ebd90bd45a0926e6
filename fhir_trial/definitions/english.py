"""A trial in plain English: each criterion's own words, how they are read, and what is still open."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from fhir_trial.trials.candidates import CandidateRule
from fhir_trial.trials.model import Criterion, ResolvedTrial, Stage

_WIDTH = 110


def told(resolved: ResolvedTrial) -> str:
    """The trial for a reader: head, settings, criteria, open questions."""
    return "\n".join(_lines(resolved))


def _lines(resolved: ResolvedTrial) -> Iterator[str]:
    trial = resolved.trial
    yield _indented(f"{trial.id}@{trial.version}: {trial.title}", "")
    yield _indented(f"Source: {trial.source}", "")
    if resolved.settings:
        yield ""
        yield _indented("Settings: " + ", ".join(f"{name}={value}" for name, value in resolved.settings.items()), "")
    if trial.candidates is not None:
        yield ""
        yield from _candidates(trial.candidates)
    for criterion in trial.criteria:
        yield ""
        yield from _criterion(criterion)
    if trial.not_evaluated:
        yield ""
        yield from (f"Not evaluated: {sentence}" for sentence in trial.not_evaluated)
    if trial.questions:
        yield ""
        yield from (_indented(f"Open question: {question}", "") for question in trial.questions)


def _candidates(rule: CandidateRule) -> Iterator[str]:
    ways = "by code or by words" if rule.words else "by code"
    sets = ", ".join(rule.value_sets)
    yield _indented(f"Candidates: whoever has a diagnosis of value set {sets}, {ways}, whatever its status.", "")
    yield _indented(f"Not seen: {rule.misses}", "")


def _criterion(criterion: Criterion) -> Iterator[str]:
    stage = " (settled at enrolment)" if criterion.stage is Stage.ENROLMENT else ""
    counted = "" if criterion.counts else " (answered, but another criterion counts in its place)"
    yield f"{criterion.id}  {criterion.title}: {criterion.type.value}{stage}{counted}"
    yield _indented(f"“{' '.join(criterion.text.split())}” [{criterion.source}]")
    yield _indented(f"Rule: {criterion.rule.in_words()}")
    yield from (_indented(f"Read as: {note}") for note in criterion.notes)
    yield from (_indented(f"Open question: {question}") for question in criterion.questions)


def _indented(text: str, margin: str = "    ") -> str:
    return fill(text, _WIDTH, initial_indent=margin, subsequent_indent=margin + "  ", break_long_words=False)
