"""What leaves: shapes, identifiers, the last look. WB-05, WB-24, WB-27, WB-28, R40."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from fhir_trial.criteria.answers import Why, met, say, unknown
from fhir_trial.errors import WriteRefusedError
from fhir_trial.verdict.model import Overall
from fhir_trial.writeback import WriteSettings
from fhir_trial.writeback.checking import checked
from fhir_trial.writeback.codes import REQUIRED_CODES
from fhir_trial.writeback.identifiers import run_value, subject_value
from fhir_trial.writeback.observation import Run, eligibility_observation
from fhir_trial.writeback.shapes import research_study, research_subject
from tests.unit.writeback.verdicts import ANSWERS, criterion, evidence, refused, trial, verdict

BASE = "https://example.org/fhir-trial"
RUN = Run(
    base=BASE,
    identifier="run-1",
    study="ResearchStudy/s1",
    study_name="NCT00000000",
    replaces=None,
    software="fhir-trial 0.1.0",
    now=datetime(2026, 3, 2, 14, 5, tzinfo=UTC),
)


def test_the_study() -> None:
    assert checked(research_study(trial(), BASE)) == {
        "resourceType": "ResearchStudy",
        "identifier": [
            {"use": "official", "system": "https://clinicaltrials.gov/nctid", "value": "NCT00000000"},
            {"system": f"{BASE}/study", "value": "nct00000000"},
        ],
        "title": "A study of nothing",
        "status": "active",
        "condition": [{"coding": [{"system": "http://example.invalid/codes", "code": "x1", "display": "Nothing in particular"}]}],
    }


def test_the_subject() -> None:
    value = subject_value("default", "NCT00000000", "Patient/p1")

    assert checked(research_subject(BASE, value, "potential-candidate", "ResearchStudy/s1", "Patient/p1")) == {
        "resourceType": "ResearchSubject",
        "meta": {"tag": [{"system": f"{BASE}/CodeSystem/origin", "code": "computed"}]},
        "identifier": [{"system": f"{BASE}/research-subject", "value": value}],
        "status": "potential-candidate",
        "study": {"reference": "ResearchStudy/s1"},
        "individual": {"reference": "Patient/p1"},
    }


def test_the_observation() -> None:
    result = checked(eligibility_observation(verdict(), RUN))

    components = result.pop("component")
    assert result == {
        "resourceType": "Observation",
        "meta": {"tag": [{"system": f"{BASE}/CodeSystem/origin", "code": "computed"}]},
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy",
                "valueReference": {"reference": "ResearchStudy/s1"},
            },
            {
                "url": "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo",
                "valueReference": {"reference": "Condition/c1"},
            },
        ],
        "identifier": [{"system": f"{BASE}/screening-run", "value": "run-1"}],
        "status": "preliminary",
        "category": [
            {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}],
                "text": "Trial pre-screening",
            }
        ],
        "code": {
            "coding": [
                {
                    "system": f"{BASE}/CodeSystem/screening",
                    "code": "eligibility-screening",
                    "display": "Clinical trial pre-screening",
                }
            ],
            "text": "Pre-screening for NCT00000000 (computed, not confirmed)",
        },
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-02-27",
        "issued": "2026-03-02T14:05:00Z",
        "valueCodeableConcept": {
            "coding": [{"system": f"{BASE}/CodeSystem/screening-result", "code": "indeterminate"}],
            "text": "Indeterminate: 3 met, 0 not met, 1 need a clinician, 1 without data, 1 not applicable",
        },
        "note": [{"text": "Not evaluated: exclusion criteria: not in the source text"}],
        "method": {"coding": [{"system": f"{BASE}/CodeSystem/criteria-version", "code": "NCT00000000-v1"}]},
        "device": {"display": "fhir-trial 0.1.0"},
        "derivedFrom": [{"reference": "Observation/o1"}],
    }
    by_code = {each["code"]["coding"][0]["code"]: each for each in components}
    result_system, absent = f"{BASE}/CodeSystem/criterion-result", "http://terminology.hl7.org/CodeSystem/data-absent-reason"
    assert by_code["criterion-C1"]["valueCodeableConcept"] == {
        "coding": [{"system": result_system, "code": "met"}],
        "text": "met: 12 years old",
    }
    assert by_code["criterion-C4"]["valueCodeableConcept"]["coding"] == [{"system": result_system, "code": "needs-clinician"}]
    assert by_code["criterion-C3"]["dataAbsentReason"] == {
        "coding": [{"system": absent, "code": "not-applicable"}],
        "text": "male",
    }
    assert by_code["criterion-C7.2"]["dataAbsentReason"] == {
        "coding": [{"system": absent, "code": "unknown"}, {"system": f"{BASE}/CodeSystem/why", "code": "not-recorded"}],
        "text": "not recorded: no CD19 count on file",
    }


@pytest.mark.parametrize(
    ("why", "reads", "code"),
    [
        (Why.NOT_RECORDED, "Observation", "unknown"),
        (Why.STALE, "Observation", "unknown"),
        (Why.NOT_LOADED, "Condition", "unknown"),
        (Why.NOT_LOADED, "Observation", "masked"),
        (Why.UNUSABLE, "Observation", "error"),
    ],
)
def test_the_absent_reason_says_whether_access_was_refused_or_a_value_unreadable(why: Why, reads: str, code: str) -> None:
    answers = ((criterion("C1", reads), unknown(why, say("it is so"))),)

    result = eligibility_observation(verdict(answers=answers, issues=(refused("Observation"),)), RUN)

    assert [each["code"] for each in result["component"][0]["dataAbsentReason"]["coding"]] == [code, str(why)]


def test_evidence_of_parts_counts_and_what_has_no_id_on_a_server_is_left_out() -> None:
    parts = (("a", met(say("yes"), [evidence("MedicationRequest/m1"), evidence("urn:uuid:x"), evidence("Observation/o2")])),)
    answers = ((criterion("C1"), met(say("yes"), [evidence("Patient/p1"), evidence("Observation/o2")], parts=parts)),)

    result = checked(eligibility_observation(verdict(answers=answers, data_cutoff=None), RUN))

    assert result["derivedFrom"] == [{"reference": "Observation/o2"}]
    assert [each["valueReference"]["reference"] for each in result["extension"]] == ["ResearchStudy/s1", "MedicationRequest/m1"]
    assert result["effectiveDateTime"] == "2026-03-02"


# --- identifiers -------------------------------------------------------------------


def test_the_subjects_identifier_is_the_hash_of_its_four_parts() -> None:
    """WB-05: SHA-256 of the four, joined by newlines; computed here with sha256sum."""
    assert subject_value("default", "NCT00000000", "Patient/p1", 1) == "rs-d71b53de8f4d00f7"


@pytest.mark.parametrize(
    "other",
    [
        ("x", "NCT00000000", "Patient/p1", 1),
        ("default", "x", "Patient/p1", 1),
        ("default", "NCT00000000", "Patient/p2", 1),
        ("default", "NCT00000000", "Patient/p1", 2),
    ],
)
def test_each_part_makes_another_identifier(other: tuple[str, str, str, int]) -> None:
    assert subject_value(*other) != subject_value("default", "NCT00000000", "Patient/p1", 1)


def test_the_run_is_named_by_its_content_and_not_by_clock_or_prose() -> None:
    def name(**changes: Any) -> str:
        return run_value("default", "NCT00000000", verdict(**changes), trial(), None)

    reworded = tuple((each, met(say("in other words"), a.evidence) if a.outcome == "met" else a) for each, a in ANSWERS)
    other_version = (*ANSWERS[:-1], (ANSWERS[-1][0], met(say("142"), [evidence("Observation/o1", "4")])))
    other_why = (*ANSWERS[:4], (ANSWERS[4][0], unknown(Why.STALE, say("old"))), ANSWERS[5])

    assert len(name()) == len("run-") + 32
    assert name() == name(as_of=date(2027, 1, 1), data_cutoff=None) == name(answers=reworded)
    assert (
        len({name(), name(answers=other_version), name(answers=other_why), name(patient="Patient/p2"), name(version="v2")}) == 5
    )
    assert name() != run_value("default", "NCT00000000", verdict(), trial(), "run-0")
    assert name() != run_value("other", "NCT00000000", verdict(), trial(), None)


# --- the last look -----------------------------------------------------------------


def subject(**changes: Any) -> dict[str, Any]:
    return research_subject(BASE, "rs-1", "potential-candidate", "ResearchStudy/s1", "Patient/p1") | changes


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "active"},
        {"status": "Potential-Candidate"},
        {"status": None},
        {"id": "has_underscore"},
        {"id": "x" * 65},
        {"study": {"reference": "Group/g1"}},
        {"study": {"reference": "ResearchStudy/" + "x" * 65}},
        {"individual": {"reference": "Group/g1"}},
        {"individual": {"reference": "urn:uuid:x"}},
        {"individual": {"display": "Jane Roe"}},
        {"identifier": [{"system": "s"}]},
        {"identifier": [{"use": "main", "system": "s", "value": "v"}]},
        {"extension": [{"url": "http://example.invalid/x", "valueReference": {"reference": "Patient/p1"}}]},
        {
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy",
                    "valueReference": {"reference": "Patient/p1"},
                }
            ]
        },
        {"assignedArm": ""},
        {"identifier": []},
        {"period": {}},
        {"colour": "red"},
        {"period": {"start": "yesterday"}},
    ],
)
def test_an_unfit_subject_does_not_leave(wrong: dict[str, Any]) -> None:
    with pytest.raises(WriteRefusedError) as caught:
        checked(subject(**wrong))
    assert "Roe" not in str(caught.value)
    assert "yesterday" not in str(caught.value)


def test_derived_from_takes_no_condition() -> None:
    """R4: derivedFrom names Observations and documents only."""
    result = eligibility_observation(verdict(), RUN)

    with pytest.raises(WriteRefusedError):
        checked({**result, "derivedFrom": [{"reference": "Condition/c1"}]})


def test_every_status_of_r4_is_known_and_no_other() -> None:
    for status in REQUIRED_CODES["ResearchSubject.status"]:
        assert checked(subject(status=status))["status"] == status


# --- the base ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base", ["https://example.org/fhir-trial", "https://www.example.org/x", "http://EXAMPLE.ORG", "fhir-trial", "urn:x", ""]
)
def test_an_example_or_empty_base_is_refused_outside_loopback(base: str) -> None:
    with pytest.raises(WriteRefusedError):
        WriteSettings(base=base).check(is_loopback=False)


@pytest.mark.parametrize(
    ("base", "is_loopback"),
    [("https://example.org/fhir-trial", True), ("https://trials.hospital.invalid", False), ("https://notexample.org/x", False)],
)
def test_a_base_of_ones_own_is_good_everywhere(base: str, is_loopback: bool) -> None:
    WriteSettings(base=base).check(is_loopback=is_loopback)


def test_the_overall_answers_have_a_title_each() -> None:
    for overall in Overall:
        assert eligibility_observation(verdict(overall), RUN)["valueCodeableConcept"]["text"].count(":") == 1
