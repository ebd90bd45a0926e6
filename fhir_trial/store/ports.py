"""What the service shows of a tenant's store: its outbox, its kill switch, its audit chain, whether the database answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, Journal, Step
from fhir_trial.audit.exported import ChainedLine, Head
from fhir_trial.audit.refusals import RefusedSignIns
from fhir_trial.audit.unfinished import Unfinished
from fhir_trial.errors import UsageError
from fhir_trial.store.audit import StoreAudit
from fhir_trial.store.chain import BrokenChain, count, inspect, lines
from fhir_trial.store.engine import check
from fhir_trial.store.outbox import StoreOutbox
from fhir_trial.store.switch import KillSwitch
from fhir_trial.version import SOFTWARE
from fhir_trial.writeback.outbox import Kept

#: Characters of a reason; the database keeps no longer ones.
LONGEST_REASON: Final = 1000


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
    """The kill switch; who threw it, why, and that it was thrown, is recorded before it is (SEC-60, SEC-05)."""

    switch: KillSwitch
    log: AuditLog
    clock: Callable[[], datetime]

    def stop(self, reason: str, actor: Actor, request: str, source: str = "api") -> None:
        """Thrown from now on.

        Raises:
            UsageError: No reason, or a very long one.
            AuditUnavailableError: It could not be recorded, so it was not thrown.
        """
        with self._step(AuditAction.STOP, reason, actor, request, source):
            self.switch.stop(actor.subject, reason, self.clock())

    def resume(self, reason: str, actor: Actor, request: str, source: str = "api") -> None:
        """Goes on from now on; the reason stands in the audit log.

        Raises:
            UsageError: No reason, or a very long one.
            AuditUnavailableError: It could not be recorded, so it stays thrown.
        """
        with self._step(AuditAction.RESUME, reason, actor, request, source):
            self.switch.resume()

    def _step(self, action: AuditAction, reason: str, actor: Actor, request: str, source: str) -> Step:
        if not 0 < len(reason.strip()) <= LONGEST_REASON:
            raise UsageError(f"Say why, in 1 to {LONGEST_REASON} characters.")
        event = AuditEvent(
            self.clock(), actor, action, AuditOutcome.BEGUN, software=SOFTWARE, request=request, source=source, reason=reason
        )
        return Journal(self.log, self.clock).begin(event)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at the audit chain found.

    Attributes:
        events: Rows that there are.
        first_broken: Number of the first that does not fit.
        head: The last row that fits.
        unfinished: Steps that were begun and have no outcome, in order.
        what: What is wrong with the first broken one.
    """

    intact: bool
    events: int
    first_broken: int | None
    head: Head
    unfinished: tuple[Unfinished, ...]
    what: str | None = None


@dataclass(frozen=True, slots=True)
class Exporting:
    """An export under way.

    Attributes:
        rows: Read once, within the context.
        broken: What does not fit in the chain, exported or not; None when it is whole.
    """

    rows: Iterator[ChainedLine]
    broken: BrokenChain | None


class AuditOfTenant:
    """The audit chain, to be checked and exported, which are themselves events; and where refused sign-ins are recorded."""

    def __init__(self, engine: Engine, log: AuditLog, clock: Callable[[], datetime]) -> None:
        self._engine, self._log, self._clock = engine, log, clock
        self.refusals = RefusedSignIns(log, clock)

    def verify(self, actor: Actor, request: str, heads: Collection[Head] = (), source: str = "api") -> Checked:
        """Reads the whole chain of the actor's tenant.

        Args:
            heads: Earlier ends of the chain, exported then.

        Raises:
            AuditUnavailableError: It could not be recorded that somebody looks.
            StoreUnavailableError: The database does not answer.
        """
        with self._step(AuditAction.VERIFY_AUDIT, actor, request, source):
            found = inspect(self._engine, actor.tenant, heads, but=request)
            events = count(self._engine, actor.tenant)
        broken = found.broken
        return Checked(
            broken is None,
            events,
            broken.number if broken else None,
            found.head,
            found.unfinished,
            broken.what if broken else None,
        )

    @contextmanager
    def exporting(self, actor: Actor, request: str, first: int = 1, last: int | None = None) -> Iterator[Exporting]:
        """The rows of the actor's tenant, to be written elsewhere within the context; the export is recorded before it begins.

        Args:
            first: Number of the first row.
            last: Number of the last one; by default the end of the chain as it is now, this export's own intent included.

        Raises:
            AuditUnavailableError: The export could not be recorded, so nothing is shown.
            StoreUnavailableError: The database does not answer.
        """
        with self._step(AuditAction.EXPORT_AUDIT, actor, request, "cli"):
            head = StoreAudit(self._engine).head(actor.tenant)
            end = head.number if head is not None and last is None else last
            with closing(lines(self._engine, actor.tenant, first, end)) as rows:
                yield Exporting(rows, inspect(self._engine, actor.tenant).broken)

    def _step(self, action: AuditAction, actor: Actor, request: str, source: str) -> Step:
        event = AuditEvent(self._clock(), actor, action, AuditOutcome.BEGUN, software=SOFTWARE, request=request, source=source)
        return Journal(self._log, self._clock).begin(event)


@dataclass(frozen=True, slots=True)
class DatabaseCheck:
    """Whether the database answers."""

    engine: Engine

    def check(self) -> None:
        check(self.engine)
