"""The audit port: SEC-03, SEC-05, SEC-27."""

import io
import json
import re
from datetime import datetime, timedelta, timezone

import pytest

from fhir_trial.audit import (
    Actor,
    AuditAction,
    AuditEvent,
    AuditOutcome,
    AuditUnavailableError,
    JsonLinesAudit,
    patient_key,
)

AT = datetime(2026, 3, 2, 14, 5, tzinfo=timezone(timedelta(hours=8)))
EVENT = AuditEvent(
    at=AT,
    actor=Actor("north", "user-7", "https://id.example.invalid", "screener"),
    action=AuditAction.SCREEN,
    outcome=AuditOutcome.DONE,
    patient=patient_key("north", "https://ehr.example.invalid/fhir", "Patient/p1"),
    trial="nct00000000",
    criteria="v1",
    software="fhir-trial 0.1.0",
)


def test_an_event_is_one_line_that_says_who_what_and_when_in_utc() -> None:
    stream = io.StringIO()

    JsonLinesAudit(stream).record(EVENT)

    (line,) = stream.getvalue().splitlines()
    assert json.loads(line) == {
        "event": "audit",
        "at": "2026-03-02T06:05:00+00:00",
        "tenant": "north",
        "subject": "user-7",
        "issuer": "https://id.example.invalid",
        "role": "screener",
        "purpose": "HRESCH",
        "action": "screen",
        "outcome": "done",
        "patient": EVENT.patient,
        "trial": "nct00000000",
        "criteria": "v1",
        "software": "fhir-trial 0.1.0",
    }


def test_the_patient_key_is_ours_and_the_same_every_time() -> None:
    key = patient_key("north", "https://ehr.example.invalid/fhir", "Patient/p1")

    assert key == EVENT.patient
    assert re.fullmatch(r"pt-[0-9a-f]{16}", key)
    assert key != patient_key("south", "https://ehr.example.invalid/fhir", "Patient/p1")


def test_an_audit_that_cannot_be_written_stops_the_action() -> None:
    """SEC-05: fail closed."""

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("No space left on device")

    closed = io.StringIO()
    closed.close()
    for stream in (Full(), closed):
        with pytest.raises(AuditUnavailableError):
            JsonLinesAudit(stream).record(EVENT)


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    JsonLinesAudit().record(EVENT)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert '"action": "screen"' in captured.err
