"""A patient's status on a trial, shown, and moved on by a named person: kept first, then written to the server (WB-01, WB-14).

What the EHR says meanwhile is never overwritten: where it differs from what is kept here, a person takes it over.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Final

from fhir_trial.audit import Actor, AuditAction
from fhir_trial.errors import ConflictError, UnknownTrialError, UsageError
from fhir_trial.people.deciding import Decision
from fhir_trial.people.naming import named
from fhir_trial.people.statuses import By, IllegalStatusError, Standing, Status, check_living, moved, new_episode, taken_over
from fhir_trial.wiring.clock import now, today
from fhir_trial.wiring.gate import Gate
from fhir_trial.wiring.looking import Asked, Looking
from fhir_trial.wiring.step_writing import StepWriting
from fhir_trial.wiring.view import View, meanings
from fhir_trial.writeback import Action, WriteResult
from fhir_trial.writeback.standing import tidy_up

if TYPE_CHECKING:
    from fhir_trial.store import Step

_TAKEN_OVER = "Taken over from the FHIR server."
_LOCKS: Final = 64


def _locks() -> tuple[threading.Lock, ...]:
    return tuple(threading.Lock() for _ in range(_LOCKS))


@dataclass(frozen=True, slots=True)
class Deciding:
    """``web.service.Decisions``.

    Attributes:
        locks: A decision under way must not be sent again by somebody who sees it unsent. Each patient has one of these, and
            shares it with few others, so that a slow server keeps nobody else waiting.
    """

    looking: Looking
    writing: StepWriting
    gate: Gate
    locks: tuple[threading.Lock, ...] = field(default_factory=_locks, repr=False)

    def standing(self, patient: str, trial: str, actor: Actor, request: str) -> View | None:
        """What a person is shown before they decide; None: no patient of that key was screened.

        Raises:
            NoBasisError, OptedOutError: The patient is not to be shown.
            ConflictError: Several subjects are on the server.
            ServerError: The server failed.
        """
        asked = self.looking.asked(patient, trial, actor, request)
        if asked is None:
            return None
        with asked.steps.begin(AuditAction.VIEW_SCREENING):
            self.gate.admit(asked.key, asked.trial)
            return self.looking.view(asked)

    def decide(self, patient: str, trial: str, *, to: Decision, actor: Actor, request: str) -> tuple[WriteResult, ...] | None:
        """What was written. None: no patient of that key was screened.

        Raises:
            NobodyNamedError: Nobody has signed in.
            NoBasisError, OptedOutError: Nothing is to be done about the patient.
            IllegalStatusError: That status cannot follow the present one, or its coded reason is missing; the patient has died.
            UsageError: It would begin in the future.
            ConflictError: The patient has moved on since the person looked, or another's subject says something else; the
                decision does not count.
            ServerError: The server refused it; the decision does not count, unless it had been taken before the failure.
        """
        named(actor.issuer, "A decision")
        asked = self.looking.asked(patient, trial, actor, request)
        if asked is None:
            return None
        with self._lock(asked.key), asked.steps.begin(AuditAction.DECIDE, "ResearchSubject"):
            self.gate.admit(asked.key, asked.trial)
            view = self.looking.view(asked)
            self.gate.admit(asked.key, asked.trial)  # the server took its time: somebody may have opted out
            _check_shown(view, to)
            if view.to_send is not None and view.to_send.status == to.status and not (to.new_episode or view.differs):
                _check_the_same(view.to_send, to)
                return (self.writing.send(asked, view.to_send, view),)
            return (self._taken(asked, view, to, actor),)

    def unsent(self, trials: Collection[str] | None, limit: int, actor: Actor, request: str) -> Sequence[Step]:
        """Decisions that the FHIR server does not have, those that wait longest first; none of a patient who has opted out.

        Args:
            trials: Those that the user may see; None for all.
            limit: How many at most.
        """
        with self.looking.asking.about(actor, request, None).begin(AuditAction.LIST_SCREENINGS):
            found = self.looking.store.unsent(trials, limit)
            return [step for step in found if self._lets_see(step)]

    def unsent_counts(self) -> Mapping[str, int]:
        """How many there are, by state; of all trials."""
        return self.looking.store.unsent_counts()

    def _lets_see(self, step: Step) -> bool:
        """Not where the trial's definition is gone, and with it the way to ask for its basis."""
        try:
            return self.gate.lets_see(step.patient, self.looking.trial(step.trial))
        except UnknownTrialError:
            return False

    def _lock(self, key: str) -> threading.Lock:
        return self.locks[hash(key) % len(self.locks)]

    def _taken(self, asked: Asked, view: View, to: Decision, actor: Actor) -> WriteResult:
        from fhir_trial.store import Taken

        before = new_episode(view.standing) if to.new_episode else view.standing
        after = _after(view, before, to)
        taken = Taken(now(), _first_day(to, today(asked.trial.zone)), By.PERSON, actor.issuer, actor.subject, to.reason)
        step = self.looking.store.take(
            asked.key,
            asked.reference,
            asked.trial.trial.id,
            before,
            after,
            after_step=view.step.number if view.step else None,
            taken=taken,
        )
        if view.differs and view.held is not None:
            unchanged = WriteResult(view.held.reference, Action.UNCHANGED, _TAKEN_OVER)
            return self.writing.settle(step, unchanged, view.held.version)
        return self.writing.send(asked, step, replace(view, seen=replace(view.seen, held=None)) if to.new_episode else view)


def _check_shown(view: View, to: Decision) -> None:
    """Whether the person saw what is so now, and whether it lets anybody decide."""
    if view.token != to.shown:
        raise ConflictError("The patient's status has changed since it was shown: look again before deciding.")
    if view.against:
        raise ConflictError(tidy_up(view.against))
    if view.is_deceased and not view.differs:
        check_living(Status(to.status))


def _check_the_same(unsent: Step, to: Decision) -> None:
    """Only what is kept is sent again: with another coded reason, or another first day, it would be another decision."""
    if to.reason_code != unsent.reason_code or to.since not in (None, unsent.since):
        raise IllegalStatusError(
            f"'{unsent.status}' is kept already ({unsent.reason_code or 'no coded reason'}, since {unsent.since}), and not on "
            "the FHIR server: send it as it is kept."
        )


def _first_day(to: Decision, day: date) -> date:
    """Of the status: today unless given, and not later."""
    if to.since is not None and to.since > day:
        raise UsageError("A status is decided once it has begun: its first day is today at the latest.", expression="since")
    return to.since or day


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
