"""gunicorn, started from Python: one process, because it remembers which versions it wrote; threads; no access log of its own."""
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import socket
from typing import Any

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger


class DiscreetLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn names the address of a request that failed, with its query (SEC-27): said without it."""

    def exception(self, _message: str, *_args: object, **_more: object) -> None:
        structlog.get_logger().error("server_error")


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
        "worker_class": "gthread",
        "threads": threads,
        "timeout": 300,  # a large record from a slow server; a dead worker is replaced after this long
        "graceful_timeout": 30,
        "logger_class": DiscreetLogger,
        "loglevel": "error",
        "accesslog": None,
        "control_socket_disable": True,
    }
    _Server(app, options).run()
