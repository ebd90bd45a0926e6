"""The audit steps on one patient: what ScreeningService does, and what the write-back tells its witness (SEC-02, SEC-05)."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from fhir_trial.audit import AuditAction, AuditEvent, AuditOutcome, Journal, Step


@dataclass(frozen=True, slots=True)
class PatientSteps:
    """Begins one step after another on a patient, for a trial, within a request.

    Attributes:
        event: What all of them have in common; its action, target, moment and outcome are replaced.
    """

    journal: Journal
    event: AuditEvent

    def begin(self, action: AuditAction, target: str | None = None) -> Step:
        """Records the intent.

        Args:
            target: Type of the resource that is read or written.

        Raises:
            AuditUnavailableError: It could not be recorded; the action must not be taken.
        """
        return self.journal.begin(replace(self.event, action=action, target=target))

    def witness(self) -> StepWitness:
        """For ``Route.write``; a context manager around it."""
        return StepWitness(self)


class StepWitness:
    """A ``writeback.Witness`` whose every write is a step. What is still open when it is left was not sent, and failed.

    Attributes:
        has_written: Whether the server has taken a write.
    """

    def __init__(self, steps: PatientSteps) -> None:
        self._steps = steps
        self.has_written = False
        self._open: defaultdict[tuple[str, str], list[Step]] = defaultdict(list)

    def __call__(self, action: str, target: str, outcome: str) -> None:
        open_steps = self._open[action, target]
        if outcome == AuditOutcome.BEGUN:
            open_steps.append(self._steps.begin(AuditAction(action), target))
        elif outcome == AuditOutcome.DONE:
            self.has_written = True
            open_steps.pop().done()
        else:
            open_steps.pop().failed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with ExitStack() as left:  # one that cannot be recorded does not keep the others from it
            for steps in self._open.values():
                for step in steps:
                    left.callback(step.failed)
