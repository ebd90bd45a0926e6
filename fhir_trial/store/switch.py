"""The kill switch of a tenant: thrown, nothing is sent to its servers any more (SEC-60)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from fhir_trial.store.engine import transaction
from fhir_trial.store.tables import TenantRow


def is_stopped(engine: Engine, tenant: str) -> bool:
    """Whether it is thrown, asked anew each time: another process may have thrown it."""
    with Session(engine) as session:
        row = session.get(TenantRow, tenant)
        return row is not None and row.stopped_at is not None


class KillSwitch:
    """Stops a tenant, and lets it go on."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine, self._tenant = engine, tenant

    def stop(self, who: str, why: str, at: datetime) -> None:
        """Thrown from now on; thrown twice, the first who and why stay."""
        with transaction(self._engine, self._tenant) as session:
            row = session.get_one(TenantRow, self._tenant)
            if row.stopped_at is None:
                row.stopped_at, row.stopped_by, row.stopped_why = at, who, why

    def resume(self) -> None:
        with transaction(self._engine, self._tenant) as session:
            row = session.get_one(TenantRow, self._tenant)
            row.stopped_at = row.stopped_by = row.stopped_why = None

    def is_stopped(self) -> bool:
        return is_stopped(self._engine, self._tenant)
