"""What the text fields of the kinds name, so that a name that leads nowhere is found before a patient is screened.

A field's own name says what it names: two kinds that call a field alike mean the same. ``FREE`` fields hold limits, words for
people, and words that are looked for as they stand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

from fhir_trial.criteria.combinators import Reference
from fhir_trial.criteria.normal_report import NormalReport
from fhir_trial.definitions.placing import Placed
from fhir_trial.definitions.yaml_source import KeyPath
from fhir_trial.terminology.phrases import load_phrases
from fhir_trial.trials.model import ResolvedTrial


class Named(Enum):
    """What a name may lead to."""

    ANALYTE = "analyte"
    VALUE_SET = "value set"
    DRUGS = "drug class or ingredient"
    DRUG_CLASS = "drug class"
    INGREDIENT = "ingredient"
    SCORE = "score"
    TOPIC = "phrase topic"
    METHOD = "method"
    PART = "part of a laboratory code"
    ROLE = "role"
    CRITERION = "criterion"
    FREE = "words"


def _table(**fields: str) -> dict[str, Named]:
    return {field: Named[named.upper()] for named, written in fields.items() for field in written.split()}


NAMED_BY: Final[Mapping[str, Named]] = _table(
    analyte="analyte quantitative titre qualitative combined menses entry_tests egfr creatinine height cystatin falling "
    "urine serum status immunoassay statement",
    value_set="none review disease broader drug_induced skin_limited overlap value_set kidney_failure ineffective intolerance "
    "other_reasons warn_value_sets supports against bleeding pregnancy diseases supporting",
    drugs="warn_drugs show_last_given drugs",
    drug_class="drug_class must_include",
    ingredient="by_weight_in_children",
    score="score",
    topic="imaging",
    method="doubtful_methods",
    part="ask_on_parts",
    role="counting_roles",
    criterion="activity criterion",
    free="called entry_called order title named ask part specialties studies part_ids clumping_words ask_on_words categories "
    "at_least at_most above below at_most_times below_times surely_within fall reading serum_hcg prefer before",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """A name in a rule, where it stands, and what it should lead to."""

    name: str
    named: Named
    path: KeyPath


def names_in(placed: Placed) -> Iterator[Name]:
    """Each name in the fields of a rule or of a piece of one; a default stands where the rule does."""
    piece = placed.piece
    if isinstance(piece, Reference):
        yield Name(piece.criterion, Named.CRITERION, placed.path)
        return
    for field in dataclasses.fields(piece):
        named = NAMED_BY.get(field.name, Named.FREE)
        for name, path in placed.values(field.name):
            if isinstance(name, str) and named is not Named.FREE:
                yield Name(name, named, path)
    if isinstance(piece, NormalReport):  # its analyte names the words of the report, too
        yield from (Name(name, Named.TOPIC, path) for name, path in placed.values("analyte"))


def right_names(resolved: ResolvedTrial) -> Mapping[Named, list[str]]:
    """Every name that leads somewhere."""
    terminology = resolved.terminology
    ingredients = list(terminology.drugs.ingredients)
    classes = sorted({ingredient.drug_class for ingredient in terminology.drugs.ingredients.values()})
    codes = [code for found in terminology.codes.values() for code in found]
    return {
        Named.ANALYTE: list(terminology.laboratory_definitions),
        Named.VALUE_SET: list(terminology.value_sets),
        Named.DRUGS: [*classes, *ingredients],
        Named.DRUG_CLASS: classes,
        Named.INGREDIENT: ingredients,
        Named.SCORE: list(terminology.scores),
        Named.TOPIC: list(load_phrases()),
        Named.METHOD: sorted({code.method for code in codes if code.method}),
        Named.PART: sorted({code.part for code in codes if code.part}),
        Named.ROLE: sorted({member.role for value_set in terminology.value_sets.values() for member in value_set.members}),
        Named.CRITERION: list(resolved.by_id),
    }
