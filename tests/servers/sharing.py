"""One server for all test workers: the first that needs it starts it, and ends it when the last has finished with it."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest

_LOOK_EVERY = 0.1


def folder_of_run(factory: pytest.TempPathFactory, worker: str) -> Path:
    """The temporary folder that all workers of this run have in common."""
    own = factory.getbasetemp()
    return own if worker == "master" else own.parent


@contextmanager
def shared(name: str, folder: Path, start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """What ``start`` says of itself (its address), from whichever worker started it.

    Locks of files, since the system lets go of those of a worker that dies.
    """
    address = folder / f"{name}.address"
    with ExitStack() as ours, _open(folder / f"{name}.users") as users:
        with locked(folder / f"{name}.start"):
            fcntl.flock(users, fcntl.LOCK_SH)
            is_ours = not address.exists()
            if is_ours:
                address.write_text(ours.enter_context(start()), encoding="utf-8")
        try:
            yield address.read_text(encoding="utf-8")
        finally:
            while is_ours and not _ended(folder / f"{name}.start", users, address, ours):
                time.sleep(_LOOK_EVERY)


def _ended(gate: Path, users: IO[str], address: Path, ours: ExitStack) -> bool:
    """Ends it, unless somebody uses it."""
    with locked(gate):  # nobody comes in meanwhile
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        address.unlink()
        ours.close()
        return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all workers."""
    with _open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _open(path: Path) -> IO[str]:
    return path.open("a", encoding="utf-8")
