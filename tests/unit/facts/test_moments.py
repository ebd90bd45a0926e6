"""Which is the later one: R30, R31."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fhir_trial.facts.moments import Moment, latest_of_day, may_be_latest
from fhir_trial.records.model import Origin
from fhir_trial.times import Span, read_span


def hour(hour: int) -> datetime:
    return datetime(2026, 3, 2, hour, tzinfo=UTC)


# times are hours; instant, issued, updated of one and of the other
LATER = """
    9 - -   8 - -   later
    8 - -   9 - -   no
    9 1 -   9 2 -   no
    9 2 -   9 1 -   later
    - 2 -   9 1 -   later
    9 - 3   - - 2   later
    9 2 -   - - 2   no
    9 1 1   9 1 1   no
    - - -   - - -   no
"""


@pytest.mark.parametrize("row", [line.split() for line in LATER.strip().splitlines()], ids=" ".join)
def test_time_then_issue_then_update_order_two_of_a_day(row: list[str]) -> None:
    """R31; "a date without time beside a date-time of the same day is not ordered by it"."""
    times = [None if word == "-" else hour(int(word)) for word in row[:6]]

    assert Moment(*times[:3]).after(Moment(*times[3:])) == (row[6] == "later")


def test_a_moment_is_made_of_date_issue_and_update() -> None:
    span = read_span("2026-03-02T09:00:00Z", UTC)

    assert Moment.of(span, hour(10), Origin("Observation/o", None, hour(11))) == Moment(hour(9), hour(10), hour(11))
    assert Moment.of(None, None, Origin("Observation/o")) == Moment()


def test_only_what_no_other_surely_follows_may_be_the_latest() -> None:
    # DATA-64, DATA-13: the latest is worked out here, not by the server
    spans = [span for text in ("2026-01-31", "2026-02", "2026-02-10", "2026-02-09") if (span := read_span(text, UTC))]

    assert [span.text for span in may_be_latest(spans, lambda span: span)] == ["2026-02", "2026-02-10"]
    assert may_be_latest(list[Span](), lambda span: span) == ()


def test_of_one_day_the_unbeaten_are_the_latest() -> None:
    early, late, unordered = Moment(hour(8)), Moment(hour(9)), Moment()

    assert latest_of_day([early, late], lambda moment: moment) == (late,)
    assert latest_of_day([early, late, unordered], lambda moment: moment) == (late, unordered)


def test_three_that_beat_each_other_in_a_circle_are_not_ordered() -> None:
    circle = [Moment(hour(9), None, hour(1)), Moment(hour(8), hour(5), None), Moment(None, hour(4), hour(2))]

    assert latest_of_day(circle, lambda moment: moment) == tuple(circle)
