"""How many changed from one run to the next, from what to what, and why; nobody is named (SEC-41)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from fhir_trial.people.small_cells import shown_count
from fhir_trial.population.changes import RowChange
from fhir_trial.population.rows import Answered

NOT_LOOKED_AT: Final = "not looked at"
_SMALL: Final = 11
What = TypeVar("What", bound=tuple[str, ...])


class Turned(msgspec.Struct, frozen=True):
    """Patients whose overall answer is another one now; "not looked at" before or after."""

    trial: str
    before: str
    after: str
    patients: str


class Answer(msgspec.Struct, frozen=True):
    """Patients of whom one criterion is answered otherwise.

    Attributes:
        cause: Value of ``changes.Cause``.
    """

    trial: str
    criterion: str
    before: str
    after: str
    cause: str
    patients: str


class ChangeCounts(msgspec.Struct, frozen=True):
    """Most first. A rounded one leaves out what is fewer than 11, whether there is any or none.

    Attributes:
        overall: Parts of a whole: each patient and trial is in one line at most.
    """

    exact: bool
    overall: tuple[Turned, ...]
    answers: tuple[Answer, ...]


def count_changes(found: Iterable[RowChange], *, exact: bool) -> ChangeCounts:
    """Of all changes."""
    turned: Counter[tuple[str, str, str]] = Counter()
    answers: Counter[tuple[str, str, str, str, str]] = Counter()
    for change in found:
        before = change.before.overall if change.before else NOT_LOOKED_AT
        after = change.after.overall if change.after else NOT_LOOKED_AT
        if before != after:
            turned[change.trial, before, after] += 1
        for one in change.answers:
            answers[change.trial, one.criterion, in_words(one.before), in_words(one.after), one.cause.value] += 1
    least = 1 if exact else _SMALL
    return ChangeCounts(
        exact,
        tuple(Turned(*what, shown_count(n, exact)) for what, n in _most_first(turned, exact) if n >= least),
        tuple(Answer(*what, shown_count(n, exact)) for what, n in _most_first(answers, exact) if n >= least),
    )


def in_words(answer: Answered | None) -> str:
    """Such as "unknown (stale)"; "" for a criterion that the trial did not have."""
    if answer is None:
        return ""
    return f"{answer.outcome} ({answer.why})" if answer.why else answer.outcome


def _most_first(counts: Counter[What], exact: bool) -> list[tuple[What, int]]:
    return sorted(counts.items(), key=lambda one: (-int(shown_count(max(one[1], _SMALL), exact)), one[0]))
