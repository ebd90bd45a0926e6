"""What a screening asks of the store and leaves there; without a store, nothing is asked and nothing is left."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from fhir_trial.audit import AuditEvent
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.people.bases import Basis
from fhir_trial.people.statuses import Status
from fhir_trial.screening.inputs import inputs_of
from fhir_trial.screening.ports import AnswerBook, RawPatient
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.version import SOFTWARE
from fhir_trial.wiring.clock import now

if TYPE_CHECKING:
    from fhir_trial.wiring.kept import Kept


class NotKeeping:
    """For trying out: nobody has recorded a basis or an opt-out, and nothing is kept."""

    answers: AnswerBook | None = None

    def admit(self, patient: str, trial: ResolvedTrial) -> Basis | None:
        return None

    def admit_counting(self, trial: ResolvedTrial) -> None:
        return None

    def is_opted_out(self, patient: str, trial: ResolvedTrial) -> bool:
        return False

    def keep(self, verdict: Verdict, raw: RawPatient, trial: ResolvedTrial, basis: Basis | None, event: AuditEvent) -> str | None:
        return None

    def episode(self, patient: str, trial: ResolvedTrial) -> int:
        return 1

    def held_back(self, patient: str, trial: ResolvedTrial) -> str | None:
        return None

    def has_decided(self, patient: str, trial: ResolvedTrial) -> bool:
        return False

    def last_day(self, patient: str, trial: ResolvedTrial, today: date) -> date | None:
        return None


class Keeping(NotKeeping):
    """With a store.

    Attributes:
        answers: What people have answered, asked anew for each screening.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self.answers = kept.answers

    def admit(self, patient: str, trial: ResolvedTrial) -> Basis:
        """The basis on which the patient may be screened and written.

        Args:
            patient: Our key.

        Raises:
            NoBasisError: None is in force.
            OptedOutError: The patient has opted out.
        """
        return self._kept.gate.admit(patient, trial)

    def admit_counting(self, trial: ResolvedTrial) -> None:
        """Whether patients may be read and counted.

        Raises:
            NoBasisError: None is in force.
        """
        self._kept.gate.basis(trial, naming=False)

    def is_opted_out(self, patient: str, trial: ResolvedTrial) -> bool:
        """Whether the patient is on the register, for this trial or for all."""
        return bool(self._kept.gate.opted_out([patient], trial))

    def keep(self, verdict: Verdict, raw: RawPatient, trial: ResolvedTrial, basis: Basis | None, event: AuditEvent) -> str:
        """Keeps the verdict, and of what it was made; our id of it.

        Args:
            event: Tells who asked, and by which request.
        """
        from fhir_trial.store import Asked

        kept = self._kept.screenings.keep(
            verdict,
            verdict_json(verdict),
            Asked(now(), event.actor.issuer, event.actor.subject, event.request or ""),
            definition=trial.digest,
            software=SOFTWARE,
            inputs=inputs_of(raw),
            basis=basis.number if basis else None,
        )
        return kept.id

    def episode(self, patient: str, trial: ResolvedTrial) -> int:
        """The number of the patient's episode on the trial, from 1."""
        standing, _ = self._kept.steps.standing(patient, trial.trial.id)
        return standing.episode

    def held_back(self, patient: str, trial: ResolvedTrial) -> str | None:
        """Why the machine writes nothing about a patient: a person has decided, and the server does not know it (WB-01)."""
        standing, step = self._kept.steps.standing(patient, trial.trial.id)
        if step is None or not step.state.is_open or standing.status in (None, Status.POTENTIAL):
            return None
        return f"A person has decided ({standing.status}), and the FHIR server does not have it yet: the machine writes nothing."

    def has_decided(self, patient: str, trial: ResolvedTrial) -> bool:
        """Whether the patient stands where a person has put them."""
        standing, _ = self._kept.steps.standing(patient, trial.trial.id)
        return standing.status not in (None, Status.POTENTIAL)

    def last_day(self, patient: str, trial: ResolvedTrial, today: date) -> date | None:
        """The newest day as of which the patient was screened for the trial, days to come left out."""
        return self._kept.screenings.last_day(patient, trial.trial.id, today)
