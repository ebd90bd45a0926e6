"""A server that several test workers use is started once, and outlives none of them and is outlived by none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.sharing import shared


class Log:
    """What happened, in order. Each thread is a worker: a lock of a file belongs to whoever opened it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def start(self) -> Iterator[str]:
        self.lines.append("started")
        yield "http://127.0.0.1:1/fhir"
        self.lines.append("ended")


def test_whoever_comes_first_starts_it_and_whoever_goes_last_sees_it_running(tmp_path: Path) -> None:
    log, inside, first_left = Log(), threading.Barrier(2), threading.Event()
    seen: list[str] = []

    def first() -> None:
        with shared("it", tmp_path, log.start) as address:
            seen.append(address)
            inside.wait(5)
            first_left.set()

    def second() -> None:
        with shared("it", tmp_path, log.start) as address:
            seen.append(address)
            inside.wait(5)
            first_left.wait(5)
            log.lines.append("used")

    workers = [threading.Thread(target=each) for each in (first, second)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)

    assert log.lines == ["started", "used", "ended"]
    assert seen == ["http://127.0.0.1:1/fhir"] * 2


def test_it_is_started_again_for_whoever_comes_after_its_end(tmp_path: Path) -> None:
    log = Log()

    for _ in range(2):
        with shared("it", tmp_path, log.start):
            pass

    assert log.lines == ["started", "ended"] * 2
