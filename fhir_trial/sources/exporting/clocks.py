"""Time as an export needs it, handed in so that tests do not wait."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

#: Never asked more often than once a second (BULK-22).
SHORTEST: Final = 1.0


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is, and waiting.

    Attributes:
        now: This moment, with its zone.
        sleep: Waits for some seconds.
        chance: From 0 to 1, so that callers that failed together do not return together.
    """

    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


def wait(asked: float, number: int, longest: float) -> float:
    """Seconds until the status is asked for again: what the server wants, else twice as long each time (BULK-21, BULK-22).

    Args:
        number: 0 after the first time.
        longest: A longer wish is cut to this.
    """
    return min(max(asked or SHORTEST * 2.0 ** min(number, 30), SHORTEST), longest)
