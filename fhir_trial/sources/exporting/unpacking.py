"""Files as they were sent, unpacked as a stream: gzip as a Content-Encoding, as a .gz file, or both (BULK-33)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_GZIP: Final = b"\x1f\x8b"
_PIECE: Final = 1024 * 1024
_GZIP_WINDOW: Final = 31
_LAYERS: Final = 2


class BrokenPackingError(Exception):
    """The file breaks off, or its compression is wrong."""


class TooLargeError(Exception):
    """More comes out of it than is allowed."""


def unpacked(path: Path, largest: int) -> Iterator[bytes]:
    """The bytes of a file, unpacked as often as it was packed, twice at most; by what it begins with, whatever was said of it.

    Args:
        largest: Bytes, unpacked.

    Raises:
        BrokenPackingError: After what could be unpacked.
        TooLargeError: After so many bytes.
    """
    pieces = _pieces(path)
    for _ in range(_LAYERS):
        pieces = _layer(pieces)
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > largest:
            raise TooLargeError
        yield piece


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _layer(pieces: Iterator[bytes]) -> Iterator[bytes]:
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= len(_GZIP):
            break
    if first.startswith(_GZIP):
        yield from _gunzipped(first, pieces)
        return
    if first:
        yield first
    yield from pieces


def _gunzipped(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Members one after another; what follows the last one may be nothing but padding."""
    waiting = first
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    while True:
        if unpacker.eof and waiting:
            waiting = waiting.lstrip(b"\0")
            if waiting:
                unpacker = zlib.decompressobj(_GZIP_WINDOW)
        if not waiting:
            waiting = next(rest, b"")
            if not waiting:
                break
            continue
        try:
            piece = unpacker.decompress(waiting, _PIECE)
        except zlib.error:
            raise BrokenPackingError from None
        waiting = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if piece:
            yield piece
    if not unpacker.eof:
        raise BrokenPackingError
