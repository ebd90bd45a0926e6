"""How often one user may ask: a window of a minute, in this process (SEC-59)."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable
from typing import Final

from fhir_trial.web.refusals import TooManyRequestsError

WINDOW: Final = 60.0
_MOST_USERS: Final = 10_000


class RateLimit:
    """Counts requests by user. Safe for threads; the service is one process.

    Args:
        most: Requests in a window; 0 for no limit.
        clock: Seconds that only grow.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[Hashable, tuple[float, int]] = {}

    def count(self, user: Hashable) -> None:
        """One more.

        Raises:
            TooManyRequestsError: With the seconds until the window ends.
        """
        if not self._most:
            return
        now = self._clock()
        with self._lock:
            if len(self._windows) >= _MOST_USERS:
                self._windows = {who: window for who, window in self._windows.items() if now - window[0] < WINDOW}
            began, count = self._windows.get(user, (now, 0))
            if now - began >= WINDOW:
                began, count = now, 0
            if count >= self._most:
                wait = max(1, math.ceil(began + WINDOW - now))
                raise TooManyRequestsError("Too many requests; ask again later, as Retry-After says.", retry_after=wait)
            self._windows[user] = (began, count + 1)
