"""A patient's status on a trial, shown, and moved on by a named person: kept first, then written to the server (WB-01, WB-14).

What the EHR says meanwhile is never overwritten: where it differs from what is kept here, a person takes it over (WB-38).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from fhir_trial.audit import Actor, AuditAction, OutcomeUnrecordedError
from fhir_trial.errors import ConflictError, FhirTrialError, TemporaryServerError, UsageError
from fhir_trial.people.deciding import Decision
from fhir_trial.people.naming import named
from fhir_trial.people.statuses import By, IllegalStatusError, Standing, Status, moved, new_episode, taken_over
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.asking import Asking
from fhir_trial.wiring.clock import now, today
from fhir_trial.wiring.gate import Gate
from fhir_trial.wiring.recording import PatientSteps, StepWitness
from fhir_trial.wiring.view import View, meanings, view_of
from fhir_trial.writeback import Action, PersonsDecision, WriteResult
from fhir_trial.writeback.routes import FhirRoute, Route

if TYPE_CHECKING:
    from fhir_trial.store import Step, StoreScreenings, StoreSteps

_TAKEN_OVER = "Taken over from the FHIR server."
_NOT_YET = "The FHIR server did not answer. The decision is kept here; send it again when the server answers."
_ELSEWHERE = "Decisions leave as ResearchSubject alone, which does not leave here: the decision is kept."


@dataclass(frozen=True, slots=True)
class _Patient:
    """Whose status, on which trial, and the audit steps of the request."""

    key: str
    reference: str
    trial: ResolvedTrial
    steps: PatientSteps


@dataclass(frozen=True, slots=True)
class Deciding:
    """``web.service.Decisions``.

    Attributes:
        trial: By id or ID@VERSION.
        route: On which results of a trial leave; people's decisions leave by the FHIR route alone.
        machines: The version of a resource that the machine is known to have written last, by its reference.
        one_at_a_time: A decision under way must not be sent again by somebody who sees it unsent.
    """

    store: StoreSteps
    screenings: StoreScreenings
    gate: Gate
    asking: Asking
    trial: Callable[[str], ResolvedTrial]
    route: Callable[[ResolvedTrial], Route]
    machines: Callable[[str], str | None]
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def standing(self, patient: str, trial: str, actor: Actor, request: str) -> View | None:
        """What a person is shown before they decide; None: no patient of that key was screened.

        Raises:
            NoBasisError, OptedOutError: The patient is not to be shown.
            ConflictError: Several subjects are on the server.
            ServerError: The server failed.
        """
        asked = self._patient(patient, trial, actor, request)
        if asked is None:
            return None
        with asked.steps.begin(AuditAction.VIEW_SCREENING):
            self.gate.admit(asked.key, asked.trial)
            return self._view(asked)

    def decide(self, patient: str, trial: str, *, to: Decision, actor: Actor, request: str) -> tuple[WriteResult, ...] | None:
        """What was written. None: no patient of that key was screened.

        Raises:
            NobodyNamedError: Nobody has signed in.
            NoBasisError, OptedOutError: Nothing is to be done about the patient.
            IllegalStatusError: That status cannot follow the present one, or its coded reason is missing.
            UsageError: It would begin in the future.
            ConflictError: The patient has moved on since the person looked; the decision does not count.
            ServerError: The server refused it; the decision does not count, unless it had been taken before the failure.
        """
        named(actor.issuer, "A decision")
        asked = self._patient(patient, trial, actor, request)
        if asked is None:
            return None
        with self.one_at_a_time, asked.steps.begin(AuditAction.DECIDE, "ResearchSubject"):
            self.gate.admit(asked.key, asked.trial)
            view = self._view(asked)
            self.gate.admit(asked.key, asked.trial)  # the server took its time: somebody may have opted out
            if view.token != to.shown:
                raise ConflictError("The patient's status has changed since it was shown: look again before deciding.")
            if view.unsent is not None and view.unsent.status == to.status and not (to.new_episode or view.differs):
                _check_the_same(view.unsent, to)
                return (self._sent(asked, view.unsent, view),)
            return (self._taken(asked, view, to, actor),)

    def _patient(self, key: str, trial: str, actor: Actor, request: str) -> _Patient | None:
        reference = self.screenings.reference_of(key)
        if reference is None:
            return None
        resolved = self.trial(trial)
        steps = self.asking.about(actor, request, key, resolved.trial.id, resolved.trial.version)
        return _Patient(key, reference, resolved, steps)

    def _view(self, asked: _Patient) -> View:
        """Reads the server; a step whose writing was interrupted, and which stands there, is now known to be written."""
        whose = (asked.key, asked.trial.trial.id)
        kept = self.store.standing(*whose)
        route = self.route(asked.trial)
        held = None
        if isinstance(route, FhirRoute):
            with asked.steps.begin(AuditAction.READ_PATIENT, "ResearchSubject"):
                held = route.held(asked.reference, asked.trial, kept[0].episode)
        is_machines = held is not None and held.version is not None and self.machines(held.reference) == held.version
        view = view_of(whose, kept, held, self._history(asked), is_machines=is_machines)
        if view.unsent is None or view.held is None or not view.agrees:
            return view
        self._settle(view.unsent, WriteResult(view.held.reference, Action.UNCHANGED, "It is there."), view.held.version)
        return view_of(whose, self.store.standing(*whose), held, self._history(asked), is_machines=is_machines)

    def _history(self, asked: _Patient) -> tuple[Step, ...]:
        return tuple(self.store.of_patient(asked.key, asked.trial.trial.id))

    def _taken(self, asked: _Patient, view: View, to: Decision, actor: Actor) -> WriteResult:
        from fhir_trial.store import Taken

        before = new_episode(view.standing) if to.new_episode else view.standing
        after = _after(view, before, to)
        taken = Taken(now(), _first_day(to, today(asked.trial.zone)), By.PERSON, actor.issuer, actor.subject, to.reason)
        step = self.store.take(
            asked.key,
            asked.reference,
            asked.trial.trial.id,
            before,
            after,
            after_step=view.step.number if view.step else None,
            taken=taken,
        )
        if view.differs and view.held is not None:
            return self._settle(step, WriteResult(view.held.reference, Action.UNCHANGED, _TAKEN_OVER), view.held.version)
        return self._sent(asked, step, replace(view, held=None) if to.new_episode else view)

    def _sent(self, asked: _Patient, step: Step, view: View) -> WriteResult:
        """Writes a step that is kept. What may have arrived is kept on, and settled by the next look; else it does not count."""
        route = self.route(asked.trial)
        if not isinstance(route, FhirRoute):
            return self._settle(step, WriteResult("ResearchSubject", Action.WITHHELD, _ELSEWHERE))
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
        return self._settle(step, written)

    def _settle(self, step: Step, written: WriteResult, version: str | None = None) -> WriteResult:
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


def _check_the_same(unsent: Step, to: Decision) -> None:
    """Only what is kept is sent again: with another coded reason, or another first day, it would be another decision."""
    if to.reason_code != unsent.reason_code or to.since not in (None, unsent.since):
        raise IllegalStatusError(
            f"'{unsent.status}' is kept already ({unsent.reason_code or 'no coded reason'}, since {unsent.since}), and not on "
            "the FHIR server yet: send it as it is kept."
        )


def _first_day(to: Decision, day: date) -> date:
    """Of the status: today unless given, and not later."""
    if to.since is not None and to.since > day:
        raise UsageError("A status is decided once it has begun: its first day is today at the latest.", expression="since")
    return to.since or day


def _may_have_arrived(error: FhirTrialError, witness: StepWitness, *, is_sent_again: bool) -> bool:
    """Whether a write that ended in an error is perhaps on the server: it was taken, or nobody could record whether it was.

    A conflict says that this one was not taken; but an earlier one of the same step may have come late.
    """
    if isinstance(error, ConflictError):
        return is_sent_again
    return witness.has_written or isinstance(error, OutcomeUnrecordedError)


def _after(view: View, before: Standing, to: Decision) -> Standing:
    """The standing decided: the next step, or what the EHR says already."""
    status = Status(to.status)
    if not view.differs:
        return moved(before, status, By.PERSON, to.reason_code)
    enrolment = view.held.enrolment if view.held else None
    registered = [is_registered for meant, is_registered in meanings(enrolment) if meant is status]
    if not registered or to.new_episode:
        can_be = ", ".join(view.possible) or "none of ours: it is to be settled in the EHR"
        raise IllegalStatusError(
            f"The FHIR server says '{enrolment}', which is not what is kept here. First take that over, as one of: {can_be}."
        )
    return taken_over(before, status, is_registered=registered[0], reason=to.reason_code)


def _persons(asked: _Patient, step: Step, view: View) -> PersonsDecision:
    shown = (view.held.reference, view.held.version or "") if view.held else None
    return PersonsDecision(
        patient=asked.reference,
        before=_before(step),
        to=step.standing.status or Status.POTENTIAL,
        when=step.since,
        reason=step.reason_code,
        shown=shown,
    )


def _before(step: Step) -> Standing:
    return Standing(step.before, step.episode, step.standing.is_registered, None)
