"""FHIR dates as intervals of calendar days in the site's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial import times
from fhir_trial.logic import Truth
from fhir_trial.times import FAR_FUTURE, FAR_PAST, Span, add_days, add_months, age_in_years, birthday, read_span

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(autouse=True)
def nothing_read_before() -> None:
    """Dates read before are kept; each test reads its own."""
    times._read_span.cache_clear()


#    as recorded                          first         last
@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-02-28", "2026-02-28", "2026-02-28"),
        (" 2026-02-28 ", "2026-02-28", "2026-02-28"),
        ("2026-02-28T23:59:59Z", "2026-03-01", "2026-03-01"),  # R37: the next day in Shanghai
        ("2026-02-28T15:59:59.999Z", "2026-02-28", "2026-02-28"),
        ("2026-02-28T16:00:00Z", "2026-03-01", "2026-03-01"),
        ("2026-03-01T00:30:00+09:00", "2026-02-28", "2026-02-28"),
        ("2026-02-28T23:30:00-05:00", "2026-03-01", "2026-03-01"),
        ("2026-02-28T23:30:00", "2026-02-28", "2026-02-28"),  # no zone: the site's
        ("2026-02-28T23:30", "2026-02-28", "2026-02-28"),
        ("2016-12-31T23:59:60Z", "2017-01-01", "2017-01-01"),  # a leap second
        ("2026-02-28T10:00:00.1234567+08:00", "2026-02-28", "2026-02-28"),
    ],
)
def test_a_fhir_date_stands_for_the_days_it_may_mean_in_the_sites_zone(text: str, first: str, last: str) -> None:
    """DATA-24, R37."""
    span = read_span(text, SHANGHAI)

    assert span is not None
    assert (span.first.isoformat(), span.last.isoformat(), span.text) == (first, last, text)
    assert span.exact is (first == last)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13", "2026-02-30", "20260228", "2026-02-28T25:00:00Z", "0000-01-01", "26-02-28", None, 2026, []],
)
def test_what_is_no_date_is_none(text: object) -> None:
    assert read_span(text, UTC) is None


def test_a_moment_keeps_its_instant_and_a_date_has_none() -> None:
    moment = read_span("2026-02-28T10:00:00+08:00", UTC)
    day = read_span("2026-02-28", UTC)

    assert moment is not None
    assert moment.instant == datetime(2026, 2, 28, 2, tzinfo=UTC)
    assert day is not None
    assert day.instant is None


@pytest.mark.parametrize(
    ("offset", "hours"), [("Z", 10.0), ("+00:00", 10.0), ("-03:30", 13.5), ("+05:45", 4.25), ("+12:00", -2.0), ("-11:15", 21.25)]
)
def test_an_offset_is_taken_to_the_minute(offset: str, hours: float) -> None:
    moment = read_span(f"2026-02-28T10:00:00{offset}", UTC)

    assert moment is not None
    assert moment.instant == datetime(2026, 2, 28, tzinfo=UTC) + timedelta(hours=hours)


def test_a_moment_before_the_calendar_begins_is_no_date() -> None:
    assert read_span("0001-01-01T00:00:00+14:00", UTC) is None


#    window             span of 2026-02        within?
@pytest.mark.parametrize(
    ("first", "last", "truth"),
    [
        ("2026-02-01", "2026-02-28", Truth.TRUE),
        ("2026-02-02", "2026-02-28", Truth.UNKNOWN),
        ("2026-02-01", "2026-02-27", Truth.UNKNOWN),
        ("2026-02-28", "2026-12-31", Truth.UNKNOWN),
        ("2026-03-01", "2026-12-31", Truth.FALSE),
        ("2025-01-01", "2026-01-31", Truth.FALSE),
        ("2025-01-01", "2026-02-01", Truth.UNKNOWN),
    ],
)
def test_a_month_lies_in_a_window_for_certain_only_if_all_its_days_do(first: str, last: str, truth: Truth) -> None:
    """R30."""
    span = read_span("2026-02", UTC)

    assert span is not None
    assert span.within(date.fromisoformat(first), date.fromisoformat(last)) is truth


def test_an_interval_that_reaches_beyond_the_day_is_cut_there() -> None:
    """Readings: an interval that reaches beyond as_of is cut there."""
    span = read_span("2026-02", UTC)
    assert span is not None

    assert span.until(date(2026, 1, 31)) is None
    assert span.until(date(2026, 2, 28)) is span
    cut = span.until(date(2026, 2, 10))
    assert cut is not None
    assert (cut.first, cut.last, cut.text) == (date(2026, 2, 1), date(2026, 2, 10), "2026-02")
    assert span.until(date(2026, 2, 1)) == Span(date(2026, 2, 1), date(2026, 2, 1), None, "2026-02")


def test_what_is_cut_keeps_its_moment() -> None:
    moment = datetime(2026, 2, 1, tzinfo=UTC)

    cut = Span(date(2026, 2, 1), date(2026, 2, 28), moment, "2026-02").until(date(2026, 2, 10))

    assert cut is not None
    assert cut.instant == moment


def test_a_day_as_a_span_is_exact() -> None:
    assert Span.of(date(2026, 2, 28)) == Span(date(2026, 2, 28), date(2026, 2, 28), None, "2026-02-28")


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-03-31", -1, "2026-02-28"),
        ("2024-03-31", -1, "2024-02-29"),
        ("2026-01-15", -12, "2025-01-15"),
        ("2024-02-29", -12, "2023-02-28"),
        ("2026-12-31", 2, "2027-02-28"),
    ],
)
def test_calendar_months_keep_the_day_where_they_can(day: str, months: int, expected: str) -> None:
    assert add_months(date.fromisoformat(day), months).isoformat() == expected


def test_day_counts_are_held_within_the_calendar() -> None:
    assert add_days(FAR_PAST, -1) == FAR_PAST
    assert add_days(FAR_FUTURE, 1) == FAR_FUTURE
    assert add_months(FAR_PAST, -1) == FAR_PAST
    assert add_months(FAR_FUTURE, 1) == FAR_FUTURE
    assert add_months(date(1, 2, 1), -1) == date(1, 1, 1)
    assert add_months(date(1, 3, 31), -1) == date(1, 2, 28)
    assert add_months(date(9999, 10, 31), 1) == date(9999, 11, 30)
    assert add_days(date(2026, 3, 1), -28) == date(2026, 2, 1)


def test_someone_born_on_29_february_has_a_birthday_on_1_march_in_common_years() -> None:
    """C1 [J]."""
    born = date(2020, 2, 29)

    assert birthday(born, 5) == date(2025, 3, 1)
    assert birthday(born, 4) == date(2024, 2, 29)
    assert age_in_years(born, date(2025, 2, 28)) == 4
    assert age_in_years(born, date(2025, 3, 1)) == 5


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 110))
def test_the_birthday_is_the_first_day_of_the_new_age(born: date, years: int) -> None:
    day = birthday(born, years)

    assert age_in_years(born, day) == years
    if years:
        assert age_in_years(born, day - timedelta(days=1)) == years - 1


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_a_date_written_and_read_again_is_the_same(day: date) -> None:
    assert read_span(day.isoformat(), SHANGHAI) == Span(day, day, None, day.isoformat())
