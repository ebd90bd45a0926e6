"""Whether what people typed fits its columns: PostgreSQL refuses what SQLite would keep."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import String, inspect

from fhir_trial.errors import UsageError
from fhir_trial.store.tables import Base

Row = TypeVar("Row", bound=Base)


def fitting(row: Row) -> Row:
    """The row, if each of its texts is short enough, on one line and readable, and none that must be there is blank.

    Raises:
        UsageError: Names the column, not the text.
    """
    for column in inspect(type(row)).columns:
        if isinstance(column.type, String):
            check_text(column.key or "", getattr(row, column.key or ""), column.type.length)
    return row


def may_be_kept(*texts: str) -> bool:
    """Whether the store may hold such texts; others it cannot be asked for (NUL, half a surrogate pair), and need not be."""
    return all(text.isprintable() for text in texts)


def check_text(name: str, text: str | None, longest: int | None = None) -> None:
    """One text.

    Raises:
        UsageError: As for ``fitting``.
    """
    called = name.replace("_", " ")
    if text is None or (text == "" and name == "practice"):
        return
    if not text.strip():
        raise UsageError(f"Nothing was given for '{called}'.")
    if not may_be_kept(text):
        raise UsageError(f"The text given for '{called}' holds a line break or a control character.")
    if longest is not None and len(text) > longest:
        raise UsageError(f"The text given for '{called}' is longer than {longest} characters.")
