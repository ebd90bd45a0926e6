"""How one result is read against one item."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fhir_trial.logic import Truth
from fhir_trial.scores.bounds import limit_in, reading_of
from fhir_trial.terminology.systems import INTERPRETATION
from tests.unit.criteria.stories import Json, case_of, lab, shipped

C3_RANGE: Json = {"referenceRange": [{"low": {"value": 0.9, "unit": "g/L"}, "high": {"value": 1.8, "unit": "g/L"}}]}


def flag(code: str) -> Json:
    return {"interpretation": [{"coding": [{"system": INTERPRETATION, "code": code}]}]}


def read(analyte: str, resource: Json, test: str, limit: int | None = None) -> Truth:
    (result,) = case_of(resource).facts.results(analyte)
    return reading_of(result, test, None if limit is None else Fraction(limit))


#  analyte  value  unit  test  limit  holds
COMPARED = [
    (lab("6690-2", 4, "10*3/uL", 0), "above", 4, Truth.FALSE),
    (lab("6690-2", 4, "10*3/uL", 0), "at_least", 4, Truth.TRUE),
    (lab("6690-2", 4, "10*3/uL", 0), "below", 4, Truth.FALSE),
    (lab("6690-2", {"valueString": "<4 10*3/uL"}, None, 0), "below", 4, Truth.TRUE),
    (lab("6690-2", {"valueString": "<5 10*3/uL"}, None, 0), "below", 4, Truth.UNKNOWN),
    (lab("6690-2", 4, "10*3/uL", 0), "above", None, Truth.UNKNOWN),
    (lab("6690-2", {"valueString": "see note"}, None, 0), "above", 4, Truth.UNKNOWN),
]


@pytest.mark.parametrize(("resource", "test", "limit", "holds"), COMPARED)
def test_a_number_against_a_limit(resource: Json, test: str, limit: int | None, holds: Truth) -> None:
    assert read("wbc", resource, test, limit) is holds


#  C3 result                                              below its own lower limit
BELOW = [
    (lab("4485-9", 0.8, "g/L", 0, **C3_RANGE), Truth.TRUE),
    (lab("4485-9", 0.9, "g/L", 0, **C3_RANGE), Truth.FALSE),
    (lab("4485-9", 0.8, "g/L", 0, **C3_RANGE, **flag("L")), Truth.TRUE),
    (lab("4485-9", 0.8, "g/L", 0, **C3_RANGE, **flag("N")), Truth.UNKNOWN),  # flag against number: for a person
    (lab("4485-9", 0.8, "g/L", 0, **flag("L")), Truth.TRUE),
    (lab("4485-9", 0.8, "g/L", 0, **flag("H")), Truth.FALSE),
    (lab("4485-9", 0.8, "g/L", 0), Truth.UNKNOWN),  # no range, no flag
    (lab("4485-9", {"valueString": "low"}, None, 0, **C3_RANGE), Truth.UNKNOWN),
]


@pytest.mark.parametrize(("resource", "holds"), BELOW)
def test_low_is_below_the_results_own_limit(resource: Json, holds: Truth) -> None:
    assert read("c3", resource, "below_reference") is holds


@pytest.mark.parametrize(("titre", "holds"), [("1:10", Truth.TRUE), ("1:5", Truth.FALSE)])
def test_a_range_that_excludes_its_own_end_makes_the_end_positive(titre: str, holds: Truth) -> None:
    below_ten = {"referenceRange": [{"text": "<1:10"}]}

    assert read("anti_dsdna_titer", lab("11013-0", {"valueString": titre}, None, 0, **below_ten), "above_reference") is holds


def test_two_ranges_that_nothing_tells_apart_leave_it_open() -> None:
    two = {"referenceRange": [{"low": {"value": low, "unit": "g/L"}} for low in (0.7, 0.9)]}

    assert read("c3", lab("4485-9", 0.8, "g/L", 0, **two), "below_reference") is Truth.UNKNOWN


@pytest.mark.parametrize(
    ("value", "holds"),
    [("positive", Truth.TRUE), ("negative", Truth.FALSE), ("equivocal", Truth.UNKNOWN), ("weakly positive", Truth.UNKNOWN)],
)
def test_a_word_is_positive_or_negative_or_neither(value: str, holds: Truth) -> None:
    assert read("lupus_anticoagulant", lab("3281-3", {"valueString": value}, None, 0), "positive") is holds


def test_casts_without_word_or_number_are_not_known() -> None:
    assert read("urine_casts", lab("5807-3", {"valueString": "see report"}, None, 0), "present") is Truth.UNKNOWN


def test_a_way_of_reading_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="No way to read"):
        read("wbc", lab("6690-2", 4, "10*3/uL", 0), "beneath")


#  limit               analyte              in its own unit
@pytest.mark.parametrize(
    ("limit", "analyte", "number"),
    [
        (None, "wbc", None),
        ("5", "urine_rbc", Fraction(5)),
        ("0.5 g/(24.h)", "urine_protein_24h", Fraction(1, 2)),
        ("500 mg/(24.h)", "urine_protein_24h", Fraction(1, 2)),
        ("100.4 [degF]", "temperature", Fraction(38)),
    ],
)
def test_a_limit_is_taken_in_the_analytes_unit(limit: str | None, analyte: str, number: Fraction | None) -> None:
    assert limit_in(limit, shipped().laboratory(analyte)) == number


def test_a_limit_in_a_unit_that_the_analyte_has_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no unit 'mmol/L'"):
        limit_in("5 mmol/L", shipped().laboratory("wbc"))
