"""Today and now: the only place that asks for them."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo


def today(zone: tzinfo) -> date:
    """The calendar date in a site's zone (R44)."""
    return datetime.now(zone).date()


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)
