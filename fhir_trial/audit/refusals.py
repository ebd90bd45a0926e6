"""Refused sign-ins (SEC-02): the first of a minute one by one, the rest as a number, so that a flood fills nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fhir_trial.audit.events import Actor, AuditAction, AuditEvent, AuditOutcome
from fhir_trial.audit.log import AuditLog, AuditUnavailableError

WINDOW: Final = timedelta(minutes=1)
#: Recorded one by one in a window.
MOST: Final = 20

#: In place of a subject that nobody has proved to be.
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody was not let in.

    Attributes:
        why: A sentence of ours; nothing of a token.
        issuer: Who would have vouched for them, only if it is a configured one.
        subject: Only where the signature held.
        token: ``jti``, only where the signature held.
    """

    why: str
    issuer: str | None = None
    subject: str | None = None
    token: str | None = None


class RefusedSignIns:
    """Records them. Safe for threads.

    Args:
        clock: This moment, aware.
        most: How many of a minute are recorded one by one.
    """

    def __init__(self, log: AuditLog, clock: Callable[[], datetime], most: int = MOST) -> None:
        self._log, self._clock, self._most = log, clock, most
        self._lock = threading.Lock()
        self._began: datetime | None = None
        self._in_window = 0
        self._uncounted = 0

    def record(self, tenant: str, refusal: Refusal, request: str) -> None:
        """One more. It stays refused whether or not it can be recorded.

        Raises:
            AuditUnavailableError: It could not be recorded.
        """
        self.settle(tenant)
        at = self._clock()
        with self._lock:
            if self._began is None or at - self._began >= WINDOW:
                self._began, self._in_window = at, 0
            self._in_window += 1
            if self._in_window > self._most:
                self._uncounted += 1
                return
        actor = Actor(tenant, refusal.subject or UNKNOWN, refusal.issuer, role="none", token=refusal.token)
        self._log.record(_event(at, actor, refusal.why, request))

    def settle(self, tenant: str) -> None:
        """Records how many went uncounted, once their minute is over. To be called often; it mostly does nothing.

        Raises:
            AuditUnavailableError: It could not be recorded; the number is kept for the next call.
        """
        at = self._clock()
        with self._lock:
            number = self._uncounted
            if not number or self._began is None or at - self._began < WINDOW:
                return
            self._uncounted = 0
        why = f"Within a minute, beyond the first {self._most}."
        event = _event(at, Actor(tenant, UNKNOWN, role="none"), why, None, number)
        try:
            self._log.record(event)
        except AuditUnavailableError:
            with self._lock:
                self._uncounted += number
            raise


def _event(at: datetime, actor: Actor, why: str, request: str | None, number: int | None = None) -> AuditEvent:
    return AuditEvent(
        at, actor, AuditAction.REFUSED_SIGN_IN, AuditOutcome.FAILED, request=request, source="api", reason=why, number_of=number
    )
