"""Which result is the latest, where dates are partial, equal, or lack a time of day.

Rules: R25, R30, R31; clinical rulings, "Reading a result".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from fhir_trial.facts.results import LabResult

_LEAST_DIRECT: Final = 2


class Band(StrEnum):
    """How old a result is against the days that decide."""

    FRESH = "fresh"
    STALE = "stale"
    OLD = "old"
    STRADDLES = "straddles"  # R30: its date does not say in which of these it is


@dataclass(frozen=True, slots=True)
class Candidate:
    """A result that may be the latest.

    Attributes:
        first, last: The days it can be of, given that it is the latest and not after the day of asking.
        tied: Whether nothing orders it against another candidate of exactly the same day (R31).
    """

    result: LabResult
    first: date
    last: date
    tied: bool = False

    def band(self, as_of: date, fresh_days: int, stale_days: int) -> Band:
        """Up to ``fresh_days`` old decides, up to ``stale_days`` is stale, both ends included."""
        bands = {_band((as_of - day).days, fresh_days, stale_days) for day in (self.first, self.last)}
        return bands.pop() if len(bands) == 1 else Band.STRADDLES

    def age(self, as_of: date) -> int:
        """Days, at least."""
        return (as_of - self.last).days


def candidates(results: Sequence[LabResult], as_of: date, *, prefer_method: bool = False) -> tuple[Candidate, ...]:
    """The latest of results dated up to ``as_of``; several where their dates do not say.

    Args:
        prefer_method: Among results of one day, the better method goes first (R25); else the later one.
    """
    spans = [(result, span) for result in results if result.span is not None and (span := result.span.until(as_of)) is not None]
    if not spans:
        return ()
    surely = max(span.first for _, span in spans)
    latest = [(result, span) for result, span in spans if span.last >= surely]
    direct = {id(result) for result in direct_first(result for result, _ in latest)}
    kept = [(result, span) for result, span in latest if id(result) in direct]
    exact = [result for result, span in kept if span.first == span.last]
    best = _unbeaten(_best_method(exact) if prefer_method else exact)
    lasting = {id(result) for result in best}
    chosen = [(result, span) for result, span in kept if span.first != span.last or id(result) in lasting]
    tied = {id(result) for result in best} if len(best) > 1 else set()
    return tuple(Candidate(result, max(span.first, surely), span.last, tied=id(result) in tied) for result, span in chosen)


def beats(one: LabResult, other: LabResult) -> bool:
    """R31, of results of the same day: the later time where both have one, then ``issued``, then ``lastUpdated``."""
    for mine, theirs in zip(_times(one), _times(other), strict=True):
        if mine is not None and theirs is not None and mine != theirs:
            return mine > theirs
    return _rank(one) < _rank(other)


def direct_first(results: Iterable[LabResult]) -> list[LabResult]:
    """A direct value of a day goes before a derived one of it, and a whole one before "at least the segmented" (R35)."""
    known = list(results)
    if all(result.role != "derived" for result in known):  # nearly always
        return known
    best: dict[object, int] = {}
    for result in known:
        best[_days(result)] = min(_directness(result), best.get(_days(result), _LEAST_DIRECT))
    return [result for result in known if _directness(result) == best[_days(result)]]


def _days(result: LabResult) -> object:
    return None if result.span is None else (result.span.first, result.span.last)


def _directness(result: LabResult) -> int:
    if result.role != "derived":
        return 0
    return 1 if result.part is None else _LEAST_DIRECT


def _best_method(results: Sequence[LabResult]) -> list[LabResult]:
    best = min((result.preference for result in results), default=0)
    return [result for result in results if result.preference == best]


def _unbeaten(results: Sequence[LabResult]) -> list[LabResult]:
    """Those that no other is later than; all of them if times and dates go round in a circle."""
    unbeaten = [one for one in results if not any(beats(other, one) for other in results if other is not one)]
    return unbeaten or list(results)


def _times(result: LabResult) -> tuple[datetime | None, ...]:
    instant = None if result.span is None else result.span.instant
    return instant, result.observation.issued, result.observation.origin.last_updated


def _rank(result: LabResult) -> int:
    """A code that decides only for want of a better one comes last, when nothing else orders the two."""
    return 1 if result.role == "accept_low" else 0


def _band(days: int, fresh_days: int, stale_days: int) -> Band:
    if days <= fresh_days:
        return Band.FRESH
    return Band.STALE if days <= stale_days else Band.OLD
