"""Every way in which partial dates can fall (R30)."""

from __future__ import annotations

from datetime import UTC, date

from fhir_trial.criteria.answers import Answer, Why, met, not_met, say, unknown
from fhir_trial.criteria.partial_dates import agreed, ways
from fhir_trial.times import Span, read_span


def spans(*texts: str) -> list[Span]:
    return [span for text in texts if (span := read_span(text, UTC))]


def test_an_exact_date_falls_in_one_way() -> None:
    assert list(ways(spans("2026-03-02"), [date(2026, 3, 2)]) or ()) == [(date(2026, 3, 2),)]


def test_a_month_falls_on_its_ends_and_on_either_side_of_each_mark_and_of_each_other_date() -> None:
    found = ways(spans("2026-03", "2026-03-20"), [date(2026, 3, 10), date(2026, 4, 10)])

    assert found is not None
    assert [day.day for day, _ in found] == [1, 2, 9, 10, 11, 19, 20, 21, 30, 31]


def test_too_many_ways_are_none() -> None:
    assert ways(spans(*(f"2025-{month:02}" for month in range(1, 9))), [date(2025, month, 15) for month in range(1, 9)]) is None


def answer_of(days: tuple[date, ...]) -> Answer:
    return met(say("late")) if days[0] >= date(2026, 3, 10) else not_met(say("early"))


def open_question() -> Answer:
    return unknown(Why.UNUSABLE, say("open"))


def test_the_rule_answers_where_every_way_gives_the_same() -> None:
    marks = [date(2026, 3, 10)]

    assert agreed(answer_of, spans("2026-04"), marks, open_question).outcome == "met"
    assert agreed(answer_of, spans("2026-02"), marks, open_question).outcome == "not-met"
    assert agreed(answer_of, spans("2026-03"), marks, open_question).why is Why.UNUSABLE
