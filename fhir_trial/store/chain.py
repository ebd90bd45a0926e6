"""The audit chain: each row's hash covers the row and the hash before it, so that no change goes unseen (SEC-01).

Whoever may write to the database can compute the whole chain anew. Only a head that was exported earlier, and kept where they
cannot write, shows that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from fhir_trial.audit.exported import ChainedLine, Head
from fhir_trial.audit.unfinished import OpenSteps, Unfinished
from fhir_trial.errors import StoreUnavailableError
from fhir_trial.store.tables import AuditRow

__all__ = ["START", "BrokenChain", "Head", "Inspected", "count", "inspect", "lines", "link", "verify"]

#: What stands before the first row.
START = "0" * 64
_AT_ONCE: Final = 500  # rows held in memory


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """The first row that is not as it was written; ``number`` is its place in the chain, from 1."""

    number: int
    what: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """What reading a whole chain found.

    Attributes:
        broken: None when it is whole.
        head: The last row that fits; number 0 where there is none.
        unfinished: Steps up to there that were begun and have no outcome.
    """

    broken: BrokenChain | None
    head: Head
    unfinished: tuple[Unfinished, ...]


def link(before: str, tenant: str, number: int, line: str) -> str:
    """The hash of a row, in hexadecimal."""
    return hashlib.sha256("\n".join((before, tenant, str(number), line)).encode()).hexdigest()


def verify(engine: Engine, tenant: str, head: Head | None = None) -> BrokenChain | None:
    """The first broken row of a tenant's chain; None when it is whole.

    Args:
        head: An earlier end of the chain, exported then.

    Raises:
        StoreUnavailableError: The database does not answer.
    """
    return inspect(engine, tenant, () if head is None else (head,)).broken


def inspect(engine: Engine, tenant: str, heads: Collection[Head] = (), *, but: str | None = None) -> Inspected:
    """Reads a tenant's chain from its start.

    Args:
        heads: Earlier ends of the chain, exported then; each must lie on it.
        but: Request of the caller, whose own open step is not unfinished.

    Raises:
        StoreUnavailableError: The database does not answer.
    """
    last = Head(0, START)
    steps = OpenSteps()
    with closing(lines(engine, tenant)) as rows:
        for row in rows:
            what = _wrong(row, tenant, last, heads)
            if what is not None:
                return Inspected(BrokenChain(last.number + 1, what), last, steps.left(but))
            steps.see(row.number, row.fields())
            last = Head(row.number, row.hash)
    broken = None
    if any(head.number > last.number for head in heads):
        broken = BrokenChain(last.number + 1, "is missing")
    elif any(head.number == 0 and head.hash != START for head in heads):
        broken = BrokenChain(1, "does not follow the start that was exported")
    return Inspected(broken, last, steps.left(but))


def lines(engine: Engine, tenant: str, first: int = 1, last: int | None = None) -> Generator[ChainedLine]:
    """A tenant's rows as they stand, in order, not checked; to be closed by whoever does not read to the end.

    Args:
        first: Number of the first one.
        last: Number of the last one; the end of the chain by default.

    Raises:
        StoreUnavailableError: The database does not answer.
    """
    wanted = select(AuditRow.number, AuditRow.line, AuditRow.hash).where(AuditRow.tenant == tenant, AuditRow.number >= first)
    if last is not None:
        wanted = wanted.where(AuditRow.number <= last)
    wanted = wanted.order_by(AuditRow.number).execution_options(yield_per=_AT_ONCE)
    try:
        with Session(engine) as session, session.execute(wanted) as result:
            for number, line, digest in result:
                yield ChainedLine(number, line, digest)
    except SQLAlchemyError:
        raise StoreUnavailableError("The audit log cannot be read: the database does not answer.") from None


def count(engine: Engine, tenant: str) -> int:
    """How many rows a tenant has, whether they fit or not.

    Raises:
        StoreUnavailableError: The database does not answer.
    """
    try:
        with Session(engine) as session:
            return session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.tenant == tenant)) or 0
    except SQLAlchemyError:
        raise StoreUnavailableError("The audit log cannot be read: the database does not answer.") from None


def _wrong(row: ChainedLine, tenant: str, before: Head, heads: Collection[Head]) -> str | None:
    """What is wrong with the row that stands where the next one should."""
    if row.number != before.number + 1:
        return "is missing"
    if row.hash != link(before.hash, tenant, row.number, row.line):
        return "was altered"
    if any(head.number == row.number and head.hash != row.hash for head in heads):
        return "is not the one that was exported"
    try:
        row.fields()
    except json.JSONDecodeError:
        return "is no event"
    return None
