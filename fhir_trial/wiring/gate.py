"""Whether the site may screen for a trial, and this patient: asked before every screen, list and write (SEC-34 to SEC-36)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_trial.people.bases import Basis, NoBasisError, check_basis
from fhir_trial.people.opt_outs import OptedOutError, check_not_opted_out
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.clock import today

if TYPE_CHECKING:
    from fhir_trial.store import StoreBases, StoreOptOuts


@dataclass(frozen=True, slots=True)
class Gate:
    """What the site has recorded of bases and opt-outs, asked anew each time: both may end while a job runs."""

    bases: StoreBases
    opt_outs: StoreOptOuts

    def basis(self, trial: ResolvedTrial, *, naming: bool = True) -> Basis:
        """The basis in force today, in the trial's zone.

        Args:
            naming: Patients will be named, shown or written; else they are only counted.

        Raises:
            NoBasisError: None is recorded, or it has not begun, or has expired.
            CountsOnlyError: Patients would be named, and the basis allows to count them only.
        """
        return check_basis(self.bases.in_force(trial.trial.id), trial.trial.id, today(trial.zone), naming=naming)

    def admit(self, patient: str, trial: ResolvedTrial) -> Basis:
        """The basis on which this patient may be screened, shown or written.

        Args:
            patient: Our key.

        Raises:
            NoBasisError: As for ``basis``.
            OptedOutError: The patient is not to be screened for this trial.
        """
        basis = self.basis(trial)
        check_not_opted_out(self.opt_outs.kind_of(patient, trial.trial.id))
        return basis

    def lets_see(self, patient: str, trial: ResolvedTrial) -> bool:
        """``admit``, as a question."""
        try:
            self.admit(patient, trial)
        except (NoBasisError, OptedOutError):
            return False
        return True

    def opted_out(self, patients: Collection[str], trial: ResolvedTrial) -> frozenset[str]:
        """Those of the keys whose patients are to be left out of a list."""
        return self.opt_outs.among(patients, trial.trial.id)
