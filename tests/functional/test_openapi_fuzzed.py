"""The service is as its OpenAPI document says, whatever is sent (VER-20; SEC-22, SEC-25): no 5xx, no answer of another shape.

schemathesis.toml says what is asked, which checks are left out, and why. ``FUZZ_EXAMPLES=2000`` asks for that many requests at
random of each operation instead of a few: ``make fuzz``.
"""

import json
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
from flask.testing import FlaskClient
from werkzeug.serving import WSGIRequestHandler, make_server

from fhir_trial.config import Settings
from fhir_trial.sandbox import Sandbox
from fhir_trial.web import create_app
from fhir_trial.web.rules import RULES, Role
from tests.functional.conftest import bundle
from tests.functional.described_app import KEYS, TRIAL, described_app, logs_as_before, signed_in
from tests.functional.stores import NOW, kept, store_settings, with_basis
from tests.unit.web.identities import AUDIENCE, ISSUER, jwks

pytestmark = [pytest.mark.server, pytest.mark.slow]

CONFIG = Path(__file__).with_name("schemathesis.toml")
#: As if a proxy stood before the service: /metrics answers this machine itself without a token.
FROM_AFAR = {"X-Forwarded-For": "192.0.2.7"}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))


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


def schemathesis(
    address: str, headers: dict[str, str], folder: Path, *options: str, examples: int = EXAMPLES, config: Path = CONFIG
) -> None:
    """Fails with what it found, if anything."""
    asked = [f"{address}/openapi.json", "--max-examples", str(examples), *options]
    for name, value in headers.items():
        asked += ["--header", f"{name}: {value}"]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", *asked]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def test_the_service_keeps_to_its_document(tmp_path: Path) -> None:
    """Signed in with every role, everything plugged in: each operation is reached, and none is 501."""
    with responses.RequestsMock() as http, logs_as_before():
        http.get(KEYS, json=jwks())
        app = described_app()
        answered = counting(app)
        with listening(app) as address:
            schemathesis(address, signed_in() | FROM_AFAR, tmp_path)

    reached = {endpoint for endpoint, status in answered if status < 300}
    assert set(RULES) - reached == set()
    assert {(endpoint, status) for endpoint, status in answered if status >= 500} == set()


def counting(app: Flask) -> Counter[tuple[str, int]]:
    """How often each endpoint answers with each status, from now on."""
    answered: Counter[tuple[str, int]] = Counter()

    def count(response: Response) -> Response:
        if request.endpoint and request.method != "OPTIONS":
            answered[request.endpoint, response.status_code] += 1
        return response

    app.after_request(count)
    return answered


def key_server() -> Flask:
    app = Flask("issuer")
    app.add_url_rule("/jwks", "jwks", jwks)
    return app


def let_in(settings: Settings) -> None:
    for role in Role:
        kept(settings).grants.grant(ISSUER, "u1", role.value, None, name="Dr Li", by="admin", at=NOW)


def work(asking: FlaskClient, headers: dict[str, str]) -> tuple[str, str]:
    """A patient is screened, answered about and decided on; our key of the patient, and the screening's id."""
    screened = asking.post("/api/screenings", json={"patient": "Patient/p1", "trial": TRIAL}, headers=headers)
    assert screened.status_code == 200, screened.get_data(as_text=True)
    key, criterion = screened.get_json()["patient_key"], screened.get_json()["verdict"]["criteria"][0]["id"]
    (shown,) = asking.get(f"/api/patients/{key}/screenings", headers=headers).get_json()["screenings"]
    reason = "First line.\nSecond line, 血小板 😀."
    answer = {"screening": shown["id"], "criterion": criterion, "answer": "cannot-say", "reason": reason}
    given = asking.post("/api/answers", json=answer, headers=headers)
    assert (given.status_code, given.get_json()["reason"]) == (201, reason), given.get_data(as_text=True)
    place = asking.get(f"/api/patients/{key}/standing?trial={TRIAL}", headers=headers).get_json()
    decision = {"patient": key, "trial": TRIAL, "status": place["possible"][0], "reason": reason, "shown": place["shown"]}
    decided = asking.post("/api/decisions", json=decision, headers=headers)
    assert decided.status_code == 200, decided.get_data(as_text=True)
    return key, shown["id"]


def test_the_real_service_with_its_store_and_a_fhir_server_keeps_to_it_too(fhir: Sandbox, tmp_path: Path) -> None:
    """Stopping is left out: nothing would be written after it. What is asked for by an id of ours is asked for by a real one.

    The limits and how to miss them are the door's, and asked above.
    """
    bundled = tmp_path / "patient.json"
    bundled.write_text(json.dumps(bundle("p1")))  # the document's own example
    assert not fhir.load(bundled).refused
    with logs_as_before(), listening(key_server()) as issuer:
        door = {"issuers": (ISSUER,), "audience": AUDIENCE, "issuer_jwks": {ISSUER: f"{issuer}/jwks"}, "rate_limit": 0}
        settings = with_basis(store_settings(fhir, tmp_path, log_level="critical", **door))
        let_in(settings)
        app = create_app(settings)
        answered = counting(app)
        asking, headers = app.test_client(), signed_in()
        key, screening = work(asking, headers)
        real = {"path.key": key, "path.identity": screening, "query.patient": key, "query.trial": TRIAL, "path.name": TRIAL}
        config = tmp_path / "schemathesis.toml"
        lines = [f'"{name}" = "{value}"' for name, value in real.items()]
        config.write_text("\n".join([CONFIG.read_text(), "[parameters]", *lines, ""]))
        with listening(app) as address:
            less = ("--exclude-operation-id", "stop", "--phases", "examples,fuzzing")
            schemathesis(address, headers | FROM_AFAR, tmp_path, *less, examples=8, config=config)

    reached = {endpoint for endpoint, status in answered if status < 300}
    assert set(RULES) - reached <= {"switch.stop", "answers.give_answer", "decisions.decide"}, (
        "the last two rest on what was shown"
    )
    assert {(endpoint, status) for endpoint, status in answered if status >= 500} == set()
