"""Audit steps of what somebody asks of the service, about one patient or about none."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditOutcome, Journal
from fhir_trial.version import SOFTWARE
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.recording import PatientSteps


@dataclass(frozen=True, slots=True)
class Asking:
    """Begins steps on the patients of one server.

    Attributes:
        server: Base URL.
        source: Where requests come from: "api", "cli".
    """

    journal: Journal
    server: str
    source: str = "api"

    def about(
        self, actor: Actor, request: str, patient: str | None, trial: str | None = None, version: str | None = None
    ) -> PatientSteps:
        """The steps of one request.

        Args:
            patient: Our key; None for a request about several.
            trial: Trial id.
            version: Of its criteria.
        """
        event = AuditEvent(
            at=now(),
            actor=actor,
            action=AuditAction.READ_PATIENT,
            outcome=AuditOutcome.BEGUN,
            patient=patient,
            trial=trial,
            criteria=version,
            software=SOFTWARE,
            request=request,
            source=self.source,
            server=self.server,
            host=platform.node() or None,
        )
        return PatientSteps(self.journal, event)
