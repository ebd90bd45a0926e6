"""Audit logs from memory, and a clock that is moved by hand."""

from datetime import UTC, datetime, timedelta

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditOutcome, AuditUnavailableError

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EVENT = AuditEvent(
    at=START,
    actor=Actor("north", "dr-li", "https://id.example.invalid", "screener"),
    action=AuditAction.CREATE,
    outcome=AuditOutcome.BEGUN,
    patient="pt-0123456789abcdef",
    target="Observation",
    trial="nct00000000",
    request="r-1",
)


class MovedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class FailingLog:
    """Keeps events; those whose turn is named, counted from 1, it refuses."""

    def __init__(self, *refuses: int) -> None:
        self.refuses = set(refuses)
        self.tries = 0
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.tries += 1
        if self.tries in self.refuses:
            raise AuditUnavailableError("The audit log cannot be written.")
        self.events.append(event)

    @property
    def outcomes(self) -> list[str]:
        return [str(event.outcome) for event in self.events]
