"""Any positive result in a window of months proves the sentence: the course common to the antibody kinds.

Rules: clinical criteria C3 and "Time words"; R22, R30; clinical rulings, "C3". The window is [S - n months, D], both ends
included, and nothing dated after S counts (R44). A positive beside a negative: met. Older results only: unknown, stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from fhir_trial.criteria.answers import (
    Answer,
    Evidence,
    Outcome,
    Role,
    Sentence,
    Why,
    met,
    needs_clinician,
    not_met,
    say,
    unknown,
)
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.lab_words import dated, evidence, lowered, measured, problem
from fhir_trial.facts.laboratory import LabResult, results_until
from fhir_trial.logic import Truth
from fhir_trial.times import Span, add_days, add_months

#: Where codes of this role measure the thing, if not in the way that decides best (an immunoassay for ANA).
_ROLES: Final = frozenset({"accept", "accept_low", "text", "derived", "proxy"})
_READABLE: Final = frozenset({None, "no-value", "text", "unit-missing", "unit-not-understood", "implausible"})
_SHOWN: Final = 5
MOST_DAYS_OF_A_MONTH: Final = 31


@dataclass(frozen=True, slots=True)
class Said:
    """What one result says about the sentence.

    Attributes:
        outcome: None if the result says nothing and is passed over.
        words: Completes "The <name> of <date> ...".
        limit: What it was compared with, for the evidence.
    """

    outcome: Outcome | None
    words: str
    why: Why | None = None
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for.

    Attributes:
        name: For people, such as "anti-dsDNA antibody".
        months: Calendar months looked back from S.
        judge: What a readable result says.
    """

    name: str
    order: Sentence
    months: int
    judge: Callable[[LabResult], Said]


@dataclass(frozen=True, slots=True)
class _Heard:
    result: LabResult
    said: Said
    inside: Truth


SILENT: Final = Said(None, "")


def is_sought(result: LabResult) -> bool:
    """Whether a result measures the thing at all and was released: words and flags count where a number cannot be read."""
    return result.role in _ROLES and result.problem in _READABLE


def window(case: Case, months: int) -> tuple[date, date]:
    """First and last day that count."""
    return add_months(case.as_of, -months), min(case.first_dose, case.as_of)


def in_window(case: Case, months: int, result: LabResult) -> Truth:
    """Whether its date lies in the window; an interval that reaches beyond S is cut there."""
    span = None if result.span is None else result.span.until(case.as_of)
    return Truth.FALSE if span is None else _lies(span, window(case, months))


def answer_by_any(case: Case, sought: Sought, results: Iterable[LabResult]) -> Answer:
    """Met by any positive; not met only when every result in the window is negative, and at least one is."""
    heard = [
        _Heard(result, sought.judge(result) if is_sought(result) else SILENT, in_window(case, sought.months, result))
        for result in results_until(results, case.as_of)
    ]
    speaking = [one for one in heard if one.said.outcome is not None]
    inside = [one for one in speaking if one.inside is Truth.TRUE]
    perhaps = [one for one in speaking if one.inside is Truth.UNKNOWN and one.said.outcome is not Outcome.NOT_MET]
    for outcome in (Outcome.MET, Outcome.NEEDS_CLINICIAN):
        if any(one.said.outcome is outcome for one in inside):
            return _decided(sought, outcome, inside)
    if perhaps:
        return _date_open(sought, perhaps)
    for outcome in (Outcome.UNKNOWN, Outcome.NOT_MET):
        if any(one.said.outcome is outcome for one in inside):
            return _decided(sought, outcome, inside)
    return _nothing_inside(case, sought, heard)


def guarded(case: Case, sought: Sought, answer: Answer) -> Answer:
    """A positive finding stays; anything else could be overturned by an observation that was not loaded (VER-05)."""
    if answer.outcome is Outcome.MET or case.loaded("Observation") or answer.why is Why.NOT_LOADED:
        return answer
    return unknown(
        Why.NOT_LOADED,
        say("Not all observations could be loaded. Of what is on file: {said}", said=answer.reason),
        [replace(item, role=Role.SHOWN) for item in answer.evidence],
        next_step=say("Load the observations completely, or look up the {name}.", name=sought.name),
    )


def turning_points(case: Case, months: int, results: Iterable[LabResult]) -> Iterator[date]:
    """Each day on which a result becomes known or leaves the window; month ends differ by up to three days."""
    for result in results:
        if result.span is None:
            continue
        for day in (result.span.first, result.span.last):
            left = add_months(day, months)
            points = (day, add_days(day, 1), *(add_days(left, days) for days in range(5)))
            yield from (point for point in points if point > case.as_of)
    if case.planned_first_dose is not None:
        yield from (day for day in (case.planned_first_dose, add_days(case.planned_first_dose, 1)) if day > case.as_of)


def _lies(span: Span, days: tuple[date, date]) -> Truth:
    first, last = days
    return span.within(first, last) if first <= last else Truth.FALSE


def _decided(sought: Sought, outcome: Outcome, inside: Sequence[_Heard]) -> Answer:
    speaking = [one for one in inside if one.said.outcome is outcome]
    last = speaking[-1]
    result, words = last.result, last.said.words
    told = say(
        "The {name} of {dated}, {value}, {words}.", name=sought.name, dated=dated(result), value=measured(result), words=words
    )
    others = [one for one in inside if one is not last][-_SHOWN:]
    shown: list[Evidence] = [item for one in (last, *reversed(others)) for item in _evidence(one, _role(one, outcome))]
    if outcome is Outcome.MET:
        return met(told, shown)
    if outcome is Outcome.NOT_MET:
        return not_met(told, shown)
    why = next(why for why in Why if any(one.said.why is why for one in speaking))
    if outcome is Outcome.NEEDS_CLINICIAN:
        ask = say("Judge whether this counts as a positive {name}, or {order}", name=sought.name, order=lowered(sought.order))
        return needs_clinician(why, told, shown, next_step=ask)
    return unknown(why, told, shown, next_step=sought.order)


def _role(one: _Heard, outcome: Outcome) -> Role:
    if one.said.outcome is Outcome.UNKNOWN:
        return Role.UNUSABLE
    if one.said.outcome is outcome:
        return Role.DECIDES
    return Role.AGAINST if outcome is Outcome.MET else Role.SUPPORTS


def _date_open(sought: Sought, perhaps: Sequence[_Heard]) -> Answer:
    last = perhaps[-1]
    return unknown(
        Why.UNUSABLE,  # R30
        say("The date of the {name} of {dated}, {value}, does not say whether it lies in the {months} months before screening.",
            name=sought.name, dated=dated(last.result), value=measured(last.result), months=sought.months),
        [item for one in perhaps[-_SHOWN:] for item in _evidence(one, Role.UNUSABLE)],
        next_step=say("Look up the exact date of the {name}, or repeat it.", name=sought.name),
    )  # fmt: skip


def _nothing_inside(case: Case, sought: Sought, heard: Sequence[_Heard]) -> Answer:
    measuring = [one for one in heard if one.result.role in _ROLES and not _is_a_panel(one.result)]
    unread = [one for one in measuring if one.said.outcome is None and one.inside is not Truth.FALSE]
    doubtful = [one for one in measuring if one.inside is Truth.UNKNOWN]
    if unread or doubtful:
        return _unusable(sought, (unread or doubtful)[-1])
    if any(one.said.outcome is not None for one in measuring):
        last = [one for one in measuring if one.said.outcome is not None][-1]
        return unknown(
            Why.STALE,
            say("The last {name}, {value} on {dated}, lies outside the {months} months before screening.", name=sought.name,
                value=measured(last.result), dated=dated(last.result), months=sought.months),
            _evidence(last, Role.STALE),
            next_step=sought.order,
        )  # fmt: skip
    if measuring:
        return _unusable(sought, measuring[-1])
    why = case.absent("Observation")
    reason = "No {name} is on file." if why is Why.NOT_RECORDED else "No {name} was found; not all observations could be loaded."
    return unknown(why, say(reason, name=sought.name), next_step=sought.order)


def _unusable(sought: Sought, one: _Heard) -> Answer:
    cause = problem(one.result) if one.said.outcome is None else "its date does not say whether it lies in the window"
    return unknown(
        Why.UNUSABLE,
        say("The {name} of {dated}, {original}, cannot be used: {cause}.", name=sought.name, dated=dated(one.result),
            original=one.result.original or "without a value", cause=cause),
        _evidence(one, Role.UNUSABLE),
        next_step=sought.order,
    )  # fmt: skip


def _evidence(one: _Heard, role: Role) -> Iterator[Evidence]:
    return evidence(one.result, role, one.said.limit)


def _is_a_panel(result: LabResult) -> bool:
    return result.problem == "no-value" and bool(result.observation.siblings) and result.flag is None
