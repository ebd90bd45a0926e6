"""The 2019 EULAR/ACR classification of systemic lupus: an entry criterion, then weighted items, the heaviest of each domain.

Items may lie anywhere in the past and need not coincide. Source: Aringer 2019, Ann Rheum Dis 78:1151. Items: mappings/scores/.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from fhir_trial.facts.results import LabResult
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.logic import Truth
from fhir_trial.scores.bounds import ScoreBounds, bounds_from, reading_of, weigh
from fhir_trial.terminology.scores import ScoreDefinition
from fhir_trial.times import FAR_PAST

CLINICAL: Final = "clinical"
_RAT_LIVER: Final = "rat_liver"


@dataclass(frozen=True, slots=True)
class Classification:
    """Points, whether any of them is clinical, and whether the set of items classifies."""

    points: int
    clinical: bool
    classified: bool


def classify(score: ScoreDefinition, items: Collection[str], *, entry: bool, cutoff: int) -> Classification:
    """What the items amount to: without the entry criterion nobody is classified, nor without a clinical item."""
    points = weigh(score, items)
    clinical = any(item.group == CLINICAL for item in score.items if item.id in items)
    return Classification(points, clinical, entry and clinical and points >= cutoff)


def eular_acr_bounds(score: ScoreDefinition, facts: FactSheet, as_of: date) -> ScoreBounds:
    """Points that data of all time up to ``as_of`` show; whether another cause is more likely is not checked."""
    return bounds_from(score, facts, FAR_PAST, as_of)


def entry_of(result: LabResult, titre: Fraction) -> Truth:
    """Whether one antinuclear antibody result fulfils the entry criterion: a titre from 1:``titre`` on, or a positive test.

    A titre beside a word: the titre decides (R23).
    """
    if result.is_titre and result.possible is not None:
        reached = result.possible.at_least(titre)
        if reached is Truth.TRUE and result.method == _RAT_LIVER:  # on rat liver a titre of one step more is asked for
            return Truth.TRUE if result.possible.at_least(2 * titre) is Truth.TRUE else Truth.UNKNOWN
        return reached
    return reading_of(result, "above_reference", None)


def entry_truth(results: Iterable[LabResult], titre: Fraction) -> Truth:
    """At least once ever: TRUE; FALSE only when there are results and every one says no."""
    truths = [entry_of(result, titre) for result in results]
    if Truth.TRUE in truths:
        return Truth.TRUE
    return Truth.FALSE if truths and all(truth is Truth.FALSE for truth in truths) else Truth.UNKNOWN
