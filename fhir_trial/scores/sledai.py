"""SLEDAI-2K: 24 descriptors, 0 to 105 points; each counts in full or not at all, if present in the window and due to lupus.

Source: Gladman 2002, J Rheumatol 29:288; 30-day window, Touma 2010, Lupus 19:49. Items: mappings/scores/.
"""

from __future__ import annotations

from datetime import date

from fhir_trial.facts.sheet import FactSheet
from fhir_trial.scores.bounds import ScoreBounds, bounds_from
from fhir_trial.terminology.scores import ScoreDefinition
from fhir_trial.times import add_days


def sledai_bounds(score: ScoreDefinition, facts: FactSheet, as_of: date, days: int) -> ScoreBounds:
    """Points that data of the last ``days`` days show, ``as_of`` included; attribution is not checked."""
    return bounds_from(score, facts, add_days(as_of, -days), as_of)
