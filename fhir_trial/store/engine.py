"""Opening the database, and bringing it to the newest form before anything is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from fhir_trial.errors import StoreUnavailableError, UsageError
from fhir_trial.store.tables import TenantRow

_OWNER_ONLY = 0o600
_OTHERS = 0o077
_BUSY_MS = 10_000


def open_store(url: str) -> Engine:
    """The database of a URL: ``sqlite:///folder/file.db`` or ``postgresql+psycopg://user@host/name``.

    Raises:
        UsageError: The URL is wrong, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise UsageError("The database is SQLite or PostgreSQL: sqlite:///file.db, postgresql+psycopg://user@host/name.")
        engine = create_engine(parsed, pool_pre_ping=True)
        event.listen(engine, "handle_error", _as_ours)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise UsageError("The database's URL is not understood, or its driver is not installed.") from None
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            _make_private(Path(parsed.database))
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
    return engine


def migrate(engine: Engine) -> None:
    """Brings the schema to the newest revision.

    Raises:
        StoreUnavailableError: The database does not answer.
    """
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.execution_options(writes=True).begin() as connection:
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
    except DatabaseError:
        raise StoreUnavailableError("The database does not answer, or may not be changed by us.") from None


def check(engine: Engine) -> None:
    """Asks the database whether it is there.

    Raises:
        StoreUnavailableError: It is not.
    """
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DatabaseError:
        raise StoreUnavailableError("The database does not answer.") from None


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session that commits at its end, or leaves nothing. In SQLite it holds the one write lock from its beginning."""
    with Session(engine.execution_options(writes=True)) as session, session.begin():
        yield session


@contextmanager
def transaction(engine: Engine, tenant: str) -> Iterator[Session]:
    """A session of one tenant that commits at its end, or leaves nothing; the tenant's row is locked, so one writes at a time."""
    with writing(engine) as session:
        if session.get(TenantRow, tenant, with_for_update=True) is None:
            _add_tenant(session, tenant)
        yield session


def _add_tenant(session: Session, name: str) -> None:
    """Two at once may add it; both then wait for its lock."""
    session.execute(text("INSERT INTO tenants (name) VALUES (:name) ON CONFLICT (name) DO NOTHING"), {"name": name})
    session.get(TenantRow, name, with_for_update=True)


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    if path.stat().st_mode & _OTHERS:
        raise UsageError("Others may read the database file: set its mode to 0600.", expression=str(path))


def _as_ours(context: ExceptionContext) -> None:
    """A database that is away or locked is no defect; what we ask of it wrongly is."""
    if isinstance(context.sqlalchemy_exception, OperationalError) and not context.is_pre_ping:
        raise StoreUnavailableError("The database does not answer, or is locked: try again, and see to it.") from None


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late: a read would not hold the lock
    cursor = connection.cursor()
    for line in ("journal_mode=WAL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {line}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
