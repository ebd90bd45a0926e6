"""What is no HTTP never reaches the application; gunicorn's own answer must say nothing of it either (SEC-26, SEC-27, SEC-62)."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.server

PROGRAM = """
from fhir_trial.config import Settings
from fhir_trial.web import create_app
from fhir_trial.web.serving import listen, run, url_of
from tests.unit.web.services import FakeService
listener = listen("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
run(create_app(Settings(), FakeService()), listener, 2)
"""
WORDS = ("Planted", "MRN-99887766")


@contextmanager
def serving() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The port and the process; gunicorn where there is one."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as (found, _):
        yield found


def sent(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


BROKEN = {
    "spaces in the address": (b"GET /api/patients/Jane Planted MRN-99887766/screenings HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "no version": (b"GET /api/patients/Planted\r\nHost: localhost\r\n\r\n", 400),
    "another version": (b"GET /api/patients/Planted HTTP/MRN-99887766\r\nHost: localhost\r\n\r\n", 400),
    "a method of its own": (b"Pl@nted/MRN-99887766 / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a header without a colon": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nPlanted MRN-99887766\r\n\r\n", 400),
    "a header of odd bytes": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nPlanted(MRN-99887766): x\r\n\r\n", 400),
    "a folded header": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n MRN-99887766\r\n\r\n", 400),
    "a coding that is not known": (
        b"POST /api/screenings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: MRN-99887766\r\n\r\n", 501),
    "an address that is too long": (b"GET /api/trials?name=" + b"Planted" * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "a header that is too long": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"Planted" * 3000 + b"\r\n\r\n", 431),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_http_is_not_repeated(port: int, name: str) -> None:
    request, status = BROKEN[name]

    answer = sent(port, request)

    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].split()[1] == str(status)
    assert "Content-Type: application/fhir+json" in lines
    assert "X-Content-Type-Options: nosniff" in lines
    assert json.loads(body)["resourceType"] == "OperationOutcome"
    assert [word for word in WORDS if word.lower().encode() in answer.lower()] == []


def test_the_server_goes_on_and_its_log_has_nothing_of_it() -> None:
    with serving() as (port, process):
        for request, _ in BROKEN.values():
            sent(port, request)
        alive = sent(port, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        process.terminate()
        _, log = process.communicate(timeout=30)

    assert alive.startswith(b"HTTP/1.1 200 ")
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events == ["malformed_request"] * len(BROKEN) + ["request"]
    assert [word for word in WORDS if word.lower() in log.lower()] == []
