"""Whole lines in large blocks: one buffer, filled again and again; a longer line makes it grow."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Final, cast

from fhir_trial.errors import SourceError
from fhir_trial.population.folder import DataFile, Part

BLOCK: Final = 256 * 1024  # with the lines made of it, it stays in the cache of a core
LONGEST_LINE: Final = 64 * 1024 * 1024
_NEWLINE: Final = b"\n"
_BOM: Final = b"\xef\xbb\xbf"
_UNREADABLE: Final = (OSError, EOFError, zlib.error)


class BrokenFileError(SourceError):
    """A file that breaks off: its compression is broken, or it cannot be read to its end."""


def blocks(part: Part, size: int = BLOCK) -> Iterator[tuple[int, bytes]]:
    """The lines of a part, many at a time, each time with the position of the first one in the unpacked file.

    Args:
        size: Bytes of a block, at first.

    Raises:
        BrokenFileError: After the last whole line that could be read.
        SourceError: A line is longer than LONGEST_LINE.
    """
    filling = None
    try:
        with _opened(part.file) as stream:
            filling = _Filling(stream, part, size)
            yield from filling.blocks()
    except _UNREADABLE:
        yield from _to_the_break(part, filling.position if filling else 0)
        raise BrokenFileError("The file breaks off, or cannot be read.", expression=part.file.name) from None


def lines_of(block: bytes) -> list[bytes]:
    """Its lines without their ends; the empty piece after the last end is none."""
    lines = block.split(_NEWLINE)
    if not lines[-1]:
        lines.pop()
    return lines


def _to_the_break(part: Part, position: int) -> Iterator[tuple[int, bytes]]:
    """The lines from a position on, one at a time, since a block that cannot be filled is lost whole.

    It reads as the reader of whole folders does: how much a broken file gives depends on how much is asked for at once.
    """
    at = 0
    with suppress(*_UNREADABLE), _opened_line_by_line(part.file) as stream:
        while line := stream.readline(LONGEST_LINE):
            if at >= position and (part.stop is None or at < part.stop):
                yield at, line.removeprefix(_BOM) if at == 0 else line
            at += len(line)


class _Filling:
    """Fills a buffer and gives away its whole lines.

    Attributes:
        position: In the unpacked file, of what was not yet given away.
    """

    def __init__(self, stream: IO[bytes], part: Part, size: int) -> None:
        self._stream, self._part = stream, part
        self._buffer = bytearray(size)
        self._held = 0
        self.position = 0

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        self.position = self._begin()
        while not self._is_over():
            filled = self._fill()
            end = self._buffer.rfind(_NEWLINE, self._held, filled) + 1
            if not end and filled > self._held:
                self._held = filled
                self._grow()
                continue
            whole = end or filled  # the last line may lack its end
            if not whole:
                return
            yield self.position, self._taken(whole)
            self._keep(whole, filled)

    def _begin(self) -> int:
        """The first line that begins in the part: the one under way at its start belongs to the part before."""
        position = self._part.start - 1
        if position < 0:
            return 0
        self._stream.seek(position)
        while piece := self._stream.read(len(self._buffer)):
            found = piece.find(_NEWLINE)
            if found >= 0:
                position += found + 1
                break
            position += len(piece)
        self._stream.seek(position)
        return position

    def _is_over(self) -> bool:
        return self._part.stop is not None and self.position >= self._part.stop

    def _fill(self) -> int:
        with memoryview(self._buffer) as view:
            count = cast("int", self._stream.readinto(view[self._held :]))  # type: ignore[attr-defined]
        return self._held + count

    def _grow(self) -> None:
        if self._held < len(self._buffer):
            return
        if len(self._buffer) >= LONGEST_LINE:
            raise SourceError("A line is longer than 64 MiB.", expression=f"{self._part.file.name}, byte {self.position}")
        self._buffer.extend(bytes(len(self._buffer)))

    def _taken(self, whole: int) -> bytes:
        """Up to the last line that begins in the part."""
        stop = self._part.stop
        if stop is not None and self.position + whole > stop:
            whole = self._buffer.find(_NEWLINE, stop - 1 - self.position, whole) + 1 or whole
        with memoryview(self._buffer) as view:
            block = bytes(view[:whole])
        return block.removeprefix(_BOM) if self.position == 0 else block

    def _keep(self, whole: int, filled: int) -> None:
        rest = filled - whole
        self._buffer[:rest] = self._buffer[whole:filled]
        self._held = rest
        self.position += whole


def _opened(file: DataFile) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file.path)) if file.is_gzip else file.path.open("rb", buffering=0)


def _opened_line_by_line(file: DataFile) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file.path)) if file.is_gzip else file.path.open("rb")
