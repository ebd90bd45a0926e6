"""How fast one server is asked: so many requests at once, so many a minute, for the whole process (DATA-18)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from fhir_trial.transport.links import port_of


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
        self.parallel, self.per_minute = parallel, per_minute
        self._under_way = 0
        self._changed = threading.Condition()
        self._next = 0.0
        self._clock, self._sleep = clock, sleep

    def tighten(self, parallel: int, per_minute: int | None) -> None:
        """Takes on limits where they are stricter; those that are not change nothing."""
        with self._changed:
            self.parallel = min(self.parallel, parallel)
            self.per_minute = min(filter(None, (self.per_minute, per_minute)), default=None)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn, and holds it."""
        with self._changed:
            while self._under_way >= self.parallel:
                self._changed.wait()
            self._under_way += 1
        try:
            self._wait()
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def _wait(self) -> None:
        with self._changed:  # only the place in the queue is taken under the lock; the waiting is done outside
            if not self.per_minute:
                return
            now = self._clock()
            begin = max(now, self._next)
            self._next = begin + 60 / self.per_minute
        if begin > now:
            self._sleep(begin - now)


_PACES: dict[tuple[str, str | None, int | None, str], Pace] = {}
_PACES_LOCK = threading.Lock()


def pace_of(base: str, parallel: int, per_minute: int | None) -> Pace:
    """The one pace of a server in this process. Of several settings for it the strictest limits hold, until the process ends."""
    parts = urlsplit(base)
    server = (parts.scheme, parts.hostname, port_of(parts), parts.path.rstrip("/"))
    with _PACES_LOCK:
        pace = _PACES.setdefault(server, Pace(parallel, per_minute))
    pace.tighten(parallel, per_minute)
    return pace
