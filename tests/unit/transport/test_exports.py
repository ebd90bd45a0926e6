"""What a server's answers about exports mean, and the settings for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import responses

from fhir_trial.errors import TemporaryServerError, UsageError
from fhir_trial.transport import NotAuthorisedError, ServerSettings
from fhir_trial.transport.downloads import Came, HostNotAllowedError
from fhir_trial.transport.export_settings import ExportSettings
from fhir_trial.transport.exports import BulkServer, Later, Why
from fhir_trial.transport.servers_file import read_servers
from tests.servers.bulk_hospital import Hospital, Reply, running_hospital

BASE = "https://ehr.example.invalid/fhir"


@pytest.fixture
def hospital() -> Iterator[Hospital]:
    with running_hospital() as running:
        yield running


def write_to(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["[servers.ward]", f'base = "{BASE}"', *lines]), encoding="utf-8")
    return path


def test_the_servers_file_says_how_exports_are_asked_for(tmp_path: Path) -> None:
    """BULK-06, BULK-09, BULK-31, BULK-44."""
    path = write_to(
        tmp_path / "servers.toml",
        'export_method = "POST"',
        'download_hosts = ["files.example.invalid"]',
        "parallel_downloads = 2",
        "export_days = 3",
    )

    export = read_servers(path)["ward"].export

    assert export == ExportSettings("POST", ("files.example.invalid",), 2, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        'export_method = "PUT"',
        "parallel_downloads = 6",
        "parallel_downloads = 0",
        "export_days = 0",
        'download_hosts = ["https://files.example.invalid"]',
        'download_hosts = "files.example.invalid"',
        "export_methods = 'GET'",
    ],
)
def test_a_wrong_setting_is_refused_and_named(tmp_path: Path, wrong: str) -> None:
    """BULK-44: five at once at most."""
    with pytest.raises(UsageError, match=r"export_method|parallel_downloads|export_days|download_hosts"):
        read_servers(write_to(tmp_path / "servers.toml", wrong))


def test_a_query_that_is_too_long_for_a_url_goes_as_a_body(hospital: Hospital) -> None:
    """BULK-09."""
    began = Reply(202, headers={"Content-Location": "../1"})
    hospital.on("POST", "/fhir/Patient/$export", began)
    hospital.on("GET", "/fhir/Patient/$export", began)
    with BulkServer(hospital.base) as server:
        server.kick_off("Patient/$export", [("_typeFilter", "Observation?code=" + "x" * 4000)])
        server.kick_off("Patient/$export", [("_type", "Observation")])

    assert [sent.method for sent in hospital.sent] == ["POST", "GET"]


def test_nobody_knows_what_came_of_a_kick_off_that_was_not_answered() -> None:
    with responses.RequestsMock(), BulkServer(BASE) as server, pytest.raises(TemporaryServerError, match="no answer"):
        server.kick_off("$export", [])


def test_a_status_that_is_not_answered_is_a_fault_to_be_waited_out() -> None:
    """BULK-24."""
    with responses.RequestsMock(), BulkServer(BASE) as server:
        later = server.poll(f"{BASE}/status")

    assert isinstance(later, Later)
    assert later.why is Why.FAULT


def test_a_server_that_names_itself_without_tls_is_asked_with_it() -> None:
    """BULK-07: as behind a proxy."""
    with responses.RequestsMock() as mock, BulkServer(BASE) as server:
        mock.get(f"{BASE}/$export", status=202, headers={"Content-Location": "http://ehr.example.invalid/fhir/status"})
        mock.get(f"{BASE}/status", status=202)

        later = server.poll(str(server.kick_off("$export", [])))

    assert isinstance(later, Later)
    assert later.why is Why.UNDER_WAY


def test_progress_is_cut_and_holds_nothing_that_a_terminal_obeys(hospital: Hospital) -> None:
    """BULK-21."""
    hospital.on("GET", "/fhir/1", Reply(202, headers={"X-Progress": "\x1b]0;x\x07 50% [bold]" + "y" * 500}))
    with BulkServer(hospital.base) as server:
        later = server.poll(f"{hospital.base}/1")

    assert isinstance(later, Later)
    assert later.progress.isprintable()
    assert len(later.progress) <= 100


def test_without_a_token_a_locked_status_is_a_refusal(hospital: Hospital) -> None:
    hospital.on("GET", "/fhir/1", Reply(401))
    with BulkServer(hospital.base) as server, pytest.raises(NotAuthorisedError):
        server.poll(f"{hospital.base}/1")


@pytest.mark.parametrize(
    "link",
    [
        "https://files.example.invalid/1",
        "http://allowed.example.invalid/1",  # no https
        "https://ehr@allowed.example.invalid/1",
        "https://allowed.example.invalid:8443/1",  # only the default port is meant... unless the port is named
        "file:///etc/passwd",
        "https://ehr.example.invalid/other/1",  # beside the base
        "https://ehr.example.invalid/fhir/../other/1",
    ],
)
def test_a_file_on_a_host_that_is_not_named_is_not_asked_for(tmp_path: Path, link: str) -> None:
    """BULK-30, BULK-31, SMART-45."""
    settings = ServerSettings(BASE, export=ExportSettings(download_hosts=("allowed.example.invalid:443",)))
    with responses.RequestsMock() as mock, BulkServer(settings) as server:
        with pytest.raises(HostNotAllowedError):
            server.fetch(link, f"{BASE}/status", Came(tmp_path / "x"), as_us=True, given_up=lambda: False)
        assert len(mock.calls) == 0
