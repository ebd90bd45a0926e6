"""Counts of patients by overall answer: what is shown of them, and what cannot be worked out of it (SEC-40, SEC-41)."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.cli.counts import TrialCounts, write_counts
from fhir_trial.verdict.model import Overall

POTENTIAL, NOT, OPEN = (Overall.POTENTIALLY_ELIGIBLE, Overall.NOT_ELIGIBLE, Overall.INDETERMINATE)


def shown(potential: int, no: int, left_open: int) -> list[str]:
    counts = Counter({POTENTIAL: potential, NOT: no, OPEN: left_open})
    told = TrialCounts("nct1", "1.0", date(2026, 3, 2), (), counts).shown()
    assert list(told) == [overall.value for overall in Overall]
    return list(told.values())


@pytest.mark.parametrize(
    ("true", "told"),
    [
        ((1, 0, 0), ["<11", "<11", "<11"]),
        ((0, 0, 10), ["<11", "<11", "<11"]),
        ((0, 0, 11), ["0", "0", "10"]),
        ((1, 0, 10), ["<11", "0", "<11"]),
        ((14, 15, 0), ["10", "20", "0"]),
    ],
)
def test_small_counts_are_hidden_and_others_are_tens(true: tuple[int, int, int], told: list[str]) -> None:
    """SEC-40; and of fewer than 11 in all, nobody's answer can be told by what is 0 (SEC-35)."""
    assert shown(*true) == told


@given(st.integers(1, 10), st.integers(1, 10), st.integers(1, 10))
def test_one_of_few_patients_cannot_be_told_from_another(one: int, two: int, three: int) -> None:
    """SEC-41: every way to spread a small number over the answers looks the same."""
    if one + two + three < 11:
        assert shown(one, two, three) == shown(one + two + three, 0, 0) == shown(0, one + two, three)


@given(st.lists(st.integers(0, 400), min_size=3, max_size=3))
def test_no_number_is_more_exact_than_tens(true: list[int]) -> None:
    for number, told in zip(true, shown(*true), strict=True):
        assert told == "<11" or int(told) % 10 == 0
        assert told == "<11" or abs(int(told) - number) <= 5


def test_nobody_screened_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert write_counts([], "json", None) == set()

    assert json.loads(capsys.readouterr().out) == []
