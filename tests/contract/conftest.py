"""Servers of several makes, each started once and emptied before every test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fhir_trial.transport import FhirServer
from tests.servers.peers import PEERS, Peer
from tests.servers.sharing import folder_of_run
from tests.servers.validator import Validator, running_validator

# One group for each: with several test workers and --dist loadgroup, the tests of a server do not wait for one another.
_EACH_PEER = [pytest.param(name, marks=[pytest.mark.xdist_group(name), pytest.mark.server]) for name in PEERS]


@pytest.fixture(scope="session")
def running() -> dict[str, Peer]:
    """Those that a test has asked for so far."""
    return {}


@pytest.fixture(scope="session")
def until_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def folder_of_this_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    return folder_of_run(tmp_path_factory, worker_id)


@pytest.fixture(params=_EACH_PEER)
def peer(
    request: pytest.FixtureRequest, running: dict[str, Peer], until_the_end: ExitStack, folder_of_this_run: Path
) -> Iterator[Peer]:
    """Each server in turn, empty, and ours alone for as long as the test takes."""
    name = str(request.param)
    if name not in running:
        running[name] = until_the_end.enter_context(PEERS[name](folder_of_this_run))
    with running[name].alone():
        running[name].reset()
        yield running[name]


@pytest.fixture
def server(peer: Peer) -> Iterator[FhirServer]:
    """A client of it."""
    with peer.connect() as connected:
        yield connected


@pytest.fixture(scope="session")
def r4() -> Iterator[Validator]:
    with running_validator("r4") as validator:
        yield validator


@pytest.fixture(scope="session")
def r5() -> Iterator[Validator]:
    with running_validator("r5") as validator:
        yield validator
