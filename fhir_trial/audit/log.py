"""The audit port. An event that cannot be recorded stops the action it tells of (SEC-05)."""

from __future__ import annotations

import sys
from datetime import UTC
from typing import Protocol, TextIO

import structlog

from fhir_trial.audit.events import AuditEvent
from fhir_trial.errors import FhirTrialError


class AuditUnavailableError(FhirTrialError):
    """The audit line could not be written; the action was not taken, unless it is an ``OutcomeUnrecordedError``."""

    issue_type = "exception"


class OutcomeUnrecordedError(AuditUnavailableError):
    """The action was begun and recorded as begun; how it ended could not be recorded (SEC-05)."""


class AuditLog(Protocol):
    """Where audit events go."""

    def record(self, event: AuditEvent) -> None:
        """Records the event for good.

        Raises:
            AuditUnavailableError: It could not be recorded; the caller must not go on.
        """
        ...


class JsonLinesAudit:
    """One JSON line an event, on a stream of its own, apart from debug logs. Keeps nothing, and chains nothing yet (SEC-01).

    Args:
        stream: Standard error, as it is at the time of the event, unless given.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def record(self, event: AuditEvent) -> None:
        stream = self._stream or sys.stderr
        try:
            as_json = structlog.processors.JSONRenderer(sort_keys=True)
            logger = structlog.wrap_logger(structlog.WriteLogger(stream), [as_json], structlog.BoundLogger)
            logger.info("audit", **line_of(event))
            stream.flush()
        except (OSError, ValueError) as error:  # a closed stream is a ValueError
            raise AuditUnavailableError(
                "The audit log cannot be written. Check the disk or stream that it goes to, and the server before trying again."
            ) from error


def line_of(event: AuditEvent) -> dict[str, str]:
    """The allow-list (SEC-27): what stands here is written, and nothing else."""
    actor = event.actor
    fields = {
        "at": event.at.astimezone(UTC).isoformat(),
        "tenant": actor.tenant,
        "issuer": actor.issuer,
        "subject": actor.subject,
        "role": actor.role,
        "purpose": actor.purpose,
        "action": str(event.action),
        "outcome": str(event.outcome),
        "patient": event.patient,
        "target": event.target,
        "trial": event.trial,
        "criteria": event.criteria,
        "software": event.software,
        "request": event.request,
        "source": event.source,
        "reason": event.reason,
        "number_of": str(event.number_of) if event.number_of is not None else None,
        "token": actor.token,
        "server": event.server,
        "host": event.host,
        "query": event.query,
    }
    return {key: value for key, value in fields.items() if value is not None}
