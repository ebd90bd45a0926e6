"""Sets of possible values against limits, in exact numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.logic import Truth
from fhir_trial.quantities import Possible, read_decimal, write_number

LETTERS = {"T": Truth.TRUE, "F": Truth.FALSE, "?": Truth.UNKNOWN}
LIMIT = Fraction(75)

#    value     >= 75  > 75  <= 75  < 75        units.md, section 3
TABLE = """
     75        T      F     T      F
     74.999    F      F     T      T
     75.001    T      T     F      F
     >75       T      T     F      F
     >=75      T      ?     ?      F
     <75       F      F     T      T
     <=75      ?      F     T      ?
     >74       ?      ?     ?      ?
     >=74      ?      ?     ?      ?
     <76       ?      ?     ?      ?
     <=76      ?      ?     ?      ?
     >76       T      T     F      F
     <74       F      F     T      T
     <=74      F      F     T      T
     ~75       ?      ?     ?      ?
     ~76       T      T     F      F
     ~74       F      F     T      T
"""


def possible(written: str) -> Possible:
    number = written.lstrip("<>=~")
    found = Possible.compared(written.removesuffix(number) or None, Decimal(number))
    assert found is not None
    return found


@pytest.mark.parametrize("line", [line for line in TABLE.split("\n") if line.strip()])
def test_every_comparator_against_every_kind_of_limit(line: str) -> None:
    """DATA-59, R7."""
    written, *expected = line.split()
    value = possible(written)

    found = [value.at_least(LIMIT), value.above(LIMIT), value.at_most(LIMIT), value.below(LIMIT)]

    assert found == [LETTERS[letter] for letter in expected]


@pytest.mark.parametrize(
    ("written", "touches"), [("<=75", True), (">=75", True), ("<75", True), ("~75", True), ("75", False), ("<=76", False)]
)
def test_a_bound_equal_to_the_limit_touches_it(written: str, touches: bool) -> None:
    """R7."""
    assert possible(written).touches(LIMIT) is touches


def test_a_range_straddles_only_the_limits_inside_it() -> None:
    ejection_fraction = Possible.between(Decimal(50), Decimal(55))

    assert ejection_fraction.at_least(Fraction(50)) is Truth.TRUE
    assert ejection_fraction.at_least(Fraction(55)) is Truth.UNKNOWN
    assert ejection_fraction.at_least(Fraction(56)) is Truth.FALSE
    assert ejection_fraction.single is None
    assert Possible.exactly(55).single == 55
    assert possible("~55").single is None


def test_unbounded_on_both_sides_decides_nothing() -> None:
    anything = Possible.between(None, None)

    assert anything.at_least(LIMIT) is Truth.UNKNOWN
    assert anything.above(LIMIT) is Truth.UNKNOWN
    assert anything.times(Fraction(2)) == anything


def test_an_unknown_comparator_is_not_guessed_at() -> None:
    assert Possible.compared("ad", Decimal(5)) is None


@pytest.mark.parametrize("comparator", [None, "", "="])
def test_no_comparator_means_exactly(comparator: str | None) -> None:
    assert Possible.compared(comparator, 5) == Possible.exactly(5)


def test_a_converted_bound_stays_near_open_and_in_order() -> None:
    assert possible("~5").map(lambda number: number * 2) == possible("~10")
    assert possible(">5").map(lambda number: number * 2) == possible(">10")
    assert possible("<5").map(lambda number: number + 1) == possible("<6")
    assert Possible.between(1, 2).map(lambda number: number * 10) == Possible.between(10, 20)


def test_implausible_means_that_no_possible_value_is_plausible() -> None:
    low, high = Fraction(20), Fraction(250)

    assert possible("8.2").reaches_outside(low, high)
    assert possible("<20").reaches_outside(low, high) is False
    assert possible("<19").reaches_outside(low, high)
    assert possible(">250").reaches_outside(low, high) is False
    assert possible(">251").reaches_outside(low, high)
    assert possible("100").reaches_outside(low, high) is False
    assert possible("100").reaches_outside(None, None) is False


def test_conversion_is_exact_where_binary_numbers_are_not() -> None:
    """units.md rule 4: 25 10*6/L is 25 /uL, 1 10*3/uL is 1 10*9/L."""
    assert Possible.exactly(Decimal("8.0")).times(Fraction(10)).at_least(Fraction(80)) is Truth.TRUE
    assert Possible.exactly(Decimal(500)).times(Fraction(1, 1000)).at_least(Fraction(1, 2)) is Truth.TRUE


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (8, Decimal(8)),
        (Decimal("8.0"), Decimal("8.0")),
        (8.1, Decimal("8.1")),
        ("8.0", None),  # R34: a string where a number belongs
        (True, None),
        (None, None),
        (Decimal("NaN"), None),
        (float("inf"), None),
        ({}, None),
    ],
)
def test_only_a_json_number_is_a_number(raw: object, number: Decimal | None) -> None:
    found = read_decimal(raw)

    assert found == number
    assert str(found) == str(number)


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (Decimal("8.0"), "8.0"),
        (Decimal("1E+3"), "1000"),
        (Fraction(80), "80"),
        (Fraction(1, 2), "0.5"),
        (Fraction(-5, 1000), "-0.005"),
        (Fraction(1, 3), "0.333333333333"),
        (Fraction(2 * 10**12 + 1, 3), "666666666667"),
        (Fraction(1, 3 * 10**15), "0.000000000000000333333333333"),
        (Fraction(0), "0"),
        (Fraction(-7, 5), "-1.4"),
        (Fraction(1, 2**20), "0.00000095367431640625"),
        (Fraction(12345678, 1), "12345678"),
        (7, "7"),
    ],
)
def test_numbers_are_written_in_full(number: Decimal | Fraction | int, written: str) -> None:
    """VER-12: exactly as recorded or exactly converted."""
    assert write_number(number) == written


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-10000, max_value=10000, places=4))
def test_a_number_written_and_read_again_is_the_same(number: Decimal) -> None:
    assert Fraction(write_number(Fraction(number))) == Fraction(number)


@given(
    st.sampled_from(["<", "<=", ">", ">=", "="]),
    st.decimals(0, 1000, places=2),
    st.decimals(0, 1000, places=2),
    st.decimals("0.01", 1000, places=2),
)
def test_a_unit_round_trip_changes_no_answer(comparator: str, number: Decimal, limit: Decimal, factor: Decimal) -> None:
    value = Possible.compared(comparator, number)
    assert value is not None
    there = value.times(Fraction(factor))

    assert there.times(1 / Fraction(factor)) == value
    assert there.at_least(Fraction(limit) * Fraction(factor)) is value.at_least(Fraction(limit))
    assert there.above(Fraction(limit) * Fraction(factor)) is value.above(Fraction(limit))
