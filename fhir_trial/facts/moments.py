"""Which of several reports, consents or tests is the later one (R30, R31)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from fhir_trial.records.model import Origin
from fhir_trial.times import Span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moment:
    """What orders a thing among others of its day.

    Attributes:
        instant: Its time of day, if recorded.
        issued, updated: ``issued`` and ``meta.lastUpdated``, which order what the time does not (R31).
    """

    instant: datetime | None = None
    issued: datetime | None = None
    updated: datetime | None = None

    @staticmethod
    def of(span: Span | None, issued: datetime | None, origin: Origin) -> Moment:
        """The moment of a thing with that date, issue and origin."""
        return Moment(span.instant if span else None, issued, origin.last_updated)

    def after(self, other: Moment) -> bool:
        """Whether it is surely the later one: by the first of time, issue and update that both have and that differs.

        A date without time beside a date-time is not ordered by it.
        """
        for mine, theirs in ((self.instant, other.instant), (self.issued, other.issued), (self.updated, other.updated)):
            if mine is not None and theirs is not None and mine != theirs:
                return mine > theirs
        return False


def may_be_latest(things: Sequence[T], span_of: Callable[[T], Span]) -> tuple[T, ...]:
    """Those that no other surely follows by its date."""
    surely_past = max((span_of(thing).first for thing in things), default=date.min)
    return tuple(thing for thing in things if span_of(thing).last >= surely_past)


def latest_of_day(things: Sequence[T], moment_of: Callable[[T], Moment]) -> tuple[T, ...]:
    """The latest of things of one day; several only where nothing orders them."""
    moments = [moment_of(thing) for thing in things]
    unbeaten = [thing for thing, mine in zip(things, moments, strict=True) if not any(other.after(mine) for other in moments)]
    return tuple(unbeaten or things)  # three records can beat each other in a circle: then nothing orders them
