"""The items of a score as data: what each weighs, what it means, and whether data alone can say so.

Source: mappings/scores/*.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScoreItem:
    """One descriptor.

    Attributes:
        id: e.g. "proteinuria".
        weight: Points, counted in full or not at all.
        descriptor, condition: In words.
        auto: lab (the datum decides), lab* (the datum counts, exclusion needed), hint (shown), no.
        group, domain: EULAR/ACR only; within a domain the highest item counts.
        analytes: Laboratory concepts that are read, see laboratory.yaml.
        test: How they are read: above, below, above_reference, below_reference, any_below_reference, all_below_reference,
            positive, present.
        limits: The number of `test` with its unit, e.g. "0.5 g/(24.h)", one per analyte in their order, or "positive" where
            an analyte has only words; empty: none needed.
        value_set: Conditions that hint at it.
    """

    id: str
    weight: int
    descriptor: str
    condition: str
    auto: str
    group: str | None = None
    domain: str | None = None
    analytes: tuple[str, ...] = ()
    test: str | None = None
    limits: tuple[str, ...] = ()
    value_set: str | None = None


@dataclass(frozen=True, slots=True)
class ScoreDefinition:
    """A score: its items and where they come from.

    Attributes:
        maximum: The sum of all items (SLEDAI-2K 105), None where domains cap it.
        maximum_automatic: The sum of lab and lab* items.
        names: Regular expression for a recorded total of exactly this version; `other_names` for other versions of it.
    """

    name: str
    items: tuple[ScoreItem, ...]
    source: str
    threshold: int | None = None
    maximum: int | None = None
    maximum_automatic: int | None = None
    names: str | None = None
    other_names: str | None = None
