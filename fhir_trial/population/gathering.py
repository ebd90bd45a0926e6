"""The lines of the patients who are to be screened, laid aside by patient, in as many piles as keep each one small.

What belongs to no patient, but to the export as a whole or to whoever refers to it, is laid aside in piles of its own.
"""

from __future__ import annotations

import re
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
from fhir_trial.transport import decode_json

SHARED: Final = "shared"
#: Remarks of the export that no resource of somebody precedes in their part of the file, and all others.
FIRST: Final = "first"
ASIDE: Final = "aside"
_FRAME: Final = struct.Struct("<IQI")
_OF_THE_EXPORT: Final = frozenset({NO_TYPE, "Bundle", "OperationOutcome"})
_OWNER_ONLY: Final = 0o600
#: A number that may be beyond those which whole decoding takes, while narrow decoding drops it without a look.
_BEYOND: Final = re.compile(rb"[eE][+-]?[0-9]{18}")


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
        present: Those of the wanted patients of whom a Patient resource is in it; None where everybody's records are wanted.
        has_entries: Whether any line is a resource of somebody.
        is_broken: The file breaks off.
    """

    part: Part
    lines: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    present: set[str] | None = None
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

    Leaving it raises SourceError when the disk refuses what was still in memory.

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
        refused: OSError | None = None
        for opened in self._files.values():
            try:
                opened.close()
            except OSError as caught:
                refused = caught
        if refused is not None and error is None:
            raise _not_laid_aside(refused)

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
    found = Gathered(part, present=None if wanted.patients is None else set())
    try:
        for position, block in blocks(part):
            found.lines += count_lines(block)
            _gather_block(block, position, wanted, piles, found)
    except BrokenFileError:
        found.is_broken = True
    except OSError as error:
        raise _not_laid_aside(error) from None
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


def places_of(path: Path) -> Iterator[tuple[int, Frame]]:
    """The lines of one file of a pile, one at a time, each with where it stands in that file."""
    at = 0
    with path.open("rb") as opened:
        while head := opened.read(_FRAME.size):
            file, place, length = _FRAME.unpack(head)
            yield at, Frame(file, place, opened.read(length))
            at += _FRAME.size + length


def frame_at(opened: IO[bytes], at: int) -> Frame:
    """The line that stands there in a file of a pile."""
    opened.seek(at)
    file, place, length = _FRAME.unpack(opened.read(_FRAME.size))
    return Frame(file, place, opened.read(length))


def _gather_block(block: bytes, position: int, wanted: Wanted, piles: Piles, found: Gathered) -> None:
    number = found.part.file.number
    for line in lines_of(block):
        if line.strip():
            try:
                head = head_of(line)
                pile = wanted.pile_of(head)
                if pile is not None and _BEYOND.search(line) is not None:
                    decode_json(line)
            except ValueError:
                found.unreadable += 1
                piles.lay(_aside(found), Frame(number, position, line))
            else:
                _lay(head, pile, Frame(number, position, line), piles, found)
        position += len(line) + 1


def _lay(head: Head, pile: str | None, frame: Frame, piles: Piles, found: Gathered) -> None:
    found.resources[head.kind] += 1
    if pile is not None:
        piles.lay(_aside(found) if pile is ASIDE else pile, frame)
        if head.kind == "Patient" and head.patient is not None and found.present is not None:
            found.present.add(head.patient)
    found.has_entries = found.has_entries or head.kind not in _OF_THE_EXPORT


def _not_laid_aside(error: OSError) -> SourceError:
    return SourceError(f"What was read cannot be laid aside: {error.strerror}.")


def _aside(found: Gathered) -> str:
    return ASIDE if found.has_entries else FIRST
