"""How counts are shown, and that a hidden one stays hidden."""

from collections import defaultdict
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.people.small_cells import HIDDEN, shown_count

_MOST = 60
_HIDDEN = range(1, 11)

#  patients  shown
TABLE = """
   0         0
   1         <11
   10        <11
   11        10
   14        10
   15        20
   24        20
   25        30
   995       1000
"""


@pytest.mark.parametrize(("patients", "shown"), [line.split() for line in TABLE.strip().splitlines()])
def test_a_count_is_shown_in_tens_and_a_small_one_not_at_all(patients: str, shown: str) -> None:
    assert shown_count(int(patients), exact=False) == shown


@given(st.integers(0, 10**6))
def test_who_may_see_the_patients_sees_the_count(patients: int) -> None:
    assert shown_count(patients, exact=True) == str(patients)


def test_there_is_no_negative_count() -> None:
    with pytest.raises(ValueError, match="negative"):
        shown_count(-1, exact=False)


def _by_what_is_shown(chains: list[tuple[int, ...]]) -> dict[tuple[str, ...], list[tuple[int, ...]]]:
    """Everything that looks the same to somebody who sees the shown counts alone."""
    alike = defaultdict(list)
    for chain in chains:
        alike[tuple(shown_count(n, exact=False) for n in chain)].append(chain)
    return alike


def test_how_many_a_criterion_took_away_cannot_be_worked_out_where_it_is_a_hidden_cell() -> None:
    """Every two and three neighbouring steps of a funnel."""
    steps = range(_MOST)
    funnels = [pair for pair in product(steps, repeat=2) if pair[0] >= pair[1]]
    longer = [three for three in product(range(40), repeat=3) if three[0] >= three[1] >= three[2]]

    for alike in (*_by_what_is_shown(funnels).values(), *_by_what_is_shown(longer).values()):
        for place in range(len(alike[0]) - 1):
            taken = {list(pairwise(chain))[place][0] - list(pairwise(chain))[place][1] for chain in alike}
            assert len(taken) > 1 or not taken & set(_HIDDEN)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=4))
def test_a_hidden_cell_cannot_be_worked_out_from_its_neighbours_and_from_the_sum_of_what_is_shown(cells: list[int]) -> None:
    """Figures derived from several counts are derived from what is shown, so they tell nothing that the shown counts do not."""
    shown = [shown_count(n, exact=False) for n in cells]

    for place, text in enumerate(shown):
        if text == HIDDEN:
            others = [[*cells[:place], n, *cells[place + 1 :]] for n in _HIDDEN]
            assert all([shown_count(n, exact=False) for n in other] == shown for other in others)
