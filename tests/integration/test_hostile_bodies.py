"""Bodies that never end, come drop by drop, or grow when they are unpacked, from a loopback server (SEC-23, DATA-18)."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fhir_trial.errors import FatalServerError, ServerError
from fhir_trial.transport import FhirServer, ServerSettings, issuers, tokens
from fhir_trial.transport.access import BackendServices
from fhir_trial.transport.keys import generate_key

pytestmark = pytest.mark.server

_MIB = 1024 * 1024
_BOMB = gzip.compress(b" " * (64 * _MIB))


class Hostile(http.server.BaseHTTPRequestHandler):
    """What it does is named by the last part of the path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with suppress(OSError):  # the client has had enough
            getattr(self, self.path.rsplit("/", 1)[1].replace("-", "_"))()
        self.close_connection = True

    def begin(self, status: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def endless_redirect(self) -> None:
        self.begin(302, Location="/fhir/Patient/p2", Content_Length=str(1 << 40))
        for _ in range(64):
            self.wfile.write(b"x" * _MIB)

    def bomb(self) -> None:
        self.begin(200, Content_Encoding="gzip", Content_Length=str(len(_BOMB)))
        self.wfile.write(_BOMB)

    def bomb_in_a_bomb(self) -> None:
        packed = gzip.compress(_BOMB)
        self.begin(200, Content_Encoding="gzip, gzip", Content_Length=str(len(packed)))
        self.wfile.write(packed)

    def drip(self) -> None:
        self.begin(200, Content_Length="1000")
        self._drip(b" ")

    def drip_in_chunks(self) -> None:
        self.begin(200, Transfer_Encoding="chunked")
        self._drip(b"1\r\n \r\n")

    def smart_configuration(self) -> None:
        self.drip_in_chunks()

    def bad_chunks(self) -> None:
        self.begin(200, Transfer_Encoding="chunked")
        self.wfile.write(b"zz\r\nnonsense")

    def short(self) -> None:
        self.begin(200, Content_Length="1")
        self.wfile.write(b'{"resourceType": "Patient", "id": "short"}')

    def _drip(self, drop: bytes) -> None:
        for _ in range(100):
            self.wfile.write(drop)
            self.wfile.flush()
            time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as hostile:
        hostile.daemon_threads = True
        threading.Thread(target=hostile.serve_forever, daemon=True).start()
        settings = ServerSettings(
            f"http://127.0.0.1:{hostile.server_port}/fhir",
            retries=0,
            largest_answer=8 * _MIB,
            read_timeout=1.0,
            longest_answer=1.0,
        )
        with FhirServer(settings) as speaking:
            yield speaking
        hostile.shutdown()


def test_the_body_of_a_redirect_is_read_no_further_than_that_of_any_answer(server: FhirServer) -> None:
    """SEC-23: a library that prepares to follow it would read it to its end."""
    tracemalloc.start()
    try:
        with pytest.raises(FatalServerError, match=r"302|largest_answer"):
            server.read("Patient/endless-redirect")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 16 * _MIB


@pytest.mark.parametrize("bomb", ["bomb", "bomb-in-a-bomb"])
def test_what_grows_when_it_is_unpacked_is_cut_off(server: FhirServer, bomb: str) -> None:
    """SEC-23."""
    tracemalloc.start()
    try:
        with pytest.raises(ServerError):
            server.read(f"Patient/{bomb}")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 32 * _MIB


@pytest.mark.parametrize("drip", ["drip", "drip-in-chunks"])
def test_an_answer_that_comes_drop_by_drop_is_given_up(server: FhirServer, drip: str) -> None:
    """DATA-18: each drop comes in time, the answer does not; and it holds one of the few places of that server."""
    began = time.monotonic()

    with pytest.raises(ServerError):
        server.read(f"Patient/{drip}")

    assert time.monotonic() - began < 4


def test_a_token_that_comes_drop_by_drop_is_given_up(server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SMART-39: everybody who needs a token waits for the one renewal."""
    key = tmp_path / "client.pem"
    key.write_bytes(generate_key("ES384").as_pem(private=True))
    key.chmod(0o600)
    monkeypatch.setattr(tokens, "_LONGEST_ANSWER", 0.5)
    began = time.monotonic()

    with server.likewise(access=BackendServices("us", key)) as known, pytest.raises(ServerError, match=r"^Token: "):
        known.sign_in()

    assert time.monotonic() - began < 4


def test_an_issuers_keys_that_come_drop_by_drop_are_given_up(server: FhirServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """SMART-33: everybody who signs in waits for them."""
    monkeypatch.setattr(issuers, "_LONGEST", 0.5)
    keys = issuers.IssuerKeys("https://login.example.invalid", f"{server.base}/drip-in-chunks")
    began = time.monotonic()

    with pytest.raises(issuers.IssuerUnavailableError):
        keys.key("k1")

    assert time.monotonic() - began < 4


@pytest.mark.parametrize("broken", ["bad-chunks", "short"])
def test_a_body_that_contradicts_its_own_length_is_no_answer(server: FhirServer, broken: str) -> None:
    with pytest.raises(ServerError):
        server.read(f"Patient/{broken}")
