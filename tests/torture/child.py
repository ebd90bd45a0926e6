"""A warmed process that forks one process for each order, so that a process costs no imports: python -m tests.torture.child.

One JSON order a line on standard input, one JSON outcome a line on standard output. It ends when standard input closes. A forked
process is ended by the order's kill, by its own end, or by its alarm: none outlives its order.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from typing import Any

from tests.torture.points import Points, put_around
from tests.torture.work import Work, do, forget_records, remember_readings

#: Seconds after which a forked process is ended whatever it does.
_ALARM = 60
_CHUNK = 65536


def main() -> None:
    """Takes orders until there are no more."""
    remember_readings()
    points = Points()
    put_around(points)
    for line in sys.stdin:
        order = json.loads(line)
        outcome = _warmed(order) if order.get("warm") else _carried_out(order, points)
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


def _warmed(order: dict[str, Any]) -> dict[str, Any]:
    """Does the work here, so that everything is imported, and the records are known that later work may remember."""
    forget_records()
    results = do(Work(**order["work"]))
    gc.collect()
    gc.freeze()  # what is here now is shared with each process that is forked, and never looked at again
    return {"results": results, "threads": threading.active_count()}


def _carried_out(order: dict[str, Any], points: Points) -> dict[str, Any]:
    points.begin()
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(order, points, writing)
    os.close(writing)
    said = _heard(reading, child, order.get("kill_after"), began)
    _, status = os.waitpid(child, 0)
    outcome: dict[str, Any] = json.loads(said) if said.endswith(b"\n") else {}
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    took = time.monotonic() - began
    return {"killed": killed, "status": status, "passed": points.count, "last": points.last, "took": took, **outcome}


def _work(order: dict[str, Any], points: Points, writing: int) -> None:
    """The forked process: never returns."""
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_ALARM)
        points.begin(int(order.get("kill_at", 0)))
        said: dict[str, Any] = {"results": do(Work(**order["work"])), "names": points.names}
        status = 0
    except BaseException:  # noqa: BLE001 (the outcome says what it was)
        said = {"error": traceback.format_exc()}
    with os.fdopen(writing, "wb") as stream:
        stream.write(json.dumps(said).encode() + b"\n")
    os._exit(status)


def _heard(reading: int, child: int, kill_after: float | None, began: float) -> bytes:
    """What the child says until its end, which comes by our hand once the time is over."""
    said = b""
    deadline = None if kill_after is None else began + kill_after
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([reading], [], [], left)
        if not ready:
            os.kill(child, signal.SIGKILL)
            deadline = None
            continue
        piece = os.read(reading, _CHUNK)
        if not piece:
            os.close(reading)
            return said
        said += piece


if __name__ == "__main__":
    main()
