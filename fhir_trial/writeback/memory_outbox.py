"""An outbox for as long as the process lives: where nothing is kept, a crash is found out by reading the server alone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from fhir_trial.writeback.outbox import Intent, IntentState, Kept

#: Closed intents that are still shown, without their bodies.
_SHOWN: Final = 1000


class MemoryOutbox:
    """Keeps open intents whole, of closed ones the versions; the kill switch is a set of tenants."""

    def __init__(self) -> None:
        self._last = 0
        self._open: dict[int, Kept] = {}
        self._closed: deque[Kept] = deque(maxlen=_SHOWN)
        self._versions: dict[tuple[str, str, str], tuple[int, str | None]] = {}
        self._references: dict[tuple[str, str, str], str] = {}
        self._stopped: set[str] = set()
        self._lock = threading.Lock()

    def intend(self, intent: Intent, at: datetime) -> int:
        with self._lock:
            for number, kept in self._open.items():
                if (kept.intent.tenant, kept.intent.key) == (intent.tenant, intent.key):
                    return number
            for number, kept in tuple(self._open.items()):
                if _place(kept.intent) == _place(intent):
                    self._close(number, replace(kept, state=IntentState.SUPERSEDED, at=at))
            self._last += 1
            self._open[self._last] = Kept(self._last, intent, IntentState.PENDING, at)
            return self._last

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
        with self._lock:
            kept = self._open.get(number)
            if kept is None:
                return  # closed meanwhile, by a later intent for the same resource
            if kept.intent.tenant != tenant:
                raise LookupError(f"The tenant has no intent {number}.")
            attempts = kept.attempts + (state is IntentState.SENT)
            moved = Kept(number, kept.intent, state, at, attempts, reference, version, note)
            if state.is_open:
                self._open[number] = moved
            else:
                self._close(number, moved)

    def interrupted(self, tenant: str, server: str) -> Iterator[Kept]:
        with self._lock:
            kept = list(self._open.values())
        return iter([each for each in kept if (each.intent.tenant, each.intent.server) == (tenant, server)])

    def version(self, tenant: str, server: str, reference: str) -> str | None:
        with self._lock:
            return self._versions.get((tenant, server, reference), (0, None))[1]

    def reference(self, tenant: str, server: str, identifier: str) -> str | None:
        with self._lock:
            return self._references.get((tenant, server, identifier))

    def stopped(self, tenant: str) -> bool:
        return tenant in self._stopped

    def stop(self, tenant: str) -> None:
        """Throws the tenant's kill switch."""
        self._stopped.add(tenant)

    def release(self, tenant: str) -> None:
        """Lets the tenant write again."""
        self._stopped.discard(tenant)

    def kept(self) -> list[Kept]:
        """The open intents, and the newest closed ones without their bodies, oldest first."""
        with self._lock:
            return sorted((*self._closed, *self._open.values()), key=lambda kept: kept.number)

    def _close(self, number: int, kept: Kept) -> None:
        del self._open[number]
        self._closed.append(replace(kept, intent=replace(kept.intent, body={})))
        if kept.state is IntentState.CONFIRMED and kept.reference is not None:
            place = (kept.intent.tenant, kept.intent.server, kept.reference)
            if number >= self._versions.get(place, (0, None))[0]:
                self._versions[place] = (number, kept.version)
            self._references[kept.intent.tenant, kept.intent.server, kept.intent.identifier] = kept.reference


def _place(intent: Intent) -> tuple[str, str, str, str]:
    return intent.tenant, intent.server, intent.kind, intent.identifier
