"""Who read and wrote what: the port, and an implementation that writes lines and keeps no store."""

from fhir_trial.audit.events import Actor, AuditAction, AuditEvent, AuditOutcome, patient_key
from fhir_trial.audit.journal import Journal, Step
from fhir_trial.audit.log import AuditLog, AuditUnavailableError, JsonLinesAudit, OutcomeUnrecordedError, line_of

__all__ = [
    "Actor",
    "AuditAction",
    "AuditEvent",
    "AuditLog",
    "AuditOutcome",
    "AuditUnavailableError",
    "Journal",
    "JsonLinesAudit",
    "OutcomeUnrecordedError",
    "Step",
    "line_of",
    "patient_key",
]
