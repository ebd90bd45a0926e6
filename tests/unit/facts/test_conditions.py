"""Conditions of a value set: what counts, what is weak, what is taken back (DATA-50 to DATA-56, R19)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_trial.facts.conditions import ConditionFact, find_conclusions, find_conditions, sure_of
from tests.unit.criteria.stories import (
    ICD10CM,
    SNOMED,
    TODAY,
    Json,
    ago,
    case_of,
    claim,
    clinical,
    condition,
    report,
    shipped,
    verified,
)

TRUSTED = ("rheumatology", "nephrology")


def found(*resources: Json, value_set: str = "sle") -> tuple[ConditionFact, ...]:
    return find_conditions(case_of(*resources).facts.record, shipped().value_set(value_set))


#  verification      counts
@pytest.mark.parametrize(
    ("word", "counts"),
    [
        ("confirmed", ["yes"]),
        ("unconfirmed", ["unconfirmed"]),
        ("provisional", ["unconfirmed"]),
        ("differential", ["unconfirmed"]),
        ("refuted", ["refuted"]),
        ("entered-in-error", []),
    ],
)
def test_verification_says_how_far_it_counts_data_50(word: str, counts: list[str]) -> None:
    assert [fact.counts for fact in found(condition("M32.9", **verified(word)))] == counts


def test_an_absent_verification_counts_and_can_be_told_data_50() -> None:
    (fact,) = found({key: value for key, value in condition("M32.9").items() if key != "verificationStatus"})

    assert (fact.counts, fact.verified) == ("yes", False)


#  clinical status  active
@pytest.mark.parametrize(
    ("word", "active"),
    [("active", True), ("recurrence", True), ("relapse", True), ("inactive", False), ("remission", False), ("resolved", False)],
)
def test_clinical_status_says_whether_it_goes_on_data_51(word: str, active: bool) -> None:
    (fact,) = found(condition("M32.9", **clinical(word)))

    assert (fact.active, fact.clinical, fact.counts) == (active, word, "yes")


def test_without_status_an_end_is_an_end_and_silence_says_nothing() -> None:
    silent = {key: value for key, value in condition("M32.9").items() if key != "clinicalStatus"}

    assert [fact.active for fact in found(silent)] == [None]
    assert [(fact.active, fact.ended is not None) for fact in found(silent | {"abatementDateTime": "2024-05-01"})] == [
        (False, True)
    ]


def category(*codes: str) -> Json:
    return {"category": [{"coding": [{"code": code}]} for code in codes]}


#  categories                                   counts
@pytest.mark.parametrize(
    ("categories", "counts"),
    [
        (category("problem-list-item"), "yes"),
        (category("health-concern"), "yes"),
        (category("encounter-diagnosis"), "weak"),
        (category("encounter-diagnosis", "problem-list-item"), "yes"),
        ({"category": []}, "yes"),
    ],
)
def test_an_encounter_diagnosis_alone_is_weak_data_52(categories: Json, counts: str) -> None:
    assert [fact.counts for fact in found(condition("M32.9", **categories))] == [counts]


def test_the_reason_of_an_encounter_is_as_weak_as_a_claim() -> None:
    visit = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "period": {"start": "2025-04-01"},
        "reasonCode": [{"coding": [{"system": ICD10CM, "code": "M32.9"}]}],
    }
    (fact,) = found(visit)

    assert (fact.source, fact.counts, fact.when and fact.when.text) == ("Encounter", "weak", "2025-04-01")


def test_words_without_a_code_are_unstructured_data_55() -> None:
    (fact,) = found(condition("", code={"text": "Systemic lupus erythematosus"}))

    assert (fact.counts, fact.code) == ("unstructured", None)


def test_an_unknown_modifier_makes_it_unusable_data_22() -> None:
    (fact,) = found(condition("M32.9", modifierExtension=[{"url": "http://example.org/negated", "valueBoolean": True}]))

    assert fact.counts == "unusable"


def test_another_disease_is_not_found() -> None:
    assert found(condition("E11.9"), {"resourceType": "Procedure", "status": "completed", "code": {"text": "Biopsy"}}) == ()


def test_onset_goes_before_the_date_of_recording_data_54() -> None:
    dated = condition("M32.9", recordedDate="2021-02-03")
    undated = {key: value for key, value in dated.items() if key != "onsetDateTime"}

    assert [fact.when and fact.when.text for fact in found(dated, undated)] == ["2020-01-10", "2021-02-03"]


def test_oldest_first_and_undated_before_all() -> None:
    undated = {key: value for key, value in condition("M32.9").items() if key != "onsetDateTime"}
    facts = found(condition("M32.9", onsetDateTime="2022"), condition("M32.9", onsetDateTime="2021-05"), undated)

    assert [fact.when.text if fact.when else None for fact in facts] == [None, "2021-05", "2022"]


def test_a_fact_is_on_file_from_its_first_possible_day_r44() -> None:
    today, tomorrow = found(condition("M32.9", onsetDateTime=ago(0)), condition("M32.9", onsetDateTime=ago(-1)))

    assert (today.on_file(TODAY), tomorrow.on_file(TODAY)) == (True, False)


#  procedure status   counts
@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("completed", ["yes"]),
        ("in-progress", ["yes"]),
        ("stopped", ["unconfirmed"]),
        ("not-done", []),
        ("preparation", []),
        ("on-hold", ["unusable"]),
    ],
)
def test_a_procedure_counts_once_done(status: str, counts: list[str]) -> None:
    surgery = {
        "resourceType": "Procedure",
        "status": status,
        "code": {"coding": [{"system": SNOMED, "code": "473171009"}]},
        "performedDateTime": "2019-08-01",
    }

    assert [fact.counts for fact in found(surgery, value_set="not_childbearing_potential")] == counts


def test_a_procedure_in_words_is_unstructured() -> None:
    surgery = {"resourceType": "Procedure", "status": "completed", "code": {"text": "Total hysterectomy"}}

    assert [fact.counts for fact in found(surgery, value_set="not_childbearing_potential")] == ["unstructured"]


def conclusion(code: str, **more: Any) -> Json:
    return report("Biopsy", conclusionCode=[{"coding": [{"system": SNOMED, "code": code}]}], **more)


@pytest.mark.parametrize(("status", "count"), [("final", 1), ("amended", 1), ("preliminary", 0)])
def test_a_final_reports_coded_conclusion_is_weak(status: str, count: int) -> None:
    facts = find_conclusions(case_of(conclusion("36402006", status=status)).facts.record, shipped().value_set("sle"))

    assert [(fact.counts, fact.source) for fact in facts] == [("weak", "DiagnosticReport")] * count


def test_another_conclusion_is_not_found() -> None:
    assert find_conclusions(case_of(conclusion("73211009")).facts.record, shipped().value_set("sle")) == ()


#  facts                                                                  established
SURE = [
    ([], False),
    ([condition("M32.9")], True),
    ([claim("M32.9", "2025-01-01")], False),
    ([claim("M32.9", "2025-01-01"), claim("M32.9", "2025-01-01")], False),  # the same day
    ([claim("M32.9", "2025-01-01"), claim("M32.10", "2025-01-02")], True),  # two days
    ([claim("M32.9", "2025"), claim("M32.9", "2025-06-01")], False),  # perhaps the same day
    ([claim("M32.9", "2024"), claim("M32.9", "2025-06-01")], True),
    ([claim("M32.9", "2025-01-01", recorder={"display": "Department of Rheumatology"})], True),
    ([claim("M32.9", "2025-01-01", recorder={"display": "Emergency"})], False),
    ([condition("M32.9", **verified("provisional")), claim("M32.9", "2025-01-01")], False),
]


@pytest.mark.parametrize(("resources", "sure"), SURE)
def test_when_codes_establish_a_diagnosis_r19(resources: list[Json], sure: bool) -> None:
    assert bool(sure_of(found(*resources), TRUSTED)) is sure


def test_claims_without_a_date_establish_nothing() -> None:
    undated = {key: value for key, value in claim("M32.9", "x").items() if key != "onsetDateTime"}

    assert sure_of(found(undated, undated)) == ()
