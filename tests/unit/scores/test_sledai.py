"""SLEDAI-2K: test vectors of clinical scores, section 1, and the lower bound from data of the window."""

from __future__ import annotations

import pytest

from fhir_trial.scores.bounds import weigh
from fhir_trial.scores.sledai import sledai_bounds
from tests.unit.criteria.stories import TODAY, Json, case_of, condition, lab, shipped

SCORE = shipped().score("sledai-2k")
HIGH = {"referenceRange": [{"high": {"value": 20, "unit": "[IU]/mL"}}]}
LOW_C3 = {"referenceRange": [{"low": {"value": 0.9, "unit": "g/L"}}]}


def test_the_weights_add_up_to_105_and_the_automatic_ones_to_23() -> None:
    automatic = [item.id for item in SCORE.items if item.auto in ("lab", "lab*")]

    assert (len(SCORE.items), weigh(SCORE, [item.id for item in SCORE.items])) == (24, 105)
    assert (len(automatic), weigh(SCORE, automatic)) == (9, 23)


@pytest.mark.parametrize(
    ("items", "total"), [("", 0), ("complement dna", 4), ("proteinuria dna", 6), ("arthritis rash", 6), ("fever plt leuko", 3)]
)
def test_the_vectors_of_the_score(items: str, total: int) -> None:
    assert weigh(SCORE, items.split()) == total


def bounds(*resources: Json, days: int = 30) -> tuple[int, int, list[str]]:
    found = sledai_bounds(SCORE, case_of(*resources).facts, TODAY, days)
    return found.low, found.high, sorted(found.ids)


#  one result                                                     low high items
ITEMS = [
    (lab("8310-5", 38.0, "Cel", 0), 0, 104, []),  # fever is strictly above 38.0
    (lab("8310-5", 38.1, "Cel", 0), 1, 105, ["fever"]),
    (lab("777-3", 100, "10*3/uL", 0), 0, 104, []),
    (lab("777-3", 99.9, "10*3/uL", 0), 1, 105, ["plt"]),
    (lab("6690-2", 3.0, "10*3/uL", 0), 0, 104, []),
    (lab("6690-2", 2.9, "10*3/uL", 0), 1, 105, ["leuko"]),
    (lab("13945-1", 5, "/[HPF]", 0), 0, 101, []),
    (lab("13945-1", 6, "/[HPF]", 0), 4, 105, ["hematuria"]),
    (lab("5821-4", 6, "/[HPF]", 0), 4, 105, ["pyuria"]),
    (lab("5807-3", 1, "/[LPF]", 0), 4, 105, ["casts"]),
    (lab("5807-3", 0, "/[LPF]", 0), 0, 101, []),
    (lab("33804-6", {"valueString": "positive"}, None, 0), 4, 105, ["casts"]),
    (lab("5820-6", 3, "/[LPF]", 0), 0, 105, []),  # white cell casts are not in the definition
    (lab("2889-4", 0.6, "g/(24.h)", 0), 4, 105, ["proteinuria"]),
    (lab("4485-9", 0.89, "g/L", 0, **LOW_C3), 2, 105, ["complement"]),
    (lab("4485-9", 0.9, "g/L", 0, **LOW_C3), 0, 105, []),  # C4 and CH50 are not tested: nothing is denied
    (lab("5130-0", 20, "[IU]/mL", 0, **HIGH), 0, 105, []),
    (lab("5130-0", 21, "[IU]/mL", 0, **HIGH), 2, 105, ["dna"]),
    (lab("5130-0", 2100, "[IU]/mL", 0), 0, 105, []),  # no range, no flag: kits differ
    (condition("R56.9", onsetDateTime="2026-02-20"), 0, 105, []),  # a hint counts nothing
]


@pytest.mark.parametrize(("resource", "low", "high", "items"), ITEMS)
def test_strictness_of_each_item(resource: Json, low: int, high: int, items: list[str]) -> None:
    assert bounds(resource) == (low, high, items)


#  days ago  counts in a window of 30 days
@pytest.mark.parametrize(("days", "counts"), [(-1, False), (0, True), (30, True), (31, False)])
def test_both_edges_of_the_window(days: int, counts: bool) -> None:
    assert bounds(lab("6690-2", 2.0, "10*3/uL", days))[0] == int(counts)


def test_any_result_of_the_window_is_enough() -> None:
    assert bounds(lab("777-3", 80, "10*3/uL", 20), lab("777-3", 200, "10*3/uL", 1)) == (1, 105, ["plt"])


def test_a_partial_date_that_straddles_the_window_does_not_count() -> None:
    assert bounds(lab("6690-2", 2.0, "10*3/uL", "2026"))[0] == 0
