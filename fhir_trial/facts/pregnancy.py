"""Pregnancy tests, and what else on record says pregnant.

Rules: C8.2, R6, R23; clinical units, sections 4 to 6. A number is negative only against its own reference range or by its flag.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from fhir_trial.facts.conditions import ConditionFact
from fhir_trial.facts.moments import Moment
from fhir_trial.facts.results import LabResult, NormalRange
from fhir_trial.logic import Truth
from fhir_trial.quantities import Possible
from fhir_trial.records.model import Origin
from fhir_trial.times import Span

_DOCUMENTED: Final = frozenset({"yes", "weak", "unstructured"})
_NOT_A_RESULT: Final = frozenset({"not-final", "modifier", "no-date", "rejected"})


class Said(StrEnum):
    """What a test says."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    DOUBTFUL = "doubtful"  # weak, indeterminate, or contradicting its own flag


_OF_FINDING: Final = {
    "positive": Said.POSITIVE,
    "negative": Said.NEGATIVE,
    "weak": Said.DOUBTFUL,
    "indeterminate": Said.DOUBTFUL,
}
_OF_FLAG: Final = {
    **_OF_FINDING,
    "above": Said.POSITIVE,
    "abnormal": Said.POSITIVE,
    "within": Said.NEGATIVE,
    "below": Said.NEGATIVE,
}


@dataclass(frozen=True, slots=True)
class PregnancyTest:
    """One pregnancy test.

    Attributes:
        said: None where nothing readable says (invalid, no value, a number without its laboratory's limit).
        names_the_test: Whether it is the kind of test that the protocol names.
    """

    result: LabResult
    said: Said | None
    names_the_test: bool

    @property
    def origin(self) -> Origin:
        return self.result.observation.origin

    @property
    def span(self) -> Span | None:
        return self.result.span

    @property
    def original(self) -> str:
        return self.result.original

    @property
    def moment(self) -> Moment:
        return Moment.of(self.span, self.result.observation.issued, self.origin)


@dataclass(frozen=True, slots=True)
class Sign:
    """A code or status that says pregnant.

    Attributes:
        sure: False where it is unconfirmed or cannot be used: for a clinician.
        over: It is said to be over; ``ended`` is when, if recorded.
    """

    origin: Origin
    span: Span | None
    original: str
    sure: bool
    over: bool = False
    ended: Span | None = None

    def speaks_on(self, as_of: date) -> bool:
        """Whether it is on file by then (R44) and not over."""
        not_over = not self.over or (self.ended is not None and self.ended.first > as_of)
        return not_over and (self.span is None or self.span.first <= as_of)


def find_tests(results: Iterable[LabResult], *, names_the_test: bool) -> tuple[PregnancyTest, ...]:
    """Every test, readable or not."""
    return tuple(PregnancyTest(result, _said(result), names_the_test) for result in results)


def find_signs(conditions: Iterable[ConditionFact], statuses: Iterable[LabResult]) -> tuple[Sign, ...]:
    """Conditions and coded reasons of encounters that say pregnant, and observations of a pregnancy status that do.

    Args:
        conditions: Of the trial's value set of pregnancy; refuted ones are no signs.
        statuses: Of an analyte with a part "status"; codes that are only to be shown do not speak.
    """
    coded = (
        Sign(fact.origin, fact.when, fact.display, fact.counts in _DOCUMENTED, fact.active is False, fact.ended)
        for fact in conditions
        if fact.counts != "refuted" and fact.role != "no"
    )
    observed = (
        Sign(result.observation.origin, result.span, result.original, sure=True)
        for result in statuses
        if result.speaks and result.part == "status" and result.finding == "positive" and result.problem not in _NOT_A_RESULT
    )
    return (*coded, *observed)


def not_pregnant(statuses: Iterable[LabResult], as_of: date) -> tuple[LabResult, ...]:
    """Statuses that deny it: shown, no test."""
    return tuple(
        result
        for result in statuses
        if result.part == "status" and result.finding == "negative" and result.span is not None and result.span.first <= as_of
    )


def _said(result: LabResult) -> Said | None:
    if result.problem in _NOT_A_RESULT or not result.speaks or result.finding == "invalid":
        return None
    of_value = _OF_FINDING.get(result.finding or "") or _against_own_ranges(result)
    of_flag = _OF_FLAG.get(result.flag or "")
    if of_value and of_flag and of_value is not of_flag:
        return Said.DOUBTFUL  # clinical units, section 4: for a person
    return of_value or of_flag


def _against_own_ranges(result: LabResult) -> Said | None:
    possible = result.possible
    if possible is None:
        return None
    said = {_against(possible, own) for own in result.ranges}
    if len(said) > 1:
        return Said.DOUBTFUL  # clinical units, section 5: ranges that cannot be told apart
    return said.pop() if said else None


def _against(possible: Possible, own: NormalRange) -> Said | None:
    if own.high is None:
        return None
    above = possible.at_least(own.high) if own.high_open else possible.above(own.high)
    return {Truth.TRUE: Said.POSITIVE, Truth.FALSE: Said.NEGATIVE}.get(above)
