"""The formulas against every published or recomputed vector of mappings/sources/egfr_vectors.csv."""

from __future__ import annotations

import csv
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from fhir_trial.facts.person import Sex
from fhir_trial.scores.egfr import ckd_epi_2021, schwartz_bedside, u25_creatinine, u25_cystatin
from fhir_trial.terminology.folder import mappings_folder

UMOL_PER_MG_DL = Decimal("88.4")


def vectors(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


VECTORS = vectors(mappings_folder() / "sources" / "egfr_vectors.csv")


def rate(row: dict[str, str]) -> Decimal:
    age = Decimal(row["age_years"])
    creatinine = Decimal(row["creatinine"] or 1)
    if row["creatinine_unit"] == "umol/L":
        creatinine /= UMOL_PER_MG_DL
    match row["formula"]:
        case "ckd_epi_2021":
            return ckd_epi_2021(creatinine, age, Sex(row["sex"]))
        case "schwartz_bedside_2009":
            return schwartz_bedside(creatinine, Decimal(row["height_cm"]))
        case "ckid_u25_creatinine":
            return u25_creatinine(creatinine, Decimal(row["height_cm"]), age, Sex(row["sex"]))
        case "ckid_u25_cystatin":
            return u25_cystatin(Decimal(row["cystatin_c_mg_per_l"]), age, Sex(row["sex"]))
        case other:
            raise AssertionError(f"No test for {other}")


def test_every_vector_is_there() -> None:
    assert len(VECTORS) == 32
    assert {row["formula"] for row in VECTORS} == {
        "ckd_epi_2021",
        "schwartz_bedside_2009",
        "ckid_u25_creatinine",
        "ckid_u25_cystatin",
    }


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: f"{row['formula']} {row['sex']} {row['age_years']} {row['expected']}")
def test_the_formula_gives_the_published_rate(row: dict[str, str]) -> None:
    assert abs(rate(row) - Decimal(row["expected"])) <= Decimal(row["tolerance"])


@pytest.mark.parametrize(("sex", "mean"), [(Sex.MALE, "57.9"), (Sex.FEMALE, "54.5")])
def test_the_mean_of_both_u25_equations_is_as_published(sex: Sex, mean: str) -> None:
    both = u25_creatinine(Decimal("0.9"), 120, 11, sex) + u25_cystatin(Decimal("1.3"), 11, sex)

    assert abs(both / 2 - Decimal(mean)) <= Decimal("0.05")


def test_a_girl_of_twelve_on_whom_the_formulas_disagree() -> None:
    assert round(schwartz_bedside(Decimal("1.9"), 150), 1) == Decimal("32.6")
    assert round(u25_creatinine(Decimal("1.9"), 150, 12, Sex.FEMALE), 1) == Decimal("28.5")


def test_fractions_are_as_good_as_decimals() -> None:
    assert schwartz_bedside(Fraction(5, 442) * 88, Fraction(175)) == schwartz_bedside(Fraction(440, 442), 175)


def test_nothing_is_rounded_before_a_comparison() -> None:
    just_below = schwartz_bedside(Decimal("2.0650000000000000000000001"), 150)

    assert just_below < 30
    assert schwartz_bedside(Decimal("2.065"), 150) == 30


@pytest.mark.parametrize("sex", list(Sex))
@pytest.mark.parametrize("age", [12, 15, 18])
def test_u25_constants_join_where_the_equation_changes(sex: Sex, age: int) -> None:
    """The published constants are rounded to three digits: the curves meet within 0.5 %."""
    before = Decimal(age) - Decimal("0.0001")

    assert abs(u25_creatinine(1, 100, before, sex) / u25_creatinine(1, 100, age, sex) - 1) < Decimal("0.005")
    assert abs(u25_cystatin(1, before, sex) / u25_cystatin(1, age, sex) - 1) < Decimal("0.005")
