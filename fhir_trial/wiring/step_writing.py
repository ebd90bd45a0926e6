"""A kept step on its way to the FHIR server, and what became of it there (WB-03, WB-14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from fhir_trial.audit import OutcomeUnrecordedError
from fhir_trial.errors import ConflictError, FhirTrialError, TemporaryServerError
from fhir_trial.people.statuses import Standing, Status
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.looking import Asked
from fhir_trial.wiring.recording import StepWitness
from fhir_trial.wiring.view import View
from fhir_trial.writeback import Action, PersonsDecision, WriteResult
from fhir_trial.writeback.routes import FhirRoute, Route

if TYPE_CHECKING:
    from fhir_trial.store import Step, StoreSteps

_NOT_YET = "The FHIR server did not answer. The decision is kept here; send it again when the server answers."
_ELSEWHERE = "Decisions leave as ResearchSubject alone, which does not leave here: the decision is kept."


@dataclass(frozen=True, slots=True)
class StepWriting:
    """Writes kept steps.

    Attributes:
        route: On which results of a trial leave; people's decisions leave by the FHIR route alone.
    """

    store: StoreSteps
    route: Callable[[ResolvedTrial], Route]

    def send(self, asked: Asked, step: Step, view: View) -> WriteResult:
        """Writes a step that is kept. What may have arrived is kept on, and settled by the next look; else it does not count.

        A step that was written once, and that the server has lost, counts whatever becomes of it now.

        Raises:
            ConflictError: The server holds something else than what was shown.
            ServerError: The server refused it.
        """
        route = self.route(asked.trial)
        if not isinstance(route, FhirRoute):
            return self.settle(step, WriteResult("ResearchSubject", Action.WITHHELD, _ELSEWHERE))
        witness = asked.steps.witness()
        try:
            with witness:
                written = route.decide(_persons(asked, step, view), asked.trial, now=now(), witness=witness)
        except TemporaryServerError:
            return WriteResult("ResearchSubject", Action.WITHHELD, _NOT_YET)
        except FhirTrialError as error:
            if not _may_have_arrived(error, witness, is_sent_again=step == view.unsent):
                self._refuse(step, error)
            raise
        return self.settle(step, written)

    def settle(self, step: Step, written: WriteResult, version: str | None = None) -> WriteResult:
        """Keeps what became of it."""
        from fhir_trial.store import StepState

        is_there = written.action is not Action.WITHHELD
        self.store.settle(
            step.number,
            StepState.WRITTEN if is_there else StepState.KEPT,
            note=written.reason,
            reference=written.reference if is_there else None,
            version=version,
            at=now(),
        )
        return written

    def _refuse(self, step: Step, error: FhirTrialError) -> None:
        from fhir_trial.store import StepState

        self.store.settle(step.number, StepState.REFUSED, note=type(error).__name__, at=now())


def _may_have_arrived(error: FhirTrialError, witness: StepWitness, *, is_sent_again: bool) -> bool:
    """Whether a write that ended in an error is perhaps on the server: it was taken, or nobody could record whether it was.

    A conflict says that this one was not taken; but an earlier one of the same step may have come late.
    """
    if isinstance(error, ConflictError):
        return is_sent_again
    return witness.has_written or isinstance(error, OutcomeUnrecordedError)


def _persons(asked: Asked, step: Step, view: View) -> PersonsDecision:
    shown = (view.held.reference, view.held.version or "") if view.held else None
    return PersonsDecision(
        patient=asked.reference,
        before=Standing(step.before, step.episode, step.standing.is_registered, None),
        to=step.standing.status or Status.POTENTIAL,
        when=step.since,
        reason=step.reason_code,
        shown=shown,
        registered_on=_registered_on(view) if view.is_lost else None,
    )


def _registered_on(view: View) -> date | None:
    """The first day on study of this episode, by what is kept here: a server that lost the subject lost that day too."""
    here = (step for step in view.history if step.state.counts and step.episode == view.standing.episode)
    return next((step.since for step in here if step.is_registered), None)
