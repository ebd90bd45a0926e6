"""All that a record says for and against one disease: codes of several kinds, words, and recorded classifications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from fhir_trial.criteria.case import Case
from fhir_trial.facts.conditions import ConditionFact, sure_of
from fhir_trial.facts.laboratory import results_until
from fhir_trial.facts.mentions import Mention
from fhir_trial.facts.recorded_scores import RecordedTotal
from fhir_trial.facts.results import LabResult
from fhir_trial.logic import Truth

#: A code that may stand for the disease, or for what is confused with it: anything short of a refusal or a misread resource.
_SAID = ("yes", "weak", "unconfirmed", "unstructured")


@dataclass(frozen=True, slots=True)
class DiseaseEvidence:
    """What is on file on one day (R44).

    Attributes:
        sure: Codes that establish the diagnosis.
        doubtful: A single claim, or an unconfirmed diagnosis (R19).
        refuted, unusable: Codes that are taken back, and those with an unknown modifier (DATA-22).
        words: The disease in the words of a Condition without a code.
        near: Codes of a broader, drug-induced, organ-limited or overlapping disease, by value set.
        mentions: Sentences of notes and reports.
        fulfilled, short, denied: Recorded classifications: from the cut-off on, or fulfilled in words; below; denied in words.
        entry: Whether the entry test was positive at least once; FALSE when every one on file was negative.
        entry_results: Those tests, oldest first.
    """

    sure: tuple[ConditionFact, ...]
    doubtful: tuple[ConditionFact, ...]
    refuted: tuple[ConditionFact, ...]
    unusable: tuple[ConditionFact, ...]
    words: tuple[ConditionFact, ...]
    near: dict[str, tuple[ConditionFact, ...]]
    mentions: tuple[Mention, ...]
    fulfilled: tuple[RecordedTotal, ...]
    short: tuple[RecordedTotal, ...]
    denied: tuple[RecordedTotal, ...]
    entry: Truth
    entry_results: tuple[LabResult, ...]


def codes_of(case: Case, value_set: str) -> tuple[ConditionFact, ...]:
    """Codes of the value set on file, the coded conclusions of reports too."""
    known = (*case.facts.conditions(value_set), *case.facts.conclusions(value_set))
    return tuple(fact for fact in known if fact.on_file(case.as_of))


def said(facts: Iterable[ConditionFact]) -> tuple[ConditionFact, ...]:
    """Those that say so at all, surely or not."""
    return tuple(fact for fact in facts if fact.counts in _SAID)


def split(
    codes: Sequence[ConditionFact], trusted: tuple[str, ...]
) -> tuple[tuple[ConditionFact, ...], tuple[ConditionFact, ...]]:
    """Codes that establish the diagnosis, and those that do not yet (R19)."""
    real = [fact for fact in codes if fact.role != "no"]
    sure = sure_of(real, trusted)
    return sure, tuple(fact for fact in real if fact.counts in ("weak", "unconfirmed") and fact not in sure)


def statements(totals: Iterable[RecordedTotal], cutoff: int, as_of: date) -> tuple[tuple[RecordedTotal, ...], ...]:
    """Recorded classifications of just this version: fulfilled, below the cut-off, and denied in words."""
    usable = [
        total
        for total in totals
        if total.exact_version and total.problem is None and total.span is not None and total.span.first <= as_of
    ]
    reached = [(total, total.possible.at_least(Fraction(cutoff)) if total.possible is not None else None) for total in usable]
    return (
        tuple(total for total, truth in reached if truth is Truth.TRUE or total.fulfilled is True),
        tuple(total for total, truth in reached if truth is Truth.FALSE),
        tuple(total for total, _ in reached if total.fulfilled is False),
    )


def entry_tests(case: Case, analytes: Iterable[str]) -> tuple[LabResult, ...]:
    """Usable results of the entry tests, whatever their age."""
    return tuple(
        result
        for analyte in analytes
        for result in results_until(case.facts.results(analyte), case.as_of)
        if result.usable and result.speaks
    )


def ends_of(facts: Iterable[ConditionFact]) -> tuple[ConditionFact, ...]:
    """The oldest and the two newest, to be shown for all of them."""
    known = tuple(facts)
    return known if len(known) <= 3 else (known[0], *known[-2:])


def days_of(facts: Iterable[ConditionFact | Mention]) -> Iterator[date]:
    """The days on which they come on file."""
    yield from (fact.when.first for fact in facts if fact.when is not None)
