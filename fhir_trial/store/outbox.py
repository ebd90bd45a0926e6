"""The outbox in the database: intents outlive the process that had them (WB-03)."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, func, select, update
from sqlalchemy.orm import Session

from fhir_trial.store.engine import transaction, writing
from fhir_trial.store.sealing import Keyring, Place
from fhir_trial.store.switch import is_stopped
from fhir_trial.store.tables import OutboxRow
from fhir_trial.transport import decode_json, encode_json
from fhir_trial.writeback.outbox import Intent, IntentState, Kept

_OPEN = tuple(str(state) for state in IntentState if state.is_open)


class StoreOutbox:
    """An ``Outbox``. Patient and body are sealed; what is needed to find an intent again is not."""

    def __init__(self, engine: Engine, keys: Keyring) -> None:
        self._engine, self._keys = engine, keys

    def intend(self, intent: Intent, at: datetime) -> int:
        with transaction(self._engine, intent.tenant) as session:
            same_place = (
                OutboxRow.tenant == intent.tenant,
                OutboxRow.server == intent.server,
                OutboxRow.kind == intent.kind,
                OutboxRow.identifier == intent.identifier,
                OutboxRow.state.in_(_OPEN),
            )
            known = session.scalars(select(OutboxRow).where(*same_place, OutboxRow.key == intent.key)).first()
            others = update(OutboxRow).where(*same_place, OutboxRow.key != intent.key)
            session.execute(others.values(state=str(IntentState.SUPERSEDED), at=at))
            if known is not None:
                return known.number
            row = self._row(intent, at)
            session.add(row)
            session.flush()
            return row.number

    def mark(
        self,
        number: int,
        state: IntentState,
        at: datetime,
        *,
        tenant: str,
        reference: str | None = None,
        version: str | None = None,
        note: str | None = None,
    ) -> None:
        with writing(self._engine) as session:
            row = session.get(OutboxRow, number, with_for_update=True)
            if row is None or row.tenant != tenant:
                raise LookupError(f"The tenant has no intent {number}.")
            if not IntentState(row.state).is_open:
                return  # closed meanwhile, by a later intent for the same resource
            row.state, row.at = str(state), at
            row.attempts += state is IntentState.SENT
            row.reference = reference or row.reference
            row.version = version or row.version
            row.note = note or row.note

    def interrupted(self, tenant: str, server: str) -> Iterator[Kept]:
        """Intents still open, oldest first."""
        yield from self._kept(OutboxRow.tenant == tenant, OutboxRow.server == server, OutboxRow.state.in_(_OPEN))

    def version(self, tenant: str, server: str, reference: str) -> str | None:
        where = (OutboxRow.tenant == tenant, OutboxRow.server == server, OutboxRow.reference == reference)
        newest = (
            select(OutboxRow.version)
            .where(*where, OutboxRow.state == str(IntentState.CONFIRMED))
            .order_by(OutboxRow.number.desc())
        )
        with Session(self._engine) as session:
            return session.scalars(newest.limit(1)).first()

    def reference(self, tenant: str, server: str, identifier: str) -> str | None:
        own = (OutboxRow.tenant == tenant, OutboxRow.server == server, OutboxRow.identifier == identifier)
        known = (OutboxRow.state == str(IntentState.CONFIRMED), OutboxRow.reference.is_not(None))
        newest = select(OutboxRow.reference).where(*own, *known).order_by(OutboxRow.number.desc())
        with Session(self._engine) as session:
            return session.scalars(newest.limit(1)).first()

    def stopped(self, tenant: str) -> bool:
        return is_stopped(self._engine, tenant)

    def newest(self, tenant: str, trials: Collection[str] | None, state: str | None, limit: int) -> list[Kept]:
        """Intents of a tenant, newest first: of these trials, or of all; in this state, or in any."""
        conditions = [OutboxRow.tenant == tenant]
        conditions += [OutboxRow.trial.in_(trials)] if trials is not None else []
        conditions += [OutboxRow.state == state] if state is not None else []
        return list(self._kept(*conditions, newest=limit))

    def counts(self, tenant: str) -> dict[str, int]:
        """How many intents of a tenant are in each state."""
        asked = select(OutboxRow.state, func.count()).where(OutboxRow.tenant == tenant).group_by(OutboxRow.state)
        with Session(self._engine) as session:
            found = session.execute(asked).all()
        return {str(state): sum(count for name, count in found if name == state) for state in IntentState}

    def _row(self, intent: Intent, at: datetime) -> OutboxRow:
        row = OutboxRow(
            key=intent.key,
            tenant=intent.tenant,
            server=intent.server,
            trial=intent.trial,
            kind=intent.kind,
            identifier=intent.identifier,
            interaction=intent.interaction,
            if_match=intent.if_match,
            seal=secrets.token_hex(16),  # the row's name in its seals: its number is known only after it is kept
            state=str(IntentState.PENDING),
            at=at,
            attempts=0,
        )
        row.sealed_body = self._keys.seal(encode_json(intent.body).decode(), _body(row))
        row.sealed_patient = self._keys.seal(intent.patient, _patient(row)) if intent.patient else None
        return row

    def _kept(self, *conditions: ColumnElement[bool], newest: int | None = None) -> Iterator[Kept]:
        order = OutboxRow.number if newest is None else OutboxRow.number.desc()
        with Session(self._engine) as session:
            rows = session.scalars(select(OutboxRow).where(*conditions).order_by(order).limit(newest)).all()
        for row in rows:
            yield Kept(
                number=row.number,
                intent=self._intent(row),
                state=IntentState(row.state),
                at=row.at,
                attempts=row.attempts,
                reference=row.reference,
                version=row.version,
                note=row.note,
            )

    def _intent(self, row: OutboxRow) -> Intent:
        return Intent(
            key=row.key,
            tenant=row.tenant,
            server=row.server,
            patient=self._keys.open(row.sealed_patient, _patient(row)) if row.sealed_patient is not None else None,
            trial=row.trial,
            kind=row.kind,
            identifier=row.identifier,
            interaction=row.interaction,
            body=decode_json(self._keys.open(row.sealed_body, _body(row)).encode()),
            if_match=row.if_match,
        )


def _body(row: OutboxRow) -> Place:
    return Place(row.tenant, "outbox.body", row.seal)


def _patient(row: OutboxRow) -> Place:
    return Place(row.tenant, "outbox.patient", row.seal)
