"""The items behind a score's lower bound, as evidence and in words: the table a clinician wants to see."""

from __future__ import annotations

from fhir_trial.criteria.answers import Evidence, Role
from fhir_trial.criteria.showing import show_condition
from fhir_trial.scores.bounds import ItemFound, ScoreBounds


def items_as_evidence(bounds: ScoreBounds) -> tuple[Evidence, ...]:
    """One row for each datum behind an item: points, item, what it counts for; then the coded hints, which count nothing."""
    rows = [row for found in bounds.found for row in _of_found(found, Role.SUPPORTS)]
    rows += [row for hint in bounds.hinted for row in _of_found(hint, Role.SHOWN)]
    return tuple(rows)


def items_in_words(bounds: ScoreBounds) -> list[str]:
    """Such as "low complement 2"."""
    return [f"{found.item.descriptor[:1].lower()}{found.item.descriptor[1:]} {found.item.weight}" for found in bounds.found]


def _of_found(found: ItemFound, role: Role) -> list[Evidence]:
    points = f"{found.item.descriptor}, {found.item.weight} points: {found.item.condition}"
    rows = [
        Evidence(
            result.observation.origin, role, result.span, result.original,
            result.possible.single if result.possible is not None else result.finding, result.unit or None, points,
        )
        for result in found.results
    ]  # fmt: skip
    return rows + [show_condition(fact, role) for fact in found.conditions]
