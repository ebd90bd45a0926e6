"""The audit log in the database: committed before ``record`` returns, or the action does not happen (SEC-05)."""

from __future__ import annotations

import json

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from fhir_trial.audit import AuditEvent, AuditUnavailableError, line_of
from fhir_trial.store.chain import START, Head, link
from fhir_trial.store.engine import transaction
from fhir_trial.store.tables import AuditRow


class StoreAudit:
    """An ``AuditLog`` with one chain for each tenant."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, event: AuditEvent) -> None:
        line = json.dumps(line_of(event), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        tenant = event.actor.tenant
        try:
            with transaction(self._engine, tenant) as session:
                last = _last(session, tenant)
                number, before = (last.number, last.hash) if last is not None else (0, START)
                row = AuditRow(tenant=tenant, number=number + 1, line=line, hash=link(before, tenant, number + 1, line))
                session.add(row)
        except SQLAlchemyError:
            raise AuditUnavailableError(
                "The audit log cannot be written. Check the database, and the server before trying again."
            ) from None

    def head(self, tenant: str) -> Head | None:
        """The end of a tenant's chain, for the daily export; None while it is empty."""
        with Session(self._engine) as session:
            last = _last(session, tenant)
            return Head(last.number, last.hash) if last is not None else None


def _last(session: Session, tenant: str) -> AuditRow | None:
    newest = select(AuditRow).where(AuditRow.tenant == tenant).order_by(AuditRow.number.desc())
    return session.scalars(newest.limit(1)).first()
