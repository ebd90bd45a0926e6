"""A run in a folder: whole or not at all, for its owner alone; one that may name nobody keeps counts alone."""

from pathlib import Path

import msgspec
import pytest

from fhir_trial.errors import SourceError, UsageError
from fhir_trial.population.kept_counts import keep_counts, read_counts
from fhir_trial.population.kept_runs import keep_run, read_run, rows_of_run
from tests.unit.population.funnels import kept_run, little_trial, report, rows

TRIAL = little_trial("I1", "I2")
ROWS = rows(TRIAL, "TT", "FT", "Ts")


def test_a_run_is_read_as_it_was_kept(tmp_path: Path) -> None:
    kept = keep_run(tmp_path / "run", kept_run([TRIAL], request="cli-1"), ROWS)

    assert kept.rows == 3
    assert read_run(tmp_path / "run") == kept
    assert list(rows_of_run(tmp_path / "run")) == ROWS


def test_a_run_is_for_its_owner_alone(tmp_path: Path) -> None:
    keep_run(tmp_path / "run", kept_run([TRIAL]), ROWS)

    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()} == {0o600}


def test_a_second_run_does_not_take_the_place_of_a_first(tmp_path: Path) -> None:
    keep_run(tmp_path, kept_run([TRIAL]), ROWS)

    with pytest.raises(UsageError, match="holds a run already"):
        keep_run(tmp_path, kept_run([TRIAL]), [])
    with pytest.raises(UsageError, match="holds a run already"):
        keep_counts(tmp_path, report(TRIAL, ROWS))
    assert len(list(rows_of_run(tmp_path))) == 3


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="no folder"):
        keep_run(tmp_path / "file", kept_run([TRIAL]), ROWS)


def test_a_run_that_broke_off_is_none(tmp_path: Path) -> None:
    def breaking() -> object:
        yield ROWS[0]
        raise SourceError("A file changed.")

    with pytest.raises(SourceError, match="A file changed"):
        keep_run(tmp_path / "run", kept_run([TRIAL]), breaking())  # type: ignore[arg-type]

    with pytest.raises(SourceError, match="holds no run"):
        read_run(tmp_path / "run")
    assert keep_run(tmp_path / "run", kept_run([TRIAL]), ROWS).rows == 3


@pytest.mark.parametrize("spoil", ["gone", "short", "broken"])
def test_rows_that_are_not_all_there_are_not_taken_for_all(tmp_path: Path, spoil: str) -> None:
    keep_run(tmp_path, kept_run([TRIAL]), ROWS)
    path = tmp_path / "rows.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    if spoil == "gone":
        path.unlink()
    else:
        path.write_bytes(b"".join(lines[:-1]) + (b"" if spoil == "short" else b"{\n"))

    with pytest.raises(SourceError, match="rows"):
        list(rows_of_run(tmp_path))


def test_a_run_kept_before_zones_were_noted_is_read(tmp_path: Path) -> None:
    keep_run(tmp_path, kept_run([TRIAL]), ROWS)
    content = msgspec.json.decode((tmp_path / "run.json").read_bytes())
    del content["trials"][0]["timezone"], content["request"]
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(content))

    assert read_run(tmp_path).trials[0].timezone is None


def test_counts_are_kept_without_anybodys_row(tmp_path: Path) -> None:
    # SEC-35
    rounded = report(TRIAL, ROWS)
    keep_counts(tmp_path / "run", rounded)

    assert [path.name for path in (tmp_path / "run").iterdir()] == ["counts.json"]
    assert read_counts(tmp_path / "run") == rounded
    with pytest.raises(UsageError, match="counts alone"):
        read_run(tmp_path / "run")


def test_exact_counts_are_never_kept_as_counts(tmp_path: Path) -> None:
    # SEC-35
    with pytest.raises(ValueError, match="rounded"):
        keep_counts(tmp_path, report(TRIAL, ROWS, exact=True))


def test_broken_counts_are_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "counts.json").write_text("{")

    with pytest.raises(SourceError, match="cannot be read"):
        read_counts(tmp_path)


def test_a_folder_of_a_run_has_no_counts(tmp_path: Path) -> None:
    keep_run(tmp_path, kept_run([TRIAL]), ROWS)

    assert read_counts(tmp_path) is None
