"""The 2019 EULAR/ACR classification: test vectors of clinical scores, section 2, and the entry criterion."""

from __future__ import annotations

from fractions import Fraction

import pytest
from msgspec.structs import replace

from fhir_trial.logic import Truth
from fhir_trial.scores.eular_acr import classify, entry_truth, eular_acr_bounds
from tests.unit.criteria.stories import TODAY, Json, case_of, condition, lab, named, report, shipped

SCORE = shipped().score("eular-acr-2019")

#  items                                                        ANA   points  classified
VECTORS = [
    ("seizure acute_cutaneous nephritis_3_4", False, 21, False),  # 20 points and more, but no entry criterion
    ("nephritis_3_4", True, 10, True),
    ("specific_antibody low_c3_and_c4", True, 10, False),  # no clinical item
    ("leukopenia thrombocytopenia specific_antibody", True, 10, True),  # same domain: 4, not 7
    ("joints low_c3_or_c4", True, 9, False),
    ("ulcers acute_cutaneous low_c3_or_c4", True, 9, False),  # same domain: 6
    ("fever effusion antiphospholipid", True, 9, False),
    ("fever effusion antiphospholipid low_c3_or_c4", True, 12, True),
    ("", True, 0, False),
]


@pytest.mark.parametrize(("items", "entry", "points", "classified"), VECTORS)
def test_the_vectors_of_the_criteria(items: str, entry: bool, points: int, classified: bool) -> None:
    result = classify(SCORE, items.split(), entry=entry, cutoff=10)

    assert (result.points, result.classified) == (points, classified)


def test_the_cutoff_is_a_setting() -> None:
    assert not classify(SCORE, ["nephritis_3_4"], entry=True, cutoff=13).classified


def points(*resources: Json) -> tuple[int, list[str]]:
    bounds = eular_acr_bounds(SCORE, case_of(*resources).facts, TODAY)
    return bounds.low, sorted(bounds.ids)


#  one result, years ago or today                                            points items
FROM_DATA = [
    (lab("8310-5", 38.3, "Cel", 2000), 0, []),  # strictly above
    (lab("8310-5", 38.4, "Cel", 2000), 2, ["fever"]),
    (lab("8310-5", 101.0, "[degF]", 2000), 2, ["fever"]),  # 38.33
    (lab("6690-2", 4.0, "10*3/uL", 0), 0, []),
    (lab("6690-2", 3.9, "10*3/uL", 0), 3, ["leukopenia"]),
    (lab("777-3", 100, "10*3/uL", 0), 0, []),
    (lab("777-3", 99, "10*3/uL", 0), 4, ["thrombocytopenia"]),
    (lab("2889-4", 0.5, "g/(24.h)", 9), 0, []),
    (lab("2889-4", 501, "mg/(24.h)", 9), 4, ["proteinuria"]),
    (lab("2890-2", 500, "mg/g", 9), 0, []),
    (lab("2890-2", 57, "mg/mmol", 9), 4, ["proteinuria"]),  # 503.88 mg/g
    (lab("3181-5", 40, "[GPL'U]/mL", 9), 0, []),
    (lab("3181-5", 41, "[GPL'U]/mL", 9), 2, ["antiphospholipid"]),
    (lab("3281-3", {"valueString": "positive"}, None, 9), 2, ["antiphospholipid"]),
    (lab("3281-3", {"valueString": "negative"}, None, 9), 0, []),
    (lab("4485-9", 80, "mg/dL", 9, referenceRange=[{"low": {"value": 90, "unit": "mg/dL"}}]), 3, ["low_c3_or_c4"]),
    (lab("4485-9", 90, "mg/dL", 9, referenceRange=[{"low": {"value": 90, "unit": "mg/dL"}}]), 0, []),
    (lab("31348-6", {"valueString": "positive"}, None, 9), 6, ["specific_antibody"]),
    (lab("6690-2", 3.9, "10*3/uL", -1), 0, []),  # R44: tomorrow's
    (lab("6690-2", 3.9, "10*3/uL", 3, status="preliminary"), 0, []),
    (lab("6690-2", 3.9, "10*3/uL", "2026"), 3, ["leukopenia"]),  # cut at the day of asking
]


@pytest.mark.parametrize(("resource", "low", "items"), FROM_DATA)
def test_data_show_an_item_or_do_not(resource: Json, low: int, items: list[str]) -> None:
    assert points(resource) == (low, items)


def test_both_complements_low_weigh_four_and_not_seven() -> None:
    low = {"interpretation": [{"coding": [{"code": "L", "system": INTERPRETATION}]}]}

    assert points(lab("4485-9", 50, "mg/dL", 9, **low), lab("4498-2", 5, "mg/dL", 90, **low)) == (
        4,
        ["low_c3_and_c4", "low_c3_or_c4"],
    )


INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def test_a_biopsy_class_is_shown_and_not_counted() -> None:
    """The SNOMED CT classes are the older ones of WHO: a reviewer confirms."""
    biopsy = report("Nephritis", conclusionCode=[{"coding": [{"system": "http://snomed.info/sct", "code": "36402006"}]}])
    bounds = eular_acr_bounds(SCORE, case_of(biopsy).facts, TODAY)

    assert bounds.low == 0
    assert [one.item.id for one in bounds.hinted] == ["nephritis_3_4"]


def test_a_coded_hint_is_shown_and_not_counted() -> None:
    bounds = eular_acr_bounds(SCORE, case_of(condition("R56.9")).facts, TODAY)

    assert (bounds.low, [one.item.id for one in bounds.hinted]) == (0, ["seizure"])


#  antinuclear antibody result                                          entry
ENTRY = [
    (lab("5048-4", {"valueString": "1:80"}, None, 4000), Truth.TRUE),
    (lab("5048-4", {"valueString": "1:40"}, None, 1), Truth.FALSE),
    (lab("5048-4", {"valueString": "<1:80"}, None, 1), Truth.FALSE),
    (lab("5048-4", {"valueString": "<1:160"}, None, 1), Truth.UNKNOWN),
    (lab("8061-4", {"valueString": "positive"}, None, 1), Truth.TRUE),  # an equivalent positive test
    (lab("8061-4", {"valueString": "negative"}, None, 1), Truth.FALSE),
    (named("ANA", {"valueString": "1:320 speckled"}, 1), Truth.TRUE),
]


@pytest.mark.parametrize(("resource", "truth"), ENTRY)
def test_the_entry_criterion(resource: Json, truth: Truth) -> None:
    facts = case_of(resource).facts
    results = [one for name in ("ana_titer", "ana_presence", "ana_units") for one in facts.results(name) if one.speaks]

    assert entry_truth(results, Fraction(80)) is truth


def test_one_positive_among_negatives_is_enough_once_ever() -> None:
    facts = case_of(lab("5048-4", {"valueString": "1:160"}, None, 4000), lab("5048-4", {"valueString": "1:40"}, None, 1)).facts

    assert entry_truth(facts.results("ana_titer"), Fraction(80)) is Truth.TRUE


@pytest.mark.parametrize(
    ("titre", "truth"), [("1:40", Truth.FALSE), ("1:80", Truth.UNKNOWN), ("1:159", Truth.UNKNOWN), ("1:160", Truth.TRUE)]
)
def test_on_rat_liver_one_more_step_is_asked_for(titre: str, truth: Truth) -> None:
    (result,) = case_of(lab("5048-4", {"valueString": titre}, None, 1)).facts.results("ana_titer")

    assert entry_truth([replace(result, method="rat_liver")], Fraction(80)) is truth


def test_no_result_leaves_the_entry_open() -> None:
    assert entry_truth([], Fraction(80)) is Truth.UNKNOWN
