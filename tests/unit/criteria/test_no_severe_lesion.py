"""C7.11: no severe pulmonary lesion. R26, R30, R44."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.no_severe_lesion import NoSevereLesion
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import (
    SNOMED,
    Json,
    ago,
    briefly,
    case_of,
    check_turning_points,
    clinical,
    condition,
    named,
    report,
    verified,
)

KIND = NoSevereLesion("lung_disease")
PDF = [{"contentType": "application/pdf", "data": "JVBERi0="}]


def ct(text: str = "Normal chest CT", days: int | str = 5, **more: Any) -> Json:
    return report(text, days, code={"text": "CT chest"}, **more)


def xray(text: str = "Normal chest radiograph", days: int | str = 5, **more: Any) -> Json:
    return report(
        text, days, code={"coding": [{"system": SNOMED, "code": "399208008", "display": "Plain X-ray of chest"}]}, **more
    )


def done(title: str, days: int, **more: Any) -> Json:
    told = {"resourceType": "Procedure", "status": "completed", "code": {"text": title}, "performedDateTime": ago(days)}
    return told | more


def without(resource: Json, key: str) -> Json:
    return {name: value for name, value in resource.items() if name != key}


STORIES: dict[str, tuple[list[Json], str]] = {
    "nothing": ([], "unknown not-recorded"),
    "normal CT today": ([ct(days=0)], "met"),
    "normal CT, 90 days": ([ct(days=90)], "met"),
    "normal CT, 91 days": ([ct(days=91)], "needs-clinician stale"),
    "normal CT, years ago": ([ct(days=2000)], "needs-clinician stale"),
    "CT of tomorrow": ([ct(days=-1)], "unknown not-recorded"),
    "CT with a finding": ([ct("Ground-glass opacities")], "needs-clinician judgement"),
    "CT without words": ([without(ct(), "conclusion")], "needs-clinician judgement"),
    "CT as a PDF": ([without(ct(presentedForm=PDF), "conclusion")], "needs-clinician unstructured"),
    "newer CT with a finding": ([ct(days=6), ct("Nodule", 5)], "needs-clinician judgement"),
    "newer normal CT": ([ct("Nodule", 6), ct(days=5)], "met"),
    "normal X-ray": ([xray()], "needs-clinician judgement"),
    "old X-ray": ([xray(days=91)], "needs-clinician stale"),
    "old normal CT, fresh X-ray": ([ct(days=100), xray(days=5)], "needs-clinician judgement"),
    "CT, later normal X-ray": ([ct(days=6), xray(days=5)], "met"),
    "CT, later X-ray with a finding": ([ct(days=6), xray("Infiltrate", 5)], "needs-clinician judgement"),
    "CT, earlier X-ray with a finding": ([ct(days=5), xray("Infiltrate", 6)], "met"),
    "CT and X-ray of a day": ([ct(days=5), xray("Infiltrate", 5)], "met"),
    "procedure alone": ([done("CT of chest", 5)], "needs-clinician judgement"),
    "procedure of the report": ([done("CT of chest", 5), ct(days=5)], "met"),
    "procedure that was not done": ([done("CT of chest", 5, status="not-done")], "unknown not-recorded"),
    "later CT without a report": ([done("CT of chest", 4), ct(days=5)], "needs-clinician judgement"),
    "radiology report on a CT": ([report("CT chest: normal", code={"text": "Radiology report"})], "met"),
    "radiology report on a knee": ([report("Knee X-ray: normal", code={"text": "Radiology"})], "unknown not-recorded"),
    "clinic letter": ([report("CT chest: normal")], "unknown not-recorded"),
    "observation": ([named("Chest CT", {"valueString": "Normal"}, 5)], "met"),
    "Chinese": ([report("双肺未见异常", code={"text": "胸部CT平扫"})], "met"),
    "preliminary": ([ct(status="preliminary")], "unknown unusable"),
    "undated": ([without(ct(), "effectiveDateTime")], "unknown unusable"),
    "of this year": ([ct(days="2026")], "met"),
    "of last year": ([ct(days="2025-12")], "unknown unusable"),
    "of last year, with a finding": ([ct("Nodule", "2025-12")], "needs-clinician judgement"),
    "imprecise CT with a finding": ([ct("Nodule", "2026-02"), ct(days=5)], "unknown unusable"),
    "lung code": ([condition("J84.10")], "needs-clinician judgement"),
    "lung code beside a normal CT": ([condition("J84.10"), ct()], "needs-clinician judgement"),
    "undated lung code": ([without(condition("J84.10"), "onsetDateTime"), ct()], "needs-clinician judgement"),
    "provisional lung code": ([condition("J84.10", **verified("provisional")), ct()], "needs-clinician judgement"),
    "resolved lung code": ([condition("J84.10", **clinical("resolved"))], "unknown not-recorded"),
    "resolved beside a normal CT": ([condition("J84.10", **clinical("resolved")), ct()], "met"),
    "inactive beside a normal CT": ([condition("J84.10", **clinical("inactive")), ct()], "met"),
    "refuted beside a normal CT": ([condition("J84.10", **verified("refuted")), ct()], "met"),
    "lung code of tomorrow": ([condition("J84.10", onsetDateTime=ago(-1)), ct()], "met"),
    "over only tomorrow": ([condition("J84.10", abatementDateTime=ago(-1), **clinical("resolved")), ct()],
                           "needs-clinician judgement"),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_only_a_recent_normal_ct_without_lung_disease_is_met(story: str) -> None:
    """C7.11, R26."""
    records, expected = STORIES[story]

    answer = KIND.answer(case_of(*records))

    assert briefly(answer) == expected
    assert answer.outcome.undecided == (answer.next_step is not None)


def test_a_disease_that_is_over_is_shown_and_does_not_count() -> None:
    answer = KIND.answer(case_of(condition("J84.10", **clinical("resolved")), ct()))

    assert [evidence.role for evidence in answer.evidence] == ["decides", "shown"]


def test_a_disease_is_told_with_the_latest_imaging_beside_it() -> None:
    answer = KIND.answer(case_of(condition("J84.10"), ct(days=50), ct(days=5)))

    assert str(answer.reason) == "Pulmonary fibrosis, unspecified on record."
    assert [(evidence.role, evidence.origin.reference) for evidence in answer.evidence] == [
        ("against", "Condition/r1"),
        ("shown", "DiagnosticReport/r3"),
    ]


@pytest.mark.parametrize("resource_type", ["Observation", "DiagnosticReport", "DocumentReference", "Condition"])
def test_what_was_not_loaded_could_overturn_it(resource_type: str) -> None:
    states = {resource_type: LoadState.FAILED}

    assert briefly(KIND.answer(case_of(ct(), states=states))) == "unknown not-loaded"
    assert briefly(KIND.answer(case_of(xray(), states=states))) == "unknown not-loaded"
    assert briefly(KIND.answer(case_of(condition("J84.10"), states=states))) == "needs-clinician judgement"
    assert briefly(KIND.answer(case_of(states=states))) == "unknown not-loaded"


@pytest.mark.parametrize(
    "records",
    [
        [ct(days=0)],
        [ct(days=30), xray("Infiltrate", -20)],
        [ct(days="2026-04")],
        [ct(days="2026-04"), ct("Nodule", -40)],
        [ct(days="2026-04"), xray("Infiltrate", "2026-05")],
        [ct(days=0), condition("J84.10", onsetDateTime=ago(-30), abatementDateTime=ago(-60), **clinical("resolved"))],
    ],
)
def test_every_change_of_the_answer_is_a_turning_point(records: list[Json]) -> None:
    """VER-16."""
    check_turning_points(KIND, case_of(*records), 400)


def test_a_negative_age_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        NoSevereLesion("lung_disease", fresh_days=-1)


def test_the_rule_is_told_in_words_and_says_what_it_needs() -> None:
    assert (
        KIND.in_words()
        == "nothing of lung_disease on record, and the latest CT (chest-imaging), at most 90 days old, says normal"
    )
    assert KIND.needs().resource_types == ("Condition", "DiagnosticReport", "DocumentReference", "Observation")
    assert isinstance(KIND, Kind)
