"""Medications: ingredients, products, codes and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from fhir_trial.terminology import systems
from fhir_trial.terminology.drugs import Ingredient, NamePattern, Product, Strength
from fhir_trial.terminology.loading import ProductRow
from scripts.mapping_tables.reading import SHORT_SYSTEMS, compiling, read_csv, require

LOCAL_FORMS = {
    "Topical": "topical",
    "Ophthalmic": "ophthalmic",
    "Oral": "oral",
    "Auto-Injector": "subcutaneous",
    "Pen": "subcutaneous",
}


def ingredients(source: dict[str, Any]) -> Iterator[Ingredient]:
    """The rows of medications.csv."""
    for row in read_csv("medications.csv"):
        name = ingredient_name(row)
        routes = {route for route in row["routes_that_count"].split("|") if route}
        steroid = row["class"] == "oral_corticosteroid"
        yield Ingredient(
            name=name,
            drug_class=row["class"],
            counts_as_class=row["counts_as_class"].split(" ")[0],
            moiety=source["moieties"].get(name, name),
            routes_that_count=frozenset(routes | (set(source["tubes"]) if "oral" in routes else set())),
            needs_route=steroid or name in source["needs_route"],
            prednisone_mg=equivalent(row["mg_equal_to_prednisone_5mg"]),
            level_guided=name in source["level_guided"],
        )


def ingredient_name(row: dict[str, str]) -> str:
    """The name without its second name in brackets: quinacrine (mepacrine) is quinacrine."""
    return row["ingredient"].split(" (")[0]


def equivalent(cell: str) -> tuple[Fraction, Fraction] | None:
    """Milligrams equal to 5 mg of prednisone, lowest and highest (R42)."""
    if not cell:
        return None
    ends = [Fraction(end) for end in cell.split("-")]
    return min(ends), max(ends)


def products() -> Iterator[ProductRow]:
    """The rows of rxnorm_products.csv."""
    known = {ingredient_name(row) for row in read_csv("medications.csv")}
    for row in read_csv("rxnorm_products.csv"):
        require(row["ingredient"] in known, row["ingredient"])
        counts = row["counts_as_class"].split(" ")[0]
        product = Product((row["ingredient"],), strength(row["strength"]), row["form"] or None, form_route(row["form"]), counts)
        yield ProductRow(systems.RXNORM, row["rxcui"], product)


def strength(cell: str) -> Strength | None:
    """A strength as RxNorm writes it, "5 MG" or "1 MG/ML"."""
    if not cell:
        return None
    number, unit = cell.split(" ")
    per = {"MG": "unit", "MG/ML": "mL", "MG/MG": "mg"}[unit]
    return Strength(Fraction(number), per)


def form_route(form: str) -> str | None:
    """Oral, topical and ophthalmic forms say so; a pen goes under the skin; any other injection is only parenteral."""
    named = next((route for word, route in LOCAL_FORMS.items() if word in form), None)
    return named or ("parenteral" if form else None)


def drug_codes(source: dict[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Ingredient, ATC and SNOMED CT codes to ingredient names."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in read_csv("medications.csv"):
        name = ingredient_name(row)
        cells = [(systems.RXNORM, row["rxcui_in"]), (systems.SNOMED, row["snomed_substance"])]
        cells += [(systems.ATC, code) for code in row["atc"].split("|")]
        for cell in cells:
            if cell[1]:
                found[cell] = (*found.get(cell, ()), name)
    for extra in source["codes"]:
        found[(SHORT_SYSTEMS[extra["system"]], extra["code"])] = (extra["ingredient"],)
    for (system, code), names in found.items():
        yield system, code, names[:1] if len({source["moieties"].get(name, name) for name in names}) == 1 else names


def drug_patterns(source: dict[str, Any]) -> Iterator[NamePattern]:
    """Brands that say the route first, then each ingredient's names and other brands."""
    special = {row["brand"] for row in source["brands"]}
    for row in source["brands"]:
        before = "".join(f"(?<!{word})" for word in row["unless_before"].split("|")) if "unless_before" in row else ""
        yield NamePattern(compiling(before + whole(row["brand"])), row["ingredient"], row["route"])
    for row in read_csv("medications.csv"):
        brands = [brand for brand in brand_names(row["brands"]) if brand not in special]
        alternatives = [row["name_patterns"], *map(whole, brands)]
        yield NamePattern(compiling("|".join(alternatives)), ingredient_name(row))


def brand_names(cell: str) -> Iterator[str]:
    """Each brand; a bracket holds either its other script or a remark such as (IV)."""
    for brand in filter(None, cell.split("|")):
        name, _, bracket = brand.partition(" (")
        yield name
        if bracket and bracket.rstrip(")") not in ("IV", "inj."):
            yield bracket.rstrip(")")


def whole(word: str) -> str:
    """The word as a whole word (R18)."""
    return rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])"
