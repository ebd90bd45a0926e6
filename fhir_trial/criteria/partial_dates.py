"""Every way in which partial dates can fall, as far as a rule can tell the ways apart (R30).

A rule is asked once for each way. If it answers the same each time, the precision of the dates does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import product
from math import prod

from fhir_trial.criteria.answers import Answer
from fhir_trial.times import Span, add_days

#: Beyond so many ways too little is dated to answer.
MOST_WAYS = 2000


def ways(spans: Sequence[Span], marks: Iterable[date]) -> Iterable[tuple[date, ...]] | None:
    """A day for each span, in every order and on every side of every mark; None if there are too many ways.

    Args:
        spans: Exact ones have but one day.
        marks: Days on which the rule's windows begin or end.
    """
    edges = {*marks, *(day for span in spans for day in (span.first, span.last))}
    choices = [_choices(span, edges) for span in spans]
    return product(*choices) if prod(map(len, choices)) <= MOST_WAYS else None


def agreed(
    rule: Callable[[tuple[date, ...]], Answer], spans: Sequence[Span], marks: Iterable[date], otherwise: Callable[[], Answer]
) -> Answer:
    """What the rule answers, whichever way the dates fall; ``otherwise`` if that depends on the way."""
    answer: Answer | None = None
    for days in ways(spans, marks) or ():
        found = rule(days)
        if answer is not None and found.outcome is not answer.outcome:
            return otherwise()
        answer = found
    return answer or otherwise()


def _choices(span: Span, edges: Iterable[date]) -> tuple[date, ...]:
    """The days of the span that lie on an edge, just before it or just after it."""
    if span.exact:
        return (span.first,)
    beside = {add_days(edge, step) for edge in edges if span.first <= edge <= span.last for step in (-1, 0, 1)}
    return tuple(sorted(day for day in beside if span.first <= day <= span.last))
