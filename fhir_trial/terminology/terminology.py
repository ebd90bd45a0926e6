"""Everything a hospital's codes and words can mean to a trial, in one place to ask.

Pure look-ups on frozen tables, no input or output: `loading.load_terminology` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import cached_property, lru_cache

from fhir_trial.terminology.concepts import Coding, Concept
from fhir_trial.terminology.drugs import DrugIndex, DrugMatch
from fhir_trial.terminology.laboratory import LabCode, LabDefinition
from fhir_trial.terminology.names import NameIndex
from fhir_trial.terminology.overlay import Overlay, SiteLimit
from fhir_trial.terminology.scores import ScoreDefinition
from fhir_trial.terminology.units import conversion
from fhir_trial.terminology.value_sets import ValueSet
from fhir_trial.terminology.words import WordMap


@dataclass(frozen=True, slots=True)
class DoseUnit:
    """What a dose is counted in: kind "mass" (factor in mg), "count" (tablets, capsules), "volume" (factor in mL)."""

    kind: str
    factor: Fraction


@dataclass(frozen=True)
class Terminology:
    """The tables. Ask the methods; the fields are for building."""

    laboratory_definitions: Mapping[str, LabDefinition]
    codes: Mapping[tuple[str, str], tuple[LabCode, ...]]
    names: NameIndex
    value_sets: Mapping[str, ValueSet]
    drugs: DrugIndex
    maps: Mapping[str, WordMap]
    scores: Mapping[str, ScoreDefinition]
    limits: tuple[SiteLimit, ...] = ()

    def laboratory(self, analyte: str) -> LabDefinition:
        """What an analyte is.

        Raises:
            KeyError: No such analyte in laboratory.yaml.
        """
        return self.laboratory_definitions[analyte]

    def lab_codes(self, concept: Concept) -> tuple[LabCode, ...]:
        """What its recognised codings measure; empty when none is."""
        return self._known_codes(concept)

    @cached_property
    def _known_codes(self) -> Callable[[Concept], tuple[LabCode, ...]]:
        """A patient's results have few different codes, and each is asked for again and again."""

        def search(concept: Concept) -> tuple[LabCode, ...]:
            found = (code for coding in concept.codings for code in self.codes.get((coding.system, coding.code), ()))
            return tuple(dict.fromkeys(found))

        return lru_cache(maxsize=4096)(search)

    def lab_by_text(self, concept: Concept, specimen: str | None = None) -> tuple[str, ...]:
        """The analytes its words name, only where no coding is recognised and none claims LOINC, SNOMED CT or RxNorm (R34).

        An antibody's name stands for its whole family (quantity, titre, presence): keep the analyte whose kind fits the value.
        """
        if concept.claims_a_standard() or self.lab_codes(concept):
            return ()
        return self.names.find(concept, specimen)

    def value_set(self, name: str) -> ValueSet:
        """The value set of that name.

        Raises:
            KeyError: No such value set.
        """
        return self.value_sets[name]

    def drug(self, concept: Concept) -> DrugMatch | None:
        """Which ingredients a medication holds; None means not recognised, never "not taken"."""
        return self.drugs.match(concept)

    def qualitative(self, said: str | Concept) -> str | None:
        """positive, negative, weak, indeterminate or invalid; None for anything else."""
        words = self.maps["qualitative"]
        return words.of_text(said) if isinstance(said, str) else words.of(said)

    def interpretation(self, said: str | Concept) -> frozenset[str]:
        """above, below, within, abnormal, positive, negative, weak, indeterminate: all that the flags say, which may conflict."""
        return self._known_flags(said)

    @cached_property
    def _known_flags(self) -> Callable[[str | Concept], frozenset[str]]:
        words = self.maps["interpretation"]

        def search(said: str | Concept) -> frozenset[str]:
            if isinstance(said, str):
                meaning = words.of_text(said)
                return frozenset() if meaning is None else frozenset({meaning})
            return frozenset(words.all_of(said))

        return lru_cache(maxsize=4096)(search)

    def route(self, said: str | Concept) -> str | None:
        """The route class: oral, nasogastric, intravenous, topical, ...; None when not recognised."""
        words = self.maps["route"]
        return words.of_text(said) if isinstance(said, str) else words.of(said)

    def dose_unit(self, unit: str) -> DoseUnit | None:
        """What a dose's unit counts, with its exact factor."""
        meaning = self.maps["dose_unit"].of_text(unit)
        if meaning is None:
            return None
        kind, factor = meaning.split(" ")
        return DoseUnit(kind, Fraction(factor))

    def times_per_day(self, said: str | Concept) -> Fraction | None:
        """How often a timing code or word gives a dose: BID is 2, QOD is 1/2; None when it does not say."""
        words = self.maps["timing"]
        meaning = words.of_text(said) if isinstance(said, str) else words.of(said)
        return None if meaning is None else Fraction(meaning)

    def score(self, name: str) -> ScoreDefinition:
        """The score of that name.

        Raises:
            KeyError: No such score in mappings/scores/.
        """
        return self.scores[name]

    def site_limit(
        self, analyte: str, on: date, laboratory: str | None = None, sex: str | None = None, age: int | None = None
    ) -> SiteLimit | None:
        """The site's own limits of normal for a result that came without (R10); the first entry that covers it."""
        return next((limit for limit in self.limits if limit.covers(analyte, on, laboratory, sex, age)), None)

    def with_overlay(self, overlay: Overlay) -> Terminology:
        """A new terminology with a site's own codes, spellings, words and limits in front.

        Raises:
            KeyError: The overlay names an analyte, value set, concept map or ingredient that does not exist.
            ValueError: A unit alias stands for a unit that its analyte does not know.
        """
        for analyte in (*(code.analyte for code in overlay.lab_codes), *(limit.analyte for limit in overlay.limits)):
            self.laboratory(analyte)
        for product in overlay.products.values():
            for ingredient in product.ingredients:
                self.drugs.ingredient(ingredient)
        definitions = {name: _respelled(self.laboratory(name), spellings) for name, spellings in overlay.unit_aliases.items()}
        sets = {name: self.value_set(name).extended(rows) for name, rows in overlay.members.items()}
        maps = {
            name: self.maps[name].extended(overlay.words.get(name, {}), overlay.word_codes.get(name, {}))
            for name in {*overlay.words, *overlay.word_codes}
        }
        return replace(
            self,
            laboratory_definitions={**self.laboratory_definitions, **definitions},
            codes={**self.codes, **by_code(overlay.lab_codes)},
            value_sets={**self.value_sets, **sets},
            drugs=self.drugs.with_local(overlay.products) if overlay.products else self.drugs,
            maps={**self.maps, **maps},
            limits=(*overlay.limits, *self.limits),
        )


def by_code(codes: Iterable[LabCode]) -> dict[tuple[str, str], tuple[LabCode, ...]]:
    """The codes by system and code."""
    table: dict[tuple[str, str], tuple[LabCode, ...]] = {}
    for code in codes:
        table[(code.system, code.code)] = (*table.get((code.system, code.code), ()), code)
    return table


def _respelled(definition: LabDefinition, spellings: Mapping[str, str]) -> LabDefinition:
    units = dict(definition.units)
    offsets = dict(definition.offsets)
    for spelling, unit in spellings.items():
        known = conversion(unit, definition)
        if known is None:
            raise ValueError(f"{definition.analyte} has no unit {unit!r}, for which {spelling!r} should stand")
        units[spelling] = known.factor
        if known.offset:
            offsets[spelling] = known.offset
    return replace(definition, units=units, offsets=offsets)


__all__ = ["Coding", "Concept", "DoseUnit", "Terminology", "by_code"]
