"""A server whose patients are read one by one by somebody who knows neither of opt-outs nor of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from fhir_trial.transport import FhirServer, Json
from fhir_trial.transport.settings import ServerSettings


class WatchedServer(FhirServer):
    """Reads a Patient only as far as somebody lets it."""

    def __init__(
        self,
        settings: ServerSettings,
        scopes: tuple[str, ...],
        halted: Callable[[], bool] | None,
        reading: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        super().__init__(settings, scopes=scopes, halted=halted)
        self._reading = reading

    def read(self, reference: str) -> Json:
        with self._reading(reference) if reference.startswith("Patient/") else nullcontext():
            return super().read(reference)
