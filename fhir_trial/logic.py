"""Kleene's three-valued logic: what follows when some of it is unknown.

Source: S. C. Kleene, Introduction to Metamathematics (1952), section 64, the strong connectives.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Truth(Enum):
    """Whether a sentence holds."""

    FALSE = "false"
    UNKNOWN = "unknown"
    TRUE = "true"

    def __bool__(self) -> bool:
        raise TypeError("A Truth is not a bool: compare it with Truth.TRUE, Truth.FALSE or Truth.UNKNOWN.")

    def __invert__(self) -> Truth:
        if self is Truth.UNKNOWN:
            return self
        return Truth.FALSE if self is Truth.TRUE else Truth.TRUE

    @staticmethod
    def of(value: bool) -> Truth:
        """The truth of something that is known."""
        return Truth.TRUE if value else Truth.FALSE


def all_of(truths: Iterable[Truth]) -> Truth:
    """TRUE when every one is; FALSE as soon as one is; no sentence at all is TRUE."""
    answer = Truth.TRUE
    for truth in truths:
        if truth is Truth.FALSE:
            return truth
        if truth is Truth.UNKNOWN:
            answer = truth
    return answer


def any_of(truths: Iterable[Truth]) -> Truth:
    """TRUE as soon as one is; FALSE when every one is; no sentence at all is FALSE."""
    return ~all_of(~truth for truth in truths)


def at_least(count: int, truths: Iterable[Truth]) -> Truth:
    """Whether at least ``count`` of the sentences hold."""
    known = list(truths)
    certain = sum(truth is Truth.TRUE for truth in known)
    possible = certain + sum(truth is Truth.UNKNOWN for truth in known)
    if certain >= count:
        return Truth.TRUE
    return Truth.UNKNOWN if possible >= count else Truth.FALSE
