"""What a site adds: codes, spellings, flags, limits."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from fhir_trial.terminology import Coding, Concept, LabCode, Member, Overlay, Product, SiteLimit, Strength, Terminology
from fhir_trial.terminology.units import factor

LOCAL = "http://ehr.example.invalid/codes"
DRUG = Coding(LOCAL, "D77")


def test_a_local_code_becomes_an_analyte_and_the_shipped_tables_stay(terminology: Terminology) -> None:
    code = LabCode("hemoglobin", "accept", LOCAL, "HB", local=True)

    changed = terminology.with_overlay(Overlay("example", lab_codes=(code,)))

    assert changed.lab_codes(Concept((Coding(LOCAL, "HB"),))) == (code,)
    assert terminology.lab_codes(Concept((Coding(LOCAL, "HB"),))) == ()


def test_a_local_diagnosis_joins_a_value_set(terminology: Terminology) -> None:
    overlay = Overlay("example", members={"sle": (Member(LOCAL, "LUP", "lupus", "yes"),)})

    assert terminology.with_overlay(overlay).value_set("sle").find(Concept((Coding(LOCAL, "LUP"),))) is not None


def test_a_local_drug_code_is_a_product(terminology: Terminology) -> None:
    overlay = Overlay("example", products={DRUG: Product(("prednisone",), Strength(Fraction(5)), "tablet", "oral")})

    match = terminology.with_overlay(overlay).drug(Concept((Coding(LOCAL, "D77", "PRED5"),)))

    assert match is not None
    assert (match.ingredients[0].name, match.how, match.route) == ("prednisone", "product", "oral")


def test_a_local_spelling_stands_for_a_unit_of_that_analyte_only(terminology: Terminology) -> None:
    changed = terminology.with_overlay(Overlay("example", unit_aliases={"platelets": {"tsd/µl": "10*9/L"}}))

    assert factor("tsd/µl", changed.laboratory("platelets")) == 1
    assert factor("tsd/µl", changed.laboratory("alc")) is None


def test_a_local_flag_is_understood(terminology: Terminology) -> None:
    overlay = Overlay("example", words={"interpretation": {"erhöht": "above"}}, word_codes={"route": {(LOCAL, "7"): "oral"}})
    changed = terminology.with_overlay(overlay)

    assert changed.interpretation("Erhöht") == {"above"}
    assert changed.route(Concept((Coding(LOCAL, "7"),))) == "oral"


@pytest.mark.parametrize(
    "overlay",
    [
        Overlay("example", lab_codes=(LabCode("haemoglobin", "accept", LOCAL, "HB"),)),
        Overlay("example", members={"lupus": ()}),
        Overlay("example", products={DRUG: Product(("prednison",))}),
        Overlay("example", words={"flags": {}}),
        Overlay("example", limits=(SiteLimit("asat", "U/L"),)),
    ],
    ids=["analyte", "value set", "ingredient", "concept map", "limit"],
)
def test_an_unknown_name_is_an_error_never_ignored(terminology: Terminology, overlay: Overlay) -> None:
    with pytest.raises(KeyError):
        terminology.with_overlay(overlay)


def test_an_alias_for_a_unit_the_analyte_does_not_have_is_an_error(terminology: Terminology) -> None:
    with pytest.raises(ValueError, match="platelets has no unit"):
        terminology.with_overlay(Overlay("example", unit_aliases={"platelets": {"tsd": "mg/dL"}}))


#  on          laboratory  sex     age   found
LIMITS = """
   2024-01-01  main        female  30    yes
   2023-12-31  main        female  30    no
   2024-12-31  main        female  30    yes
   2025-01-01  main        female  30    no
   2024-06-01  other       female  30    no
   2024-06-01  main        male    30    no
   2024-06-01  main        female  18    yes
   2024-06-01  main        female  17    no
"""


@pytest.mark.parametrize("line", LIMITS.strip().splitlines())
def test_a_site_limit_speaks_for_its_laboratory_time_sex_and_age_r10(terminology: Terminology, line: str) -> None:
    on, laboratory, sex, age, found = line.split()
    limit = SiteLimit("ast", "U/L", Fraction(35), None, "main", date(2024, 1, 1), date(2024, 12, 31), "female", 18)
    changed = terminology.with_overlay(Overlay("example", limits=(limit,)))

    assert (changed.site_limit("ast", date.fromisoformat(on), laboratory, sex, int(age)) is not None) == (found == "yes")
