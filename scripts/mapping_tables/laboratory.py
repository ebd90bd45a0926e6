"""Laboratory: units, definitions, codes and names."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from fhir_trial.terminology import systems
from fhir_trial.terminology.laboratory import LabCode, LabDefinition
from fhir_trial.terminology.names import LabName
from fhir_trial.terminology.units import tidy
from scripts.mapping_tables.reading import by_member, compiling, read_csv, require


def laboratory_tables(source: dict[str, Any]) -> tuple[dict[str, dict[str, Fraction]], dict[str, LabDefinition], dict[str, str]]:
    """Unit tables (scaled ones apart), definitions without units, and which table belongs to which."""
    units: dict[str, dict[str, Fraction]] = {"no_units": {}}
    definitions: dict[str, LabDefinition] = {}
    belongs: dict[str, str] = {}
    for analyte, row in source["analytes"].items():
        table = row.get("units", "no_units")
        declared = source["unit_tables"].get(table, {"factors": {}})
        scale = row.get("scale", "1")
        name = table if scale == "1" else f"{table} x {scale}"
        units.setdefault(name, spelled(declared["factors"], Fraction(scale)))
        belongs[analyte] = name
        definitions[analyte] = definition(analyte, row, declared)
        if definitions[analyte].unit is not None and table not in ("no_units", "none"):
            require(units[name].get(tidy(row["unit"])) == 1, f"{analyte}: its own unit is not in {table} with factor 1")
    return units, definitions, belongs


def spelled(factors: dict[str, list[str]], scale: Fraction = Fraction(1)) -> dict[str, Fraction]:
    """Tidied spelling to exact factor; no spelling may have two."""
    table: dict[str, Fraction] = {}
    for factor, spellings in factors.items():
        for spelling in spellings:
            known = table.setdefault(tidy(str(spelling)), Fraction(factor) * scale)
            require(known == Fraction(factor) * scale, f"{spelling} has two factors")
    return table


def definition(analyte: str, row: dict[str, Any], declared: dict[str, Any]) -> LabDefinition:
    """One analyte, its units apart."""
    kind = row.get("kind", "quantity")
    low, high = row.get("plausible", (None, None))
    decides, stale = row.get("days", (None, None))
    return LabDefinition(
        analyte=analyte,
        kind=kind,
        unit=row.get("unit"),
        offsets=spelled(declared.get("offsets", {})),
        strict_case=frozenset(declared.get("strict_case", ())),
        has_unit=row.get("has_unit", kind == "quantity"),
        open_units=row.get("open", False),
        own_units=row.get("own_units", False),
        fixed_unit=row.get("fixed_unit", False),
        percent_or_fraction=row.get("percent_or_fraction", False),
        plausible_low=None if low is None else Fraction(low),
        plausible_high=None if high is None else Fraction(high),
        decides_days=decides,
        stale_days=stale,
        upper_hint=Fraction(row["upper_hint"]) if "upper_hint" in row else None,
        family=tuple(row.get("family", ())),
    )


def lab_codes(source: dict[str, Any]) -> Iterator[LabCode]:
    """The rows of labs.csv with their part, method and preference."""
    parts, methods, preferences = (by_member(source[key]) for key in ("parts", "methods", "preferences"))
    rows = read_csv("labs.csv")
    unknown = {*parts, *methods, *preferences} - {row["loinc"] for row in rows}
    require(not unknown, f"laboratory.yaml names codes that labs.csv does not: {sorted(unknown)}")
    for row in rows:
        code = row["loinc"]
        yield LabCode(
            analyte=row["concept_id"],
            role=row["role"],
            system=systems.LOINC,
            code=code,
            display=row["name"] or None,
            part=parts.get(code),
            method=methods.get(code),
            preference=int(preferences.get(code, "3" if row["role"] == "accept_low" else "2")),
            fixes_unit=row["property"] == "ArVRat" or "1.73" in row["name"],
        )


def lab_names(source: dict[str, Any]) -> Iterator[LabName]:
    """Names in words, each compiled once to be sure."""
    for row in source["names"]:
        for analyte in row["analytes"]:
            require(analyte in source["analytes"], analyte)
        yield LabName(
            compiling(row["pattern"]),
            tuple(row["analytes"]),
            row.get("unless") and compiling(row["unless"]),
            row.get("specimen", "blood"),
        )
