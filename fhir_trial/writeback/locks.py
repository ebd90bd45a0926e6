"""One writer at a time for each server, in this process: conditional creates in parallel are not atomic everywhere (WB-07)."""

from __future__ import annotations

import threading
from typing import Final

_LOCKS: Final[dict[str, threading.Lock]] = {}
_GUARD: Final = threading.Lock()


def lock_of(base: str) -> threading.Lock:
    """The lock of a server, by its base URL."""
    with _GUARD:
        return _LOCKS.setdefault(base, threading.Lock())
