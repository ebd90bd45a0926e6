"""The state just after loading, kept beside the database, and the way back to it.

The way back is one transaction, so that it works while the server runs as well: what a request sees is the state before or after.
The database is the server's: it is opened as the server opens it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fhir_trial.errors import UsageError

_DATABASE = "sekmet.db"
_SNAPSHOT = "after-loading.db"
_OWNER_ONLY = 0o600
#: Every table of the server.
_BACK = (
    "DELETE FROM main.resources",
    "INSERT INTO main.resources SELECT * FROM kept.resources",
    "DELETE FROM main.versions",
    "INSERT INTO main.versions SELECT * FROM kept.versions",
    "DELETE FROM main.idx",
    "INSERT INTO main.idx SELECT * FROM kept.idx",
    "DELETE FROM main.traffic",
    "INSERT INTO main.traffic SELECT * FROM kept.traffic",
    "DELETE FROM main.notifications",
    "INSERT INTO main.notifications SELECT * FROM kept.notifications",
    "DELETE FROM main.runs",
    "INSERT INTO main.runs SELECT * FROM kept.runs",
    "DELETE FROM main.kv",
    "INSERT INTO main.kv SELECT * FROM kept.kv",
)


def has_snapshot(folder: Path) -> bool:
    """Whether there is a state to return to."""
    return (folder / _SNAPSHOT).is_file() and (folder / _DATABASE).is_file()


def take_snapshot(folder: Path) -> None:
    """Keeps the present state of the database in ``folder`` in place of the one kept before."""
    unfinished = folder / f"{_SNAPSHOT}.new"
    unfinished.unlink(missing_ok=True)
    unfinished.touch(_OWNER_ONLY)
    with _opened(folder) as live:
        live.execute("VACUUM INTO ?", (str(unfinished),))
    unfinished.replace(folder / _SNAPSHOT)


def restore(folder: Path) -> None:
    """Returns to the state that was kept; versions written since are gone, not superseded.

    Raises:
        UsageError: None was kept in this folder, or the extra is not installed.
    """
    if not has_snapshot(folder):
        raise UsageError("This sandbox has no state to return to: nothing was loaded into it.", expression=str(folder))
    with _opened(folder) as live:
        live.execute("ATTACH DATABASE ? AS kept", (str(folder / _SNAPSHOT),))
        live.execute("BEGIN IMMEDIATE")
        for statement in _BACK:
            live.execute(statement)
        live.execute("COMMIT")


@contextmanager
def _opened(folder: Path) -> Iterator[Any]:
    """A second connection beside the server's; what is not committed at its end is undone."""
    if importlib.util.find_spec("sekmet") is None:
        raise UsageError("The sandbox needs the package sekmet-fhir: pip install 'fhir-trial[sandbox]'.")
    from sekmet.fhir.store import Store

    connection = Store(str(folder / _DATABASE)).conn
    try:
        yield connection
    finally:
        connection.close()
