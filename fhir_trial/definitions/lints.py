"""What is well-formed and still wrong in a trial's rules: one function a mistake, each finding at its own place."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fhir_trial.criteria.age import Age
from fhir_trial.criteria.combinators import AllOf, AnyOf, AppliesWhen, AtLeast, Not
from fhir_trial.criteria.lab import LabLimit
from fhir_trial.criteria.limits import Limit
from fhir_trial.definitions.names import Named, names_in, right_names
from fhir_trial.definitions.placing import Placed
from fhir_trial.definitions.yaml_source import KeyPath, Problem, nearest
from fhir_trial.terminology import LabDefinition, Terminology
from fhir_trial.trials.model import Criterion, CriterionType, ResolvedTrial

Rules = Sequence[tuple[Criterion, Placed]]


def rule_problems(rules: Rules, resolved: ResolvedTrial) -> Iterator[Problem]:
    """Every mistake in the rules of a trial.

    Args:
        rules: Each criterion and its rule, in the trial's order.
    """
    yield from _cycles(rules)
    yield from _repeated_parts(rules)
    yield from _contradictions(rules, resolved.terminology)
    right = right_names(resolved)
    for _, rule in rules:
        for inner in rule.everything():
            yield from _unknown_names(inner, right)
            yield from _windows(inner)
            yield from _branches(inner)
            yield from _limits(inner, resolved.terminology)


def _unknown_names(placed: Placed, right: Any) -> Iterator[Problem]:
    for name in names_in(placed):
        known = right[name.named]
        if name.name not in known:
            yield Problem(name.path, f"Unknown {name.named.value} '{name.name}'.{nearest(name.name, known)}")


_WINDOWS = ("days", "months", "weeks")


def _windows(placed: Placed) -> Iterator[Problem]:
    """Empty windows, and a stale band that no day falls into."""
    for field in dataclasses.fields(placed.piece):
        for value, path in placed.values(field.name):
            if field.name.rpartition("_")[2] in _WINDOWS and isinstance(value, int) and value < 0:
                yield Problem(path, f"The window is empty: {field.name} is {value}. Expected 0 or more, counted back.")
    fresh, stale = getattr(placed.piece, "fresh_days", None), getattr(placed.piece, "stale_days", None)
    if isinstance(fresh, int) and fresh == stale:
        ((_, path),) = placed.values("stale_days")
        yield Problem(path, f"Cannot be reached: stale_days {stale} is not later than fresh_days {fresh}.")


def _branches(placed: Placed) -> Iterator[Problem]:
    """Branches that can never decide anything."""
    rule = placed.piece
    if isinstance(rule, AtLeast) and rule.count > len(rule.parts):
        yield Problem((*placed.path, "count"), f"Cannot be reached: at least {rule.count} of only {len(rule.parts)} parts.")
    parts = list(placed.inside()) if isinstance(rule, AllOf | AnyOf | AtLeast) else []
    for one, other in itertools.combinations(parts, 2):
        if one.piece == other.piece:
            yield Problem(other.path, "Cannot be reached: the same part stands here twice.")
        elif _opposite(one.piece, other.piece) and not isinstance(rule, AtLeast):
            always = "always" if isinstance(rule, AnyOf) else "never"
            yield Problem(other.path, f"A part and its opposite stand side by side: the whole {always} holds.")
    if isinstance(rule, AppliesWhen) and rule.condition.rule == rule.rule.rule:
        yield Problem((*placed.path, "condition"), "Cannot be reached: the rule applies only where it holds itself.")


def _opposite(one: Any, other: Any) -> bool:
    return (isinstance(other, Not) and other.part.rule == one) or (isinstance(one, Not) and one.part.rule == other)


_BOUNDS = ("at_least", "at_most", "above", "below")
_MEASURED = {"surely_within": "analyte", "fall": "falling"}  # limit: the field that names its analyte


def _limits(placed: Placed, terminology: Terminology) -> Iterator[Problem]:
    """Limits that are none, in a unit that the analyte cannot have, or that no true value comes near."""
    for name in (*_BOUNDS, *_MEASURED):
        written = getattr(placed.piece, name, None)
        definition = _measured_by(placed.piece, name, terminology)
        if definition is None or not isinstance(written, str):
            continue
        ((_, path),) = placed.values(name)
        try:
            limit = Limit.parse(written).for_analyte(definition)
        except ValueError as error:
            yield Problem(path, str(error))
            continue
        if name in _BOUNDS and not definition.is_plausible(limit):
            low, high = definition.plausible_low, definition.plausible_high
            yield Problem(path, f"No plausible value is near {written!r}: expected {low} to {high} {definition.unit}.")


def _measured_by(piece: Any, limit: str, terminology: Terminology) -> LabDefinition | None:
    fields = [_MEASURED[limit]] if limit in _MEASURED else ["analyte", "egfr"]
    names = (str(getattr(piece, field, None)) for field in fields)
    return next((terminology.laboratory_definitions[name] for name in names if name in terminology.laboratory_definitions), None)


@dataclass(frozen=True, slots=True)
class _Demand:
    """A bound that an eligible patient must respect.

    Attributes:
        subject: An analyte, or "age".
        lower: Whether it is a lower bound; ``strict``: whether the bound itself is out.
    """

    subject: str
    lower: bool
    strict: bool
    bound: Fraction
    path: KeyPath


def _contradictions(rules: Rules, terminology: Terminology) -> Iterator[Problem]:
    """Limits of one analyte, or of age, that nobody can meet together; in one rule, or in several criteria."""
    demands: list[_Demand] = []
    for criterion, rule in rules:
        if criterion.counts:
            demands += _demands(rule, terminology, wanted=criterion.type is CriterionType.INCLUSION)
    for one, other in itertools.combinations(demands, 2):
        if one.subject != other.subject or one.lower == other.lower:
            continue
        low, high = (one, other) if one.lower else (other, one)
        if low.bound > high.bound or (low.bound == high.bound and (low.strict or high.strict)):
            yield Problem(
                other.path, f"The limits of {one.subject} contradict each other: no value respects this one and the other."
            )


def _demands(placed: Placed, terminology: Terminology, *, wanted: bool) -> Iterator[_Demand]:
    """What must be true where the rule has to hold, or has not to (an exclusion, ``not``)."""
    rule = placed.piece
    match rule:
        case Not():
            for part in placed.inside():
                yield from _demands(part, terminology, wanted=not wanted)
        case AllOf() | AnyOf():
            if isinstance(rule, AllOf) == wanted:
                for part in placed.inside():
                    yield from _demands(part, terminology, wanted=wanted)
        case LabLimit() | Age():
            for bound in _bounds(placed, terminology):
                yield bound if wanted else dataclasses.replace(bound, lower=not bound.lower, strict=not bound.strict)
        case _:
            return


def _bounds(placed: Placed, terminology: Terminology) -> Iterator[_Demand]:
    rule = placed.piece
    if isinstance(rule, Age):
        if rule.at_least_years is not None:
            yield _Demand("age", lower=True, strict=False, bound=Fraction(rule.at_least_years), path=placed.path)
        if rule.at_most_years is not None:
            yield _Demand("age", lower=False, strict=True, bound=Fraction(rule.at_most_years + 1), path=placed.path)
        return
    definition = terminology.laboratory_definitions.get(rule.analyte)
    for name in _BOUNDS:
        written = getattr(rule, name)
        if definition is None or written is None:
            continue
        try:
            bound = Limit.parse(written).for_analyte(definition)
        except ValueError:
            continue  # told by _limits
        ((_, path),) = placed.values(name)
        yield _Demand(rule.analyte, name in ("at_least", "above"), name in ("above", "below"), bound, path)


def _cycles(rules: Rules) -> Iterator[Problem]:
    """Criteria that answer each other, by reference or through a kind's own field."""
    edges = {
        criterion.id: [name.name for inner in rule.everything() for name in names_in(inner) if name.named is Named.CRITERION]
        for criterion, rule in rules
    }
    for criterion, rule in rules:
        reached, ahead = set[str](), list(edges[criterion.id])
        while ahead:
            name = ahead.pop()
            if name not in reached:
                reached.add(name)
                ahead += edges.get(name, [])
        if criterion.id in reached:
            yield Problem(rule.path, f"Criterion {criterion.id} rests on itself: a cycle.")


def _repeated_parts(rules: Rules) -> Iterator[Problem]:
    """Ids of parts that stand twice, or are a criterion's."""
    taken = {criterion.id for criterion, _ in rules}
    for _, rule in rules:
        for inner in rule.everything():
            if inner.name is None:
                continue
            if inner.name in taken:
                yield Problem(inner.path, f"The id '{inner.name}' is given twice.")
            taken.add(inner.name)
