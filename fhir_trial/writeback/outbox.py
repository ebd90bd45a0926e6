"""What is about to be written, kept before the call: after a crash it tells what was under way, and what was ours (WB-03).

An intent is persisted as ``pending``, becomes ``sent`` just before its request leaves, and ends as ``confirmed`` (read back and
compared), ``failed`` or ``superseded``. One that is still ``pending`` or ``sent`` when a writer begins was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from fhir_trial.transport import Json


class IntentState(StrEnum):
    """How far a write has come."""

    PENDING = "pending"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def is_open(self) -> bool:
        return self in (IntentState.PENDING, IntentState.SENT)


@dataclass(frozen=True, slots=True)
class Intent:
    """One resource to be written.

    Attributes:
        key: Idempotency key: the same content in the same place has the same key, on every retry.
        server: FHIR base URL.
        patient: ``Patient/id``; None for a study, which is nobody's.
        trial: Trial id.
        kind: FHIR type of the resource.
        identifier: ``system|value`` by which it is found again, whatever its id.
        interaction: "create" or "update".
        body: The exact resource to be sent.
        if_match: Version for If-Match; None for a create.
    """

    key: str
    tenant: str
    server: str
    patient: str | None
    trial: str
    kind: str
    identifier: str
    interaction: str
    body: Json
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An intent as it stands in the outbox.

    Attributes:
        number: Our sequence number: later intents for the same resource supersede earlier ones (WB-08).
        reference, version: What the server called it, once known.
        note: A sentence of ours on a failure; nothing of a patient.
    """

    number: int
    intent: Intent
    state: IntentState
    at: datetime
    attempts: int = 0
    reference: str | None = None
    version: str | None = None
    note: str | None = None


class Outbox(Protocol):
    """Keeps intents for good. Every method commits before it returns."""

    def intend(self, intent: Intent, at: datetime) -> int:
        """Keeps it as pending and returns its number; an open intent of the same key is returned, not doubled.

        Earlier open intents of the same server, kind and identifier become superseded.
        """
        ...

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
        """Moves an intent of the tenant on; ``sent`` counts an attempt. One that is closed already stays as it is.

        Raises:
            LookupError: The tenant has no such intent; another's is not touched (SEC-13).
        """
        ...

    def interrupted(self, tenant: str, server: str) -> Iterator[Kept]:
        """Intents still open, oldest first."""
        ...

    def version(self, tenant: str, server: str, reference: str) -> str | None:
        """The version of a resource that the machine wrote last, by its newest confirmed intent; None when it does not know.

        What another tenant wrote to the same server is not the machine's own here (SEC-13).
        """
        ...

    def reference(self, tenant: str, server: str, identifier: str) -> str | None:
        """What the server called the resource of an identifier (``system|value``) that the tenant is known to have written."""
        ...

    def stopped(self, tenant: str) -> bool:
        """Whether the tenant's kill switch is thrown: then nothing is sent (SEC-60)."""
        ...
