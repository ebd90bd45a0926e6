"""What the text fields of the kinds name, so that a name that leads nowhere is found before a patient is screened.

A field's own name says what it names: two kinds that call a field alike mean the same. ``FREE`` fields hold words for people, or
words that are looked for as they stand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from fhir_trial.criteria.combinators import AllOf, AnyOf, AppliesWhen, AtLeast, Not, Part, Reference
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
    criterion="activity",
    free="called entry_called order title named ask part specialties studies part_ids clumping_words ask_on_words ask_on_parts "
    "doubtful_methods categories counting_roles at_least at_most above below at_most_times below_times surely_within fall "
    "reading serum_hcg prefer before",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """A rule or a piece of one, and where its keys stand in the file."""

    piece: Any
    path: KeyPath


def placed(part: Part, written: Any, path: KeyPath) -> Iterator[Placed]:
    """A rule and everything inside it, from the outside in.

    Args:
        written: What the file says at ``path``, with the settings put in.
    """
    if isinstance(written, str):
        yield Placed(part.rule, path)
        return
    (kind,) = (key for key in written if key != "part")
    yield from _inside(part.rule, written[kind], (*path, kind))


def _inside(rule: Any, written: Any, path: KeyPath) -> Iterator[Placed]:
    yield Placed(rule, path)
    match rule:
        case Reference():
            return
        case AllOf() | AnyOf():
            parts = [(part, written[index], (*path, index)) for index, part in enumerate(rule.parts)]
        case AtLeast():
            parts = [(part, written["of"][index], (*path, "of", index)) for index, part in enumerate(rule.parts)]
        case Not():
            parts = [(rule.part, written, path)]
        case AppliesWhen():
            inner = (("condition", rule.condition), ("rule", rule.rule))
            parts = [(part, written[name], (*path, name)) for name, part in inner]
        case _:
            yield from _pieces(rule, written, path)
            return
    for part, said, where in parts:
        yield from placed(part, said, where)


def _pieces(kind: Any, written: Any, path: KeyPath) -> Iterator[Placed]:
    """The records that a kind's fields hold, such as the classes of a treatment rule."""
    for field, value, where in _values(kind, written, path):
        if dataclasses.is_dataclass(value):
            yield from _inside(value, _at(written, field, where), where)


def _values(piece: Any, written: Any, path: KeyPath) -> Iterator[tuple[str, Any, KeyPath]]:
    """Each value of each field that is written, with its own place."""
    for field in dataclasses.fields(piece):
        if not isinstance(written, Mapping) or field.name not in written:
            continue
        value, listed = getattr(piece, field.name), isinstance(written[field.name], list)
        for index, item in enumerate(value if isinstance(value, tuple) else (value,)):
            yield field.name, item, (*path, field.name, index) if listed else (*path, field.name)


def _at(written: Any, field: str, where: KeyPath) -> Any:
    return written[field][where[-1]] if isinstance(where[-1], int) else written[field]


def names_in(piece: Any) -> Iterator[tuple[str, int | None, str, Named]]:
    """Each name in the fields of a rule or piece: field, index in a list, the name, and what it names; defaults too."""
    for field in dataclasses.fields(piece):
        value, named = getattr(piece, field.name), NAMED_BY.get(field.name, Named.FREE)
        if named is Named.FREE:
            continue
        if isinstance(value, str):
            yield field.name, None, value, named
        elif isinstance(value, tuple):
            yield from ((field.name, index, name, named) for index, name in enumerate(value))


def right_names(resolved: ResolvedTrial) -> Mapping[Named, list[str]]:
    """Every name that leads somewhere."""
    terminology = resolved.terminology
    ingredients = list(terminology.drugs.ingredients)
    classes = sorted({ingredient.drug_class for ingredient in terminology.drugs.ingredients.values()})
    return {
        Named.ANALYTE: list(terminology.laboratory_definitions),
        Named.VALUE_SET: list(terminology.value_sets),
        Named.DRUGS: [*classes, *ingredients],
        Named.DRUG_CLASS: classes,
        Named.INGREDIENT: ingredients,
        Named.SCORE: list(terminology.scores),
        Named.TOPIC: list(load_phrases()),
        Named.CRITERION: list(resolved.by_id),
    }
