"""Each way to write a trial wrong is told at its file, line and column, with the right word; its good counterpart passes.

A file in ``bad/`` starts with a comment for each mistake that must be found: ``line:column place: sentence``. The file of the
same name in ``good/`` says what was meant.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_trial.cli.main import main
from fhir_trial.definitions.checking import check_everything, check_trial
from fhir_trial.terminology import load_terminology, mappings_folder

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))
GOOD = sorted((HERE / "good").glob("*.yaml"))


def expected_of(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"{path}:{line[2:]}" for line in lines if line.startswith("# ")]


def test_every_bad_trial_has_its_good_counterpart() -> None:
    assert [path.name for path in BAD] == [path.name for path in GOOD]
    assert len(BAD) > 60


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_mistake_is_told_at_its_place_with_the_right_word(path: Path) -> None:
    found = check_trial(path, mappings_folder(), load_terminology())

    assert [str(error) for error in found] == expected_of(path)
    assert expected_of(path)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_counterpart_passes(path: Path) -> None:
    assert check_trial(path, mappings_folder(), load_terminology()) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_check_command_ends_with_exit_status_4(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["trial", "check", str(path)])

    told = capsys.readouterr()
    assert stop.value.code == 4
    assert told.err.splitlines() == expected_of(path)
    assert told.out == f"1 file checked, {_counted(len(expected_of(path)))}.\n"


def _counted(mistakes: int) -> str:
    return "1 mistake" if mistakes == 1 else f"{mistakes} mistakes"


def test_shipped_trials_and_sites_are_without_mistakes() -> None:
    report = check_everything((), mappings_folder())

    assert [str(error) for error in report.errors] == []
    assert report.checked >= 2


def test_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (error,) = check_trial(tmp_path / "none.yaml", mappings_folder(), load_terminology())

    assert str(error) == f"{tmp_path / 'none.yaml'}: Cannot be read: No such file or directory."


def test_file_that_is_not_text_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    (error,) = check_trial(path, mappings_folder(), load_terminology())

    assert str(error) == f"{path}: Is not UTF-8 text."


@pytest.mark.parametrize("written", ["", "- a\n", "42\n", "criteria: 5\n", "settings: 5\n"])
def test_file_that_is_no_trial_at_all_is_told_what_is_missing(written: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text(written, encoding="utf-8")

    found = check_trial(path, mappings_folder(), load_terminology())

    assert found
    assert all(str(error).startswith(f"{path}:1:") for error in found)
