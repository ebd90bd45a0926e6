"""What the service shows of a tenant's store: its outbox, its kill switch, its audit chain, whether the database answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome
from fhir_trial.store.chain import verify
from fhir_trial.store.engine import check
from fhir_trial.store.outbox import StoreOutbox
from fhir_trial.store.switch import KillSwitch
from fhir_trial.store.tables import AuditRow
from fhir_trial.writeback.outbox import Kept


@dataclass(frozen=True, slots=True)
class OutboxOfTenant:
    """What is to be written, was, or failed."""

    outbox: StoreOutbox
    tenant: str

    def entries(self, trials: Collection[str] | None, state: str | None, limit: int) -> Sequence[Kept]:
        return self.outbox.newest(self.tenant, trials, state, limit)

    def counts(self) -> Mapping[str, int]:
        return self.outbox.counts(self.tenant)


@dataclass(frozen=True, slots=True)
class AuditedSwitch:
    """The kill switch; who threw it, and that it was thrown, is recorded before it is."""

    switch: KillSwitch
    log: AuditLog
    clock: Callable[[], datetime]

    def stop(self, reason: str, actor: Actor, request: str) -> None:
        self.log.record(_event(self.clock(), actor, AuditAction.STOP, request))
        self.switch.stop(actor.subject, reason, self.clock())

    def resume(self, reason: str, actor: Actor, request: str) -> None:
        self.log.record(_event(self.clock(), actor, AuditAction.RESUME, request))
        self.switch.resume()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at the audit chain found."""

    intact: bool
    events: int
    first_broken: int | None


@dataclass(frozen=True, slots=True)
class AuditOfTenant:
    """The audit chain, to be checked; the check is itself an event."""

    engine: Engine
    log: AuditLog
    clock: Callable[[], datetime]

    def verify(self, actor: Actor, request: str) -> Checked:
        self.log.record(_event(self.clock(), actor, AuditAction.VERIFY_AUDIT, request))
        broken = verify(self.engine, actor.tenant)
        with Session(self.engine) as session:
            events = session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.tenant == actor.tenant)) or 0
        return Checked(broken is None, events, broken.number if broken else None)


@dataclass(frozen=True, slots=True)
class DatabaseCheck:
    """Whether the database answers."""

    engine: Engine

    def check(self) -> None:
        check(self.engine)


def _event(at: datetime, actor: Actor, action: AuditAction, request: str) -> AuditEvent:
    return AuditEvent(at, actor, action, AuditOutcome.BEGUN, request=request)
