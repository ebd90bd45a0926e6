"""Blocks of lines: any bytes, any size of a block, any borders of parts, and each line comes out once, in order (BULK-34)."""

import gzip
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_trial.errors import SourceError
from fhir_trial.population import blocks as room
from fhir_trial.population.blocks import BrokenFileError, blocks, lines_of
from fhir_trial.population.folder import DataFile, Part, look_into, parts

_BOM = b"\xef\xbb\xbf"
_BYTES = st.lists(
    st.sampled_from([b"\n", b"\n", b"\r", b"a", b"{}", b" ", b"\x00", b"\xff", b"\xe2\x80\xa8", b"x" * 9]), max_size=60
)
_AGAIN = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)


def data_file(folder: Path, content: bytes, name: str = "a.ndjson") -> DataFile:
    (folder / name).write_bytes(content)
    return next(file for file in look_into(folder).files if file.path.name == name)


def lines(content: bytes) -> list[bytes]:
    """Those of a file, as the end of a line is understood everywhere else."""
    found = content.removeprefix(_BOM).split(b"\n")
    return found[:-1] if not found[-1] else found


def placed(part: Part, size: int) -> Iterator[tuple[int, bytes]]:
    for position, block in blocks(part, size):
        at = position
        for line in lines_of(block):
            yield at, line
            at += len(line) + 1


@_AGAIN
@given(pieces=_BYTES, size=st.integers(1, 40), step=st.integers(1, 50), is_packed=st.booleans())
def test_each_line_comes_out_once_and_in_order(
    tmp_path: Path, pieces: list[bytes], size: int, step: int, is_packed: bool
) -> None:
    content = b"".join(pieces)
    packed = gzip.compress(content) if is_packed else content
    file = data_file(tmp_path, packed, "a.ndjson.gz" if is_packed else "a.ndjson")

    found = [line for part in parts(file, step) for _, line in placed(part, size)]

    assert found == lines(content)  # BULK-34


@_AGAIN
@given(pieces=_BYTES, size=st.integers(1, 40), borders=st.lists(st.integers(0, 200), max_size=6))
def test_borders_of_parts_may_lie_anywhere_even_within_a_line(
    tmp_path: Path, pieces: list[bytes], size: int, borders: list[int]
) -> None:
    content = b"".join(pieces)
    file = data_file(tmp_path, content)
    cuts = sorted({0, len(content), *(border for border in borders if border < len(content))})
    pieces_of_it = [Part(file, start, stop) for start, stop in pairwise(cuts)] or [Part(file)]

    found = [each for part in pieces_of_it for each in placed(part, size)]

    assert [line for _, line in found] == lines(content)
    if not content.startswith(_BOM):
        assert all(content[at : at + len(line)] == line for at, line in found)


@_AGAIN
@given(pieces=_BYTES, size=st.integers(1, 40))
def test_lines_are_counted_as_they_are_given_out(tmp_path: Path, pieces: list[bytes], size: int) -> None:
    file = data_file(tmp_path, b"".join(pieces))

    counted = sum(len(lines_of(block)) for _, block in blocks(Part(file), size))

    assert counted == len(lines(b"".join(pieces)))


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    file = data_file(tmp_path, _BOM + b"first\n" + _BOM + b"second\n")

    assert [line for _, line in placed(Part(file), 4)] == [b"first", _BOM + b"second"]


def test_a_line_beyond_the_limit_ends_the_run_and_names_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LONGEST_LINE", 64)
    file = data_file(tmp_path, b"short\n" + b"secret" * 40 + b"\n")

    with pytest.raises(SourceError, match=r"longer than") as raised:
        list(blocks(Part(file), 16))

    assert "secret" not in str(raised.value)
    assert raised.value.expression == f"{file.name}, byte 6"


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_packed_file_that_breaks_off_gives_every_line_that_the_reader_of_files_gets(tmp_path: Path, cut: int) -> None:
    content = b"".join(b'{"resourceType":"Patient","id":"%x"}\n' % (nth**9) for nth in range(20_000))
    packed = gzip.compress(content)
    file = data_file(tmp_path, packed[: len(packed) * cut // 60], "a.ndjson.gz")
    known: list[bytes] = []
    with pytest.raises(EOFError), gzip.open(file.path) as stream:
        known.extend(iter(stream.readline, b""))

    found: list[bytes] = []
    with pytest.raises(BrokenFileError):
        found.extend(line + b"\n" for _, line in placed(Part(file), 1 << 20))

    assert found == known  # never fewer than one patient at a time sees
    assert found == content.splitlines(keepends=True)[: len(found)]


@pytest.mark.parametrize("at", [0.3, 0.6, 0.95])
def test_a_packed_file_with_a_wrong_byte_gives_every_line_that_the_reader_of_files_gets(tmp_path: Path, at: float) -> None:
    content = b"".join(b'{"resourceType":"Patient","id":"%x"}\n' % (nth**9) for nth in range(20_000))
    packed = bytearray(gzip.compress(content))
    packed[int(len(packed) * at)] ^= 0xFF
    file = data_file(tmp_path, bytes(packed), "a.ndjson.gz")
    known: list[bytes] = []
    with pytest.raises((OSError, EOFError, zlib.error)), gzip.open(file.path) as stream:
        known.extend(iter(stream.readline, b""))

    found: list[bytes] = []
    with pytest.raises(BrokenFileError):
        found.extend(line + b"\n" for _, line in placed(Part(file), 1 << 20))

    assert found == known
