r"""The same content in other bytes: what servers and tools make of JSON, and still mean the same.

Each form is made of a plain folder. Numbers and texts stay what they are: nothing is decoded but where keys are sorted.
"""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import IO, Final

import msgspec

from benchmarks.generate.hospital import TRUTH
from fhir_trial.transport import decode_json

_TOKEN: Final = re.compile(rb'("(?:[^"\\]|\\.)*")|([:,])')
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_PIECE: Final = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL)
_TEN_PER_CENT: Final = 0.1
_LONG: Final = 2_400_000
_EVERY_LONG: Final = 400  # a line of so many
_FIFTY: Final = 50
_SORTED: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")
_SHUFFLED_AT_ONCE: Final = 64 * 1024 * 1024

LineMaker = Callable[[bytes, Random], bytes]


def rewrite(plain: Path, folder: Path, form: str, seed: int = 1) -> None:
    """Writes what a generated folder holds in another form.

    Args:
        form: One of FORMS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(plain / TRUTH, folder / TRUTH)
    files = sorted(path for path in plain.glob("*.ndjson") if path.name != TRUTH)
    FORMS[form](files, folder, Random(seed))


def _by_line(make: LineMaker) -> Callable[[list[Path], Path, Random], None]:
    def write(files: list[Path], folder: Path, dice: Random) -> None:
        for path in files:
            with path.open("rb") as opened, (folder / path.name).open("wb") as to:
                for line in opened:
                    to.write(make(line.removesuffix(b"\n"), dice))

    return write


def _spread(separator: bytes) -> LineMaker:
    """White space after each separator, and at both ends."""

    def replaced(match: re.Match[bytes]) -> bytes:
        return match[1] or match[2] + separator

    return lambda line, _: separator + _TOKEN.sub(replaced, line) + separator + b"\n"


def _escape_slashes(line: bytes, _: Random) -> bytes:
    return _STRING.sub(lambda match: match[0].replace(b"/", b"\\/"), line) + b"\n"


def _escape_characters(line: bytes, dice: Random) -> bytes:
    r"""One in ten, keys too, as \u00XX; beyond the first plane, as two of them."""

    def string(match: re.Match[bytes]) -> bytes:
        pieces = [piece[0] for piece in _PIECE.finditer(match[1].decode())] if b"\\" in match[1] else list(match[1].decode())
        for _ in range(int(len(pieces) * _TEN_PER_CENT + dice.random())):
            at = int(dice.random() * len(pieces))
            if len(pieces[at]) == 1:
                units = pieces[at].encode("utf-16-be")
                pieces[at] = "".join(f"\\u{units[nth]:02x}{units[nth + 1]:02X}" for nth in range(0, len(units), 2))
        return b'"' + "".join(pieces).encode() + b'"'

    return _STRING.sub(string, line) + b"\n"


def _with_empty_lines(line: bytes, dice: Random) -> bytes:
    return b"".join((b"\n", b" \t\n", b"\r\n")[dice.randrange(3)] for _ in range(dice.randrange(3))) + line + b"\n"


def _with_long_lines(line: bytes, dice: Random) -> bytes:
    """Now and then a resource with a scan in it."""
    if dice.randrange(_EVERY_LONG):
        return line + b"\n"
    padding = b'"contained":[{"resourceType":"Binary","id":"scan","data":"%b"}],' % (b"QUJD" * (_LONG // 4))
    return b"{" + padding + line[1:] + b"\n" if dice.random() < 0.5 else line[:-1] + b"," + padding[:-1] + b"}\n"


def _packed(files: list[Path], folder: Path, _: Random) -> None:
    for path in files:
        with path.open("rb") as opened, gzip.open(folder / f"{path.name}.gz", "wb", compresslevel=1) as to:
            shutil.copyfileobj(opened, to)


def _in_one_file(files: list[Path], folder: Path, _: Random) -> None:
    with (folder / "export.ndjson").open("wb") as to:
        for path in files:
            with path.open("rb") as opened:
                shutil.copyfileobj(opened, to)


def _in_fifty_files(files: list[Path], folder: Path, dice: Random) -> None:
    """Each line in one of them by chance."""
    with ExitStack() as stack:
        many = [stack.enter_context((folder / f"part-{nth:02}.ndjson").open("wb")) for nth in range(_FIFTY)]
        for line in _lines(files):
            many[dice.randrange(_FIFTY)].write(line)


def _shuffled(files: list[Path], folder: Path, dice: Random) -> None:
    """Lines of all types and patients together, in any order."""
    heaps = 1 + sum(path.stat().st_size for path in files) // _SHUFFLED_AT_ONCE
    hidden = [folder / f".heap-{nth}" for nth in range(heaps)]
    with ExitStack() as stack:
        opened: list[IO[bytes]] = [stack.enter_context(path.open("wb")) for path in hidden]
        for line in _lines(files):
            opened[dice.randrange(heaps)].write(line)
    with (folder / "shuffled.ndjson").open("wb") as to:
        for path in hidden:
            lines = path.read_bytes().splitlines(keepends=True)
            dice.shuffle(lines)
            to.writelines(lines)
            path.unlink()


def _lines(files: list[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as opened:
            yield from opened


#: Name -> what makes it.
FORMS: Final[dict[str, Callable[[list[Path], Path, Random], None]]] = {
    "plain": _by_line(lambda line, _: line + b"\n"),
    "spaces": _by_line(_spread(b"  ")),
    "tabs": _by_line(_spread(b"\t")),
    "crlf": _by_line(lambda line, _: line + b"\r\n"),
    "sorted-keys": _by_line(lambda line, _: _SORTED.encode(decode_json(line)) + b"\n"),
    "escaped-slashes": _by_line(_escape_slashes),
    "escaped-characters": _by_line(_escape_characters),
    "empty-lines": _by_line(_with_empty_lines),
    "long-lines": _by_line(_with_long_lines),
    "gzip": _packed,
    "one-file": _in_one_file,
    "fifty-files": _in_fifty_files,
    "shuffled": _shuffled,
}
