"""People's answers, given with a kept screening before them, and shown again (SEC-02, SEC-51)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_trial.audit import Actor, AuditAction
from fhir_trial.errors import UsageError
from fhir_trial.people.answers import give_on, overrides
from fhir_trial.people.naming import named
from fhir_trial.trials.adjudication import Person, Says
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.asking import Asking
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.gate import Gate

if TYPE_CHECKING:
    from fhir_trial.store import KeptAnswer, StoreAnswers, StoreGrants, StoreScreenings


@dataclass(frozen=True, slots=True)
class Answering:
    """``web.service.Answers``.

    Attributes:
        trial: By id or ID@VERSION.
    """

    store: StoreAnswers
    screenings: StoreScreenings
    grants: StoreGrants
    gate: Gate
    asking: Asking
    trial: Callable[[str], ResolvedTrial]

    def give(self, screening: str, *, criterion: str, answer: str, reason: str | None, actor: Actor, request: str) -> KeptAnswer:
        """Keeps an answer that rests on what the screening showed.

        Raises:
            NobodyNamedError: Nobody has signed in.
            NoBasisError, OptedOutError: Nothing is to be said about the patient.
            UsageError: The screening is gone or has no such criterion; a decided answer is overridden without a reason.
        """
        issuer = named(actor.issuer, "An answer")
        kept, shown = self.screenings.screening(screening), self.screenings.shown(screening)
        if kept is None or shown is None:
            raise UsageError("There is no such screening any more. Screen again, and answer then.")
        self.gate.admit(kept.patient, self.trial(kept.trial))
        person = Person(issuer, actor.subject, self.grants.name_of(issuer, actor.subject))
        given = give_on(shown, criterion, Says(answer), by=person, at=now(), reason=reason)
        outcome, _ = shown.computed[criterion]
        action = AuditAction.OVERRIDE if overrides(given.answer, outcome) else AuditAction.ANSWER
        with self.asking.about(actor, request, kept.patient, kept.trial, kept.version).begin(action):
            return self.store.give(screening, given)

    def of_patient(self, patient: str, trial: str, actor: Actor, request: str) -> Sequence[KeptAnswer]:
        """Every answer about the patient; none of one who has opted out."""
        with self.asking.about(actor, request, patient, trial).begin(AuditAction.VIEW_SCREENING):
            self.gate.admit(patient, self.trial(trial))
            return self.store.of_patient(patient, trial)
