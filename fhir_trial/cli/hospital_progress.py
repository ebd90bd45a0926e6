"""How far a run over a whole hospital is: bars on a terminal, else a line a minute."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from fhir_trial.population.asking import Progress, Told

_MINUTE: Final = 60.0
_MB: Final = 1_000_000
_STAGES: Final = {"signs": "Looking for signs", "records": "Reading records", "verdicts": "Screening"}


@contextmanager
def progress(*, counting: bool = False) -> Iterator[Told]:
    """Somebody to be told of each step.

    Args:
        counting: Nobody may learn how many are screened (SEC-41): the last stage, whose piles grow with them, is not shown.
    """
    with _bars() if sys.stderr.isatty() else lines(_say, perf_counter) as told:
        yield lambda step: None if counting and step.stage == "verdicts" else told(step)


@contextmanager
def lines(say: Callable[[str], None], clock: Callable[[], float]) -> Iterator[Told]:
    """A line a minute.

    Args:
        clock: Seconds since some moment.
    """
    pace, last = _Pace(clock), clock()

    def told(step: Progress) -> None:
        nonlocal last
        detail = pace.words(step)
        if clock() - last >= _MINUTE:
            last = clock()
            say(f"{_STAGES[step.stage]}: {_percent(step)} %, {detail}.")

    yield told


@contextmanager
def _bars() -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description:<18}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        console=Console(stderr=True),
        auto_refresh=False,  # no thread: the processes of the run begin as copies of this one
    )
    pace = _Pace(perf_counter)
    tasks: dict[str, TaskID] = {}

    def told(step: Progress) -> None:
        bars.start()
        if step.stage not in tasks:
            tasks[step.stage] = bars.add_task(_STAGES[step.stage], total=step.whole, detail="")
        bars.update(tasks[step.stage], completed=step.done, detail=pace.words(step), refresh=True)

    try:
        yield told
    finally:
        bars.stop()


class _Pace:
    """How fast a stage is, and how long it will take."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stage = ""
        self._begun = clock()

    def words(self, step: Progress) -> str:
        """Such as "412 MB/s, 1:40 left"."""
        if step.stage != self._stage:
            if self._stage:
                self._begun = self._clock()
            self._stage = step.stage
        seconds = max(self._clock() - self._begun, 1e-6)
        left = seconds * (step.whole - step.done) / max(step.done, 1)
        rate = "" if step.stage == "verdicts" else f"{step.done / seconds / _MB:.0f} MB/s, "
        return f"{rate}{int(left) // 60}:{int(left) % 60:02d} left"


def _percent(step: Progress) -> int:
    return 100 * step.done // max(step.whole, 1)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
