"""Treated with a drug within a window: what proves it, what leaves it open, and what a whole record allows to deny."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_trial.criteria.answers import Why
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.drug_exposure import TreatedWith
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import ago, briefly, case_of, check_turning_points

EVER = TreatedWith(("rituximab", "obinutuzumab"), "B-cell depletion")
RECENT = TreatedWith(("rituximab",), "rituximab", within_days=180)


def given(drug: str, day: str, **more: Any) -> dict[str, Any]:
    """One administration."""
    medication = {"medicationCodeableConcept": {"text": drug}}
    return {"resourceType": "MedicationAdministration", "status": "completed", "effectiveDateTime": day} | medication | more


NAMELESS = {"medicationReference": {"display": "see chart"}}

STORIES: list[tuple[str, TreatedWith, list[dict[str, Any]], str]] = [
    ("given, long ago", EVER, [given("rituximab", ago(2000))], "met"),
    ("given on the window's first day", RECENT, [given("rituximab", ago(180))], "met"),
    ("given a day before the window", RECENT, [given("rituximab", ago(181))], "unknown not-recorded"),
    ("dated tomorrow (R44)", EVER, [given("rituximab", ago(-1))], "unknown not-recorded"),
    ("another drug", EVER, [given("belimumab", ago(10))], "unknown not-recorded"),
    ("a month that straddles the window", RECENT, [given("rituximab", "2025-09")], "needs-clinician unusable"),
    ("a drug that cannot be told (DATA-33)", EVER, [given("x", ago(10)) | {"medicationCodeableConcept": None} | NAMELESS],
     "needs-clinician unusable"),
    ("nothing on file", EVER, [], "unknown not-recorded"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "resources", "expected"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES])
def test_what_was_given_answers(rule: TreatedWith, resources: list[dict[str, Any]], expected: str) -> None:
    answer = rule.answer(case_of(*resources))

    assert briefly(answer) == expected
    assert (answer.next_step is None) is (answer.why is None)


def whole(case: Case) -> Case:
    """The same case with a record said to be complete (VER-05)."""
    facts = case.facts
    return replace(case, facts=FactSheet(replace(facts.record, complete=True), facts.terminology, facts.zone))


def test_only_a_record_said_to_be_whole_denies_a_treatment() -> None:
    assert briefly(EVER.answer(whole(case_of()))) == "not-met"
    unloaded = whole(case_of(states={"MedicationRequest": LoadState.FAILED}))
    assert EVER.answer(unloaded).why is Why.NOT_LOADED


def test_every_change_by_the_clock_is_named_ahead() -> None:
    """VER-16."""
    for day in (ago(170), ago(-10), "2025-09"):
        check_turning_points(RECENT, case_of(given("rituximab", day)), 260)
    check_turning_points(EVER, case_of(given("rituximab", ago(-10))), 30)
    undated = given("rituximab", ago(1)) | {"effectiveDateTime": None}
    check_turning_points(RECENT, case_of(undated), 30)


def test_it_reads_as_english_and_names_what_it_needs() -> None:
    assert RECENT.in_words() == "treated with rituximab within 180 days before screening"
    assert EVER.in_words() == "treated with B-cell depletion"
    assert "MedicationAdministration" in EVER.needs().resource_types
