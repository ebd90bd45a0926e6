"""The settings of the door (SMART-33, SEC-59)."""

import os

import pytest

from fhir_trial.config import PREFIX, read_settings
from fhir_trial.errors import UsageError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_without_variables_nobody_is_signed_in_and_everybody_is_counted() -> None:
    settings = read_settings()

    assert (settings.issuers, settings.audience, settings.issuer_jwks, settings.rate_limit) == ((), None, {}, 600)


@pytest.mark.parametrize(
    ("name", "written", "attribute", "value"),
    [
        ("ISSUERS", "https://a.example.invalid/x, https://b.example.invalid", "issuers",
         ("https://a.example.invalid/x", "https://b.example.invalid")),
        ("ISSUERS", " ", "issuers", ()),
        ("AUDIENCE", " https://trials.example.invalid ", "audience", "https://trials.example.invalid"),
        ("ISSUER_JWKS", "https://a.example.invalid/x=https://k.example.invalid/jwks?v=1", "issuer_jwks",
         {"https://a.example.invalid/x": "https://k.example.invalid/jwks?v=1"}),
        ("RATE_LIMIT", "0", "rate_limit", 0),
    ],
)  # fmt: skip
def test_each_variable_sets_its_attribute(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, attribute: str, value: object
) -> None:
    monkeypatch.setenv(PREFIX + name, written)

    assert getattr(read_settings(), attribute) == value


@pytest.mark.parametrize(
    ("name", "written"),
    [("ISSUER_JWKS", "https://planted.example.invalid"), ("ISSUER_JWKS", "a=b"), ("RATE_LIMIT", "-1"), ("RATE_LIMIT", "many")],
)
def test_a_setting_that_does_not_fit_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str
) -> None:
    monkeypatch.setenv(PREFIX + name, written)

    with pytest.raises(UsageError, match=name) as refused:
        read_settings()
    assert "planted" not in refused.value.message
