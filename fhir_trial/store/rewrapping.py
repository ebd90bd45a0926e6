"""Sealed columns: where each value stands, and sealing all of a tenant's anew, so that a former key may go (SEC-28).

A column ``sealed_x`` of a table ``t`` is sealed for the place ``t.x`` and the row's ``seal``; a table that has one has ``tenant``
and ``seal`` as well. New columns of that form are found here without being named.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Engine, inspect, select, tuple_
from sqlalchemy.orm import Session

from fhir_trial.store.engine import transaction
from fhir_trial.store.sealing import Keyring, Place
from fhir_trial.store.tables import Base

_SEALED = "sealed_"
_BATCH = 200


def sealed_columns(table: type[Base]) -> tuple[str, ...]:
    """Names of the columns of a table that are sealed."""
    return tuple(column.key for column in inspect(table).columns if column.key.startswith(_SEALED))


def sealed_tables() -> tuple[type[Base], ...]:
    """Every table that has one, by name."""
    tables = (mapper.class_ for mapper in Base.registry.mappers)
    return tuple(sorted((table for table in tables if sealed_columns(table)), key=lambda table: table.__tablename__))


def place_of(row: Any, column: str) -> Place:
    """What a sealed value of a row is bound to.

    Args:
        row: A row of a sealed table, its ``tenant`` and ``seal`` set.
        column: ``sealed_...``
    """
    return Place(row.tenant, f"{row.__tablename__}.{column.removeprefix(_SEALED)}", row.seal)


def seal_in(row: Any, keys: Keyring, **texts: str | None) -> None:
    """Seals texts into columns of a row, each for its own place; None leaves a column empty."""
    for column, text in texts.items():
        setattr(row, column, keys.seal(text, place_of(row, column)) if text is not None else None)


def open_from(row: Any, keys: Keyring, column: str) -> str:
    """What is sealed in a column of a row, which is not empty.

    Raises:
        SealError: The key is missing, or the value was altered or moved.
    """
    return keys.open(getattr(row, column), place_of(row, column))


def rewrap(engine: Engine, keys: Keyring, tenant: str) -> int:
    """Seals under the newest key what an older one sealed, in every table of a tenant; how many rows.

    In small steps, others working meanwhile. Broken off, it goes on where it is called again. Once every process seals under the
    newest key and this has returned, the older one may go.

    Raises:
        SealError: A key is missing, or a value was altered or moved; what was sealed anew until then stays so.
    """
    return sum(_rewrap_table(engine, keys, tenant, table) for table in sealed_tables())


def _rewrap_table(engine: Engine, keys: Keyring, tenant: str, table: type[Base]) -> int:
    key = inspect(table).primary_key
    owner = inspect(table).columns["tenant"]
    with Session(engine) as session:
        names = iter(session.execute(select(*key).where(owner == tenant)).all())
    done = 0
    while batch := list(islice(names, _BATCH)):
        with transaction(engine, tenant) as session:
            rows = session.scalars(select(table).where(owner == tenant, tuple_(*key).in_([tuple(name) for name in batch])))
            done += sum(_rewrap_row(row, keys) for row in rows)
    return done


def _rewrap_row(row: Base, keys: Keyring) -> bool:
    old = list(_old(row, keys))
    for column in old:
        seal_in(row, keys, **{column: open_from(row, keys, column)})
    return bool(old)


def _old(row: Base, keys: Keyring) -> Iterator[str]:
    """Columns of a row that an older key sealed."""
    for column in sealed_columns(type(row)):
        sealed = getattr(row, column)
        if sealed is not None and not keys.is_current(sealed):
            yield column
