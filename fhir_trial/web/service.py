"""What the views need done: the port that ``wiring.ScreeningService`` fills, and tests fake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Protocol, cast

from flask import Flask, current_app

if TYPE_CHECKING:
    from fhir_trial.definitions.trial_files import TrialFile
    from fhir_trial.trials.model import ResolvedTrial
    from fhir_trial.wiring import Screening

_KEY = "fhir_trial"


class Service(Protocol):
    """Screening against one FHIR server. Errors are those of ``errors.py``."""

    def trials(self) -> Sequence[TrialFile]: ...

    def trial(self, name: str) -> ResolvedTrial: ...

    def check_server(self) -> None: ...

    def screen(
        self, patient: str, trial: str, *, as_of: date | None, first_dose: date | None, write: bool, request: str
    ) -> Screening: ...


def keep_service(app: Flask, service: Service) -> None:
    """Keeps it with the application."""
    app.extensions[_KEY] = service


def service() -> Service:
    """The service of the application that answers this request."""
    return cast(Service, current_app.extensions[_KEY])
