"""FHIR dates as intervals of calendar days, and the day counts that protocols use.

A FHIR date may be a year or a month; it then stands for every day in it, and what its precision cannot settle is UNKNOWN (R30).
A date-time counts on its calendar date in the site's zone (R37). Source: FHIR R4 Data Types, date, dateTime, instant, Period.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from msgspec import Struct

from fhir_trial.logic import Truth

_FHIR_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?")
FAR_PAST = date(1, 1, 1)
FAR_FUTURE = date(9999, 12, 31)


class Span(Struct, frozen=True, gc=False):
    """The calendar days that a FHIR date, dateTime, instant or Period may mean, both ends included.

    Attributes:
        first, last: Days in the site's zone; equal unless the date is partial or a period.
        instant: The moment, if the text gives one (aware, UTC).
        text: As recorded.
    """

    first: date
    last: date
    instant: datetime | None
    text: str

    @property
    def exact(self) -> bool:
        return self.first == self.last

    def within(self, first: date, last: date) -> Truth:
        """Whether the day lies in [first, last]; UNKNOWN when the precision straddles an end."""
        if first <= self.first and self.last <= last:
            return Truth.TRUE
        if self.last < first or last < self.first:
            return Truth.FALSE
        return Truth.UNKNOWN

    def until(self, day: date) -> Span | None:
        """The part of it up to and including ``day``; None when it begins later."""
        if self.first > day:
            return None
        if self.last <= day:
            return self
        return Span(self.first, day, self.instant, self.text)

    @staticmethod
    def of(day: date) -> Span:
        return Span(day, day, None, day.isoformat())


def read_span(text: object, zone: tzinfo) -> Span | None:
    """A FHIR date, dateTime or instant as a Span; None when it is no such thing.

    A time without a zone is taken in the site's zone: common in exports, though FHIR forbids it.
    """
    return _read_span(text, zone) if isinstance(text, str) else None


@lru_cache(maxsize=8192)
def _read_span(text: str, zone: tzinfo) -> Span | None:
    match = _FHIR_DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        if month is None:
            return Span(date(int(year), 1, 1), date(int(year), 12, 31), None, text)
        if day is None:
            first = date(int(year), int(month), 1)
            return Span(first, first.replace(day=monthrange(first.year, first.month)[1]), None, text)
        if hour is None:
            whole = date(int(year), int(month), int(day))
            return Span(whole, whole, None, text)
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute),
            min(int(second or 0), 59),  # a leap second, 60, is legal in FHIR
            int((fraction or "0")[:6].ljust(6, "0")),
            tzinfo=_zone_of(offset, zone),
        )  # fmt: skip
        local = moment.astimezone(zone).date()
        return Span(local, local, moment.astimezone(UTC), text)
    except (ValueError, OverflowError):
        return None


def _zone_of(offset: str | None, zone: tzinfo) -> tzinfo:
    if offset is None:
        return zone
    if offset == "Z":
        return UTC
    sign = -1 if offset[0] == "-" else 1
    from datetime import timezone

    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])))


def add_months(day: date, months: int) -> date:
    """The same day of the month, ``months`` later (earlier if negative); the month's last day where it has no such day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        return FAR_PAST if year < 1 else FAR_FUTURE
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def add_days(day: date, days: int) -> date:
    """``days`` later (earlier if negative), held within the calendar."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return FAR_PAST if days < 0 else FAR_FUTURE


def birthday(born: date, years: int) -> date:
    """The day on which someone completes ``years``; for 29 February, 1 March in common years (C1 [J])."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


def age_in_years(born: date, on: date) -> int:
    """Completed years."""
    years = on.year - born.year
    return years if birthday(born, years) <= on else years - 1
