"""The state of an export, kept in its folder so that whoever is killed can go on: one file, replaced at once (BULK-49).

It holds no link to a file, which may be a secret (BULK-32), and of a patient nothing: a restart asks for the manifest again.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from fhir_trial.errors import SourceError
from fhir_trial.sources.exporting.asking import Asked
from fhir_trial.transport.downloads import disk_error

_OWNER_ONLY: Final = 0o600
_OWNERS_FOLDER: Final = 0o700
#: Hidden from whoever reads the folder: what is in it is not whole.
_HIDDEN: Final = ".export"


class JobState(StrEnum):
    """How far an export is. Importing is the affair of whoever reads the folder."""

    PENDING = "pending"
    EXPORTING = "exporting"
    DOWNLOADING = "downloading"
    COMPLETE = "complete"
    WITH_ERRORS = "complete-with-errors"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_alive(self) -> bool:
        """The server may be at work for it."""
        return self in (JobState.EXPORTING, JobState.DOWNLOADING)

    @property
    def has_data(self) -> bool:
        return self in (JobState.COMPLETE, JobState.WITH_ERRORS)


class FileState(StrEnum):
    """How far a file is."""

    WAITING = "waiting"
    WHOLE = "whole"
    FAILED = "failed"


class Section(StrEnum):
    """What a file of the manifest holds."""

    OUTPUT = "output"
    DELETED = "deleted"
    ERROR = "error"


@dataclass(slots=True)
class ExportedFile:
    """A file of the manifest.

    Attributes:
        kind: Type of its resources; "Resource" where the manifest does not say.
        name: On disk.
        key: Tells it from the other files of the manifest, when the manifest is read again.
        promised: Number of resources; None where the manifest does not say.
        promised_size: Bytes, likewise.
        resources: Those in it, when it is whole.
        unreadable: Lines of it that are no JSON.
        unexpected: Resources of another type.
        dated: Whether any of them has meta.lastUpdated.
        issues: Of an error file: severity and code -> number.
        trouble: What is wrong with it, in words; None when nothing is.
    """

    section: Section
    kind: str
    name: str
    key: str
    promised: int | None = None
    promised_size: int | None = None
    state: FileState = FileState.WAITING
    resources: int = 0
    unreadable: int = 0
    unexpected: int = 0
    dated: bool = False
    issues: dict[str, int] = field(default_factory=dict)
    trouble: str | None = None

    @property
    def is_sound(self) -> bool:
        """Everything that was promised came, and is what it was said to be."""
        return self.state is FileState.WHOLE and not (self.unreadable or self.unexpected or self.trouble)


@dataclass(slots=True)
class Job:
    """An export.

    Attributes:
        identity: Random; the log's ``exportId``.
        since: As it was sent; None for everything.
        why_all: Why everything was asked for where changes were wanted.
        began: When the server began; None before that. An instant.
        status_url: Where the server tells how far it is.
        transaction_time: The server's moment of the export; the next ``_since`` (BULK-12).
        members: Digests of the members of the Group; None where nobody knows (BULK-13).
        hydrated: Type -> resources read since others refer to them.
        unresolved: Type -> those that could not be had (BULK-41).
        lost: Types of which the server did not let all that is referred to be read.
        is_ended: The server was told that the export is not needed any more, or does not take that.
        trouble: Why it failed, in words.
    """

    identity: str
    asked: Asked
    state: JobState = JobState.PENDING
    since: str | None = None
    why_all: str | None = None
    began: str | None = None
    status_url: str | None = None
    transaction_time: str | None = None
    members: list[str] | None = None
    files: list[ExportedFile] = field(default_factory=list)
    hydrated: dict[str, int] = field(default_factory=dict)
    unresolved: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    is_ended: bool = False
    trouble: str | None = None

    def outcome(self) -> JobState:
        """Complete means complete: every file whole and as promised, no error told of, everything referred to looked for."""
        sound = all(file.is_sound and not _tells_of_errors(file) for file in self.files)
        return JobState.COMPLETE if sound and not self.lost else JobState.WITH_ERRORS

    @property
    def is_dated(self) -> bool:
        """Whether the server dates what it has, so that changes alone can be asked for (BULK-14)."""
        written = [file for file in self.files if file.section is Section.OUTPUT and file.resources]
        return all(file.dated for file in written)


class JobFolder:
    """The folder of an export, existing or not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hidden = path / _HIDDEN

    def read(self) -> Job | None:
        """The job; None where there is none.

        Raises:
            SourceError: Its file cannot be read.
        """
        path = self._hidden / "job.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Job)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            raise SourceError("The state of this export cannot be read.", expression=str(path)) from None

    def save(self, job: Job) -> None:
        """Whole or not at all, and on the disk when this returns.

        Raises:
            SourceError: The disk is full.
        """
        self.write(self._hidden / "job.json", msgspec.json.format(msgspec.json.encode(job), indent=1))

    def is_free(self) -> bool:
        """Whether nothing is in it, or only what an export lays down before its state."""
        return not self.path.exists() or (self.path.is_dir() and all(path == self._hidden for path in self.path.iterdir()))

    def prepare(self) -> None:
        """Makes the folders, for their owner alone (BULK-48)."""
        try:
            for folder in (self.path, self._hidden, self._hidden / "files"):
                folder.mkdir(mode=_OWNERS_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error) from None

    def unfinished(self, name: str) -> Path:
        """Where a file is before the export is whole."""
        return self._hidden / "files" / name

    def published(self, name: str) -> Path:
        return self.path / name

    def place_of(self, name: str) -> Path:
        """Where a whole file is now."""
        shown = self.published(name)
        return shown if shown.exists() else self.unfinished(name)

    @property
    def log(self) -> Path:
        """Hidden as well, until there is something to read."""
        shown = self.path / "log.ndjson"
        return shown if shown.exists() else self._hidden / "log.ndjson"

    def publish(self, name: str) -> None:
        """Moves a whole file to where it is read; it may have been moved already."""
        with suppress(FileNotFoundError):
            self.unfinished(name).replace(self.published(name))

    def publish_log(self) -> None:
        with suppress(FileNotFoundError):
            (self._hidden / "log.ndjson").replace(self.path / "log.ndjson")

    def forget_log(self) -> None:
        """Removes the log of an export that came to nothing."""
        (self._hidden / "log.ndjson").unlink(missing_ok=True)

    def forget_files(self) -> None:
        """Removes what was fetched and not shown."""
        shutil.rmtree(self._hidden / "files", ignore_errors=True)
        self.prepare()

    def write(self, path: Path, content: bytes) -> None:
        """Replaces a file at once.

        Raises:
            SourceError: The disk is full.
        """
        unfinished = path.with_name(f".{path.name}.new")
        try:
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            raise disk_error(error) from None


def _tells_of_errors(file: ExportedFile) -> bool:
    """Whether an error file holds more than remarks."""
    return any(words.split(" ")[0] not in ("warning", "information") for words in file.issues)
