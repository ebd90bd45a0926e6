"""A condition of a value set on record: what proves it, what leaves it open, and that nothing on file is no answer."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_trial.criteria.answers import Why
from fhir_trial.criteria.condition import OnRecord
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import SNOMED, ago, briefly, case_of, check_turning_points, claim, clinical, condition, verified

LUPUS = OnRecord("sle", "systemic lupus erythematosus")
PREGNANT = OnRecord("pregnant", "pregnancy", ("blocks",), only_active=True, within_days=294)

STORIES: list[tuple[str, OnRecord, list[dict[str, Any]], str]] = [
    ("a confirmed problem", LUPUS, [condition("M32.9")], "met"),
    ("one encounter claim (R19)", LUPUS, [claim("M32.9", ago(10))], "needs-clinician judgement"),
    ("two claims on different days (R19)", LUPUS, [claim("M32.9", ago(10)), claim("M32.9", ago(40))], "met"),
    ("a provisional diagnosis (DATA-50)", LUPUS, [condition("M32.9", **verified("provisional"))], "needs-clinician judgement"),
    ("words only", LUPUS, [condition("x") | {"code": {"text": "systemic lupus erythematosus"}}], "needs-clinician unstructured"),
    ("refuted", LUPUS, [condition("M32.9", **verified("refuted"))], "not-met"),
    ("entered in error", LUPUS, [condition("M32.9", **verified("entered-in-error"))], "unknown not-recorded"),
    (
        "a role that only gives context",
        OnRecord("kidney_failure", "kidney failure"),
        [condition("N18.4")],
        "unknown not-recorded",
    ),
    ("a row for a clinician", OnRecord("ecg_or_heart", "heart disease"), [condition("I48.91")], "needs-clinician judgement"),
    ("ended, and it need not be active", LUPUS, [condition("M32.9", **clinical("remission"))], "met"),
    ("ended, and it must be active", PREGNANT, [condition("77386006", SNOMED, **clinical("resolved"))], "unknown not-recorded"),
    ("within the window, first day", PREGNANT, [condition("77386006", SNOMED, onsetDateTime=ago(294))], "met"),
    ("a day before the window", PREGNANT, [condition("77386006", SNOMED, onsetDateTime=ago(295))], "unknown not-recorded"),
    ("without a date", PREGNANT, [condition("77386006", SNOMED) | {"onsetDateTime": None}], "needs-clinician judgement"),
    ("dated tomorrow (R44)", PREGNANT, [condition("77386006", SNOMED, onsetDateTime=ago(-1))], "unknown not-recorded"),
    ("nothing on file (DATA-56)", LUPUS, [], "unknown not-recorded"),
]


@pytest.mark.parametrize(("rule", "resources", "expected"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES])
def test_what_is_on_record_answers(rule: OnRecord, resources: list[dict[str, Any]], expected: str) -> None:
    answer = rule.answer(case_of(*resources))

    assert briefly(answer) == expected
    assert (answer.next_step is None) is (answer.why is None)


def test_what_was_not_loaded_is_not_called_absent_and_refutes_nothing() -> None:
    states = {"Condition": LoadState.PARTIAL}

    assert LUPUS.answer(case_of(states=states)).why is Why.NOT_LOADED
    refuted = LUPUS.answer(case_of(condition("M32.9", **verified("refuted")), states=states))
    assert briefly(refuted) == "unknown not-loaded"
    assert len(refuted.evidence) == 1


def test_every_change_by_the_clock_is_named_ahead() -> None:
    """VER-16."""
    for story in (
        [condition("77386006", SNOMED, onsetDateTime=ago(280))],
        [condition("77386006", SNOMED, onsetDateTime=ago(-20))],
        [condition("77386006", SNOMED, onsetDateTime=ago(200), abatementDateTime=ago(-30))],
        [condition("77386006", SNOMED, onsetDateTime="2025-06")],
        [condition("77386006", SNOMED) | {"onsetDateTime": None}],
    ):
        check_turning_points(PREGNANT, case_of(*story), 400)
    check_turning_points(LUPUS, case_of(condition("M32.9", onsetDateTime=ago(-5))), 30)


def test_it_reads_as_english_and_names_what_it_needs() -> None:
    assert PREGNANT.in_words() == "active pregnancy is on record (value set pregnant, begun within 294 days)"
    assert LUPUS.in_words() == "systemic lupus erythematosus is on record (value set sle)"
    assert LUPUS.needs().resource_types == ("Condition", "Encounter", "Procedure")
