"""Kept screenings, shown: audited before they are, and never of a patient who has opted out (SEC-02, SEC-36)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_trial.audit import Actor, AuditAction
from fhir_trial.errors import UsageError
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.asking import Asking
from fhir_trial.wiring.gate import Gate

if TYPE_CHECKING:
    from fhir_trial.store import KeptScreening, StoreScreenings


@dataclass(frozen=True, slots=True)
class Showing:
    """``web.service.Screenings``.

    Attributes:
        trial: By id or ID@VERSION.
    """

    store: StoreScreenings
    gate: Gate
    asking: Asking
    trial: Callable[[str], ResolvedTrial]

    def screening(self, identity: str) -> KeptScreening | None:
        return self.store.screening(identity)

    def viewed(self, identity: str, actor: Actor, request: str) -> None:
        """Audits the look.

        Raises:
            NoBasisError, OptedOutError: The basis has ended, or the patient has opted out meanwhile.
            UsageError: It was purged meanwhile, so that nobody can say whose it was.
        """
        kept = self.store.screening(identity)
        if kept is None:
            raise UsageError("There is no such screening any more.")
        steps = self.asking.about(actor, request, kept.patient, kept.trial, kept.version)
        with steps.begin(AuditAction.VIEW_SCREENING):
            self.gate.admit(kept.patient, self.trial(kept.trial))

    def of_patient(self, patient: str, trials: Collection[str] | None, actor: Actor, request: str) -> Sequence[KeptScreening]:
        with self.asking.about(actor, request, patient).begin(AuditAction.LIST_SCREENINGS):
            found = self.store.of_patient(patient, trials)
            open_trials = {trial for trial in {one.trial for one in found} if self.gate.lets_see(patient, self.trial(trial))}
            return [one for one in found if one.trial in open_trials]

    def key_of(self, patient: str) -> str:
        return self.store.key_of(patient)
