"""Compile the mappings: tables of codes and the YAML that people write, into the one file that the package reads.

python scripts/build_mappings.py            writes mappings/compiled/terminology.json
python scripts/build_mappings.py --check    fails if the committed file differs from what the sources say
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fhir_trial.terminology.loading import COMPILED, Tables
from fhir_trial.terminology.scores import ScoreDefinition, ScoreItem
from scripts.mapping_tables.conditions import value_sets
from scripts.mapping_tables.laboratory import lab_codes, lab_names, laboratory_tables
from scripts.mapping_tables.medications import drug_codes, drug_patterns, ingredients, products
from scripts.mapping_tables.reading import MAPPINGS, read_yaml
from scripts.mapping_tables.words import interpretation_map, qualitative_map, route_map, word_map

# Fields that are sets, and would come in another order each time.
SETS = ("strict_case", "routes_that_count")


def main(arguments: list[str]) -> int:
    """Write the compiled file, or with --check compare it; the exit code."""
    content = compiled()
    target = MAPPINGS / COMPILED
    if "--check" in arguments:
        if target.exists() and target.read_bytes() == content:
            return 0
        print(f"{target.name} does not say what its sources say: run scripts/build_mappings.py", file=sys.stderr)
        return 1
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)
    return 0


def compiled() -> bytes:
    """The file's content, the same for the same sources."""
    plain = msgspec.to_builtins(tables(), enc_hook=_as_text)
    return msgspec.json.format(msgspec.json.encode(_tidied(plain)), indent=1) + b"\n"


def tables() -> Tables:
    """Everything, read from its sources."""
    laboratory = read_yaml("facts/laboratory.yaml")
    medications = read_yaml("facts/medications.yaml")
    units, definitions, unit_tables = laboratory_tables(laboratory)
    return Tables(
        units=units,
        laboratory=definitions,
        unit_tables=unit_tables,
        lab_codes=tuple(lab_codes(laboratory)),
        lab_names=tuple(lab_names(laboratory)),
        value_sets=value_sets(),
        ingredients=tuple(ingredients(medications)),
        products=tuple(products()),
        drug_codes=tuple(drug_codes(medications)),
        drug_patterns=tuple(drug_patterns(medications)),
        atc_routes=medications["atc_routes"],
        forms=tuple((pattern, route) for pattern, route in medications["forms"]),
        maps={
            "interpretation": interpretation_map(),
            "qualitative": qualitative_map(),
            "route": route_map(),
            "dose_unit": word_map(read_yaml("concept_maps/dose_unit.yaml")),
            "timing": word_map(read_yaml("concept_maps/timing.yaml")),
        },
        scores={path.stem: score(path) for path in sorted((MAPPINGS / "scores").glob("*.yaml"))},
    )


def score(path: Path) -> ScoreDefinition:
    """One score from its YAML file."""
    source = read_yaml(f"scores/{path.name}")
    items = tuple(msgspec.convert(item, ScoreItem) for item in source.pop("items"))
    return ScoreDefinition(name=path.stem, items=items, **source)


def _as_text(value: Any) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise NotImplementedError(type(value))


def _tidied(value: Any, name: str = "") -> Any:
    """Without what is None, and with sets in order; all else as people wrote it: the first spelling of a unit is the best one."""
    if isinstance(value, dict):
        return {key: _tidied(held, key) for key, held in value.items() if held is not None}
    if isinstance(value, list | tuple | frozenset):
        return sorted(value) if name in SETS else [_tidied(held) for held in value]
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
