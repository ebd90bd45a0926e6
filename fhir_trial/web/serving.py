"""Runs the application: gunicorn with threads in one process, or werkzeug's server where gunicorn is not to be had (Windows)."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys

from flask import Flask

from fhir_trial.errors import UsageError
from fhir_trial.web.guards import is_loopback

_BACKLOG = 128


def listen(host: str, port: int, *, beyond_loopback: bool = False) -> socket.socket:
    """A listening socket; connections queue until ``run`` takes them.

    Args:
        port: 0 for a free one.
        beyond_loopback: Whether any address will do: only where issuers are configured, so that everybody is asked who they are.

    Raises:
        UsageError: The address is not loopback, and must be; or it is taken.
    """
    if not beyond_loopback and not is_loopback(host):
        raise UsageError(
            "Without FHIR_TRIAL_ISSUERS the service asks nobody who they are, so it listens on loopback only: "
            "--host 127.0.0.1 or ::1."
        )
    address = "127.0.0.1" if host == "localhost" else host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would let two programs share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(f"Port {port} cannot be used ({error.strerror}); choose another with --port.") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Such as http://127.0.0.1:8090, without a slash at the end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: Flask, listener: socket.socket, threads: int) -> None:
    """Serves until SIGINT or SIGTERM."""
    if importlib.util.find_spec("gunicorn") is not None and sys.platform != "win32":
        from fhir_trial.web.gunicorn_server import serve

        serve(app, listener, threads)
    else:
        serve_plainly(app, listener)


def serve_plainly(app: Flask, listener: socket.socket) -> None:
    """By werkzeug's own server, a thread a request, without its access lines: they hold addresses."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  # the name is werkzeug's
            """Says nothing."""

    host, port = listener.getsockname()[:2]
    make_server(host, port, app, threaded=True, request_handler=Quiet, fd=listener.fileno()).serve_forever()  # until Ctrl-C
