"""What an audit line says (SEC-02, SEC-03): who, what, about whom, for which trial, with what outcome. No clinical values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AuditAction(StrEnum):
    """What was done. Source: SEC-02; FHIR AuditEvent by IHE BALP has the same distinctions."""

    # Patient data read
    READ_PATIENT = "read-patient"
    SEARCH_CANDIDATES = "search-candidates"
    SCREEN = "screen"
    VIEW_SCREENING = "view-screening"
    LIST_SCREENINGS = "list-screenings"
    EXPORT = "export"
    # Patient data written
    CREATE = "create"
    UPDATE = "update"
    ANSWER = "answer"
    OVERRIDE = "override"
    DECIDE = "decide"
    OPT_OUT = "opt-out"
    LIFT_OPT_OUT = "lift-opt-out"
    # The site's own affairs
    REFUSED_SIGN_IN = "refused-sign-in"
    GRANT = "grant"
    REVOKE = "revoke"
    RECORD_BASIS = "record-basis"
    END_BASIS = "end-basis"
    REGISTER_CLIENT = "register-client"
    REWRAP = "rewrap"
    PURGE = "purge"
    STOP = "stop"
    RESUME = "resume"
    # The audit log itself
    VERIFY_AUDIT = "verify-audit"
    EXPORT_AUDIT = "export-audit"


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
        token: ``jti`` of the JWT that they signed in with (SEC-04); never the token. None where it has none.
    """

    tenant: str
    subject: str
    issuer: str | None = None
    role: str = "machine"
    purpose: str = "HRESCH"
    token: str | None = None


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
        reason: Why a person stops, resumes, grants, revokes, records a basis or an opt-out, in their words; why a sign-in was
            refused, in ours. Never patient data: what people write about a patient (with an answer, a decision) is kept and
            sealed there, and not here.
        number_of: How many events this one line tells of, where it stands for more than one.
        server: FHIR base URL that is read or written, or None.
        host: Name of the machine that this runs on, as others on the network know it, or None.
        query: The search as it was sent, only where it names no patient; None where it does, or nothing was searched.
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
    reason: str | None = None
    number_of: int | None = None
    server: str | None = None
    host: str | None = None
    query: str | None = None


def patient_key(tenant: str, server: str, reference: str) -> str:
    """An id of ours for a patient of a server: the same in every line, and no id of the hospital's."""
    return "pt-" + hashlib.sha256(f"{tenant}\n{server}\n{reference}".encode()).hexdigest()[:16]
