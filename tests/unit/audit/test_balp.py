"""The audit log as FHIR AuditEvents: FHIR's own model takes each, and a profile is named by those that satisfy it (SEC-04)."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent as FhirAuditEvent
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditOutcome, line_of
from fhir_trial.audit.balp import KINDS, PROFILES, audit_event
from fhir_trial.audit.exported import ChainedLine
from tests.unit.audit.balp_profiles import violations
from tests.unit.audit.logs import EVENT

BASE = "https://trials.example.invalid"
SERVER = "https://ehr.example.invalid/fhir"
FULL = replace(
    EVENT, outcome=AuditOutcome.DONE, software="fhir-trial 0.1.0", source="api", criteria="v2", server=SERVER, host="trials-1"
)


def exported(event: AuditEvent) -> dict[str, Any]:
    row = ChainedLine(7, json.dumps(line_of(event)), "ab" * 32)
    found = audit_event(row, BASE)
    FhirAuditEvent.model_validate(found)
    return found


@pytest.mark.parametrize(
    ("action", "target", "query", "patient", "profile"),
    [
        (AuditAction.READ_PATIENT, "Patient", None, True, "PatientRead"),
        (AuditAction.READ_PATIENT, "ResearchStudy", None, False, "Read"),
        (AuditAction.CREATE, "Observation", None, True, "PatientCreate"),
        (AuditAction.CREATE, "ResearchStudy", None, False, "Create"),
        (AuditAction.UPDATE, "ResearchSubject", None, True, "PatientUpdate"),
        (AuditAction.SEARCH_CANDIDATES, "Condition", "Condition?code=1", True, "PatientQuery"),
        (AuditAction.SEARCH_CANDIDATES, "Condition", "Condition?code=1", False, "Query"),
    ],
)
@pytest.mark.parametrize("role", ["screener", "machine"])
def test_what_was_done_on_a_fhir_server_satisfies_the_profile_that_it_names(
    action: AuditAction, target: str, query: str | None, patient: bool, profile: str, role: str
) -> None:
    """SEC-04."""
    found = exported(
        replace(
            FULL,
            action=action,
            target=target,
            query=query,
            patient=EVENT.patient if patient else None,
            actor=replace(EVENT.actor, role=role),
        )
    )

    assert found["meta"]["profile"] == [PROFILES + profile]
    assert violations(found) == []


@pytest.mark.parametrize("part", ["subtype", "agent", "entity"])
def test_the_check_of_profiles_misses_nothing_that_is_taken_away(part: str) -> None:
    assert violations(exported(FULL) | {part: []})


@pytest.mark.parametrize(
    "lacking",
    [
        {"outcome": AuditOutcome.BEGUN},
        {"outcome": AuditOutcome.FAILED},
        {"server": None},
        {"host": None},
        {"target": None},
        {"target": "file"},
        {"action": AuditAction.SEARCH_CANDIDATES},
        {"action": AuditAction.SCREEN},
        {"action": AuditAction.ANSWER},
    ],
)
def test_what_does_not_satisfy_a_profile_names_none(lacking: dict[str, Any]) -> None:
    """SEC-04."""
    assert "meta" not in exported(replace(FULL, **lacking))


@pytest.mark.parametrize("action", list(AuditAction))
@pytest.mark.parametrize("outcome", list(AuditOutcome))
def test_every_action_is_told_with_its_own_word(action: AuditAction, outcome: AuditOutcome) -> None:
    """SEC-02, SEC-04."""
    found = exported(replace(FULL, action=action, outcome=outcome))

    assert action in KINDS
    assert {"system": f"{BASE}/audit-action", "code": str(action)} in found["subtype"]


@pytest.mark.parametrize(
    ("action", "outcome", "code"),
    [
        (AuditAction.SCREEN, AuditOutcome.BEGUN, None),
        (AuditAction.SCREEN, AuditOutcome.DONE, "0"),
        (AuditAction.SCREEN, AuditOutcome.FAILED, "8"),
        (AuditAction.REFUSED_SIGN_IN, AuditOutcome.FAILED, "4"),
    ],
)
def test_an_outcome_is_told_and_an_intent_has_none(action: AuditAction, outcome: AuditOutcome, code: str | None) -> None:
    assert exported(replace(FULL, action=action, outcome=outcome)).get("outcome") == code


def test_the_user_is_told_by_issuer_and_subject_with_role_purpose_and_jti() -> None:
    """SEC-03, SEC-04: never the token."""
    found = exported(replace(FULL, actor=replace(EVENT.actor, token="jti-1")))

    (user,) = (agent for agent in found["agent"] if agent["requestor"])
    assert user["who"]["identifier"] == {"system": "https://id.example.invalid", "value": "dr-li"}
    assert user["role"][0]["coding"][0]["code"] == "screener"
    assert user["purposeOfUse"][0]["coding"][0]["code"] == "HRESCH"
    assert user["policy"] == ["jti-1"]


def test_a_machine_asks_for_itself() -> None:
    found = exported(replace(FULL, actor=Actor("north", "fhir-trial service", purpose="TREAT")))

    asking = [agent["who"]["display"] for agent in found["agent"] if agent["requestor"]]
    assert asking == ["fhir-trial 0.1.0"]
    assert found["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"


def test_the_patient_is_told_by_our_key_the_request_by_its_id_and_the_row_by_its_place_in_the_chain() -> None:
    """SEC-01, SEC-03, SEC-04."""
    found = exported(FULL)

    patient, data, request, trial, record = found["entity"]
    assert patient["what"] == {
        "type": "Patient",
        "identifier": {"system": f"{BASE}/patient-key", "value": "pt-0123456789abcdef"},
    }
    assert data["what"] == {"type": "Observation"}
    assert request["what"]["identifier"]["value"] == "r-1"
    assert (trial["what"]["identifier"]["value"], trial["detail"]) == ("nct00000000", [{"type": "criteria", "valueString": "v2"}])
    details = {detail["type"]: detail["valueString"] for detail in record["detail"]}
    assert details == {"number": "7", "hash": "ab" * 32, "source": "api", "target": "Observation"}
    assert (found["source"]["site"], found["recorded"]) == ("north", "2026-03-02T12:00:00+00:00")


def test_a_query_is_told_in_base64() -> None:
    """SEC-04."""
    found = exported(replace(FULL, action=AuditAction.SEARCH_CANDIDATES, query="Condition?code=427306007"))

    (query,) = (entity["query"] for entity in found["entity"] if "query" in entity)
    assert base64.b64decode(query) == b"Condition?code=427306007"


def test_a_reason_is_told() -> None:
    """SEC-60."""
    stopped = replace(FULL, action=AuditAction.RESUME, reason="Mended.", patient=None, target=None, trial=None)

    assert exported(stopped)["outcomeDesc"] == "Mended."


def test_nobody_proved_and_a_number_of_refusals_are_told() -> None:
    actor = Actor("north", "unknown", role="none")
    found = exported(
        AuditEvent(EVENT.at, actor, AuditAction.REFUSED_SIGN_IN, AuditOutcome.FAILED, reason="Too many.", number_of=97)
    )

    (record,) = found["entity"]
    assert {"type": "number_of", "valueString": "97"} in record["detail"]


_WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=30)


@given(_WORDS, st.none() | _WORDS, st.none() | _WORDS, st.sampled_from(AuditAction), st.sampled_from(AuditOutcome))
def test_whatever_a_line_says_fhirs_own_model_takes_it(
    subject: str, reason: str | None, token: str | None, action: AuditAction, outcome: AuditOutcome
) -> None:
    exported(
        replace(FULL, action=action, outcome=outcome, reason=reason, actor=replace(EVENT.actor, subject=subject, token=token))
    )
