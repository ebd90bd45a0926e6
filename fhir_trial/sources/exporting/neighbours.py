"""Exports side by side in one folder: one at a time of a server and group, and from which moment on changes are enough.

Source: BULK-12 to BULK-14, BULK-19, BULK-43.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from fhir_trial.errors import ServerError, UsageError
from fhir_trial.sources.exporting.asking import Asked, Level
from fhir_trial.sources.exporting.job import Job, JobFolder, JobState
from fhir_trial.transport import FhirServer
from fhir_trial.transport.connection import StoppedError

#: Copies of a server's database lag behind it (BULK-43).
OVERLAP: Final = timedelta(minutes=10)
_OWNER_ONLY: Final = 0o600


@dataclass(frozen=True, slots=True)
class Since:
    """From which moment on.

    Attributes:
        moment: For ``_since``; None for everything.
        why_all: Why everything is asked for; None where changes are enough.
    """

    moment: str | None
    why_all: str | None = None


@contextmanager
def alone(folder: Path, asked: Asked) -> Iterator[None]:
    """No other process exports the same of the same server meanwhile, into this folder's neighbourhood (BULK-19).

    Raises:
        UsageError: One does, or an export of the same has begun beside this one and not ended.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    words = f"{asked.server} {asked.level} {asked.group or ''}"
    path = folder.parent / f".fhir-trial-export-{hashlib.sha256(words.encode()).hexdigest()[:16]}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("Another process is exporting the same from this server: wait for it.") from None
        for beside, job in _same(folder, asked):
            if job.state.is_alive:
                raise UsageError(
                    "An export of the same has begun, and servers allow one at a time: run again with its folder to go on "
                    "with it, or end it with --cancel.",
                    expression=str(beside),
                )
        yield
    finally:
        os.close(descriptor)


def members_of(server: FhirServer, asked: Asked) -> list[str] | None:
    """Digests of the references of a Group's members, in order; None at other levels, and where the Group cannot be read."""
    if asked.level is not Level.GROUP:
        return None
    try:
        group = server.read(f"Group/{asked.group}")
    except StoppedError:
        raise
    except ServerError:
        return None
    listed = group.get("member")
    entities = [member.get("entity") for member in listed if isinstance(member, dict)] if isinstance(listed, list) else []
    named = (entity.get("reference") for entity in entities if isinstance(entity, dict))
    return sorted({hashlib.sha256(name.encode()).hexdigest()[:24] for name in named if isinstance(name, str)})


def since_last(folder: Path, asked: Asked, members: list[str] | None) -> Since:
    """From when on changes since the last complete export beside this one are enough, if they are.

    Args:
        members: As ``members_of`` gives, now.
    """
    whole = [job for _, job in _same(folder, asked) if job.state is JobState.COMPLETE and instant(job.transaction_time)]
    if not whole:
        return Since(None, "no complete export of the same stands beside this one.")
    last = max(whole, key=lambda job: instant(job.transaction_time) or datetime.min.replace(tzinfo=UTC))
    if not set(asked.types) <= set(last.asked.types) or asked.filters != last.asked.filters:
        return Since(None, "the last export was of other types.")
    if not last.is_dated:
        return Since(None, "the server does not say when a resource was changed.")
    if asked.level is Level.GROUP:
        if members is None or last.members is None:
            return Since(None, "nobody knows who has joined the group since.")
        if set(members) - set(last.members):
            return Since(None, "patients have joined the group, of whom changes alone are not enough.")
    moment = instant(last.transaction_time)
    return Since(written(moment - OVERLAP) if moment is not None else None)


def instant(words: str | None) -> datetime | None:
    """A FHIR instant; None when it is none."""
    try:
        found = datetime.fromisoformat(words or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def written(moment: datetime) -> str:
    """In UTC, so that no plus sign is lost on the way (BULK-10)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _same(folder: Path, asked: Asked) -> Iterator[tuple[Path, Job]]:
    """Other exports of the same, beside a folder."""
    for beside in sorted(folder.parent.iterdir()):
        if beside.is_dir() and beside.resolve() != folder.resolve():
            job = JobFolder(beside).read()
            if job is not None and (job.asked.server, job.asked.path) == (asked.server, asked.path):
                yield beside, job
