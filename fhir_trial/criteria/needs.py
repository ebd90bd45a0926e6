"""What a trial needs to know of a patient, derived from its definition alone: the one plan that drives every way of fetching."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """Resources of one type that a criterion reads.

    Attributes:
        resource_type: FHIR R4 type.
        laboratory: Analytes of mappings/facts/laboratory.yaml.
        value_sets: Value sets whose codes are looked for.
        drug_classes: Medication classes; a search takes all medications, since classes are matched locally (DATA-33).
        categories: FHIR category codes that hold the wanted resources ("laboratory", "vital-signs", "survey").
        decides_days: Days back that decide; None where the whole past does.
        reaches_days: Days back that a search must reach to give the same answer and reason; None for ever.
    """

    resource_type: str
    laboratory: tuple[str, ...] = ()
    value_sets: tuple[str, ...] = ()
    drug_classes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    decides_days: int | None = None
    reaches_days: int | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """The needs of a criterion or of a whole trial, without repeats, in a fixed order."""

    needs: tuple[Need, ...] = ()

    @staticmethod
    def of(*needs: Need) -> Needs:
        return Needs(tuple(sorted(set(needs), key=repr)))

    @staticmethod
    def union(parts: Iterable[Needs]) -> Needs:
        known = tuple(parts)
        return known[0] if len(known) == 1 else Needs.of(*(need for part in known for need in part.needs))

    @property
    def resource_types(self) -> tuple[str, ...]:
        return tuple(sorted({need.resource_type for need in self.needs}))
