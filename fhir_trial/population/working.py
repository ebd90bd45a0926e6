"""Several processes side by side, which all know the same question; one alone works in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context
from typing import TypeVar

from fhir_trial.errors import SourceError

Item = TypeVar("Item")
Done = TypeVar("Done")


class Workers:
    """Does one thing to many items.

    Args:
        pool: None to do all in this process.
    """

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool

    def each(self, work: Callable[[Item], Done], items: Sequence[Item]) -> Iterator[tuple[Item, Done]]:
        """Each item with what became of it, as they are done.

        Raises:
            SourceError: A process was killed: the machine has too little memory, or somebody ended it.
        """
        if self._pool is None:
            for item in items:
                yield item, work(item)
            return
        futures: dict[Future[Done], Item] = {}
        try:
            for item in items:  # submitting fails too, if a process has died since the last work
                futures[self._pool.submit(work, item)] = item
            for future in as_completed(futures):
                yield futures.pop(future), future.result()
        except BrokenProcessPool:
            raise SourceError("A process of the run was ended from outside, or ran out of memory: run it again.") from None
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def workers(count: int, begin: Callable[..., None], *known: object) -> Iterator[Workers]:
    """So many processes.

    They begin as copies of this one, so that a trial with all its tables need not be handed over; where a system cannot do that,
    this process does all the work.

    Args:
        begin: Called with ``known`` in each process before its first work.
    """
    if count <= 1 or "fork" not in get_all_start_methods():
        begin(*known)
        yield Workers(None)
        return
    with ProcessPoolExecutor(count, mp_context=get_context("fork"), initializer=begin, initargs=known) as pool:
        try:
            yield Workers(pool)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
