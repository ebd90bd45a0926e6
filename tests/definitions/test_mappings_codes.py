"""Every code of the shipped tables carries a right check digit, and every unit a factor."""

from __future__ import annotations

import csv
import re

import pytest

from fhir_trial.terminology import Coding, Concept, Terminology, load_terminology
from fhir_trial.terminology.check_digits import loinc_check_digit_is_right, snomed_check_digit_is_right
from fhir_trial.terminology.folder import mappings_folder
from fhir_trial.terminology.systems import LOINC, RXNORM, SNOMED
from fhir_trial.terminology.units import factor


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    return load_terminology()


def codes_of(terminology: Terminology) -> set[tuple[str, str]]:
    found = set(terminology.codes)
    found |= {(member.system, member.code) for values in terminology.value_sets.values() for member in values.members}
    found |= {(coding.system, coding.code) for coding in (*terminology.drugs.codes, *terminology.drugs.products)}
    return found | {code for words in terminology.maps.values() for code in words.codes}


def test_every_loinc_code_has_its_check_digit(terminology: Terminology) -> None:
    codes = [code for system, code in codes_of(terminology) if system == LOINC and not code.startswith("LA")]

    assert len(codes) > 330
    assert [code for code in codes if not loinc_check_digit_is_right(code)] == []


def test_every_snomed_code_has_its_check_digit(terminology: Terminology) -> None:
    codes = [code for system, code in codes_of(terminology) if system == SNOMED]

    assert len(codes) > 180
    assert [code for code in codes if not snomed_check_digit_is_right(code)] == []


def test_no_code_belongs_to_two_analytes(terminology: Terminology) -> None:
    shared = {code: rows for code, rows in terminology.codes.items() if len({row.analyte for row in rows}) > 1}

    assert shared == {}


def test_all_51_analytes_are_defined_and_coded(terminology: Terminology) -> None:
    coded = {row.analyte for rows in terminology.codes.values() for row in rows}

    assert coded == set(terminology.laboratory_definitions)
    assert len(coded) == 51


def test_every_canonical_unit_is_its_own_unit(terminology: Terminology) -> None:
    for definition in terminology.laboratory_definitions.values():
        if definition.unit is not None and definition.units:
            assert factor(definition.unit, definition) == 1, definition.analyte


def rows_of(name: str) -> list[dict[str, str]]:
    with (mappings_folder() / "sources" / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_product_is_the_same_drug_by_its_code_and_by_its_name(terminology: Terminology) -> None:
    rows = rows_of("rxnorm_products.csv")
    assert len(rows) == 341

    for row in rows:
        coded = terminology.drug(Concept((Coding(RXNORM, row["rxcui"]),)))
        named = terminology.drug(Concept((), row["name"]))

        assert coded is not None, row["name"]
        assert named is not None, row["name"]
        assert (coded.ingredients, coded.route, coded.strength, coded.counts) == (
            named.ingredients,
            named.route,
            named.strength,
            named.counts,
        ), row["name"]


def test_every_ingredient_is_found_by_its_name_and_each_of_its_brands(terminology: Terminology) -> None:
    for row in rows_of("medications.csv"):
        name = row["ingredient"].split(" (")[0]
        for words in (name, *filter(None, re.split(r"[|]", row["brands"]))):
            match = terminology.drug(Concept((), words))

            assert match is not None, words
            assert [ingredient.name for ingredient in match.ingredients] == [name], words


def test_every_condition_row_is_found_in_its_own_value_set(terminology: Terminology) -> None:
    for name, values in terminology.value_sets.items():
        for member in values.members:
            found = values.find_coding(Coding(member.system, member.code))

            assert found is not None, (name, member.code)
            assert found.role == member.role, (name, member.code)
