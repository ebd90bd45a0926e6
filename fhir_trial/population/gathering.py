"""The lines of the patients who are to be screened, laid aside by patient, in as many piles as keep each one small.

What belongs to no patient, but to the export as a whole or to whoever refers to it, is laid aside in piles of its own.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

from fhir_trial.errors import SourceError
from fhir_trial.population.blocks import BrokenFileError, blocks, count_lines, lines_of
from fhir_trial.population.folder import Part
from fhir_trial.population.heads import NO_TYPE, Head, head_of
from fhir_trial.sources.patient_links import SHARED_TYPES, STATE_ABSENCE

SHARED: Final = "shared"
#: Remarks of the export that no resource of somebody precedes in their part of the file, and all others.
FIRST: Final = "first"
ASIDE: Final = "aside"
_FRAME: Final = struct.Struct("<IQI")
_OF_THE_EXPORT: Final = frozenset({NO_TYPE, "Bundle", "OperationOutcome"})
_OWNER_ONLY: Final = 0o600


class Frame(NamedTuple):
    """A line that was laid aside, with its file and its place there, which order lines as reading the files would."""

    file: int
    place: int
    line: bytes


@dataclass(slots=True)
class Gathered:
    """Of a part of a file.

    Attributes:
        lines: How many, empty ones included.
        resources: Those read, by type, whosever they are.
        unreadable: Lines that are not JSON.
        has_entries: Whether any line is a resource of somebody.
        is_broken: The file breaks off.
    """

    part: Part
    lines: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    has_entries: bool = False
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is laid aside.

    Attributes:
        types: Of resources; empty for all.
        patients: ``Patient/id``; None for everybody.
        piles: How many.
    """

    types: frozenset[str]
    patients: Collection[str] | None
    piles: int

    def pile_of(self, head: Head) -> str | None:
        """Where a resource goes; None: nowhere."""
        if head.kind in SHARED_TYPES:
            return SHARED
        if head.kind in _OF_THE_EXPORT:
            return ASIDE
        if head.kind != "Patient" and self.types and head.kind not in self.types and head.kind not in STATE_ABSENCE:
            return None
        if head.patient is None or (self.patients is not None and head.patient not in self.patients):
            return None
        return str(zlib.crc32(head.patient.encode()) % self.piles)


class Piles:
    """Files in a folder, written by one process: a pile is all files of its name, whoever wrote them.

    Args:
        writer: Tells this process's files from others'.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder, self._writer = folder, writer
        self._files: dict[str, IO[bytes]] = {}

    def lay(self, pile: str, frame: Frame) -> None:
        opened = self._files.get(pile) or self._open(pile)
        opened.write(_FRAME.pack(frame.file, frame.place, len(frame.line)))
        opened.write(frame.line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for opened in self._files.values():
            opened.close()

    def _open(self, pile: str) -> IO[bytes]:
        path = self._folder / f"{pile}.{self._writer}"
        path.touch(_OWNER_ONLY)
        self._files[pile] = path.open("ab")
        return self._files[pile]


def gather(part: Part, wanted: Wanted, piles: Piles) -> Gathered:
    """Lays the wanted lines of a part aside.

    Raises:
        SourceError: A line is too long, or the disk is full.
    """
    found = Gathered(part)
    try:
        for position, block in blocks(part):
            found.lines += count_lines(block)
            _gather_block(block, position, wanted, piles, found)
    except BrokenFileError:
        found.is_broken = True
    except OSError as error:
        raise SourceError(f"What was read cannot be laid aside: {error.strerror}.") from None
    return found


def frames_of(folder: Path, pile: str) -> Iterator[Frame]:
    """A pile, in the order of the files and of the places in them."""
    frames: list[Frame] = []
    for path in sorted(folder.glob(f"{pile}.*")):
        content = path.read_bytes()
        place = 0
        while place < len(content):
            file, at, length = _FRAME.unpack_from(content, place)
            place += _FRAME.size
            frames.append(Frame(file, at, content[place : place + length]))
            place += length
    frames.sort(key=lambda frame: frame[:2])
    yield from frames


def _gather_block(block: bytes, position: int, wanted: Wanted, piles: Piles, found: Gathered) -> None:
    number = found.part.file.number
    for line in lines_of(block):
        if line.strip():
            try:
                head = head_of(line)
            except ValueError:
                found.unreadable += 1
                piles.lay(_aside(found), Frame(number, position, line))
            else:
                found.resources[head.kind] += 1
                pile = wanted.pile_of(head)
                if pile is not None:
                    piles.lay(_aside(found) if pile is ASIDE else pile, Frame(number, position, line))
                found.has_entries = found.has_entries or head.kind not in _OF_THE_EXPORT
        position += len(line) + 1


def _aside(found: Gathered) -> str:
    return ASIDE if found.has_entries else FIRST
