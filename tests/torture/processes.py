"""Processes that are killed: ordered, waited for, and told of."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Self, cast

from tests.torture.work import Work

_ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 90.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one process.

    Attributes:
        killed: Ended by SIGKILL, rather than by itself.
        last: Name of the last point that it passed, whether killed or not.
        passed: How many it passed.
        took: Seconds from its start to its end.
        names: Of all points passed; empty for a killed one.
        results: Type and action of each result; empty for a killed one.
    """

    killed: bool
    last: str
    passed: int
    took: float
    names: tuple[str, ...] = field(default=(), repr=False)
    results: tuple[tuple[str, str], ...] = ()


class ProcessFailed(Exception):
    """It ended by itself, and not as it should."""


class Processes:
    """Starts one process after another, each forked from one that has imported everything."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("FHIR_TRIAL_")},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it with its standard input, by its process id if it does not."""
        cast("IO[str]", self._parent.stdin).close()
        try:
            self._parent.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._parent.kill()
            self._parent.wait()
        self._reader.join(timeout=5)
        cast("IO[str]", self._parent.stdout).close()

    def warm(self, work: Work) -> None:
        """Has the work done once where processes are forked from; it must leave no thread behind."""
        threads = self._answer({"work": asdict(work), "warm": True})["threads"]
        if threads != 1:
            raise ProcessFailed(f"{threads} threads: a fork would copy one of them.")

    def run(self, work: Work, *, kill_at: int = 0, kill_after: float | None = None) -> Outcome:
        """One process from its start to its end.

        Args:
            kill_at: Number of the point at which it is killed, from 1; 0 for none.
            kill_after: Seconds after which it is killed, if it is still there; None for never.

        Raises:
            ProcessFailed: It ended by itself with an error.
        """
        said = self._answer({"work": asdict(work), "kill_at": kill_at, "kill_after": kill_after})
        if not said["killed"] and said["status"] != 0:
            raise ProcessFailed(f"Last point: {said['last']}.\n{said.get('error', said['status'])}")
        return Outcome(
            killed=said["killed"],
            last=said["last"],
            passed=said["passed"],
            took=said["took"],
            names=tuple(said.get("names", ())),
            results=tuple((kind, action) for kind, action in said.get("results", ())),
        )

    def _answer(self, order: dict[str, Any]) -> dict[str, Any]:
        stdin = cast("IO[str]", self._parent.stdin)
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        try:
            line = self._lines.get(timeout=_LIMIT)
        except queue.Empty:
            raise ProcessFailed(f"Nothing was heard for {_LIMIT:.0f} s.") from None
        if not line:
            raise ProcessFailed("The process that forks has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _read(self) -> None:
        for line in cast("IO[str]", self._parent.stdout):
            self._lines.put(line)
        self._lines.put("")
