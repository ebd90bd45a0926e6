"""The file in which a site names its servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_trial.config import Settings
from fhir_trial.errors import UsageError
from fhir_trial.transport import ServerSettings
from fhir_trial.transport.access import BackendServices, Bearer, Open
from fhir_trial.transport.servers_file import read_servers

GOOD = """
[servers.ward]
base = "https://ehr.example.invalid/fhir/"
aliases = ["https://proxy.example.invalid/fhir"]
access = "backend-services"
client_id = "fhir-trial"
key_file = "client.pem"
algorithm = "RS384"
scopes = ["system/Patient.rs"]
requests_per_minute = 250
headers = { Epic-Client-ID = "abc" }

[servers.research]
base = "https://research.example.invalid/fhir"
access = "bearer"
token_file = "/run/secrets/token"

[servers.sandbox]
base = "http://127.0.0.1:8080/fhir"
"""


WRONG_ALGORITHM = """
[servers.a]
base = 'https://e.example.invalid'
access = 'backend-services'
client_id = 'x'
key_file = 'k'
algorithm = 'HS256'
"""


def written(folder: Path, content: str) -> Path:
    path = folder / "servers.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_each_server_has_its_way_of_saying_who_we_are(tmp_path: Path) -> None:
    servers = read_servers(written(tmp_path, GOOD))

    assert servers["ward"] == ServerSettings(
        "https://ehr.example.invalid/fhir",
        aliases=("https://proxy.example.invalid/fhir",),
        access=BackendServices("fhir-trial", tmp_path / "client.pem", "RS384", scopes=("system/Patient.rs",)),
        requests_per_minute=250,
        headers=(("Epic-Client-ID", "abc"),),
    )
    assert servers["research"].access == Bearer(Path("/run/secrets/token"))
    assert servers["sandbox"].access == Open()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[servers.a]\nbase = 1", "base"),
        ("[servers.a]\naccess = 'open'", "FHIR base URL"),
        ("[server.a]\nbase = 'https://e.example.invalid/fhir'", r"\[servers.NAME\]"),
        ("", r"\[servers.NAME\]"),
        ("[servers.a", "no TOML"),
        ("[servers.a]\nbase = 'https://e.example.invalid/fhir'\naces = 'open'", "Did you mean 'access'"),
        ("[servers.a]\nbase = 'https://e.example.invalid/fhir'\naccess = 'secret'", "one of open"),
        ("[servers.a]\nbase = 'https://e.example.invalid/fhir'\naccess = 'bearer'", "needs token_file"),
        ("[servers.a]\nbase = 'https://e.example.invalid/fhir'\naccess = 'bearer'\ntoken = 'xyzzy'", "a file of its own"),
        ("[servers.a]\nbase = 'https://e.example.invalid/fhir'\nclient_id = 'x'", "Unknown key 'client_id'"),
        ("[servers.a]\nbase = 'https://e.example.invalid/fhir'\nparallel = 'many'", "right kind"),
        ("[servers.a]\nbase = 'https://e.example.invalid/fhir'\nparallel = 0", "at least one"),
        ("[servers.a]\nbase = 'https://e.example.invalid/fhir'\naliases = [1]", "words only"),
        ("[servers.a]\nbase = 'http://e.example.invalid/fhir'\naccess = 'bearer'\ntoken_file = 't'", "https only"),
        (WRONG_ALGORITHM, "signs with"),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_do(tmp_path: Path, content: str, sentence: str) -> None:
    """SEC-57."""
    path = written(tmp_path, content)

    with pytest.raises(UsageError, match=sentence) as caught:
        read_servers(path)

    assert str(path) in str(caught.value)
    assert "xyzzy" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_servers(tmp_path / "none.toml")


def test_a_server_is_found_by_its_name_or_its_url(tmp_path: Path) -> None:
    settings = Settings(servers_file=written(tmp_path, GOOD), servers={"open": "https://open.example.invalid/fhir"})

    assert settings.server_settings("ward").requests_per_minute == 250
    assert settings.server_settings("https://ehr.example.invalid/fhir").requests_per_minute == 250
    assert settings.server_settings("open").access == Open()
    with pytest.raises(UsageError, match="open, research, sandbox, ward"):
        settings.server_settings("wadr")


def test_one_name_for_two_servers_is_refused(tmp_path: Path) -> None:
    settings = Settings(servers_file=written(tmp_path, GOOD), servers={"ward": "https://open.example.invalid/fhir"})

    with pytest.raises(UsageError, match="take one away"):
        settings.server_settings("ward")


def test_the_limits_that_errors_name_may_be_set(tmp_path: Path) -> None:
    """DATA-01, DATA-09: an error that names a setting names one that the site has."""
    limits = {"page_size": 50, "most_pages": 7, "largest_answer": 1, "largest_search": 2, "longest_answer": 3, "read_timeout": 4}
    lines = "".join(f"{name} = {value}\n" for name, value in limits.items())
    path = tmp_path / "servers.toml"
    path.write_text(f"[servers.ward]\nbase = 'https://ehr.example.invalid/fhir'\n{lines}")

    ward = read_servers(path)["ward"]

    assert {name: getattr(ward, name) for name in limits} == limits


@pytest.mark.parametrize("name", ["page_size", "most_pages", "largest_answer", "largest_search", "longest_answer"])
def test_a_limit_of_nothing_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "servers.toml"
    path.write_text(f"[servers.ward]\nbase = 'https://ehr.example.invalid/fhir'\n{name} = 0\n")

    with pytest.raises(UsageError, match="at least 1"):
        read_servers(path)
