"""How long to wait before a read is tried again (DATA-18)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from fhir_trial.errors import ServerError

#: Of the answers of a server, those after which another try may go well. Proxies have 5xx of their own; 501, 505 mean never.
RETRY_ON = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})

_FIRST = 0.5
_LONGEST_OF_OURS = 30.0
_SECONDS = re.compile(r"[0-9]{1,12}")


class TryAgain(Exception):
    """One try failed in a way that another may mend.

    Attributes:
        error: What it means when no other follows.
        retry_after: The server's header, as it came.
    """

    def __init__(self, error: ServerError, retry_after: str | None = None) -> None:
        super().__init__(error.message)
        self.error, self.retry_after = error, retry_after


def seconds_asked(retry_after: str | None, now: float) -> float:
    """What a Retry-After asks for; 0 where it is absent, past, or neither a number of seconds nor a date.

    Args:
        now: Seconds since the epoch.
    """
    words = (retry_after or "").strip()
    if _SECONDS.fullmatch(words):
        return float(words)
    try:
        return max(0.0, parsedate_to_datetime(words).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def wait_before(number: int, asked: float, longest: float, chance: Callable[[], float] = random.random) -> float:
    """Seconds before a further try: what the server asks for, cut to ``longest``, and a growing one of ours with jitter.

    Args:
        number: 1 before the first further try.
        chance: From 0 to 1, so that callers that failed together do not return together.
    """
    ours = min(_LONGEST_OF_OURS, _FIRST * 2.0 ** (number - 1))
    return min(asked, longest) + ours * (0.5 + chance() / 2)
