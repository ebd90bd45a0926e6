"""The answer to one criterion: what, why, on which evidence, what next, and how long it holds.

Contract: VER-10 to VER-16. Answers are structured; they become sentences when somebody reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from fhir_trial.logic import Truth
from fhir_trial.quantities import write_number
from fhir_trial.records.model import Origin
from fhir_trial.times import Span


class Outcome(StrEnum):
    """What is known about the criterion's sentence."""

    MET = "met"
    NOT_MET = "not-met"
    UNKNOWN = "unknown"
    NEEDS_CLINICIAN = "needs-clinician"
    NOT_APPLICABLE = "not-applicable"

    @property
    def truth(self) -> Truth:
        """TRUE for met and, being neutral in a conjunction, not-applicable."""
        if self.undecided:
            return Truth.UNKNOWN
        return Truth.of(self is not Outcome.NOT_MET)

    @property
    def undecided(self) -> bool:
        return self in (Outcome.UNKNOWN, Outcome.NEEDS_CLINICIAN)


class Why(StrEnum):
    """Why a criterion is undecided; declared in the order that VER-14 gives them in a composite."""

    CONFLICTING = "conflicting"
    JUDGEMENT = "judgement"
    UNUSABLE = "unusable"
    UNSTRUCTURED = "unstructured"
    STALE = "stale"
    NOT_LOADED = "not-loaded"
    NOT_RECORDED = "not-recorded"


class Role(StrEnum):
    """What a piece of evidence does for the answer."""

    DECIDES = "decides"
    SUPPORTS = "supports"
    AGAINST = "against"
    STALE = "stale"
    UNUSABLE = "unusable"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its values apart, put together when read: ``say("{analyte} is {value}", analyte=..., value=...)``."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format_map({key: readable(value) for key, value in self.values.items()})


def say(template: str, **values: object) -> Sentence:
    """A sentence: ``say("{name} is {value}.", name=..., value=...)``."""
    return Sentence(template, values)


def readable(value: object) -> str:
    """Dates by their text, numbers in full, lists with commas."""
    if isinstance(value, Span):
        return value.text.split("T", maxsplit=1)[0] if value.instant is None else value.first.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Fraction | Decimal):
        return write_number(value)
    if isinstance(value, list | tuple):
        return ", ".join(readable(item) for item in value)
    return str(value)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One datum that the answer rests on.

    Attributes:
        origin: The resource and its version.
        dated: The datum's date, with the precision recorded.
        original: As recorded, with its unit.
        value: Converted, in ``unit``; a number, or a word ("positive").
        limit: The limit it was compared with, such as ">= 25 /uL" or "<= 120 U/L (3 x 40, its own range)".
    """

    origin: Origin
    role: Role
    dated: Span | None = None
    original: str | None = None
    value: Fraction | Decimal | str | None = None
    unit: str | None = None
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a criterion, or to a part of one.

    Attributes:
        outcome: met, not-met, unknown, needs-clinician, not-applicable.
        why: Set exactly when the outcome is undecided.
        reason: One sentence that a clinician understands.
        next_step: What to order, look up or ask; None when decided.
        parts: Answers of the parts, by id, in order.
        facts: Further results for other criteria to read (a score's bounds, the drugs counted); not part of the contract.
    """

    outcome: Outcome
    reason: Sentence
    why: Why | None = None
    evidence: tuple[Evidence, ...] = ()
    next_step: Sentence | None = None
    parts: tuple[tuple[str, Answer], ...] = ()
    facts: Any = None

    def __post_init__(self) -> None:
        if self.outcome.undecided != (self.why is not None):
            raise ValueError(f"An answer of {self.outcome} with why={self.why}: why belongs to undecided answers only (VER-13).")


def met(reason: Sentence, evidence: Iterable[Evidence] = (), **more: Any) -> Answer:
    """The sentence holds."""
    return Answer(Outcome.MET, reason, None, tuple(evidence), **more)


def not_met(reason: Sentence, evidence: Iterable[Evidence] = (), **more: Any) -> Answer:
    """It does not."""
    return Answer(Outcome.NOT_MET, reason, None, tuple(evidence), **more)


def not_applicable(reason: Sentence, evidence: Iterable[Evidence] = (), **more: Any) -> Answer:
    """It does not concern this person."""
    return Answer(Outcome.NOT_APPLICABLE, reason, None, tuple(evidence), **more)


def unknown(
    why: Why, reason: Sentence, evidence: Iterable[Evidence] = (), *, next_step: Sentence | None = None, **more: Any
) -> Answer:
    """Nothing usable is known."""
    return Answer(Outcome.UNKNOWN, reason, why, tuple(evidence), next_step, **more)


def needs_clinician(
    why: Why, reason: Sentence, evidence: Iterable[Evidence] = (), *, next_step: Sentence | None = None, **more: Any
) -> Answer:
    """Data exist, and the sentence asks for a person."""
    return Answer(Outcome.NEEDS_CLINICIAN, reason, why, tuple(evidence), next_step, **more)


def first_why(answers: Sequence[Answer]) -> Why:
    """The ``why`` of a composite: the first in VER-14's order among parts that share its answer."""
    found = {answer.why for answer in answers}
    return next(why for why in Why if why in found)


def with_evidence(answer: Answer, evidence: Iterable[Evidence]) -> Answer:
    """The same answer with more evidence shown beside it."""
    return replace(answer, evidence=answer.evidence + tuple(evidence))
