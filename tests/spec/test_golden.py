"""What the samples are told is what was read and approved: every sentence, piece of evidence, end, and need."""

from __future__ import annotations

import pytest

from scripts.build_golden import GOLDEN, built

FILES = built()


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_word_is_the_one_that_was_read(name: str) -> None:
    """After a wanted change: ``python -m scripts.build_golden``, and read the difference."""
    assert (GOLDEN / name).read_text(encoding="utf-8") == FILES[name]


def test_nothing_else_lies_beside_them() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(FILES)
