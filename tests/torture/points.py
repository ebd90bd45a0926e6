"""The numbered points at which a process may be killed: both sides of each commit and of each request.

A commit has two: ``before commit`` (the rows are written, COMMIT is not sent) and ``after commit``. A request that reads has two,
one that writes three: ``before``, ``sent`` (the whole request has left, no answer was read) and ``after``.
Nothing of this is in the package: a process of the tests puts it around the database driver's commit and the HTTP client.
"""

from __future__ import annotations

import mmap
import os
import re
import signal
import struct
import sys
from pathlib import Path
from typing import Any

from sqlalchemy.engine.default import DefaultDialect
from urllib3.connection import HTTPConnection

_COUNT = struct.Struct("=I")
_NAME_BYTES = 200
_TARGET = re.compile(r"/fhir(?:/(?P<kind>\w+))?(?P<search>/_search)?")
_READING = re.compile(r"GET|POST \w+/_search")
_STORE = str(Path("fhir_trial", "store"))


class Points:
    """Counts what a process passes, in memory that outlives it; ends the process by SIGKILL at the point that is asked for.

    Attributes:
        names: Every point passed, by this process alone.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self._kill_at = 0
        self.names: list[str] = []

    @property
    def count(self) -> int:
        """How many were passed, also by a child that is dead."""
        (count,) = _COUNT.unpack_from(self._shared)
        return int(count)

    @property
    def last(self) -> str:
        """The name of the one passed last, also by a child that is dead."""
        return self._shared[_COUNT.size : _COUNT.size + _NAME_BYTES].rstrip(b"\0").decode()

    def begin(self, kill_at: int = 0) -> None:
        """Counts from none.

        Args:
            kill_at: Number of the point to end at, from 1; 0 for none.
        """
        self._kill_at = kill_at
        self.names = []
        self._keep(0, "")

    def passed(self, name: str) -> None:
        self.names.append(name)
        self._keep(len(self.names), name)
        if len(self.names) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _keep(self, count: int, name: str) -> None:
        _COUNT.pack_into(self._shared, 0, count)
        self._shared[_COUNT.size : _COUNT.size + _NAME_BYTES] = name.encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0")


def put_around(points: Points) -> None:
    """Puts the points around every commit and every request of this process, for its life."""
    _around_commits(points)
    _around_requests(points)


def is_commit(name: str) -> bool:
    """Whether the name is that of a point about a commit."""
    return name.split()[1] == "commit"


def is_write(name: str) -> bool:
    """Whether the name is that of a point about a request that writes."""
    return name.split()[1] in ("POST", "PUT") and not name.endswith("/_search")


def _around_commits(points: Points) -> None:
    plain: Any = DefaultDialect.do_commit

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        what = _what_is_committed()
        points.passed(f"before commit {what}")
        plain(self, connection)
        points.passed(f"after commit {what}")

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def _what_is_committed() -> str:
    """The method of the store that commits, and what it was given that says nothing of a patient: "outbox.mark sent"."""
    frame: Any = sys._getframe()
    method, given = "?", {}
    while frame is not None:
        if _STORE in frame.f_code.co_filename:
            method, given = f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}", frame.f_locals
        frame = frame.f_back
    event, intent = given.get("event"), given.get("intent")
    words = [method, getattr(intent, "kind", ""), given.get("state", "")]
    words += [getattr(event, name, None) or "" for name in ("action", "target", "outcome")]
    return " ".join(str(word) for word in words if word)


def _around_requests(points: Points) -> None:
    plain_request, plain_answer = HTTPConnection.request, HTTPConnection.getresponse
    under_way: list[str] = []

    def request(self: Any, method: str, url: str, *given: Any, **named: Any) -> None:
        what = _what_is_asked(method, url)
        points.passed(f"before {what}")
        plain_request(self, method, url, *given, **named)
        under_way[:] = [what]
        if not _READING.match(what):
            points.passed(f"sent {what}")

    def answer(self: Any) -> Any:
        came = plain_answer(self)
        points.passed(f"after {under_way[0]}")
        return came

    HTTPConnection.request = request  # type: ignore[method-assign]
    HTTPConnection.getresponse = answer  # type: ignore[method-assign]


def _what_is_asked(method: str, url: str) -> str:
    """The method and the type, without ids: "POST Observation/_search", "POST transaction"."""
    found = _TARGET.search(url)
    kind = found["kind"] if found else None
    search = "/_search" if found and found["search"] else ""
    return f"{method} {kind or 'transaction'}{search}"
