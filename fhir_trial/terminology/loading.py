"""Reading the compiled tables: one JSON file, checked by types on the way in.

`scripts/build_mappings.py` makes the file from mappings/sources/ and the YAML that people write.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from fhir_trial.terminology.concepts import Coding
from fhir_trial.terminology.drugs import DrugIndex, Ingredient, NamePattern, Product, with_moiety
from fhir_trial.terminology.folder import mappings_folder
from fhir_trial.terminology.laboratory import LabCode, LabDefinition
from fhir_trial.terminology.names import LabName, NameIndex
from fhir_trial.terminology.scores import ScoreDefinition
from fhir_trial.terminology.terminology import Terminology, by_code
from fhir_trial.terminology.value_sets import Member, TextRule, ValueSet
from fhir_trial.terminology.words import WordMap

COMPILED: Final = Path("compiled") / "terminology.json"


class ValueSetTable(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A value set: members by code, rules for words, and words that forbid reading at all."""

    members: tuple[Member, ...] = ()
    text: tuple[TextRule, ...] = ()
    unless: str | None = None


class WordTable(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A concept map: (system, code, meaning), word to meaning, (pattern, meaning)."""

    codes: list[tuple[str, str, str]] = []
    words: dict[str, str] = {}
    patterns: list[tuple[str, str]] = []


class ProductRow(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A product under its code."""

    system: str
    code: str
    product: Product


class Tables(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The compiled file. Numbers are strings: exact fractions, "1/1000"."""

    units: dict[str, dict[str, Fraction]]
    laboratory: dict[str, LabDefinition]
    unit_tables: dict[str, str]
    lab_codes: tuple[LabCode, ...]
    lab_names: tuple[LabName, ...]
    value_sets: dict[str, ValueSetTable]
    ingredients: tuple[Ingredient, ...]
    products: tuple[ProductRow, ...]
    drug_codes: tuple[tuple[str, str, tuple[str, ...]], ...]
    drug_patterns: tuple[NamePattern, ...]
    atc_routes: dict[str, str]
    forms: tuple[tuple[str, str], ...]
    maps: dict[str, WordTable]
    scores: dict[str, ScoreDefinition]


def load_terminology(folder: Path | None = None) -> Terminology:
    """The shipped tables, ready to ask.

    Args:
        folder: A mappings folder; by default the one of this checkout or package.

    Raises:
        FileNotFoundError: The folder holds no compiled tables.
        msgspec.ValidationError: They do not have the expected shape.
    """
    content = ((folder or mappings_folder()) / COMPILED).read_bytes()
    return assemble(msgspec.json.decode(content, type=Tables, dec_hook=_fraction))


def assemble(tables: Tables) -> Terminology:
    """The tables, indexed."""
    return Terminology(
        laboratory_definitions={name: _with_units(tables, name) for name in tables.laboratory},
        codes=by_code(tables.lab_codes),
        names=NameIndex(tables.lab_names),
        value_sets={name: ValueSet(name, table.members, table.text, table.unless) for name, table in tables.value_sets.items()},
        drugs=DrugIndex(
            {row.name: with_moiety(row) for row in tables.ingredients},
            {Coding(row.system, row.code): row.product for row in tables.products},
            {Coding(system, code): names for system, code, names in tables.drug_codes},
            tables.drug_patterns,
            tables.atc_routes,
            tables.forms,
        ),
        maps={name: _word_map(name, table) for name, table in tables.maps.items()},
        scores=tables.scores,
    )


def _with_units(tables: Tables, name: str) -> LabDefinition:
    return replace(tables.laboratory[name], units=tables.units[tables.unit_tables[name]])


def _word_map(name: str, table: WordTable) -> WordMap:
    patterns = tuple((re.compile(pattern), meaning) for pattern, meaning in table.patterns)
    return WordMap(name, {(system, code): meaning for system, code, meaning in table.codes}, table.words, patterns)


def _fraction(kind: type, value: Any) -> Any:
    if kind is Fraction:
        return exact(value)
    raise NotImplementedError(kind)


@lru_cache(maxsize=4096)
def exact(text: str) -> Fraction:
    """A fraction from its text, "1/1000" or "16.114"."""
    return Fraction(text)
