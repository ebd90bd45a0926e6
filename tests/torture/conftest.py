"""Processes, servers and stores for the tests that kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec

import pytest

from tests.torture.ground import Ground, sandbox_ground
from tests.torture.processes import Processes
from tests.unit.store.conftest import postgres

__all__ = ["ground_of", "postgres", "processes", "until_the_end"]


@pytest.fixture(scope="module")
def until_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def processes(until_the_end: ExitStack) -> Processes:
    return until_the_end.enter_context(Processes())


@pytest.fixture(scope="module")
def ground_of(until_the_end: ExitStack, processes: Processes) -> Callable[..., Ground]:
    """Makes a sandbox with these patients, and a store: in SQLite, or beside a PostgreSQL database."""

    def make(*patients: str, database: str | None = None) -> Ground:
        if find_spec("sekmet") is None:
            pytest.skip("sekmet-fhir is not installed: pip install 'fhir-trial[sandbox]'")
        ground = until_the_end.enter_context(sandbox_ground(processes, database))
        if patients:
            ground.load(patients)
        return ground

    return make
