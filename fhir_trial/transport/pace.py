"""How fast one server is asked: so many requests at once, so many a minute, for the whole process (DATA-18)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """The limits of one server. Safe for threads.

    Args:
        parallel: Requests under way at the same time.
        per_minute: Requests begun in a minute, evenly; None for no limit.
        clock, sleep: Seconds that only grow, and waiting for some; replaced in tests.
    """

    def __init__(
        self,
        parallel: int,
        per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._slots = threading.BoundedSemaphore(parallel)
        self._interval = 60 / per_minute if per_minute else 0.0
        self._lock = threading.Lock()
        self._next = 0.0
        self._clock, self._sleep = clock, sleep

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn, and holds it."""
        with self._slots:
            self._wait()
            yield

    def _wait(self) -> None:
        if not self._interval:
            return
        with self._lock:  # only the place in the queue is taken under the lock; the waiting is done outside
            now = self._clock()
            begin = max(now, self._next)
            self._next = begin + self._interval
        if begin > now:
            self._sleep(begin - now)


_PACES: dict[tuple[str, int, int | None], Pace] = {}
_PACES_LOCK = threading.Lock()


def pace_of(base: str, parallel: int, per_minute: int | None) -> Pace:
    """The one pace of a server in this process."""
    with _PACES_LOCK:
        return _PACES.setdefault((base, parallel, per_minute), Pace(parallel, per_minute))
