"""Every requirement is cited by a test, or docs/requirements.md says why not: neither both nor neither."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = _ROOT / "docs" / "requirements.md"
#: "WB-05", "WB-30 to WB-39", and in the name of a test "..._wb_05".
_ONE = re.compile(r"(?<![a-z])(SMART|DATA|WB|SEC|VER)[-_](\d\d)(?!\d)(?: to \1-(\d\d))?", re.IGNORECASE)

#: Number of the last requirement of each family, and the numbers that were never given.
FAMILIES = {"SMART": 66, "DATA": 70, "WB": 63, "SEC": 62, "VER": 21}
NEVER_GIVEN = {
    *("DATA-43", "DATA-44", "DATA-48", "DATA-49", "DATA-69", "WB-48", "WB-49"),
    *("SEC-45", "SEC-46", "SEC-47", "SEC-48", "SEC-49"),
    *("VER-09", "VER-19"),
}


def _named(text: str) -> set[str]:
    """Ids in a text; "WB-30 to WB-39" names ten."""
    found = set()
    for family, first, last in _ONE.findall(text):
        found |= {f"{family.upper()}-{number:02}" for number in range(int(first), int(last or first) + 1)}
    return found


def _required() -> set[str]:
    return {f"{family}-{number:02}" for family, last in FAMILIES.items() for number in range(1, last + 1)} - NEVER_GIVEN


def _cited() -> set[str]:
    tests = (path for path in (_ROOT / "tests").rglob("*.py") if path != Path(__file__))
    return set().union(*(_named(path.read_text(encoding="utf-8")) for path in tests))


def _left_out() -> set[str]:
    lines = _PAGE.read_text(encoding="utf-8").splitlines()
    return set().union(*(_named(line.split(":", 1)[0]) for line in lines if line.startswith("- ")))


def test_every_requirement_is_cited_by_a_test_or_listed_with_the_reason_why_not() -> None:
    assert sorted(_required() - _cited() - _left_out()) == []


def test_no_requirement_that_a_test_cites_is_listed_as_left_out() -> None:
    assert sorted(_left_out() & _cited()) == []


def test_the_page_and_the_tests_name_no_requirement_that_does_not_exist() -> None:
    assert sorted((_left_out() | _cited()) - _required()) == []
