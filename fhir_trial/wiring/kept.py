"""The store of a tenant, open, and what the service shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_trial.audit import AuditLog
from fhir_trial.config import Settings
from fhir_trial.errors import UsageError
from fhir_trial.wiring.clock import now

if TYPE_CHECKING:
    from fhir_trial.store import Engine, KillSwitch, StoreAudit, StoreOutbox


@dataclass(frozen=True, slots=True)
class Kept:
    """The store of a tenant, open.

    Attributes:
        engine: Its database.
    """

    engine: Engine
    tenant: str
    outbox: StoreOutbox
    audit: StoreAudit
    switch: KillSwitch


def open_kept(settings: Settings) -> Kept | None:
    """The store that the settings name, brought to its newest form; None when they name none.

    Raises:
        UsageError: The URL or the keys file is wrong.
        StoreUnavailableError: The database does not answer.
    """
    if settings.database is None:
        return None
    if settings.keys_file is None:
        raise UsageError("What is kept is sealed: set FHIR_TRIAL_KEYS_FILE. `fhir-trial site new-key` makes a line for it.")
    from fhir_trial.store import KillSwitch, StoreAudit, StoreOutbox, migrate, open_store, read_keyring

    keys = read_keyring(settings.keys_file)
    engine = open_store(settings.database)
    migrate(engine)
    return Kept(engine, settings.tenant, StoreOutbox(engine, keys), StoreAudit(engine), KillSwitch(engine, settings.tenant))


class KeptPorts:
    """What the service shows of the store. Screenings, answers, decisions and grants are not kept yet: those routes say so."""

    grants = screenings = answers = decisions = keys = None

    def __init__(self, kept: Kept, log: AuditLog) -> None:
        from fhir_trial.store.ports import AuditedSwitch, AuditOfTenant, DatabaseCheck, OutboxOfTenant

        self.outbox = OutboxOfTenant(kept.outbox, kept.tenant)
        self.switch = AuditedSwitch(kept.switch, log, now)
        self.audit = AuditOfTenant(kept.engine, log, now)
        self.database = DatabaseCheck(kept.engine)
