"""The steps on a patient, and the witness of the write-back: every write has its intent and its outcome (SEC-05)."""

import pytest

from fhir_trial.audit import AuditAction, AuditUnavailableError, Journal
from fhir_trial.wiring.recording import PatientSteps
from tests.unit.audit.logs import EVENT, FailingLog, MovedClock


def steps(log: FailingLog) -> PatientSteps:
    return PatientSteps(Journal(log, MovedClock(), lambda _: None), EVENT)


def told(log: FailingLog) -> list[tuple[str, str | None, str]]:
    return [(str(event.action), event.target, str(event.outcome)) for event in log.events]


def test_a_step_is_on_the_patient_for_the_trial_within_the_request() -> None:
    """SEC-03."""
    log = FailingLog()

    with steps(log).begin(AuditAction.SCREEN):
        pass

    assert told(log) == [("screen", None, "begun"), ("screen", None, "done")]
    assert {(event.patient, event.trial, event.request) for event in log.events} == {(EVENT.patient, EVENT.trial, EVENT.request)}


def test_writes_of_a_transaction_are_begun_together_and_end_each_for_itself() -> None:
    log = FailingLog()

    with steps(log).witness() as witness:
        for outcome in ("begun", "done"):
            for kind in ("Observation", "Provenance"):
                witness("create", kind, outcome)
        witness("update", "ResearchSubject", "begun")
        witness("update", "ResearchSubject", "failed")

    assert told(log) == [
        ("create", "Observation", "begun"),
        ("create", "Provenance", "begun"),
        ("create", "Observation", "done"),
        ("create", "Provenance", "done"),
        ("update", "ResearchSubject", "begun"),
        ("update", "ResearchSubject", "failed"),
    ]


def test_a_write_whose_intent_cannot_be_recorded_is_refused_and_what_was_begun_beside_it_has_failed() -> None:
    """SEC-05: of a transaction, nothing is sent then."""
    log = FailingLog(2)

    def write() -> None:
        with steps(log).witness() as witness:
            witness("create", "Observation", "begun")
            witness("create", "Provenance", "begun")

    with pytest.raises(AuditUnavailableError):
        write()

    assert told(log) == [("create", "Observation", "begun"), ("create", "Observation", "failed")]


def test_a_write_that_ended_in_an_error_before_it_was_sent_has_failed() -> None:
    log = FailingLog()

    def write() -> None:
        with steps(log).witness() as witness:
            witness("create", "Observation", "begun")
            raise OSError("the outbox cannot be written")

    with pytest.raises(OSError, match="outbox"):
        write()

    assert told(log) == [("create", "Observation", "begun"), ("create", "Observation", "failed")]
