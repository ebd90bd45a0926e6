"""The audit chain: each row's hash covers the row and the hash before it, so that no change goes unseen (SEC-01)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.store.tables import AuditRow

#: What stands before the first row.
START = "0" * 64


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain, to be kept elsewhere: with it, rows removed from the end are missed too."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """The first row that is not as it was written; ``number`` is its place in the chain, from 1."""

    number: int
    what: str


def link(before: str, tenant: str, number: int, line: str) -> str:
    """The hash of a row, in hexadecimal."""
    return hashlib.sha256("\n".join((before, tenant, str(number), line)).encode()).hexdigest()


def verify(engine: Engine, tenant: str, head: Head | None = None) -> BrokenChain | None:
    """The first broken row of a tenant's chain; None when it is whole.

    Args:
        head: An earlier end of the chain, exported then.
    """
    before, number = START, 0
    with Session(engine) as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.tenant == tenant).order_by(AuditRow.number))
        for row in rows:
            number += 1
            if row.number != number:
                return BrokenChain(number, "is missing")
            before = link(before, tenant, number, row.line)
            if row.hash != before:
                return BrokenChain(number, "was altered")
            if head is not None and head.number == number and head.hash != before:
                return BrokenChain(number, "is not the one that was exported")
    if head is not None and head.number > number:
        return BrokenChain(number + 1, "is missing")
    return None
