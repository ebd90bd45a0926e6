"""What the service shows and does besides screening, plugged to the store (``web.service.Plugged``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhir_trial.audit import AuditLog, Journal
from fhir_trial.config import Settings
from fhir_trial.transport.access import BackendServices
from fhir_trial.transport.keys import own_jwks
from fhir_trial.transport.servers_file import read_servers
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.answering import Answering
from fhir_trial.wiring.asking import Asking
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.deciding import Deciding
from fhir_trial.wiring.kept import Kept
from fhir_trial.wiring.looking import Looking
from fhir_trial.wiring.showing import Showing
from fhir_trial.wiring.step_writing import StepWriting
from fhir_trial.writeback.routes import Route


class OwnKeys:
    """Our public keys, for every server of the servers file that knows us by a key pair (SMART-48)."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.servers_file

    def jwks(self) -> Mapping[str, Any]:
        """RFC 7517, of the files as they are now."""
        servers = read_servers(self._file) if self._file else {}
        return own_jwks(each.access for each in servers.values() if isinstance(each.access, BackendServices))


class KeptPorts:
    """Of a store, everything.

    Args:
        server: Base URL of the FHIR server.
        trial: By id or ID@VERSION.
        route: On which results of a trial leave.
    """

    def __init__(
        self,
        kept: Kept,
        log: AuditLog,
        settings: Settings,
        trial: Callable[[str], ResolvedTrial],
        route: Callable[[ResolvedTrial], Route],
    ) -> None:
        from fhir_trial.store.ports import AuditedSwitch, AuditOfTenant, DatabaseCheck, OutboxOfTenant

        asking = Asking(Journal(log, now), settings.server_url)

        def machines(reference: str) -> str | None:
            return kept.outbox.version(kept.tenant, settings.server_url, reference)

        self.grants = kept.grants
        self.screenings = Showing(kept.screenings, kept.gate, asking, trial)
        self.answers = Answering(kept.answers, kept.screenings, kept.grants, kept.gate, asking, trial)
        looking = Looking(kept.steps, kept.screenings, asking, trial, route, machines)
        self.decisions = Deciding(looking, StepWriting(kept.steps, route), kept.gate)
        self.outbox = OutboxOfTenant(kept.outbox, kept.tenant)
        self.switch = AuditedSwitch(kept.switch, log, now)
        self.audit = AuditOfTenant(kept.engine, log, now)
        self.database = DatabaseCheck(kept.engine)
        self.keys = OwnKeys(settings)
