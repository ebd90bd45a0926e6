"""People's answers as JSON Lines: what is read, and what is refused at which line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_trial.errors import UsageError
from fhir_trial.people.answer_lines import answer_line, read_answers
from fhir_trial.people.answers import GivenAnswer
from fhir_trial.trials.adjudication import Person, PersonsAnswer, Says

DIGEST = "ev-" + "0123456789abcdef" * 2
LINE: dict[str, Any] = {
    "patient": "Patient/p1",
    "trial": "nct06789107",
    "version": "seed1",
    "criterion": "C7.4",
    "answer": "met",
    "reason": "Read in a letter.",
    "by": {"issuer": "https://login.example.invalid", "subject": "anna", "name": "Anna"},
    "at": "2026-03-02T14:30:00+01:00",
    "evidence": DIGEST,
}


def refusal(line: str | dict[str, Any]) -> str:
    text = line if isinstance(line, str) else json.dumps(line)
    with pytest.raises(UsageError) as refused:
        list(read_answers(["\n", text], "answers.jsonl"))
    assert refused.value.expression == "answers.jsonl:2"
    return refused.value.message


def test_a_line_says_who_said_what_of_whom_when_and_on_what() -> None:
    (one,) = read_answers([json.dumps(LINE)], "answers.jsonl")

    anna = Person("https://login.example.invalid", "anna", "Anna")
    at = datetime.fromisoformat("2026-03-02T14:30:00+01:00")
    assert one == GivenAnswer(
        "Patient/p1", "nct06789107", "seed1", "C7.4", PersonsAnswer(Says.MET, anna, at, DIGEST, "Read in a letter.")
    )
    assert one.where == "answers.jsonl:1"


@pytest.mark.parametrize("key", ["patient", "trial", "version", "criterion", "answer", "by", "at", "evidence"])
def test_each_key_that_is_missing_is_named(key: str) -> None:
    assert refusal({name: value for name, value in LINE.items() if name != key}) == f"Missing: {key}."


@pytest.mark.parametrize("key", ["issuer", "subject"])
def test_each_key_of_the_person_that_is_missing_is_named(key: str) -> None:
    by = {name: value for name, value in LINE["by"].items() if name != key}

    assert refusal(LINE | {"by": by}) == f"Missing: by.{key}."


def test_reason_and_name_may_be_left_out_or_null() -> None:
    by = {"issuer": "https://login.example.invalid", "subject": "anna"}
    without = {name: value for name, value in LINE.items() if name != "reason"} | {"by": by}

    (one,) = read_answers([json.dumps(without)], "a")
    (other,) = read_answers([json.dumps(without | {"reason": None, "by": by | {"name": None}})], "a")
    assert one == other
    assert (one.answer.reason, one.answer.by.name) == (None, None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"answer": "eligible"}, "'answer' is none of: met, not-met, not-applicable, cannot-say."),
        ({"answer": True}, "'answer' is no text."),
        ({"reason": " "}, "'reason' is no text."),
        ({"reason": "\x1b[2J"}, "'reason' holds characters that cannot be shown."),
        ({"reason": "\ud800"}, "'reason' holds characters that cannot be shown."),
        ({"by": "Anna"}, "'by' is no object."),
        ({"by": {"issuer": "i", "subject": 1}}, "'by.subject' is no text."),
        ({"by": {"issuer": "i", "subject": "s", "email": "x"}}, "An unknown key. Expected: by.issuer, by.subject, by.name."),
        ({"at": "2026-03-02T14:30:00"}, "'at' is no time with its zone."),
        ({"at": "2026-03-02"}, "'at' is no time with its zone."),
        ({"at": "2026-W10-1T10:00:00Z"}, "'at' is no time with its zone."),
        ({"at": "2026-02-30T10:00:00Z"}, "'at' is no time with its zone."),
        ({"patient": "p1"}, "'patient' is no reference."),
        ({"evidence": "ev-1"}, "'evidence' is no digest."),
        ({"note": "x"}, "An unknown key."),
    ],
)
def test_a_value_that_is_wrong_is_refused_with_what_was_expected(change: dict[str, Any], says: str) -> None:
    assert refusal(LINE | change).startswith(says)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{'patient'}", "Not JSON at column 2. Expected one object a line."),
        ("[]", "Expected one object a line."),
        ('{"patient": "Patient/p1", "patient": "Patient/p2"}', "A key stands twice."),
        ("[" * 100_000, "Nested too deeply."),
        ('{"at": ' + "1" * 5000 + "}", "A number that is too long."),
    ],
)
def test_a_line_that_is_no_object_is_refused(line: str, says: str) -> None:
    assert refusal(line).startswith(says)


@pytest.mark.parametrize("key", ["patient", "answer", "at", "evidence"])
def test_no_value_of_a_line_stands_in_the_error(key: str) -> None:
    assert "MRN-99887766" not in refusal(LINE | {key: "MRN-99887766"})


words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).map(str.strip).filter(bool)
people = st.builds(Person, words, words, st.none() | words)
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])
answers = st.builds(
    PersonsAnswer,
    st.sampled_from(Says),
    people,
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=zones),  # noqa: DTZ001
    st.just(DIGEST),
    st.none() | words,
)


@given(st.builds(GivenAnswer, words.map(lambda word: f"Patient/{word}"), words, words, words, answers))
@settings(deadline=timedelta(seconds=2))
def test_a_line_reads_back_as_the_answer_it_was_written_from(one: GivenAnswer) -> None:
    assert list(read_answers([answer_line(one)], "a")) == [one]
