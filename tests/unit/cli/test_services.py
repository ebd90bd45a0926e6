"""``fhir-trial serve`` and ``fhir-trial sandbox`` before they run: what they refuse, and which settings hold."""

import os
import socket
from pathlib import Path

import click
import pytest

from fhir_trial.cli.main import main
from fhir_trial.cli.services import serve, settings_with
from fhir_trial.store import new_key_line
from fhir_trial.wiring.service import ScreeningService
from fhir_trial.writeback import Observations, WriteBack

SERVER_AND_BASE = {"server": "https://ehr.example.invalid/fhir", "identifier_base": "https://ours.example.invalid"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FHIR_TRIAL_")]:
        monkeypatch.delenv(name)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_an_option_comes_before_its_variable_and_the_rest_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_TRIAL_PORT", "1")
    monkeypatch.setenv("FHIR_TRIAL_THREADS", "9")

    settings = settings_with({"port": 2, "host": None, "write_back": "work-list", "observations": "all", "create_study": True})

    assert (settings.port, settings.threads, settings.host) == (2, 9, "127.0.0.1")
    assert (settings.write_back, settings.observations) == (WriteBack.WORK_LIST, Observations.ALL)
    assert settings.create_study is True


@pytest.mark.parametrize(("option", "words"), [("write_back", WriteBack), ("observations", Observations)])
def test_the_options_offer_what_the_settings_know(option: str, words: type[WriteBack] | type[Observations]) -> None:
    (found,) = [parameter for parameter in serve.params if parameter.name == option]

    assert isinstance(found.type, click.Choice)
    assert list(found.type.choices) == [word.value for word in words]


def test_serve_refuses_an_address_beyond_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--server", "http://127.0.0.1:1/fhir", "--host", "0.0.0.0") == 2
    assert "loopback only" in capsys.readouterr().err


def test_serve_refuses_a_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert run("serve", "--server", "http://127.0.0.1:1/fhir", "--port", port) == 2

    assert f"Port {port} cannot be used" in capsys.readouterr().err


def test_serve_needs_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--port", "0") == 2
    assert "No FHIR server is set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--site", "nowhere"), 2),
        (("--timezone", "Mars/Olympus"), 2),
        (("--write-back", "everything"), 2),
        (("--write-back", "work-list", "--identifier-base", "ours"), 5),
    ],
)
def test_serve_finds_wrong_settings_before_it_listens(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int
) -> None:
    assert run("serve", "--server", "http://127.0.0.1:1/fhir", "--port", "0", *arguments) == status
    assert capsys.readouterr().out == ""


def test_serve_writes_nothing_under_example_org_beyond_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--server", "https://ehr.example.invalid/fhir", "--port", "0", "--write-back", "candidates") == 5
    assert "example.org" in capsys.readouterr().err


def test_serve_writes_to_a_hospital_only_with_a_store(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """WB-03: intents are persisted, or nothing is written beyond this machine."""
    hospital = (
        "--server",
        "https://ehr.example.invalid/fhir",
        "--port",
        "0",
        "--identifier-base",
        "https://ours.example.invalid",
    )
    assert run("serve", *hospital, "--write-back", "candidates") == 5
    told = capsys.readouterr()
    assert told.out == ""
    assert "FHIR_TRIAL_DATABASE" in told.err

    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text(new_key_line("k1"))
    monkeypatch.setenv("FHIR_TRIAL_DATABASE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("FHIR_TRIAL_KEYS_FILE", str(keys))
    with_store = ScreeningService(settings_with(dict(SERVER_AND_BASE, write_back="candidates")))
    with_store.prepare()
    monkeypatch.delenv("FHIR_TRIAL_DATABASE")
    ScreeningService(settings_with(dict(SERVER_AND_BASE, write_back="off"))).prepare()


def test_the_sandbox_says_that_the_samples_are_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("sandbox", "--port", "0", "--samples", str(tmp_path / "none")) == 1
    assert "samples are not there" in capsys.readouterr().err
