"""The store of a tenant, open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_trial.config import Settings
from fhir_trial.errors import UsageError
from fhir_trial.wiring.gate import Gate

if TYPE_CHECKING:
    from fhir_trial.store import (
        Engine,
        Keyring,
        KillSwitch,
        StoreAnswers,
        StoreAudit,
        StoreBases,
        StoreGrants,
        StoreOptOuts,
        StoreOutbox,
        StoreScreenings,
        StoreSteps,
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept for one tenant.

    Attributes:
        engine: Its database, of the newest form.
        server: Base URL of the FHIR server whose patients the keys of the store mean; None when none is set.
    """

    engine: Engine
    keys: Keyring
    tenant: str
    server: str | None
    outbox: StoreOutbox
    audit: StoreAudit
    switch: KillSwitch
    grants: StoreGrants
    bases: StoreBases
    opt_outs: StoreOptOuts
    steps: StoreSteps

    @property
    def gate(self) -> Gate:
        """The bases and opt-outs, to be asked."""
        return Gate(self.bases, self.opt_outs)

    @property
    def screenings(self) -> StoreScreenings:
        """Those of the server's patients."""
        from fhir_trial.store import StoreScreenings

        return StoreScreenings(self.engine, self.keys, self.tenant, self._server())

    @property
    def answers(self) -> StoreAnswers:
        """People's answers about the server's patients."""
        from fhir_trial.store import StoreAnswers

        return StoreAnswers(self.engine, self.keys, self.tenant, self._server())

    def _server(self) -> str:
        if self.server is None:
            raise UsageError("Whose patients? Set FHIR_TRIAL_SERVER to the FHIR server that they are of.")
        return self.server


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
    from fhir_trial import store

    keys = store.read_keyring(settings.keys_file)
    engine = store.open_store(settings.database)
    store.migrate(engine)
    tenant = settings.tenant
    return Kept(
        engine=engine,
        keys=keys,
        tenant=tenant,
        server=settings.server_url if settings.server else None,
        outbox=store.StoreOutbox(engine, keys),
        audit=store.StoreAudit(engine),
        switch=store.KillSwitch(engine, tenant),
        grants=store.StoreGrants(engine, tenant),
        bases=store.StoreBases(engine, tenant),
        opt_outs=store.StoreOptOuts(engine, tenant),
        steps=store.StoreSteps(engine, keys, tenant),
    )
