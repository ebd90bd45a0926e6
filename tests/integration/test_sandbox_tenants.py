"""``fhir-trial sandbox --tenants``: servers side by side, each with its own data and keys, that end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from fhir_trial.cli.main import main
from fhir_trial.transport import FhirServer, NotAuthorisedError
from fhir_trial.transport.servers_file import read_servers

pytestmark = pytest.mark.server


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A folder for each tenant, with one patient in it."""
    for name in ("north", "south"):
        folder = tmp_path / "samples" / name
        folder.mkdir(parents=True)
        (folder / "patients.ndjson").write_text(json.dumps({"resourceType": "Patient", "id": f"from-{name}"}))
    return tmp_path / "samples"


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    pytest.importorskip("sekmet")
    command = [sys.executable, "-m", "fhir_trial", "sandbox", "--port", "0", *map(str, arguments)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_TRIAL_")}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def told(running: subprocess.Popen[str], lines: int) -> list[list[str]]:
    assert running.stdout is not None
    return [running.stdout.readline().split() for _ in range(lines)]


def is_listening(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=2).close()
    except ConnectionRefusedError:
        return False
    return True


def test_tenants_have_their_own_data_keys_and_ports_and_end_together(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "etc" / "servers.toml"
    arguments = (
        "--tenants",
        "north,south",
        "--samples",
        samples,
        "--data-dir",
        tmp_path / "data",
        "--auth",
        "--servers-file",
        file,
    )
    with started(*arguments) as running:
        try:
            urls = dict(told(running, 2))
            servers = tomllib.loads(file.read_text())["servers"]

            assert list(urls) == ["north", "south"] == list(servers)
            assert len(set(urls.values())) == 2
            for name, url in urls.items():
                told_of = servers[name]
                assert told_of == {
                    "base": url,
                    "access": "backend-services",
                    "client_id": f"fhir-trial-{name}",
                    "key_file": str(tmp_path / "data" / name / f"fhir-trial-{name}.pem"),
                    "algorithm": "ES384",
                }
                settings = read_servers(file)[name]
                with FhirServer(settings, scopes=("system/Patient.rs",)) as server:
                    assert [patient["id"] for patient in server.search("Patient", []).matches] == [f"from-{name}"]
                elsewhere = replace(settings, base=urls["south" if name == "north" else "north"])
                with FhirServer(elsewhere, scopes=("system/Patient.rs",)) as server, pytest.raises(NotAuthorisedError):
                    server.search("Patient", [])
            monkeypatch.setenv("FHIR_TRIAL_SERVERS_FILE", str(file))
            assert screened("north", tmp_path / "north.json") == ["Patient/from-north"]
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=20) == 0
    assert not any(is_listening(url) for url in urls.values())


def test_when_one_ends_by_itself_the_other_does_not_go_on_alone(samples: Path, tmp_path: Path) -> None:
    with started("--tenants", "north,south", "--samples", samples, "--data-dir", tmp_path / "data") as running:
        urls = dict(told(running, 2))
        (south,) = [pid for pid in children(running.pid) if str(tmp_path / "data" / "south") in command_of(pid)]

        os.kill(south, signal.SIGKILL)

        assert running.wait(timeout=20) == 5
        assert running.stderr is not None
        assert "The sandbox 'south' has ended by itself" in running.stderr.read()
    assert not any(is_listening(url) for url in urls.values())


def test_one_server_without_a_lock_is_told_by_its_address_alone(samples: Path, tmp_path: Path) -> None:
    file = tmp_path / "servers.toml"
    with started("--samples", samples / "north", "--servers-file", file, "--dirty") as running:
        try:
            ((url,),) = told(running, 1)

            assert tomllib.loads(file.read_text()) == {"servers": {"sandbox": {"base": url}}}
            assert requests.get(f"{url}/MedicationStatement", timeout=20).status_code == 404
        finally:
            running.send_signal(signal.SIGINT)
        assert running.wait(timeout=20) == 0


def screened(server: str, output: Path) -> list[str]:
    """The patients that ``fhir-trial screen --server NAME`` finds."""
    with pytest.raises(SystemExit) as ended:
        main(["screen", "--server", server, "--as-of", "2026-03-02", "--format", "json", "--output", str(output)])
    assert ended.value.code in (0, 1)
    return [verdict["patient"] for verdict in json.loads(output.read_text())]


def children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
