"""Settings from the environment."""

from dataclasses import fields
from pathlib import Path

import pytest

from fhir_trial.config import _READERS, PREFIX, Settings, read_settings
from fhir_trial.errors import UsageError
from fhir_trial.writeback.settings import Observations, WriteBack

DOCUMENT = Path(__file__).parents[2] / "docs" / "service.md"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_without_variables_the_most_careful_defaults_hold() -> None:
    settings = read_settings()

    assert settings == Settings()
    assert (settings.write_back, settings.create_study, settings.host) == (WriteBack.OFF, False, "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "written", "attribute", "value"),
    [
        ("SERVER", "http://127.0.0.1:8080/fhir", "server", "http://127.0.0.1:8080/fhir"),
        ("SERVER", "  ", "server", None),
        ("SERVERS", "a=http://a.example.invalid,b=http://b.example.invalid", "servers",
         {"a": "http://a.example.invalid", "b": "http://b.example.invalid"}),
        ("SITE", "harbour", "site", "harbour"),
        ("TIMEZONE", "Asia/Shanghai", "timezone", "Asia/Shanghai"),
        ("TENANT", "harbour", "tenant", "harbour"),
        ("IDENTIFIER_BASE", "https://trials.example.invalid", "identifier_base", "https://trials.example.invalid"),
        ("FORMER_BASES", "https://a.example.invalid, https://b.example.invalid", "former_bases",
         ("https://a.example.invalid", "https://b.example.invalid")),
        ("WRITE_BACK", "work-list", "write_back", WriteBack.WORK_LIST),
        ("CREATE_STUDY", "true", "create_study", True),
        ("OBSERVATIONS", "all", "observations", Observations.ALL),
        ("HOST", "::1", "host", "::1"),
        ("PORT", "0", "port", 0),
        ("ALLOWED_HOSTS", "trials.example.invalid", "allowed_hosts", ("trials.example.invalid",)),
        ("LARGEST_BODY", "2048", "largest_body", 2048),
        ("THREADS", "8", "threads", 8),
        ("SAMPLES", "elsewhere", "samples", Path("elsewhere")),
        ("LOG_LEVEL", "error", "log_level", "error"),
    ],
)  # fmt: skip
def test_each_variable_sets_its_attribute(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, attribute: str, value: object
) -> None:
    monkeypatch.setenv(PREFIX + name, written)

    assert getattr(read_settings(), attribute) == value


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("WRITE_BACK", "everything"), ("CREATE_STUDY", "perhaps"), ("OBSERVATIONS", "some"), ("PORT", "http"), ("PORT", "65536"),
        ("PORT", "-1"), ("LARGEST_BODY", "1023"), ("THREADS", "0"), ("LOG_LEVEL", "loud"), ("TENANT", " "),
        ("SERVERS", "nameless"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name_and_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, written: str) -> None:
    monkeypatch.setenv(PREFIX + name, written)

    with pytest.raises(UsageError) as refused:
        read_settings()

    assert PREFIX + name in str(refused.value)
    assert len(written) < 4 or written not in str(refused.value)
    assert refused.value.exit_status == 2


def test_every_mistake_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_TRIAL_PORT", "http")
    monkeypatch.setenv("FHIR_TRIAL_THREADS", "0")
    monkeypatch.setenv("FHIR_TRIAL_WRITEBACK", "off")

    with pytest.raises(UsageError) as refused:
        read_settings()

    assert all(name in str(refused.value) for name in ("FHIR_TRIAL_PORT", "FHIR_TRIAL_THREADS", "FHIR_TRIAL_WRITEBACK"))


def test_a_misspelt_name_is_answered_with_the_nearest_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_TRIAL_WRITEBACK", "off")

    with pytest.raises(UsageError, match=r"FHIR_TRIAL_WRITEBACK: unknown setting\. Did you mean FHIR_TRIAL_WRITE_BACK\?"):
        read_settings()


def test_a_server_is_found_by_name_or_by_url() -> None:
    settings = Settings(server="ward", servers={"ward": "https://ehr.example.invalid/fhir"})

    assert settings.server_url == "https://ehr.example.invalid/fhir"
    assert settings.url_of("http://127.0.0.1:1/fhir") == "http://127.0.0.1:1/fhir"
    with pytest.raises(UsageError, match="Unknown server 'wadr'"):
        settings.url_of("wadr")


def test_without_a_server_the_sentence_says_how_to_set_one() -> None:
    with pytest.raises(UsageError, match="--server, or set FHIR_TRIAL_SERVER"):
        _ = Settings().server_url


def test_every_setting_is_read_and_documented() -> None:
    names = [item.name for item in fields(Settings)]
    text = DOCUMENT.read_text(encoding="utf-8")

    assert list(_READERS) == names
    assert [name for name in names if f"`{PREFIX}{name.upper()}`" not in text] == []
