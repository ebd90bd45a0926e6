"""The service is as its OpenAPI document says, whatever is sent (VER-20; SEC-22, SEC-25): no 5xx, no answer of another shape.

schemathesis.toml says what is asked, which checks are left out, and why. ``FHIR_TRIAL_FUZZ=2000`` asks for that many requests at
random of each operation instead of a few: ``make fuzz``.
"""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import responses
from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from fhir_trial.web.rules import RULES
from tests.functional.described_app import KEYS, described_app, logs_as_before, signed_in
from tests.unit.web.identities import jwks

pytestmark = [pytest.mark.server, pytest.mark.slow]

CONFIG = Path(__file__).with_name("schemathesis.toml")
#: As if a proxy stood before the service: /metrics answers this machine itself without a token.
FROM_AFAR = {"X-Forwarded-For": "192.0.2.7"}
EXAMPLES = int(os.environ.get("FHIR_TRIAL_FUZZ", "15"))


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  # the name is werkzeug's
        """Says nothing."""


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """The address of the application on this machine."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def schemathesis(address: str, headers: dict[str, str], folder: Path, *options: str, examples: int = EXAMPLES) -> None:
    """Fails with what it found, if anything."""
    asked = [f"{address}/openapi.json", "--max-examples", str(examples), *options]
    for name, value in headers.items():
        asked += ["--header", f"{name}: {value}"]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", *asked]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def test_the_service_keeps_to_its_document(tmp_path: Path) -> None:
    """Signed in with every role, everything plugged in: each operation is reached, and none is 501."""
    answered: Counter[tuple[str, int]] = Counter()

    def count(response: Response) -> Response:
        if request.endpoint:
            answered[request.endpoint, response.status_code] += 1
        return response

    with responses.RequestsMock() as http, logs_as_before():
        http.get(KEYS, json=jwks())
        app = described_app()
        app.after_request(count)
        with listening(app) as address:
            schemathesis(address, signed_in() | FROM_AFAR, tmp_path)

    reached = {endpoint for (endpoint, status), _ in answered.items() if status < 300}
    assert set(RULES) - reached == set()
    assert {status for _, status in answered if status >= 500} == set()
