"""Progress is for somebody who watches a terminal, and for nobody else."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest

from fhir_trial.cli.progress import with_progress


class Terminal(io.StringIO):
    """A standard error that somebody watches."""

    def isatty(self) -> bool:
        return True


def screened(number: int) -> Any:
    return cast("Any", list(range(number)))


def test_every_tenth_is_told_on_a_terminal_and_the_line_is_wiped_away(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Terminal()
    monkeypatch.setattr("sys.stderr", told)

    assert list(with_progress(screened(21))) == screened(21)
    assert told.getvalue() == "\r1 screened\r11 screened\r21 screened\r\x1b[K"


def test_line_is_wiped_away_when_it_stops_short(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Terminal()
    monkeypatch.setattr("sys.stderr", told)

    verdicts = iter(with_progress(screened(3)))
    next(verdicts)
    verdicts.close()  # type: ignore[attr-defined]

    assert told.getvalue() == "\r1 screened\r\x1b[K"


def test_nothing_is_told_if_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr("sys.stderr", told)

    assert list(with_progress(screened(21))) == screened(21)
    assert told.getvalue() == ""
