"""A service that answers from memory, for the tests of the doors."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from fhir_trial.audit import Actor
from fhir_trial.definitions.trial_files import TrialFile
from fhir_trial.errors import UnknownTrialError
from fhir_trial.inspection import ServerReport
from fhir_trial.inspection.findings import LocalWords
from fhir_trial.terminology import load_terminology, mappings_folder
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.service import Screening
from fhir_trial.writeback import Action, WriteResult
from tests.unit.writeback.verdicts import criterion, trial, verdict

REPORT = ServerReport(
    server="https://ehr.example.invalid/fhir",
    fhir_version="4.0.1",
    software=None,
    access="The server asks nobody who they are.",
    scopes=(),
    trial="nct00000000",
    version="v1",
    sample=0,
    sampled_by="nobody",
    misses={},
    types=(),
    criteria=(),
    write_back=(),
    write_remarks=(),
    local=LocalWords(),
    todo=("Name test patients.",),
)
SUBJECT = WriteResult("ResearchSubject/1", Action.CREATED, "Undecided: for the work list.")


@dataclass
class FakeService:
    """Screens everybody alike, or fails as told.

    Attributes:
        failure: Raised instead of an answer.
        asked: What ``screen`` was asked, each time.
    """

    failure: Exception | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    written: tuple[WriteResult, ...] = (SUBJECT,)

    def trials(self) -> Sequence[TrialFile]:
        self._fail()
        return [
            TrialFile("nct00000000", version, Path("unused"), dated, "Nothing")
            for version, dated in (("v1", "2025"), ("v2", "2026"))
        ]

    def trial(self, name: str) -> ResolvedTrial:
        self._fail()
        if name.partition("@")[0] != "nct00000000":
            raise UnknownTrialError(f"Unknown trial '{name}'.")
        plain = trial(criteria=(criterion("C1"), criterion("C2", "Patient")))
        return replace(plain, terminology=load_terminology(mappings_folder()))

    def check_server(self) -> None:
        self._fail()

    def inspect_server(self, trial: str, *, patients: int, actor: Actor, request: str) -> ServerReport:
        self._fail()
        return REPORT

    def screen(
        self,
        patient: str,
        trial: str,
        *,
        as_of: date | None,
        first_dose: date | None,
        write: bool,
        request: str,
        actor: Actor | None = None,
    ) -> Screening:
        asked = {"patient": patient, "trial": trial, "as_of": as_of, "first_dose": first_dose, "write": write, "request": request}
        self.asked.append(asked | ({"actor": actor} if actor else {}))
        self._fail()
        return Screening(verdict(patient=patient), self.written)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
