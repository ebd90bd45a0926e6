"""How far a run is, where nobody watches a terminal."""

import io
from itertools import count

import pytest

from fhir_trial.cli.hospital_progress import lines, progress
from fhir_trial.population.asking import Progress


def test_a_line_a_minute_says_stage_share_rate_and_time_left() -> None:
    said: list[str] = []
    ticks = count(0, 10)  # seconds, one step each time the clock is asked

    with lines(said.append, lambda: float(next(ticks))) as told:
        for done in range(1, 11):
            told(Progress("signs", done * 100_000_000, 1_000_000_000))

    assert len(said) in (2, 3)
    assert said[0].startswith("Looking for signs: ")
    assert "MB/s" in said[0]
    assert said[0].endswith(" left.")


def test_piles_have_no_bytes_a_second() -> None:
    said: list[str] = []
    ticks = count(0, 70)

    with lines(said.append, lambda: float(next(ticks))) as told:
        told(Progress("verdicts", 1, 4))

    (line,) = said
    assert line.startswith("Screening: 25 %, ")
    assert "MB/s" not in line


def test_a_short_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as told:
        told(Progress("signs", 5, 5))
        told(Progress("verdicts", 1, 1))

    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_for_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())

    with progress() as told:
        told(Progress("signs", 500_000_000, 1_000_000_000))
        told(Progress("records", 1_000_000_000, 1_000_000_000))
        told(Progress("verdicts", 1, 4))

    shown = terminal.getvalue()
    assert all(stage in shown for stage in ("Looking for signs", "Reading records", "Screening"))
    assert all(word in shown for word in ("50%", "100%", "25%", "MB/s", "left"))


def test_where_patients_are_only_counted_the_stage_that_grows_with_them_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    # SEC-41
    monkeypatch.setattr("sys.stderr", terminal := Terminal())

    with progress(counting=True) as told:
        told(Progress("records", 1, 2))
        told(Progress("verdicts", 1, 37))

    assert "Reading records" in terminal.getvalue()
    assert "Screening" not in terminal.getvalue()
