"""Files that leave the audit log: events as NDJSON, whole or absent (SEC-06), and heads, a line a day (SEC-01)."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from fhir_trial.audit.balp import audit_event
from fhir_trial.audit.exported import ChainedLine, DatedHead, Head
from fhir_trial.errors import UsageError

_OWNER_ONLY = 0o600


def write_events(
    rows: Iterable[ChainedLine], path: Path, base: str, wanted: Callable[[dict[str, str]], bool] = lambda _: True
) -> int:
    """Writes one AuditEvent a line; returns how many. The file is there once it is whole, readable by its owner alone.

    Args:
        base: URL under which our own code systems and identifiers stand.
        wanted: Whether an event is to be exported.

    Raises:
        UsageError: The file cannot be written, or a row is no event of ours.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=".audit-", suffix=".partial", dir=path.parent)  # mode 0600
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            count = 0
            for row in rows:
                text = _as_json(row, base, wanted)
                if text is not None:
                    file.write(text + "\n")
                    count += 1
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        _settle_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        Path(name).unlink(missing_ok=True)
    return count


def add_head(path: Path, dated: DatedHead) -> bool:
    """Adds the head, unless the tenant's last line says the same already; returns whether it did.

    Raises:
        UsageError: The file cannot be read or written, or is none of heads.
    """
    of_tenant = [line for line in read_heads(path) if line.tenant == dated.tenant] if path.exists() else []
    if of_tenant and of_tenant[-1] == dated:
        return False
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(f"{dated}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _not_written(path, error) from None
    return True


def read_heads(path: Path) -> list[DatedHead]:
    """Every line of a file of heads.

    Raises:
        UsageError: The file cannot be read, or has another line; with its place.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsageError("The file of heads cannot be read.", expression=str(path)) from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(DatedHead.read(line))
        except UsageError as error:
            raise UsageError(error.message, expression=f"{path}:{number}") from None
    return found


def heads_of(path: Path, tenant: str) -> list[Head]:
    """The heads of one tenant in a file of heads; at least one.

    Raises:
        UsageError: The file cannot be read, has another line, or none of this tenant: nothing would be checked.
    """
    found = [line.head for line in read_heads(path) if line.tenant == tenant]
    if not found:
        raise UsageError("The file of heads has no line of this tenant: nothing would be checked.", expression=str(path))
    return found


def _as_json(row: ChainedLine, base: str, wanted: Callable[[dict[str, str]], bool]) -> str | None:
    try:
        if not wanted(row.fields()):
            return None
        return json.dumps(audit_event(row, base), ensure_ascii=False, separators=(",", ":"))
    except (KeyError, ValueError):
        raise UsageError(
            f"Row {row.number} of the audit log is no event: it was altered. Export what stands before it: --to {row.number - 1}."
        ) from None


def _not_written(path: Path, error: OSError) -> UsageError:
    return UsageError(f"The file cannot be written: {error.strerror}.", expression=str(path))


def _settle_folder(folder: Path) -> None:
    """A rename lasts once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
