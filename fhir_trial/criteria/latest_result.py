"""The latest valid result decides: the course common to every kind that asks for one.

Rules: clinical criteria, "Time words"; clinical rulings, "Reading a result"; R8, R30, R31. Up to ``fresh_days`` old a result
decides, up to ``stale_days`` it must be looked at, older it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from fhir_trial.criteria.answers import (
    Answer,
    Evidence,
    Role,
    Sentence,
    Why,
    needs_clinician,
    say,
    unknown,
    with_evidence,
)
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.lab_words import dated, evidence, measured, problem, with_article
from fhir_trial.facts.laboratory import Band, Candidate, LabResult, deciding, is_valid, results_until
from fhir_trial.facts.latest import direct_first
from fhir_trial.facts.values import other_readings
from fhir_trial.times import add_days

Judge = Callable[[LabResult], Answer]

_WORST_DAYS: Final = 28  # "also show the worst value of the last 28 days"
_SHOWN: Final = 3
_NOT_SOUGHT: Final = frozenset({"context", "flag", "reject", "deprecated", "order", "panel"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Attributes:
        name: For people, such as "CD19+ B cell count".
        order: The next step where a new result is wanted.
        limit: The limit for people, such as ">= 25 /uL".
        lowest_is_worst: Which end is the bad one.
        valid: Whether a result counts as one.
        hints: Whether a result that does not count still sends the question to a clinician, where nothing better is as fresh.
    """

    analyte: str
    name: str
    order: Sentence
    limit: str
    fresh_days: int
    stale_days: int
    lowest_is_worst: bool = True
    prefer_method: bool = False
    valid: Callable[[LabResult], bool] = is_valid
    hints: Callable[[LabResult], bool] = lambda _result: False


def asked_name(analyte: str, called: str) -> str:
    """What people call the analyte."""
    return called or analyte.replace("_", " ")


def order_of(name: str, order: str) -> Sentence:
    """The next step where a new result is wanted."""
    return say(order) if order else say("Order {name}.", name=with_article(name))


def answer_by_latest(case: Case, asked: Asked, judge: Judge, judge_hint: Judge) -> Answer:
    """The answer of the latest valid result; ``facts`` of the answer is that result."""
    results = results_until(case.facts.results(asked.analyte), case.as_of)
    found = deciding(results, case.as_of, prefer_method=asked.prefer_method, valid=asked.valid)
    hinted = () if _decide(case, asked, found) else deciding(results, case.as_of, valid=asked.hints)
    if hinted and (not found or _decide(case, asked, hinted)):
        return _with_passed_over(_among(case, asked, hinted, judge_hint), asked, results, hinted)
    if found:
        return _with_passed_over(_among(case, asked, found, judge), asked, results, found)
    return _none_usable(case, asked, results)


def guarded(case: Case, asked: Asked, answer: Answer) -> Answer:
    """While not every observation was loaded, a newer result could overturn any answer: not-loaded (VER-05)."""
    if case.loaded("Observation") or answer.why is Why.NOT_LOADED:
        return answer
    return unknown(
        Why.NOT_LOADED,
        say("Not all observations could be loaded, and a newer {name} may exist. Of what is on file: {said}", name=asked.name,
            said=answer.reason),
        [replace(item, role=Role.SHOWN) for item in answer.evidence],
        next_step=say("Load the observations completely, or look up the latest {name}.", name=asked.name),
    )  # fmt: skip


def with_worst(case: Case, asked: Asked, answer: Answer) -> Answer:
    """The worst valid value of the last 28 days shown beside the one that decides, where it is another."""
    if not isinstance(answer.facts, LabResult) or answer.facts.possible is None:
        return answer
    since, unit = add_days(case.as_of, -_WORST_DAYS), answer.facts.unit
    known = results_until(case.facts.results(asked.analyte), case.as_of)
    whole = [one for one in direct_first(filter(is_valid, known)) if one.role != "derived" or one.part is None]
    recent = [one for one in whole if one.usable and one.day >= since and one.unit == unit]
    worst = min([answer.facts, *recent], key=lambda result: _badness(result, lowest_is_worst=asked.lowest_is_worst))
    if worst is answer.facts:
        return answer
    told = say(
        "{said} The {end} of the last 28 days was {value} on {dated}.",
        said=answer.reason, end="lowest" if asked.lowest_is_worst else "highest", value=measured(worst), dated=dated(worst),
    )  # fmt: skip
    return with_evidence(replace(answer, reason=told), evidence(worst, Role.SHOWN, asked.limit))


def implausible(asked: Asked, result: LabResult, case: Case) -> Answer:
    """R8: both readings shown, nothing repaired."""
    readings = other_readings(result.observation.value, case.facts.terminology.laboratory(asked.analyte))
    other = f"; in another unit it could be {', or '.join(readings)}" if readings else ""
    return needs_clinician(
        Why.UNUSABLE,
        say(
            "The last {name}, recorded as {original} on {dated}, is implausible{other}.",
            name=asked.name, original=result.original, dated=dated(result), other=other,
        ),
        evidence(result, Role.UNUSABLE, asked.limit),
        next_step=say("Ask the laboratory which value and unit are right, or repeat the {name}.", name=asked.name),
        facts=result,
    )  # fmt: skip


def turning_points(case: Case, asked: Asked) -> Iterator[date]:
    """Each day on which a result becomes known, stops deciding, or stops being worth a look."""
    for result in case.facts.results(asked.analyte):
        if result.span is None:
            continue
        for day in (result.span.first, result.span.last):
            later = (day, add_days(day, 1), add_days(day, asked.fresh_days + 1), add_days(day, asked.stale_days + 1))
            yield from (point for point in later if point > case.as_of)


def _decide(case: Case, asked: Asked, found: Sequence[Candidate]) -> bool:
    """Whether any of them may lie in the deciding band."""
    bands = {candidate.band(case.as_of, asked.fresh_days, asked.stale_days) for candidate in found}
    return bool(bands & {Band.FRESH, Band.STRADDLES})


def _among(case: Case, asked: Asked, found: Sequence[Candidate], judge: Judge) -> Answer:
    answers = [_one(case, asked, candidate, judge) for candidate in found]
    if len({answer.outcome for answer in answers}) == 1:
        return answers[0]
    shown = [item for answer in answers for item in answer.evidence]
    if all(candidate.tied for candidate in found):
        return needs_clinician(
            Why.CONFLICTING,  # R31
            say("Nothing says which {name} of {dated} is the last, and they give different answers.", name=asked.name,
                dated=dated(found[0].result)),
            [replace(item, role=Role.SHOWN) for item in shown],
            next_step=say("Look up which {name} is the last.", name=asked.name),
        )  # fmt: skip
    values = [f"{measured(candidate.result)} ({dated(candidate.result)})" for candidate in found]
    return unknown(
        Why.UNUSABLE,
        say("The dates do not say which {name} is the last, and the answers differ: {values}.", name=asked.name, values=values),
        [replace(item, role=Role.UNUSABLE) for item in shown],
        next_step=say("Look up the exact dates, or repeat the {name}.", name=asked.name),
    )


def _one(case: Case, asked: Asked, candidate: Candidate, judge: Judge) -> Answer:
    result = candidate.result
    band = candidate.band(case.as_of, asked.fresh_days, asked.stale_days)
    if band is Band.FRESH:
        return judge(result)
    if band is not Band.STRADDLES:
        return _too_old(case, asked, candidate, needs_clinician if band is Band.STALE else unknown)
    return unknown(
        Why.UNUSABLE,  # R30
        say("The date of the last {name}, {dated}, does not say whether its {value} is at most {days} days old.",
            name=asked.name, dated=dated(result), value=measured(result), days=asked.fresh_days),
        evidence(result, Role.UNUSABLE, asked.limit),
        next_step=say("Look up the exact date of the {name}, or repeat it.", name=asked.name),
    )  # fmt: skip


def _too_old(case: Case, asked: Asked, candidate: Candidate, undecided: Callable[..., Answer]) -> Answer:
    result = candidate.result
    return undecided(
        Why.STALE,
        say(
            "The last {name}, {value} on {dated}, is {age} days old; {days} days decide.",
            name=asked.name, value=measured(result), dated=dated(result), age=candidate.age(case.as_of), days=asked.fresh_days,
        ),
        evidence(result, Role.STALE, asked.limit),
        next_step=asked.order,
    )  # fmt: skip


def _none_usable(case: Case, asked: Asked, results: Iterable[LabResult]) -> Answer:
    sought = [result for result in results if result.role not in _NOT_SOUGHT and not _is_a_panel(result)]
    if not sought:
        why = case.absent("Observation")
        incomplete = "No {name} was found; not all observations could be loaded."
        reason = "No {name} is on file." if why is Why.NOT_RECORDED else incomplete
        return unknown(why, say(reason, name=asked.name), next_step=asked.order)
    last = sought[-1]
    return unknown(
        Why.UNUSABLE,
        say("The {name} on file, {original} on {dated}, cannot be used: {problem}.", name=asked.name,
            original=last.original or "without a value", dated=dated(last), problem=problem(last)),
        [item for result in sought[: -_SHOWN - 1 : -1] for item in evidence(result, Role.UNUSABLE, asked.limit)],
        next_step=asked.order,
    )  # fmt: skip


def _with_passed_over(answer: Answer, asked: Asked, results: Iterable[LabResult], found: Sequence[Candidate]) -> Answer:
    """Results at least as new that could not be read are shown."""
    since = max(candidate.first for candidate in found)
    used = {id(candidate.result) for candidate in found}
    unread = [one for one in results if one.speaks and id(one) not in used and not asked.valid(one) and not _is_a_panel(one)]
    passed = [one for one in unread if one.day >= since]
    shown: list[Evidence] = [item for result in passed[-_SHOWN:] for item in evidence(result, Role.UNUSABLE, asked.limit)]
    return with_evidence(answer, [item for item in shown if item not in answer.evidence])


def _is_a_panel(result: LabResult) -> bool:
    """A parent without a value of its own: its components speak."""
    return result.problem == "no-value" and bool(result.observation.siblings)


def _badness(result: LabResult, *, lowest_is_worst: bool) -> tuple[bool, object]:
    """Sorts the worst first; an open end is worse than any number."""
    possible = result.possible
    end = None if possible is None else (possible.low if lowest_is_worst else possible.high)
    if end is None:
        return False, 0
    return True, end if lowest_is_worst else -end
