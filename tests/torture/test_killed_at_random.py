"""A dozen of the random kills of ``make torture``: WB-03, WB-04, WB-05, WB-07, WB-10."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.torture.ground import SEVERAL, Ground
from tests.torture.random_kills import Tally, torture

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.xdist_group("killed at random")]

_KILLS = 12
_PATIENTS = SEVERAL[:3]


def expect_nothing_wrong(ground: Ground, kills: int) -> None:
    ground.load(_PATIENTS)
    tally = Tally()

    for tally in torture(ground, kills, random.Random(), _PATIENTS):
        assert not tally.wrong, "\n".join(tally.wrong)

    assert tally.kills == kills


def test_killed_a_dozen_times_at_random_and_started_again_it_comes_to_the_same(ground_of: Callable[..., Ground]) -> None:
    """Each moment is drawn anew from the length of a whole run over three patients; a failure names the point it came after."""
    expect_nothing_wrong(ground_of(), _KILLS)


def test_with_the_store_in_postgresql_it_comes_to_the_same(ground_of: Callable[..., Ground], postgres: str) -> None:
    expect_nothing_wrong(ground_of(database=postgres), _KILLS // 2)
