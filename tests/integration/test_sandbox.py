"""The sandbox: a real FHIR server as a child process on loopback, filled with samples."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.errors import SourceError, TemporaryServerError, UsageError
from fhir_trial.sandbox import Sandbox, run_sandbox
from fhir_trial.sources import FileSource, ServerSource
from fhir_trial.transport import FhirServer

pytestmark = pytest.mark.server

NEEDS = Needs.of(
    *(Need(kind) for kind in ("Patient", "Condition", "Observation", "MedicationRequest", "QuestionnaireResponse", "List"))
)


def resource(kind: str, identity: str, subject: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": identity, "subject": {"reference": subject}, **more}


def samples(folder: Path, name: str) -> Path:
    """One patient as a transaction Bundle of urn references, and another as NDJSON, with what strict servers refuse."""
    urn = f"urn:uuid:00000000-0000-4000-8000-{name:0>12}"
    resources = [
        (urn, {"resourceType": "Patient", "id": f"{name}a", "gender": "female"}),
        (None, resource("Condition", f"{name}-stub", urn, verificationStatus={"coding": [{"code": "entered-in-error"}]})),
        (
            None,
            resource(
                "Observation",
                f"{name}-lab",
                urn,
                effectiveDateTime="2026-01-01T10:00:00",
                category=[{"coding": [{"code": "laboratory"}]}],
            ),
        ),
        (None, resource("Observation", f"{name}-bare", urn)),
        (None, resource("Observation", f"{name}-local", urn, category=[{"coding": [{"system": "urn:local", "code": "LIS"}]}])),
        (None, resource("MedicationRequest", f"{name}-order", urn, medicationReference={"reference": "urn:uuid:drug"})),
        ("urn:uuid:drug", {"resourceType": "Medication", "id": f"{name}-drug"}),
    ]
    entries = [
        {"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} | ({"fullUrl": url} if url else {})
        for url, each in resources
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "story.json").write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    (folder / "Patient.ndjson.gz").write_bytes(gzip.compress(json.dumps({"resourceType": "Patient", "id": f"{name}b"}).encode()))
    lines = [
        resource("List", f"{name}-list", f"Patient/{name}b"),
        resource("QuestionnaireResponse", f"{name}-answers", f"Patient/{name}b"),
    ]
    (folder / "other.ndjson").write_text("\n".join(json.dumps(each) for each in lines))
    return folder


def names(found: Any) -> set[str]:
    return {f"{each['resourceType']}/{each['id']}" for each in found.resources}


def test_samples_keep_their_ids_and_read_the_same_from_the_server_as_from_the_files(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = samples(tmp_path / "in", "s1")

    report = sandbox.load(folder)

    assert (report.loaded.total(), report.refused) == (10, [])
    from_files = {found.reference: found for found in FileSource([folder]).patients(NEEDS)}
    with FhirServer(sandbox.base_url) as server:
        from_server = {found.reference: found for found in ServerSource(server, ["s1a", "s1b"]).patients(NEEDS)}
    assert list(from_server) == ["Patient/s1a", "Patient/s1b"] == list(from_files)
    assert {name: names(found) for name, found in from_server.items()} == {
        name: names(found) for name, found in from_files.items()
    }
    assert not any(found.issues for found in from_server.values())


def test_loading_twice_changes_nothing_but_versions(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = samples(tmp_path, "s2")

    assert sandbox.load(folder).loaded == sandbox.load(folder).loaded


def test_what_the_server_refuses_is_named_and_the_rest_is_loaded(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "x.ndjson"
    file.write_text('{"resourceType":"Nonsense","id":"n1"}\n{"resourceType":"Patient","id":"s3"}\nnot json\n')

    report = sandbox.load(file)

    assert report.loaded == {"Patient": 1}
    assert len(report.refused) == 2
    assert report.refused[0].startswith("Nonsense/n1: ")
    assert report.refused[1].startswith(f"{file}:3: ")


def test_it_searches_what_the_write_back_needs_and_shows_it(sandbox: Sandbox) -> None:
    with FhirServer(sandbox.base_url) as server:
        capabilities = server.capabilities()

    assert {"identifier", "status", "study", "individual", "patient"} <= capabilities.parameters["ResearchSubject"]
    assert {"identifier", "status", "title"} <= capabilities.parameters["ResearchStudy"]
    assert capabilities.searches_by("QuestionnaireResponse", "patient")
    assert capabilities.offers("ResearchSubject", "create")


def test_it_listens_on_loopback_only_and_invents_nothing(sandbox: Sandbox) -> None:
    settings = json.loads((sandbox.data_dir / "settings.yaml").read_text())

    assert sandbox.base_url == settings["base_url"] == f"http://127.0.0.1:{settings['port']}/fhir"
    assert (settings["host"], settings["simulator"]) == ("127.0.0.1", {"enabled": False})


def test_a_named_folder_keeps_its_data_over_a_restart_and_two_stops_are_one(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "kept") as first:
        first.load(samples(tmp_path / "in", "s4"))
        pid, port = first.pid, int(first.base_url.split(":")[2].split("/")[0])
        with pytest.raises(UsageError, match="started already"):
            first.start()
        with pytest.raises(UsageError, match=f"Port {port} is taken"):
            Sandbox(tmp_path / "second", port).start()
    first.stop()
    assert not is_alive(pid)

    with Sandbox(tmp_path / "kept", port) as second, FhirServer(second.base_url) as server:
        assert server.read("Patient/s4a")["gender"] == "female"


def test_a_temporary_folder_is_gone_afterwards() -> None:
    with Sandbox() as running:
        folder = running.data_dir
        assert folder.exists()

    assert not folder.exists()


def test_a_server_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    slow = Sandbox(tmp_path)

    with pytest.raises(TemporaryServerError, match="in time"):
        slow.start(ready_within=0.01)
    assert slow.pid is None


def test_it_does_not_outlive_the_process_that_started_it(tmp_path: Path) -> None:
    script = """
        import sys, time
        from fhir_trial.sandbox import Sandbox
        running = Sandbox(sys.argv[1])
        running.start()
        print(running.pid, flush=True)
        time.sleep(60)
    """
    with start(script, tmp_path) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)

        parent.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_run_sandbox_serves_until_it_is_told_to_end(tmp_path: Path, end: signal.Signals) -> None:
    script = """
        import sys
        from fhir_trial.sandbox import run_sandbox
        run_sandbox(0, None, sys.argv[1], lambda url, report: print(url, report.loaded["Patient"], flush=True))
    """
    folder, temporary = samples(tmp_path / "in", "s5"), tmp_path / "tmp"
    temporary.mkdir()
    with start(script, folder, TMPDIR=str(temporary)) as running:
        assert running.stdout is not None
        base_url, patients = running.stdout.readline().split()
        assert patients == "2"
        with FhirServer(base_url) as server:
            assert server.read("Patient/s5a")["gender"] == "female"

        running.send_signal(end)

        assert running.wait(timeout=20) == 0
    assert list(temporary.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(base_url.split(":")[2].split("/")[0])), timeout=2)


def start(script: str, argument: Path, **environment: str) -> subprocess.Popen[str]:
    """A Python process of its own that runs the script."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment}
    command = [sys.executable, "-c", textwrap.dedent(script), str(argument)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)


def test_samples_that_are_not_there_are_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        run_sandbox(0, None, tmp_path / "nowhere")


def is_alive(pid: int | None) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
