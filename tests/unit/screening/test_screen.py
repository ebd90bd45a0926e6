"""Screening one patient: whose data count, and how new they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Any

import pytest

from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.screening.ports import RawPatient
from fhir_trial.screening.screen import screen_patient
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Overall, Verdict

AS_OF = date(2026, 3, 2)
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
SUBJECT = {"subject": {"reference": "Patient/p1"}}


@lru_cache(maxsize=1)
def trial() -> ResolvedTrial:
    return load_trial("nct06789107")


def screened(*resources: dict[str, Any], **patient: Any) -> Verdict:
    person = {"resourceType": "Patient", "id": "p1", "birthDate": "1990-05-20", "gender": "female"} | patient
    numbered = [{"id": f"r{number}"} | SUBJECT | one for number, one in enumerate(resources, 1)]
    references = {f"{one['resourceType']}/{one['id']}": one for one in [person, *numbered]}
    return screen_patient(RawPatient("Patient/p1", [person], numbered, references), trial(), as_of=AS_OF)


TEXT = {"code": {"text": "x"}}
ON = "2026-02-10"


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation", "status": "final", "effectiveDateTime": ON} | TEXT,
        {"resourceType": "Condition", "recordedDate": ON} | TEXT,
        {"resourceType": "Condition", "onsetDateTime": ON} | TEXT,
        {
            "resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": ON,
            "medicationCodeableConcept": {"text": "x y z"},
        },
        {"resourceType": "Procedure", "status": "completed", "performedDateTime": ON} | TEXT,
        {"resourceType": "DiagnosticReport", "status": "final", "effectiveDateTime": ON, "conclusion": "x"} | TEXT,
        {"resourceType": "Consent", "status": "active", "dateTime": ON, "patient": {"reference": "Patient/p1"}},
        {
            "resourceType": "QuestionnaireResponse", "status": "completed", "authored": ON,
            "item": [{"linkId": "1", "text": "SLEDAI-2K", "answer": [{"valueInteger": 8}]}],
        },
    ],
    ids=lambda resource: resource["resourceType"],
)  # fmt: skip
def test_the_data_cut_off_is_the_date_of_the_newest_datum(resource: dict[str, Any]) -> None:
    """VER-12."""
    assert screened(resource).data_cutoff == date(2026, 2, 10)


def test_the_data_cut_off_is_at_most_the_screening_date() -> None:
    observation = {"resourceType": "Observation", "status": "final"} | TEXT

    assert screened(observation | {"effectiveDateTime": "2026-03"}).data_cutoff == AS_OF
    assert screened(observation | {"effectiveDateTime": "2026-04-01"}).data_cutoff is None
    assert screened().data_cutoff is None


def test_a_patient_alone_is_answered_in_full() -> None:
    """VER-06, VER-11."""
    verdict = screened()

    assert [criterion.id for criterion, _ in verdict.answers] == [
        *("C1", "C2", "C3", "C3.1", "C3.2", "C3.3", "C4", "C5", "C6", "C7.1", "C7.2", "C7.3", "C7.4", "C7.5", "C7.6a", "C7.6b"),
        *("C7.7", "C7.8", "C7.9", "C7.10", "C7.11", "C7.12", "C8.1", "C8.2", "C8.3", "C9"),
    ]
    assert verdict.overall is Overall.INDETERMINATE


def test_a_replaced_record_is_answered_without_its_data() -> None:
    """R33, and the reading of a replaced record."""
    count = {
        "resourceType": "Observation", "status": "final", "effectiveDateTime": ON,
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
        "valueQuantity": {"value": 20, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"},
    }  # fmt: skip

    verdict = screened(count, link=[{"type": "replaced-by", "other": {"reference": "Patient/p2"}}])

    assert verdict.overall is Overall.INDETERMINATE
    assert verdict.answer("C7.5").evidence == ()
    assert "patient-replaced" in {issue.code for issue in verdict.issues}


COUNT = {
    "resourceType": "Observation", "status": "final", "effectiveDateTime": ON,
    "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"valueQuantity": {"value": 142}}, "unit-missing"),
        ({"valueQuantity": {"value": 142, "unit": "MRN-1"}}, "unit-not-understood"),
        ({"valueQuantity": {"value": 150000, "unit": "10*9/L"}}, "implausible"),
    ],
)
def test_a_result_that_cannot_be_used_is_a_named_issue(value: dict[str, Any], code: str) -> None:
    """VER-10: what cannot be read is named, never silently dropped; nothing of the record is in the text."""
    (issue,) = screened(COUNT | value).issues

    assert (issue.code, issue.severity, issue.reference) == (code, "warning", "Observation/r1")
    assert issue.path is not None
    assert issue.path.startswith("valueQuantity.")
    assert issue.text.startswith("platelets: ")
    assert "MRN" not in issue.text


def test_a_drug_that_cannot_be_told_is_listed() -> None:
    """DATA-33."""
    order = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": ON}

    (unreadable,) = screened(order | {"medicationCodeableConcept": {"text": "home medicine"}}).issues
    (unresolved,) = screened(order | {"medicationReference": {"display": "see chart"}}).issues

    assert (unreadable.code, unreadable.reference) == ("medication-not-recognised", "MedicationRequest/r1")
    assert unresolved.reference == "MedicationRequest/r1"


def test_a_trial_that_asks_for_no_drug_lists_none() -> None:
    order: dict[str, Any] = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    order["medicationCodeableConcept"] = {"text": "x"}
    age_alone = replace(trial(), trial=replace(trial().trial, criteria=trial().trial.criteria[:1]))
    person = {"resourceType": "Patient", "id": "p1", "birthDate": "1990-05-20"}

    verdict = screen_patient(RawPatient("Patient/p1", [person], [order | SUBJECT | {"id": "m1"}]), age_alone, as_of=AS_OF)

    assert verdict.issues == ()


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("deceasedBoolean", "true"),
        ("deceasedBoolean", 1),
        (
            "_deceasedDateTime",
            {"extension": [{"url": ABSENT, "valueCode": "unknown"}]},
        ),
        ("active", "false"),
    ],
)
def test_what_is_said_of_life_or_use_and_cannot_be_read_is_indeterminate_and_named(element: str, value: object) -> None:
    """Never a guessed "alive", never a guessed "in use"."""
    verdict = screened(**{element: value})

    assert verdict.overall is Overall.INDETERMINATE
    assert "not-understood" in {issue.code for issue in verdict.issues}


def test_rules_that_we_do_not_know_make_a_resource_decide_nothing() -> None:
    """FHIR R4, Resource.implicitRules: a modifier element."""
    value = {"valueQuantity": {"value": 142, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"}}

    assert screened(COUNT | value).answer("C7.5").outcome.value == "met"
    assert screened(COUNT | value | {"implicitRules": "urn:x"}).answer("C7.5").outcome.value == "unknown"
