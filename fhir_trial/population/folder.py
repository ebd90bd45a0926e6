"""The files of an export: NDJSON as servers and download clients leave it, in parts that can be read side by side (BULK-58)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fhir_trial.errors import SourceError

_LINES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_OTHERS = (".json", ".json.gz")
_GZIP = b"\x1f\x8b"
_PART = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file, as it was when the run began.

    Attributes:
        number: Its place among all files, by name.
        size: Bytes on disk.
        changed: Time of the last change, in nanoseconds.
        is_gzip: By its first bytes, whatever the name says.
    """

    number: int
    path: Path
    name: str
    size: int
    changed: int
    is_gzip: bool


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a file that begin at or after ``start`` and before ``stop``; None: to its end. A packed file has one."""

    file: DataFile
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """What there is to read.

    Attributes:
        files: NDJSON.
        others: JSON files beside them: a manifest, or Bundles.
    """

    path: Path
    files: tuple[DataFile, ...]
    others: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)


def look_into(folder: Path) -> Folder:
    """The files of a folder and of the folders in it, hidden ones left out.

    Raises:
        SourceError: There is no such folder, or nothing in it is NDJSON.
    """
    if not folder.is_dir():
        raise SourceError("There is no such folder.", expression=str(folder))
    inside = (path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_hidden(path, folder))
    known = [path for path in inside if path.name.endswith((*_LINES, *_OTHERS))]
    files = tuple(_data_file(number, path) for number, path in enumerate(known) if path.name.endswith(_LINES))
    if not files:
        raise SourceError("No NDJSON is in this folder: expected files named *.ndjson or *.ndjson.gz.", expression=str(folder))
    return Folder(folder, files, tuple(path for path in known if not path.name.endswith(_LINES)))


def parts(file: DataFile, size: int = _PART) -> Iterator[Part]:
    """A file in pieces of about ``size`` bytes; a packed file is one."""
    if file.is_gzip or file.size <= size:
        yield Part(file)
        return
    for start in range(0, file.size, size):
        yield Part(file, start, min(start + size, file.size))


def has_changed(folder: Folder) -> bool:
    """Whether its files are others than when the run began: one was written to, has gone, or has come."""
    try:
        return look_into(folder.path) != folder
    except (OSError, SourceError):
        return True


def _data_file(number: int, path: Path) -> DataFile:
    status = path.stat()
    with path.open("rb") as opened:
        is_gzip = opened.read(2) == _GZIP
    return DataFile(number, path, str(path), status.st_size, status.st_mtime_ns, is_gzip)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
