"""The item tables of the scores add up, and every name in them exists."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from fhir_trial.terminology import Terminology, load_terminology


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    return load_terminology()


def test_sledai_2k_has_24_items_that_sum_to_105(terminology: Terminology) -> None:
    score = terminology.score("sledai-2k")

    assert len(score.items) == 24
    assert sum(item.weight for item in score.items) == score.maximum == 105
    assert Counter(item.weight for item in score.items) == {8: 8, 4: 6, 2: 7, 1: 3}


def test_data_alone_can_reach_23_points_of_sledai_2k(terminology: Terminology) -> None:
    score = terminology.score("sledai-2k")
    automatic = [item for item in score.items if item.auto in ("lab", "lab*")]

    assert len(automatic) == 9
    assert sum(item.weight for item in automatic) == score.maximum_automatic == 23


def test_eular_acr_has_21_items_in_ten_domains(terminology: Terminology) -> None:
    items = terminology.score("eular-acr-2019").items

    assert len(items) == 21
    assert len({item.domain for item in items}) == 10
    assert {item.group for item in items} == {"clinical", "immunology"}


@pytest.mark.parametrize("name", ["sledai-2k", "eular-acr-2019"])
def test_every_analyte_and_value_set_of_an_item_exists(terminology: Terminology, name: str) -> None:
    for item in terminology.score(name).items:
        for analyte in item.analytes:
            terminology.laboratory(analyte)
        if item.value_set is not None:
            assert terminology.value_set(item.value_set).members, item.id
        assert item.auto in ("lab", "lab*", "hint", "no")
        assert not item.limits or len(item.limits) == len(item.analytes), item.id


@pytest.mark.parametrize(
    ("text", "exact", "some_version"),
    [
        ("SLEDAI-2K", True, True),
        ("SLEDAI 2000 total", True, True),
        ("SELENA-SLEDAI", False, True),
        ("SLEDAI", False, True),
        ("BILAG", False, False),
    ],
)
def test_a_recorded_total_names_its_version(terminology: Terminology, text: str, exact: bool, some_version: bool) -> None:
    score = terminology.score("sledai-2k")
    assert score.names is not None
    assert score.other_names is not None

    assert bool(re.search(score.names, text, re.IGNORECASE)) == exact
    assert bool(re.search(score.other_names, text, re.IGNORECASE)) == some_version
