"""gunicorn, started from Python: one process, because it remembers which versions it wrote; threads; no access log of its own.

Its own words about what is no HTTP, in a page and in the log, would repeat addresses and headers (SEC-26, SEC-27).
"""
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import contextlib
import socket
import uuid
from typing import Any, Final

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from fhir_trial.transport import encode_json
from fhir_trial.web.access import HEADERS, REQUEST_ID
from fhir_trial.web.errors import FHIR_JSON, operation_outcome

#: Status, its phrase, issue type and sentence; whatever else is no HTTP is 400.
_NO_HTTP: Final = (400, "Bad Request", "structure", "This is no HTTP request.")
_REFUSALS: Final[dict[type[Exception], tuple[int, str, str, str]]] = {
    errors.LimitRequestLine: (414, "URI Too Long", "too-long", "The address is too long."),
    errors.LimitRequestHeaders: (431, "Request Header Fields Too Large", "too-long", "The headers are too long."),
    errors.ExpectationFailed: (417, "Expectation Failed", "not-supported", "Expect is not supported."),
    errors.UnsupportedTransferCoding: (501, "Not Implemented", "not-supported", "This Transfer-Encoding is not supported."),
}
_DEFECT: Final = (500, "Internal Server Error", "exception", "A defect in fhir_trial; the log tells of it.")


class DiscreetLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn names the address of a request that failed, with its query (SEC-27): said without it."""

    def exception(self, _message: str, *_args: object, **_more: object) -> None:
        structlog.get_logger().error("server_error")


class DiscreetWorker(ThreadWorker):  # type: ignore[misc]
    """Answers what is no HTTP with an OperationOutcome that says nothing of it."""

    def handle_error(self, _request: object, client: socket.socket, _address: object, error: Exception) -> None:
        is_theirs = isinstance(error, errors.ParseException) and not isinstance(
            error, (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)
        )
        status, phrase, code, text = _REFUSALS.get(type(error), _NO_HTTP) if is_theirs else _DEFECT
        log = structlog.get_logger()
        if is_theirs:
            log.warning("malformed_request", status=status)
        else:
            log.error("server_error", error=type(error).__name__)
        with contextlib.suppress(OSError):
            client.sendall(_answer(status, phrase, code, text))


def _answer(status: int, phrase: str, code: str, text: str) -> bytes:
    body = encode_json(operation_outcome({"severity": "error", "code": code, "details": {"text": text}}))
    headers = HEADERS | {
        "Cache-Control": "no-store",
        "Connection": "close",
        "Content-Length": str(len(body)),
        "Content-Type": FHIR_JSON,
        REQUEST_ID: str(uuid.uuid4()),
    }
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self._app, self._options = app, options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


def serve(app: Flask, listener: socket.socket, threads: int) -> None:
    """Takes the socket over, and serves until SIGINT or SIGTERM, then ends the process."""
    options = {
        "bind": f"fd://{listener.detach()}",  # gunicorn closes it
        "workers": 1,
        "worker_class": DiscreetWorker,
        "threads": threads,
        "timeout": 300,  # a large record from a slow server; a dead worker is replaced after this long
        "graceful_timeout": 30,
        "logger_class": DiscreetLogger,
        "loglevel": "error",
        "accesslog": None,
        "control_socket_disable": True,
    }
    _Server(app, options).run()
