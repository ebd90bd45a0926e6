"""What becomes of a run when the machine fails it: a full disk, a process that is killed, no right to write."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fhir_trial.errors import SourceError
from fhir_trial.population import folder
from fhir_trial.population.asking import Progress
from fhir_trial.population.folder import Part, look_into
from fhir_trial.population.gathering import Piles, Wanted, gather
from fhir_trial.population.screening import screened
from fhir_trial.population.working import workers
from tests.unit.population.hospitals import agreed, lines, lupus, patient, platelets, question, write

PEOPLE = lines(*(patient(f"p{nth}") for nth in range(40)))
SEEN = lines(*(platelets(f"o{nth}", f"Patient/p{nth % 40}") for nth in range(400)))


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return write(tmp_path / "export", Patient=PEOPLE, Condition=lines(lupus()), Observation=SEEN)


def kill_myself(_: object) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def nothing(_: object = None) -> int:
    return 0


def begin() -> None:
    """Nothing needs to be known."""


def test_a_process_that_is_killed_ends_the_run_in_words() -> None:
    with workers(2, begin) as hands, pytest.raises(SourceError, match="ended from outside"):
        list(hands.each(kill_myself, [1, 2, 3]))


def test_a_process_that_was_killed_between_two_stages_ends_the_run_in_words() -> None:
    with workers(2, begin) as hands:
        with pytest.raises(SourceError):
            list(hands.each(kill_myself, [1]))

        with pytest.raises(SourceError, match="ended from outside"):
            list(hands.each(nothing, [1]))


def test_a_run_whose_processes_are_killed_ends_in_words_and_leaves_nothing(
    tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(folder.parts, "__defaults__", (500,))
    before = set(multiprocessing.active_children())

    def kill(progress: Progress) -> None:
        for child in set(multiprocessing.active_children()) - before:
            child.kill()

    with pytest.raises(SourceError, match="ended from outside"), screened(export, question(processes=2), kill) as (_, rows):
        list(rows)

    assert list(temporary.iterdir()) == []


def test_two_processes_find_what_one_finds(export: Path) -> None:
    agreed(export, processes=2)


#: Screens a folder while no file may grow beyond so many bytes; the last line tells how it ended.
_CHILD = """
import resource, signal, sys
from pathlib import Path
from benchmarks.comparing import at_once
from fhir_trial.errors import SourceError
from tests.unit.population.hospitals import question
export, limit, processes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
asked = question(processes=processes)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    _, rows = at_once(export, asked)
    print("rows", len(rows))
except SourceError as error:
    print("SourceError", error.message)
"""


def ended(export: Path, limit: int, processes: int, temporary: Path) -> str:
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-c", _CHILD, str(export), str(limit), str(processes)]
    found = subprocess.run(
        command, env=os.environ | {"TMPDIR": str(temporary)}, capture_output=True, text=True, timeout=100, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(("limit", "processes"), [(100, 1), (30_000, 2), (150_000, 1)])
def test_a_full_disk_ends_the_run_in_words_or_not_at_all(tmp_path: Path, export: Path, limit: int, processes: int) -> None:
    temporary = tmp_path / "temporary"

    end = ended(export, limit, processes, temporary)

    assert end.startswith("SourceError") or end == "rows 80"
    assert list(temporary.iterdir()) == []


def test_a_disk_that_is_full_of_records_and_has_no_room_for_rows_ends_the_run_in_words(tmp_path: Path) -> None:
    export = write(tmp_path / "export", Patient=PEOPLE, Observation=SEEN[:20_000])

    assert ended(export, 60_000, 1, tmp_path / "temporary").startswith("SourceError")


def test_what_the_disk_refuses_last_ends_the_run_too(tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines wait in memory, and the disk may refuse them when a pile is closed."""
    file = next(file for file in look_into(export).files if "Observation" in file.name)
    wanted = Wanted(frozenset(), None, 1)
    as_usual = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *args, **more: _Full() if "ab" in args else as_usual(self, *args, **more))

    with pytest.raises(SourceError, match="laid aside"), Piles(tmp_path, "1") as piles:
        gather(Part(file), wanted, piles)


class _Full:
    """A file that takes everything until it is closed."""

    def write(self, piece: bytes) -> int:
        return len(piece)

    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_piles_are_for_their_owner_alone(tmp_path: Path, export: Path) -> None:
    file = look_into(export).files[0]

    with Piles(tmp_path / "export", "1") as piles:
        gather(Part(file), Wanted(frozenset(), None, 3), piles)

    made = [path for path in (tmp_path / "export").iterdir() if path.suffix == ".1"]
    assert made
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
