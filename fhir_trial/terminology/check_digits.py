"""Check digits of LOINC and SNOMED CT codes: the cheapest way to notice a mistyped code.

Sources: LOINC Users' Guide, appendix on the mod 10 check digit; SNOMED CT, "Check-digit" (Verhoeff's dihedral check).
"""

from __future__ import annotations

import re
from typing import Final

_LOINC: Final = re.compile(r"(\d+)-(\d)")

_D5: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_FIRST_PERMUTATION: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def loinc_check_digit_is_right(code: str) -> bool:
    """Whether the digit behind the hyphen is the mod 10 check of those before it.

    Terms only: answers (LA...) count their letters in a way of their own.
    """
    match = _LOINC.fullmatch(code)
    if match is None:
        return False
    # Users' Guide: every second digit from the right is doubled as one number, the others are taken as they are.
    doubled = str(2 * int(match[1][::-2]))
    others = match[1][-2::-2]
    total = sum(int(digit) for digit in others + doubled)
    return (10 - total % 10) % 10 == int(match[2])


def snomed_check_digit_is_right(code: str) -> bool:
    """Whether a SNOMED CT identifier of 6 to 18 digits ends in its Verhoeff check digit."""
    if not (code.isascii() and code.isdigit() and 6 <= len(code) <= 18):
        return False
    checksum = 0
    for position, digit in enumerate(reversed(code)):
        checksum = _D5[checksum][_permuted(int(digit), position % 8)]
    return checksum == 0


def _permuted(digit: int, times: int) -> int:
    for _ in range(times):
        digit = _FIRST_PERMUTATION[digit]
    return digit
