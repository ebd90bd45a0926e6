"""``fhir-trial serve`` and ``fhir-trial sandbox`` as processes: started, asked, and ended by their process id."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fhir_trial.sandbox import Sandbox
from fhir_trial.transport import FhirServer
from tests.functional.conftest import PLANTED

pytestmark = pytest.mark.server


@contextmanager
def running(log: Path, *arguments: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The first line that the command prints, and its process."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_TRIAL_")}
    command = [sys.executable, "-m", "fhir_trial", *arguments]
    with log.open("w") as stderr, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=own) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline().strip(), child
        finally:
            child.terminate()
            child.wait(timeout=40)


def ask(url: str, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content: dict[str, object] = json.loads(answer.read())
    connection.close()
    return answer.status, content


def test_serve_prints_its_address_answers_and_ends_when_told(fhir: Sandbox, jane: str, tmp_path: Path) -> None:
    log = tmp_path / "log"

    with running(log, "serve", "--server", fhir.base_url, "--port", "0", "--tenant", "command") as (url, child):
        ready = ask(url, "GET", f"/readyz?name={PLANTED[0]}")
        screened, answer = ask(url, "POST", "/api/screenings", {"patient": jane, "trial": "nct06789107", "as_of": "2026-03-02"})
        child.terminate()
        status = child.wait(timeout=40)

    assert url.startswith("http://127.0.0.1:")
    assert ready == (200, {"status": "ready"})
    assert (screened, status) == (200, 0)
    assert answer["written"] == [{"reference": jane, "action": "withheld", "reason": "Writing back is off."}]
    heard = log.read_text()
    assert [json.loads(line)["event"] for line in heard.splitlines()] == ["request", *["audit"] * 4, "request"]
    assert [word for word in (*PLANTED, jane) if word in heard] == []


def test_sandbox_prints_its_address_serves_the_samples_and_ends_when_told(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"resourceType": "Patient", "id": "one", "gender": "female"}))

    with running(tmp_path / "log", "sandbox", "--port", "0", "--samples", str(tmp_path / "one.json")) as (url, child):
        with FhirServer(url) as server:
            patients = [patient["id"] for patient in server.search("Patient", []).matches]
        child.terminate()
        status = child.wait(timeout=40)

    assert patients == ["one"]
    assert status == 0
    assert "Loaded: 1 Patient" in (tmp_path / "log").read_text()
