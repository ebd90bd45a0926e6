"""Titres: clinical units section 2, R23."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from fhir_trial.facts.titres import is_decimal_titre, read_titre, titre_of_ratio
from fhir_trial.quantities import Possible
from fhir_trial.records.model import Quantity, Ratio

# text | what the denominator can be
READ = """
1:160                          | 160
1 : 160                        | 160
1/160                          | 160
1:160 homogeneous              | 160
1：160                          | 160
1∶160                          | 160
160                            | 160
160 titer                      | 160
160.0                          | 160
1:1,280                        | 1280
>=1:1280                       | >= 1280
≥ 1:1280                       | >= 1280
&gt;=1:1280                    | >= 1280
at least 1:80                  | >= 80
>1:1280                        | > 1280
> 1:640                        | > 640
greater than 1:640             | > 640
1:>640                         | > 640
<1:80                          | < 80
&lt;1:80                       | < 80
less than 1:80                 | < 80
<1:40                          | < 40
neg (<1:80)                    | < 80
negative at 1:80               | < 80
NEG @ 1:80                     | < 80
not detected at a dilution of 1:80 | < 80
non-reactive at 1:40           | < 40
阴性 at 1:80                     | < 80
negative 1:40                  | 40
positive at 1:80               | 80
~1:80                          | ~ 80
1:80 - 1:160                   | 80 .. 160
1:80-160                       | 80 .. 160
1:80 to 1:160 speckled         | 80 .. 160
1:160 homogeneous, 1:320 speckled | 320
<1:40 nucleolar; 1:80 speckled | 80
1:40 (ref <1:80)               | 40
1:40 normal: <1:80             | 40
1:40 参考值 <1:80                 | 40
0.0125                         | 1/80
positive                       | -
2+                             | -
11:160                         | -
1:160:2                        | -
ratio 1/2/2026                 | -
"""


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def _possible(text: str) -> Possible | None:
    if text == "-":
        return None
    if ".." in text:
        low, high = text.split("..")
        return Possible.between(Fraction(low.strip()), Fraction(high.strip()))
    sign, _, number = text.rpartition(" ")
    return Possible.compared(sign or None, Fraction(number))


@pytest.mark.parametrize(("text", "expected"), _rows(READ))
def test_titre_is_read_as_people_write_it(text: str, expected: str) -> None:
    titre = read_titre(text)

    assert (None if titre is None else titre.possible) == _possible(expected)


def test_number_alone_is_a_titre_only_under_a_titre_code() -> None:
    assert read_titre("160", bare=False) is None
    assert read_titre("1:160", bare=False) is not None


def test_words_beside_a_titre_are_kept_for_a_finding() -> None:
    titre = read_titre("Positive (1:160)")

    assert titre is not None
    assert titre.rest == "Positive"


# numerator | denominator | what the denominator can be
RATIOS = """
1      | 160     | 160
160    | 1       | 160
1      | >640    | > 640
1      | <=40    | <= 40
<1     | 640     | > 640
>=1    | 40      | <= 40
>160   | 1       | > 160
160    | <1      | > 160
<1     | >640    | -
0      | 160     | -
-      | 160     | -
1      | -       | -
1      | none    | -
"""


@pytest.mark.parametrize(("above", "below", "expected"), _rows(RATIOS))
def test_ratio_is_a_titre_and_a_comparator_on_its_small_side_inverts(above: str, below: str, expected: str) -> None:
    assert titre_of_ratio(Ratio(_quantity(above), _quantity(below), "")) == _possible(expected)


def _quantity(text: str) -> Quantity | None:
    if text == "-":
        return None
    number = text.lstrip("<>=")
    return Quantity(None if number == "none" else Decimal(number), text[: len(text) - len(number)] or None, None, False, text)


@pytest.mark.parametrize(("text", "decimal"), [("0.0125", True), ("1", False), ("80", False)])
def test_decimal_below_one_is_a_titre_written_as_a_fraction(text: str, decimal: bool) -> None:
    titre = read_titre(text)

    assert titre is not None
    assert is_decimal_titre(titre.possible) is decimal
    assert not is_decimal_titre(Possible(Fraction(1, 2), None))
