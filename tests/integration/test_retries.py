"""Retry-After and broken connections against a loopback server: a mock neither waits nor breaks (DATA-18)."""

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from fhir_trial.errors import TemporaryServerError
from fhir_trial.transport import FhirServer, ServerSettings

pytestmark = pytest.mark.server

PATIENT = b'{"resourceType": "Patient", "id": "p1"}'


class Flaky(http.server.BaseHTTPRequestHandler):
    """Does what the server's list of faults says, one a request, then answers well."""

    def do_GET(self) -> None:
        faults: list[str] = self.server.faults  # type: ignore[attr-defined]
        fault = faults.pop(0) if faults else "none"
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        if fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(PATIENT) * 2))
            self.end_headers()
            self.wfile.write(PATIENT)
            self.close_connection = True
            return
        if fault == "drop":
            self.connection.close()
            return
        self.send_response(503 if fault == "busy" else 200)
        if fault == "busy":
            self.send_header("Retry-After", self.server.wait)  # type: ignore[attr-defined]
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(PATIENT)))
        self.end_headers()
        self.wfile.write(PATIENT)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def flaky() -> Iterator[http.server.HTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        server.faults, server.seen, server.wait = [], [], "3600"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def settings(flaky: http.server.HTTPServer, retries: int = 3) -> ServerSettings:
    return ServerSettings(f"http://127.0.0.1:{flaky.server_port}/fhir", longest_wait=1, retries=retries)


def test_a_retry_after_of_an_hour_is_cut_to_the_limit(flaky: http.server.HTTPServer) -> None:
    flaky.faults[:] = ["busy"]  # type: ignore[attr-defined]
    began = time.monotonic()

    with FhirServer(settings(flaky)) as server:
        assert server.read("Patient/p1")["id"] == "p1"

    assert 0.9 < time.monotonic() - began < 10


@pytest.mark.parametrize("wait", ["Fri, 31 Dec 2100 23:59:59 GMT", "99999999999", "-5", "soon", "0"])
def test_a_retry_after_that_is_a_date_or_absurd_is_borne(flaky: http.server.HTTPServer, wait: str) -> None:
    flaky.faults, flaky.wait = ["busy"], wait  # type: ignore[attr-defined]
    begun = time.monotonic()

    with FhirServer(settings(flaky)) as server:
        assert server.read("Patient/p1")["id"] == "p1"

    assert time.monotonic() - begun < 5


def test_a_dropped_connection_is_tried_again(flaky: http.server.HTTPServer) -> None:
    flaky.faults[:] = ["drop", "drop"]  # type: ignore[attr-defined]

    with FhirServer(settings(flaky)) as server:
        assert server.read("Patient/p1")["id"] == "p1"
    assert len(flaky.seen) == 3  # type: ignore[attr-defined]


def test_an_answer_cut_off_in_the_middle_is_never_taken_for_whole(flaky: http.server.HTTPServer) -> None:
    flaky.faults[:] = ["cut"] * 9  # type: ignore[attr-defined]

    with FhirServer(settings(flaky, retries=1)) as server, pytest.raises(TemporaryServerError):
        server.read("Patient/p1")


def test_a_server_that_is_not_there_is_temporary() -> None:
    with FhirServer(ServerSettings("http://127.0.0.1:1/fhir", retries=0)) as server, pytest.raises(TemporaryServerError):
        server.read("Patient/p1")
