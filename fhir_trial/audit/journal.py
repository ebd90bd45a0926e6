"""Steps: an intent is committed before an action, its outcome after it (SEC-05).

An intent that cannot be recorded stops its action at once. An outcome that cannot be recorded is tried a few times more: the
action was taken already, and only the audit log does not know how it ended. What then stays open, ``unfinished.py`` finds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from fhir_trial.audit.events import AuditEvent, AuditOutcome
from fhir_trial.audit.log import AuditLog, AuditUnavailableError, OutcomeUnrecordedError

#: Seconds before each further try to record an outcome.
PAUSES: Final = (0.05, 0.2, 0.8)

_ENDS: Final = {AuditOutcome.DONE: "was taken", AuditOutcome.FAILED: "was begun and failed"}


class Journal:
    """Begins steps.

    Args:
        log: Where they are recorded.
        clock: This moment, aware.
        sleep: Waits, in seconds.
    """

    def __init__(self, log: AuditLog, clock: Callable[[], datetime], sleep: Callable[[float], None] = time.sleep) -> None:
        self._log, self._clock, self._sleep = log, clock, sleep

    def begin(self, event: AuditEvent) -> Step:
        """Records the intent; the moment and the outcome of the event are set here.

        Raises:
            AuditUnavailableError: It could not be recorded; the caller must not take the action.
        """
        self._log.record(replace(event, at=self._clock(), outcome=AuditOutcome.BEGUN))
        return Step(self, event)

    def end(self, event: AuditEvent, outcome: AuditOutcome) -> None:
        """Records how a step ended; ``Step`` calls it.

        Raises:
            OutcomeUnrecordedError: It could not be recorded; says that the action was taken.
        """
        for pause in (*PAUSES, None):
            try:
                self._log.record(replace(event, at=self._clock(), outcome=outcome))
            except AuditUnavailableError:
                if pause is not None:
                    self._sleep(pause)
            else:
                return
        raise OutcomeUnrecordedError(_sentence(event, outcome))


class Step:
    """An action that was begun. As a context manager it is done at the end, or failed by whatever is raised in it."""

    def __init__(self, journal: Journal, event: AuditEvent) -> None:
        self._journal, self._event, self._open = journal, event, True

    def done(self) -> None:
        """Records that the action was taken; an end that was recorded stands.

        Raises:
            OutcomeUnrecordedError: It was taken, and that could not be recorded.
        """
        self._end(AuditOutcome.DONE)

    def failed(self) -> None:
        """Records that the action failed, or was not taken after all.

        Raises:
            OutcomeUnrecordedError: That could not be recorded.
        """
        self._end(AuditOutcome.FAILED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end(AuditOutcome.DONE if kind is None else AuditOutcome.FAILED)

    def _end(self, outcome: AuditOutcome) -> None:
        if self._open:
            self._open = False
            self._journal.end(self._event, outcome)


def _sentence(event: AuditEvent, outcome: AuditOutcome) -> str:
    """Names the action and the request, and nothing of a patient."""
    what = f"{event.action} {event.target}" if event.target else str(event.action)
    request = f" of request {event.request}" if event.request else ""
    return (
        f"The action '{what}'{request} {_ENDS[outcome]}, but that cannot be recorded: the audit log cannot be written. "
        "Check the database before trying again; `fhir-trial site verify-audit` names what has no outcome."
    )
