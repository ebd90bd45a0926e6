"""Between how many and how many points a score lies, from laboratory and temperature data alone.

A datum that shows an item counts its points, "attribution not checked"; a missing item is not an absent one. The upper bound
leaves out only items that every result in the window denies. Source: mappings/scores/*.yaml, the items of auto lab and lab*.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from fhir_trial.facts.conditions import ConditionFact
from fhir_trial.facts.results import LabResult
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.logic import Truth, all_of, any_of
from fhir_trial.terminology.laboratory import LabDefinition
from fhir_trial.terminology.scores import ScoreDefinition, ScoreItem
from fhir_trial.terminology.units import convert

_AUTOMATIC: Final = ("lab", "lab*")


@dataclass(frozen=True, slots=True)
class ItemFound:
    """An item that data show, and which results or coded conditions do."""

    item: ScoreItem
    results: tuple[LabResult, ...] = ()
    conditions: tuple[ConditionFact, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreBounds:
    """What the score can be.

    Attributes:
        low: Points of the items found.
        high: Points of all items that no result denies.
        found: The items behind ``low``.
        hinted: Items that only a coded condition hints at: shown, never scored.
    """

    low: int
    high: int
    found: tuple[ItemFound, ...]
    hinted: tuple[ItemFound, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(found.item.id for found in self.found)


def weigh(score: ScoreDefinition, items: Collection[str]) -> int:
    """The total of the items present; within a domain the heaviest alone counts."""
    best: dict[str, int] = {}
    for item in score.items:
        if item.id in items:
            key = item.domain or item.id
            best[key] = max(best.get(key, 0), item.weight)
    return sum(best.values())


def bounds_from(score: ScoreDefinition, facts: FactSheet, first: date, last: date) -> ScoreBounds:
    """The bounds from everything surely dated within [first, last], both ends included."""
    found: list[ItemFound] = []
    hinted: list[ItemFound] = []
    denied: set[str] = set()
    for item in score.items:
        if item.auto in _AUTOMATIC and item.test:
            showing, denies = _looked_up(item, facts, first, last)
            if showing:
                found.append(ItemFound(item, showing))
            elif denies:
                denied.add(item.id)
        elif item.value_set:
            coded = _coded(item.value_set, facts, first, last)
            if coded:
                (found if item.auto in _AUTOMATIC else hinted).append(ItemFound(item, (), coded))
    present = {one.item.id for one in found}
    possible = {item.id for item in score.items} - denied
    return ScoreBounds(weigh(score, present), weigh(score, possible), tuple(found), tuple(hinted))


def _looked_up(item: ScoreItem, facts: FactSheet, first: date, last: date) -> tuple[tuple[LabResult, ...], bool]:
    """The latest result of each analyte that shows the item; and whether every analyte has results and all deny it."""
    showing: list[LabResult] = []
    said: list[Truth] = []
    for analyte, limit in _limits(item):
        test, number = _test(item, limit, facts.terminology.laboratory(analyte))
        readings = [
            (result, reading_of(result, test, number)) for result in facts.results(analyte) if _within(result, first, last)
        ]
        yes = [result for result, truth in readings if truth is Truth.TRUE]
        showing.extend(yes[-1:])
        said.append(any_of(truth for _, truth in readings) if readings else Truth.UNKNOWN)
    if item.test == "all_below_reference":
        return (tuple(showing), False) if all_of(said) is Truth.TRUE else ((), all_of(said) is Truth.FALSE)
    return tuple(showing), all(truth is Truth.FALSE for truth in said)


def _limits(item: ScoreItem) -> Iterable[tuple[str, str | None]]:
    if not item.limits:
        return ((analyte, None) for analyte in item.analytes)
    return zip(item.analytes, item.limits, strict=True)


def _test(item: ScoreItem, limit: str | None, definition: LabDefinition) -> tuple[str, Fraction | None]:
    """An analyte of words among those of numbers has the word "positive" in place of its limit."""
    if limit == "positive":
        return "positive", None
    return item.test or "", limit_in(limit, definition)


def _coded(value_set: str, facts: FactSheet, first: date, last: date) -> tuple[ConditionFact, ...]:
    known = (*facts.conditions(value_set), *facts.conclusions(value_set))
    return tuple(
        fact
        for fact in known
        if fact.counts in ("yes", "weak")
        and fact.role != "no"
        and fact.when is not None
        and fact.when.within(first, last) is Truth.TRUE
    )


def _within(result: LabResult, first: date, last: date) -> bool:
    """Whether it is surely of these days, given that what lies after ``last`` is not on file."""
    span = result.span
    return span is not None and first <= span.first <= last and result.usable and result.speaks


def limit_in(limit: str | None, definition: LabDefinition) -> Fraction | None:
    """A limit such as "0.5 g/(24.h)" in the analyte's own unit; None where there is none.

    Raises:
        ValueError: The analyte knows no such unit.
    """
    if limit is None:
        return None
    number, _, unit = limit.partition(" ")
    if not unit or unit == definition.unit:
        return Fraction(number)
    converted = convert(Fraction(number), unit, definition)
    if converted is None:
        raise ValueError(f"{definition.analyte} has no unit '{unit}', in which a limit is written.")
    return converted


def reading_of(result: LabResult, test: str, limit: Fraction | None) -> Truth:
    """Whether one result shows an item; UNKNOWN where it leaves that open."""
    match test:
        case "above":
            return _compared(result, limit, "above")
        case "at_least":
            return _compared(result, limit, "at_least")
        case "below":
            return _compared(result, limit, "below")
        case "below_reference" | "any_below_reference" | "all_below_reference":
            return _below_reference(result)
        case "above_reference":
            return _above_reference(result)
        case "positive":
            return _positive(result)
        case "present":
            return _present(result)
        case _:
            raise ValueError(f"No way to read a result as '{test}'.")


def _compared(result: LabResult, limit: Fraction | None, how: str) -> Truth:
    if result.possible is None or limit is None:
        return Truth.UNKNOWN
    if how == "above":
        return result.possible.above(limit)
    return result.possible.at_least(limit) if how == "at_least" else result.possible.below(limit)


def _below_reference(result: LabResult) -> Truth:
    """Below the result's own lower limit; else what its flag says; a flag that contradicts the number leaves it open."""
    lows = {one.low for one in result.ranges if one.low is not None}
    flagged = {"below": Truth.TRUE, "within": Truth.FALSE, "above": Truth.FALSE}.get(result.flag or "", Truth.UNKNOWN)
    possible = result.possible
    return _agreed([possible.below(low) for low in lows] if possible is not None else [], flagged)


def _above_reference(result: LabResult) -> Truth:
    """Above the result's own upper limit, or positive in words; a qualitative assay's cut-off is its limit."""
    possible = result.possible
    highs = [(one.high, one.high_open) for one in result.ranges if one.high is not None]
    compared = [possible.at_least(high) if beyond else possible.above(high) for high, beyond in highs] if possible else []
    return _agreed(compared, _positive(result))


def _agreed(compared: list[Truth], said: Truth) -> Truth:
    if not compared:
        return said
    truth = compared[0] if len(set(compared)) == 1 else Truth.UNKNOWN
    return truth if said in (truth, Truth.UNKNOWN) else Truth.UNKNOWN


def _positive(result: LabResult) -> Truth:
    said = {result.finding, result.flag} - {None}
    yes = bool(said & {"positive", "above", "abnormal"})
    no = bool(said & {"negative", "within", "below"})
    return Truth.UNKNOWN if yes is no else Truth.of(yes)


def _present(result: LabResult) -> Truth:
    if result.finding is not None:
        return _positive(result)
    return Truth.UNKNOWN if result.possible is None else result.possible.above(Fraction(0))
