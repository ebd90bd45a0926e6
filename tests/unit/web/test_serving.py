"""Listening and serving (VER-20: loopback only; SEC-27: no address in a log)."""

import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import werkzeug.serving

from fhir_trial.config import Settings
from fhir_trial.errors import UsageError
from fhir_trial.web import create_app
from fhir_trial.web.gunicorn_server import DiscreetLogger
from fhir_trial.web.serving import listen, serve_plainly, url_of
from tests.unit.web.services import FakeService


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as listening:
        yield listening


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "trials.example.invalid"])
def test_it_refuses_to_listen_beyond_loopback(host: str) -> None:
    with pytest.raises(UsageError, match="loopback only"):
        listen(host, 0)


def test_a_taken_port_is_told(listener: socket.socket) -> None:
    port = listener.getsockname()[1]

    with pytest.raises(UsageError, match=f"Port {port} cannot be used"):
        listen("127.0.0.1", port)


def test_localhost_is_the_address_of_version_4() -> None:
    with listen("localhost", 0) as listening:
        assert url_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_an_address_of_version_6_has_its_brackets() -> None:
    try:
        listening = listen("::1", 0)
    except UsageError:
        pytest.skip("this machine has no IPv6 loopback")
    with listening:
        assert url_of(listening) == f"http://[::1]:{listening.getsockname()[1]}"


def test_the_plain_server_answers_and_logs_no_address(
    listener: socket.socket, service: FakeService, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """For Windows, where gunicorn is not to be had."""
    port = listener.getsockname()[1]
    statuses: list[int] = []
    servers: list[werkzeug.serving.BaseWSGIServer] = []
    make_server = werkzeug.serving.make_server

    def made(*args: Any, **kwargs: Any) -> werkzeug.serving.BaseWSGIServer:
        servers.append(make_server(*args, **kwargs))
        return servers[0]

    monkeypatch.setattr("werkzeug.serving.make_server", made)

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/livez?name=Planted")
        statuses.append(connection.getresponse().status)
        connection.close()
        servers[0].shutdown()

    asking = threading.Thread(target=ask)
    asking.start()
    serve_plainly(create_app(Settings(), service), listener)
    asking.join()

    assert statuses == [200]
    captured = capfd.readouterr()
    assert "Planted" not in captured.out + captured.err
    assert [json.loads(line)["event"] for line in captured.err.splitlines()] == ["request"]


def test_gunicorn_names_no_address_of_a_request_that_failed(capsys: pytest.CaptureFixture[str], service: FakeService) -> None:
    from gunicorn.config import Config  # type: ignore[import-untyped]  # it ships no types

    create_app(Settings(), service)  # sets logging up
    logger = DiscreetLogger(Config())

    logger.exception("Error handling request %s %s", "GET", "/x?name=Planted")  # noqa: LOG004  # as gunicorn calls it

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "server_error"
    for name in ("gunicorn.error", "gunicorn.access"):  # as before
        logging.getLogger(name).handlers.clear()
