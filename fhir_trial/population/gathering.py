"""The lines of the patients who are to be screened, laid aside by patient, in as many piles as keep each one small.

What belongs to no patient, but to the export as a whole or to whoever refers to it, is laid aside in piles of its own.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, compress
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

from fhir_trial.errors import SourceError
from fhir_trial.population.blocks import BrokenFileError, blocks, lines_of
from fhir_trial.population.finding import DIAGNOSIS, Masks, Signs
from fhir_trial.population.folder import Part
from fhir_trial.population.heads import NO_TYPE, Head, Sketch, head_of, sketches_of, whose
from fhir_trial.sources.patient_links import SHARED_TYPES, STATE_ABSENCE
from fhir_trial.transport import decode_json

SHARED: Final = "shared"
#: Remarks of the export that no resource of somebody precedes in their part of the file, and all others.
FIRST: Final = "first"
ASIDE: Final = "aside"
_FRAME: Final = struct.Struct("<IQII")
_OF_THE_EXPORT: Final = frozenset({NO_TYPE, "Bundle", "OperationOutcome"})
_OWNER_ONLY: Final = 0o600
#: A number that may be beyond those which whole decoding takes, while narrow decoding drops it without a look.
_BEYOND: Final = re.compile(rb"[eE][+-]?[0-9]{18}")
_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS: Final = b"0" * 18
_KIND: Final = attrgetter("resourceType")


class Frame(NamedTuple):
    """A line that was laid aside.

    Attributes:
        file, place: They order lines as reading the files would.
        name: Whose it is, as ``Patient/id``; of what patients share, its own; else empty.
    """

    file: int
    place: int
    name: str
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
        signs: Of diagnoses met where nobody had looked for them before.
    """

    part: Part
    lines: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    present: set[str] | None = None
    has_entries: bool = False
    is_broken: bool = False
    signs: Signs = field(default_factory=dict)


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
        if not self._is_of_a_type(head.kind):
            return None
        if head.patient is None or (self.patients is not None and head.patient not in self.patients):
            return None
        return str(zlib.crc32(head.patient.encode()) % self.piles)

    def kinds_of(self, kinds: Iterable[str]) -> frozenset[str]:
        """Those of which any may go anywhere."""
        return frozenset(kind for kind in kinds if kind in SHARED_TYPES or self._is_of_a_type(kind))

    def may_take(self, sketch: Sketch) -> bool:
        """Whether a resource of such a type may go anywhere."""
        if self.patients is None or whose(sketch) in self.patients or sketch.resourceType in SHARED_TYPES:
            return True
        return sketch.resourceType == "Patient" and not sketch.id

    def _is_of_a_type(self, kind: str) -> bool:
        return not self.types or kind in self.types or kind == "Patient" or kind in STATE_ABSENCE


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
        name = frame.name.encode()
        opened.write(_FRAME.pack(frame.file, frame.place, len(name), len(frame.line)))
        opened.write(name + frame.line)

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


def gather(part: Part, wanted: Wanted, piles: Piles, masks: Masks | None = None) -> Gathered:
    """Lays the wanted lines of a part aside.

    Args:
        masks: Tell the signs, where nobody has looked for any in this part.

    Raises:
        SourceError: A line is too long, or the disk is full.
    """
    found = Gathered(part, present=None if wanted.patients is None else set())
    work = _Work(wanted, piles, masks, found)
    try:
        for position, block in blocks(part):
            work.take(position, block)
    except BrokenFileError:
        found.is_broken = True
    except OSError as error:
        raise _not_laid_aside(error) from None
    return found


def frames_of(folder: Path, pile: str) -> Iterator[Frame]:
    """A pile, in the order of the files and of the places in them."""
    frames = [frame for path in sorted(folder.glob(f"{pile}.*")) for _, frame in places_of(path)]
    frames.sort(key=lambda frame: frame[:2])
    yield from frames


def places_of(path: Path) -> Iterator[tuple[int, Frame]]:
    """The lines of one file of a pile, one at a time, each with where it stands in that file."""
    at = 0
    with path.open("rb") as opened:
        while head := opened.read(_FRAME.size):
            frame = _frame(head, opened)
            yield at, frame
            at += len(head) + len(frame.name.encode()) + len(frame.line)


def frame_at(opened: IO[bytes], at: int) -> Frame:
    """The line that stands there in a file of a pile."""
    opened.seek(at)
    return _frame(opened.read(_FRAME.size), opened)


def _frame(head: bytes, opened: IO[bytes]) -> Frame:
    file, place, name, line = _FRAME.unpack(head)
    return Frame(file, place, opened.read(name).decode(), opened.read(line))


class _Work:
    """Lays aside what is wanted of one part."""

    def __init__(self, wanted: Wanted, piles: Piles, masks: Masks | None, found: Gathered) -> None:
        self._wanted, self._piles, self._masks, self._found = wanted, piles, masks, found
        self._file = found.part.file.number

    def take(self, position: int, block: bytes) -> None:
        """The lines of a block, the first of which stands there in the file."""
        lines = lines_of(block)
        self._found.lines += len(lines)
        sketches = sketches_of(block, lines)
        kinds = Counter(map(_KIND, sketches or ()))
        starts = accumulate((len(line) + 1 for line in lines), initial=position)
        if sketches is None or not kinds.keys().isdisjoint(_OF_THE_EXPORT):
            self._take_each(zip(lines, starts, strict=False))
            return
        self._found.resources.update(kinds)
        self._found.has_entries = True
        if self._masks is not None and DIAGNOSIS in kinds:
            for line in (line for line, sketch in zip(lines, sketches, strict=True) if sketch.resourceType == DIAGNOSIS):
                self._masks.look(line, self._found.signs)
        taken, may_take = self._wanted.kinds_of(kinds), self._wanted.may_take
        if taken and any(chosen := [sketch.resourceType in taken and may_take(sketch) for sketch in sketches]):
            for line, place in compress(zip(lines, starts, strict=False), chosen):
                self._lay(line, place)

    def _take_each(self, lines: Iterable[tuple[bytes, int]]) -> None:
        found = self._found
        for line, place in lines:
            if not line.strip():
                continue
            kind = self._lay(line, place)
            if kind is None:
                continue
            found.resources[kind] += 1
            found.has_entries = found.has_entries or kind not in _OF_THE_EXPORT
            if self._masks is not None and kind == DIAGNOSIS:
                self._masks.look(line, found.signs)

    def _lay(self, line: bytes, place: int) -> str | None:
        """The type of a line, which lies where it belongs by now; None if it is not JSON."""
        found = self._found
        try:
            head = head_of(line)
            pile = self._wanted.pile_of(head)
            if pile is not None and _may_be_beyond(line):
                decode_json(line)
        except ValueError:
            found.unreadable += 1
            self._piles.lay(self._aside(), Frame(self._file, place, "", line))
            return None
        if pile is not None:
            name = head.name if pile is SHARED else head.patient
            self._piles.lay(self._aside() if pile is ASIDE else pile, Frame(self._file, place, name or "", line))
            if head.kind == "Patient" and head.patient is not None and found.present is not None:
                found.present.add(head.patient)
        return head.kind

    def _aside(self) -> str:
        return ASIDE if self._found.has_entries else FIRST


def _may_be_beyond(line: bytes) -> bool:
    return _MANY_DIGITS in line.translate(_DIGITS_ALIKE) and _BEYOND.search(line) is not None


def _not_laid_aside(error: OSError) -> SourceError:
    return SourceError(f"What was read cannot be laid aside: {error.strerror}.")
