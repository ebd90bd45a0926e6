"""The audit log in the database: committed before ``record`` returns, or the action does not happen (SEC-05)."""

from __future__ import annotations

import json
from typing import cast

from sqlalchemy import Engine, Table, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from fhir_trial.audit import AuditEvent, AuditUnavailableError, line_of
from fhir_trial.errors import StoreUnavailableError
from fhir_trial.store.chain import START, Head, link
from fhir_trial.store.engine import transaction
from fhir_trial.store.tables import AuditRow

_TABLE = cast(Table, AuditRow.__table__)  # without the ORM's bookkeeping: a screening has a dozen events


class StoreAudit:
    """An ``AuditLog`` with one chain for each tenant."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, event: AuditEvent) -> None:
        # ASCII: a subject may hold half a surrogate pair, which no database takes.
        line = json.dumps(line_of(event), sort_keys=True, separators=(",", ":"))
        tenant = event.actor.tenant
        try:
            with transaction(self._engine, tenant) as session:
                last = _last(session, tenant) or Head(0, START)
                number = last.number + 1
                row = {"tenant": tenant, "number": number, "line": line, "hash": link(last.hash, tenant, number, line)}
                session.execute(insert(_TABLE), row)
        except (SQLAlchemyError, StoreUnavailableError, OSError):
            raise AuditUnavailableError(
                "The audit log cannot be written. Check the database, and the server before trying again."
            ) from None

    def head(self, tenant: str) -> Head | None:
        """The end of a tenant's chain, for the daily export; None while it is empty.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        try:
            with Session(self._engine) as session:
                return _last(session, tenant)
        except SQLAlchemyError:
            raise StoreUnavailableError("The audit log cannot be read: the database does not answer.") from None


def _last(session: Session, tenant: str) -> Head | None:
    newest = select(AuditRow.number, AuditRow.hash).where(AuditRow.tenant == tenant).order_by(AuditRow.number.desc()).limit(1)
    found = session.execute(newest).first()
    return None if found is None else Head(found.number, found.hash)
