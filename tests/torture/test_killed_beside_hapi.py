"""The same against a server that checks references, runs many threads and answers 409: WB-03, WB-04, WB-05, WB-07, WB-20.

A sample of the points: each request that writes, when it has left and when its answer has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.loading import load_file
from tests.servers.peers import Peer, running_hapi
from tests.servers.sharing import folder_of_run
from tests.torture.ground import FLAGGED, Ground, Hospital, SqliteStores, keys_in
from tests.torture.points import is_write
from tests.torture.processes import Processes
from tests.torture.rounds import killed_at_each, undisturbed

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.xdist_group("HAPI")]


class HapiHospital(Hospital):
    """Keeps no state to return to: it is emptied, and filled again."""

    def __init__(self, peer: Peer) -> None:
        self._peer, self.base_url = peer, peer.base_url
        self._bundles: list[Path] = []

    def load(self, bundles: Iterable[Path]) -> None:
        self._bundles += bundles
        self.reset()

    def reset(self) -> None:
        self._peer.reset()
        with self._peer.connect() as server:
            for bundle in self._bundles:
                load_file(server, bundle)


@pytest.fixture(scope="module")
def hapi(until_the_end: ExitStack, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Peer:
    return until_the_end.enter_context(running_hapi(folder_of_run(tmp_path_factory, worker_id)))


@pytest.fixture
def ground(hapi: Peer, tmp_path: Path, processes: Processes) -> Iterator[Ground]:
    """The server is ours alone for as long as the test takes."""
    with hapi.alone():
        made = Ground(HapiHospital(hapi), SqliteStores(tmp_path), keys_in(tmp_path), processes)
        made.load([FLAGGED])
        yield made


@pytest.mark.parametrize("transactions", [False, True], ids=["step by step", "in one transaction"])
def test_wherever_it_is_killed_about_a_write_each_is_there_once(ground: Ground, transactions: bool) -> None:
    work = ground.work([FLAGGED], transactions=transactions, reads_again=False)
    ground.processes.warm(ground.anew(work))
    reference = undisturbed(ground, work)

    rounds = list(killed_at_each(ground, reference, lambda name: is_write(name) and not name.startswith("before")))

    assert not [str(one) for one in rounds if one.wrong]
    assert dict(reference.found.counts) == {"ResearchStudy": 1, "ResearchSubject": 1, "Observation": 1, "Provenance": 1}
    assert len(rounds) == (4 if transactions else 8)
