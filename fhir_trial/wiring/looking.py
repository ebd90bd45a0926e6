"""What a person is shown before they decide: read from the FHIR server and from what is kept here (WB-14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_trial.audit import Actor, AuditAction
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.overall import DECEASED
from fhir_trial.wiring.asking import Asking
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.recording import PatientSteps
from fhir_trial.wiring.view import Seen, View, view_of
from fhir_trial.writeback.routes import FhirRoute, Route

if TYPE_CHECKING:
    from fhir_trial.store import Step, StoreScreenings, StoreSteps


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose status, on which trial, and the audit steps of the request.

    Attributes:
        key: Our key of the patient.
        reference: ``Patient/id``.
    """

    key: str
    reference: str
    trial: ResolvedTrial
    steps: PatientSteps


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks at one patient's place on one trial.

    Attributes:
        trial: By id or ID@VERSION.
        route: On which results of a trial leave; a server is read on the FHIR route alone.
        machines: The version of a resource that the machine is known to have written last, by its reference.
    """

    store: StoreSteps
    screenings: StoreScreenings
    asking: Asking
    trial: Callable[[str], ResolvedTrial]
    route: Callable[[ResolvedTrial], Route]
    machines: Callable[[str], str | None]

    def asked(self, key: str, trial: str, actor: Actor, request: str) -> Asked | None:
        """None: no patient of that key was screened."""
        reference = self.screenings.reference_of(key)
        if reference is None:
            return None
        resolved = self.trial(trial)
        steps = self.asking.about(actor, request, key, resolved.trial.id, resolved.trial.version)
        return Asked(key, reference, resolved, steps)

    def view(self, asked: Asked) -> View:
        """Reads the server; a step whose writing was interrupted, and which stands there, is now known to be written.

        Raises:
            ConflictError: Several subjects are on the server.
            ServerError: The server failed.
        """
        seen = self._seen(asked)
        view = self._made(asked, seen)
        if view.unsent is None or view.held is None or not view.agrees:
            return view
        self._written(view.unsent, view.held.reference, view.held.version)
        return self._made(asked, seen)

    def _made(self, asked: Asked, seen: Seen) -> View:
        whose = (asked.key, asked.trial.trial.id)
        return view_of(whose, self.store.standing(*whose), seen, tuple(self.store.of_patient(*whose)))

    def _seen(self, asked: Asked) -> Seen:
        route = self.route(asked.trial)
        if not isinstance(route, FhirRoute):
            return Seen(None, is_deceased=self._was_deceased(asked))
        standing, _ = self.store.standing(asked.key, asked.trial.trial.id)
        with asked.steps.begin(AuditAction.READ_PATIENT, "ResearchSubject"):
            held = route.held(asked.reference, asked.trial, standing.episode)
        with asked.steps.begin(AuditAction.READ_PATIENT, "Patient"):
            has_died = route.has_died(asked.reference)
        is_machines = held is not None and held.version is not None and self.machines(held.reference) == held.version
        return Seen(held, is_machines=is_machines, is_read=True, is_deceased=has_died)

    def _was_deceased(self, asked: Asked) -> bool:
        """By the newest screening: no server is asked where nothing is written back."""
        newest = self.screenings.of_patient(asked.key, limit=1)
        return any(DECEASED in one.verdict.get("blockers", ()) for one in newest)

    def _written(self, step: Step, reference: str, version: str | None) -> None:
        from fhir_trial.store import StepState

        self.store.settle(step.number, StepState.WRITTEN, note="It is there.", reference=reference, version=version, at=now())
