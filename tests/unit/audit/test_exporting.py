"""Files that leave the audit log: whole or absent, and heads that can be checked years later (SEC-01, SEC-06)."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.audit import line_of
from fhir_trial.audit.exported import ChainedLine, DatedHead, Head
from fhir_trial.audit.exporting import add_head, heads_of, read_heads, write_events
from fhir_trial.errors import UsageError
from tests.unit.audit.logs import EVENT

BASE = "https://trials.example.invalid"
HASH = "0f" * 32


def rows(count: int) -> Iterator[ChainedLine]:
    return (ChainedLine(number, json.dumps(line_of(EVENT)), f"{number:064x}") for number in range(1, count + 1))


def test_an_export_has_one_event_a_line_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """SEC-06."""
    path = tmp_path / "audit.ndjson"

    assert write_events(rows(3), path, BASE) == 3

    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["id"][-1] for event in events] == ["1", "2", "3"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_is_wanted_is_exported(tmp_path: Path) -> None:
    assert write_events(rows(3), tmp_path / "audit.ndjson", BASE, lambda line: line["patient"] == "pt-other") == 0


def test_an_export_that_fails_in_the_middle_leaves_what_was_there(tmp_path: Path) -> None:
    """SEC-06."""
    path = tmp_path / "audit.ndjson"
    path.write_text("yesterday's\n")

    def broken() -> Iterator[ChainedLine]:
        yield from rows(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_events(broken(), path, BASE)

    assert path.read_text() == "yesterday's\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("line", ["{}", "no JSON", "[]", '{"action": "create"}'])
def test_a_row_that_is_no_event_is_named_and_how_to_export_the_others(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"Row 3 .* --to 2"):
        write_events([*rows(2), ChainedLine(3, line, HASH)], tmp_path / "audit.ndjson", BASE)

    assert list(tmp_path.iterdir()) == []


def test_an_export_into_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        write_events(rows(1), tmp_path / "nowhere" / "audit.ndjson", BASE)


def test_a_head_is_added_once_a_day_unless_the_chain_grew(tmp_path: Path) -> None:
    """SEC-01."""
    path = tmp_path / "heads"
    monday, tuesday = date(2026, 3, 2), date(2026, 3, 3)

    added = [
        add_head(path, DatedHead(day, "north", Head(number, HASH)))
        for day, number in ((monday, 4), (monday, 4), (tuesday, 4), (tuesday, 9), (tuesday, 9))
    ]

    assert added == [True, False, True, True, False]
    assert path.read_text().splitlines() == [
        f"2026-03-02 north 4:{HASH}",
        f"2026-03-03 north 4:{HASH}",
        f"2026-03-03 north 9:{HASH}",
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_of_heads_serves_several_tenants(tmp_path: Path) -> None:
    """SEC-13."""
    path = tmp_path / "heads"
    day = date(2026, 3, 2)
    for tenant, number in (("north", 4), ("the south", 7), ("north", 4)):
        add_head(path, DatedHead(day, tenant, Head(number, HASH)))

    assert heads_of(path, "north") == [Head(4, HASH)]
    assert heads_of(path, "the south") == [Head(7, HASH)]
    with pytest.raises(UsageError, match="nothing would be checked"):
        heads_of(path, "east")


@pytest.mark.parametrize("line", ["", "2026-03-02 north 4", f"yesterday north 4:{HASH}", f"2026-03-02 north four:{HASH}", "x"])
def test_a_line_that_is_no_head_is_said_with_its_place(tmp_path: Path, line: str) -> None:
    path = tmp_path / "heads"
    path.write_text(f"2026-03-02 north 4:{HASH}\n{line}\n")

    with pytest.raises(UsageError, match="DATE TENANT NUMBER:HASH") as caught:
        read_heads(path)

    assert caught.value.expression == f"{path}:2"


def test_a_file_of_heads_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_heads(tmp_path / "heads")


@given(
    st.integers(0, 10**17), st.binary(min_size=32, max_size=32), st.dates(), st.from_regex(r"[a-z][a-z ]{0,20}", fullmatch=True)
)
def test_a_head_reads_as_it_is_written(number: int, digest: bytes, day: date, tenant: str) -> None:
    written = DatedHead(day, tenant, Head(number, digest.hex()))

    assert DatedHead.read(str(written)) == written
    assert Head.read(str(written.head)) == written.head


@pytest.mark.parametrize("text", ["", "4", "4:", f":{HASH}", f"4:{HASH}0", f"4:{HASH.upper()}", f" 4:{HASH}", f"-4:{HASH}"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="NUMBER:HASH"):
        Head.read(text)
