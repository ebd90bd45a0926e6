"""Tells an audit log of the steps that a writer takes, without the writer knowing of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from fhir_trial.audit.events import AuditAction, AuditEvent, AuditOutcome
from fhir_trial.audit.log import AuditLog


def witness(log: AuditLog, about: AuditEvent, clock: Callable[[], datetime]) -> Callable[[str, str, str], None]:
    """A function of (action, type of the target, outcome) that records each step.

    Args:
        about: Who, which patient and which trial; its time, action, target and outcome are filled in at each step.
    """

    def record(action: str, target: str, outcome: str) -> None:
        step = replace(about, at=clock(), action=AuditAction(action), target=target, outcome=AuditOutcome(outcome))
        log.record(step)

    return record
