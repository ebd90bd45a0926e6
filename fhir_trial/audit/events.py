"""What an audit line says (SEC-02, SEC-03): who, what, about whom, for which trial, with what outcome. No clinical values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AuditAction(StrEnum):
    """What was done. Source: SEC-02; FHIR AuditEvent by IHE BALP has the same distinctions."""

    READ_PATIENT = "read-patient"
    SCREEN = "screen"
    CREATE = "create"
    UPDATE = "update"
    STOP = "stop"
    RESUME = "resume"
    VERIFY_AUDIT = "verify-audit"


class AuditOutcome(StrEnum):
    """How it went. A write is recorded before it is sent (begun) and after (done, failed)."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Attributes:
        tenant: The hospital or site whose data it is.
        issuer: Who vouches for the subject; None for the machine itself.
        subject: A user's id at that issuer, or the name of a job.
        role: "screener", "investigator", "machine" ...
        purpose: Purpose of use, "HRESCH" (research) or "TREAT".
    """

    tenant: str
    subject: str
    issuer: str | None = None
    role: str = "machine"
    purpose: str = "HRESCH"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line.

    Attributes:
        at: Aware, from the caller's clock.
        patient: ``patient_key``, never a name or record number; None where no patient is concerned.
        target: Type of the resource read or written, or None.
        trial: Trial id, or None.
        criteria: Version of the trial's criteria.
        software: Our name and version.
        request: Id of the request or run that this belongs to.
        source: Where the request came from: "cli", "api".
    """

    at: datetime
    actor: Actor
    action: AuditAction
    outcome: AuditOutcome
    patient: str | None = None
    target: str | None = None
    trial: str | None = None
    criteria: str | None = None
    software: str | None = None
    request: str | None = None
    source: str | None = None


def patient_key(tenant: str, server: str, reference: str) -> str:
    """An id of ours for a patient of a server: the same in every line, and no id of the hospital's."""
    return "pt-" + hashlib.sha256(f"{tenant}\n{server}\n{reference}".encode()).hexdigest()[:16]
