"""FHIR servers of different makes behind one face, so that one test asks the same of each."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests

from fhir_trial.sandbox import Sandbox, SandboxClient
from fhir_trial.transport import FhirServer, ServerSettings
from fhir_trial.transport.access import BackendServices
from tests.servers.java_program import JavaProgram, jar_of
from tests.servers.sharing import locked, shared

#: Continuous integration shares its cores; on a quiet machine it takes a tenth of that.
_HAPI_READY_WITHIN = 300.0


class Peer(ABC):
    """A running server.

    Attributes:
        name: For test ids.
        stale: HTTP status of a stale If-Match.
        ignores_unknown_parameters: Whether a search parameter that it does not know is left out rather than refused.
        checks_references: Whether a reference must lead somewhere.
        creates_once: Whether its own conditional create is atomic.
        keeps_tags: Whether a tag outlives an update that leaves it out; FHIR allows that, and offers ``$meta-delete``.
    """

    name: str
    stale: int
    ignores_unknown_parameters: bool
    checks_references: bool
    creates_once: bool
    keeps_tags: bool

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def connect(self, **changes: Any) -> FhirServer:
        """A client of its own, with pages of another size, say. The caller closes it."""
        return FhirServer(ServerSettings(self.base_url, **changes))

    @abstractmethod
    def reset(self) -> None:
        """Makes it empty."""

    def alone(self) -> AbstractContextManager[None]:
        """Keeps the other test workers out, where it is theirs too."""
        return nullcontext()


class SandboxPeer(Peer):
    """The sandbox: nothing checked, nothing atomic."""

    name = "sandbox"
    stale = 412
    ignores_unknown_parameters = True
    checks_references = False
    creates_once = False
    keeps_tags = False

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox.base_url)
        self._sandbox = sandbox

    def reset(self) -> None:
        self._sandbox.reset()


class LockedSandboxPeer(SandboxPeer):
    """The sandbox behind SMART Backend Services: nothing without a token, and a token only for a signed assertion."""

    name = "sandbox behind SMART"

    def connect(self, **changes: Any) -> FhirServer:
        known = self._sandbox.access
        assert known is not None
        access = BackendServices(known.client_id, known.key_file, known.algorithm, known.kid, scopes=known.scopes)
        return super().connect(access=access, **changes)


class HapiPeer(Peer):
    """HAPI FHIR JPA, whose ways many hospital servers share."""

    name = "HAPI"
    stale = 409
    ignores_unknown_parameters = False
    checks_references = True
    creates_once = True
    keeps_tags = True

    def __init__(self, base_url: str, lock: Path) -> None:
        super().__init__(base_url)
        self._lock = lock

    def alone(self) -> AbstractContextManager[None]:
        return locked(self._lock)

    def reset(self) -> None:
        requests.post(f"{self.base_url}/$reset", timeout=60).raise_for_status()


@contextmanager
def running_sandbox(_: Path) -> Iterator[Peer]:
    with _started() as sandbox:
        yield SandboxPeer(sandbox)


@contextmanager
def running_locked_sandbox(_: Path) -> Iterator[Peer]:
    # Whoever plays the hospital as well must be able to fill it, and to delete.
    with _started(SandboxClient("contract", ("system/*.cruds",))) as sandbox:
        yield LockedSandboxPeer(sandbox)


@contextmanager
def _started(*clients: SandboxClient) -> Iterator[Sandbox]:
    """With nothing in it, as the state to which a reset returns."""
    if find_spec("sekmet") is None:
        pytest.skip("sekmet-fhir is not installed: pip install 'fhir-trial[sandbox]'")
    with Sandbox(auth=clients) as sandbox, tempfile.TemporaryDirectory() as folder:
        nothing = Path(folder) / "nothing.json"
        nothing.write_text('{"resourceType": "Bundle", "type": "collection"}', encoding="utf-8")
        sandbox.load(nothing)
        yield sandbox


@contextmanager
def running_hapi(folder: Path) -> Iterator[Peer]:
    """One for all workers: it takes half a gigabyte, and the better part of a minute where they start one each."""
    with shared("hapi", folder, _hapi) as address:
        yield HapiPeer(address, folder / "hapi.test")


@contextmanager
def _hapi() -> Iterator[str]:
    with JavaProgram(jar_of("hapi", "HAPI FHIR"), limit=_HAPI_READY_WITHIN) as program:
        yield program.line().removeprefix("READY ")


#: Name -> how it is started, or joined where another worker of this run, with the same folder, has started it.
PEERS: Mapping[str, Callable[[Path], AbstractContextManager[Peer]]] = {
    "sandbox": running_sandbox,
    "locked": running_locked_sandbox,
    "HAPI": running_hapi,
}
