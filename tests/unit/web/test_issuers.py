"""An issuer's keys: from its discovery document or a configured address, fetched with restraint (SMART-33, SMART-34)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import responses

from fhir_trial.errors import UsageError
from fhir_trial.transport.issuers import FRESH, OLDEST, RETRY, THROTTLE, IssuerKeys, IssuerUnavailableError
from tests.unit.web.identities import ISSUER, jwks

DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
KEYS = "https://keys.example.invalid/jwks"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def publish(http: responses.RequestsMock, *, document: Any = None, keys: Any = None) -> None:
    http.get(DISCOVERY, json=document if document is not None else {"issuer": ISSUER, "jwks_uri": KEYS})
    http.get(KEYS, json=keys if keys is not None else jwks())


@responses.activate(assert_all_requests_are_fired=False)
def test_the_discovery_document_says_where_the_keys_are(clock: Clock) -> None:
    publish(responses.mock)

    key = IssuerKeys(ISSUER, clock=clock).key("e1")

    assert key is not None
    assert (key["kty"], key["crv"]) == ("EC", "P-256")
    assert [call.request.url for call in responses.calls] == [DISCOVERY, KEYS]


@responses.activate
def test_a_configured_address_needs_no_discovery(clock: Clock) -> None:
    responses.get(KEYS, json=jwks())

    assert IssuerKeys(ISSUER, KEYS, clock).key("r1") is not None
    assert len(responses.calls) == 1


@responses.activate
def test_the_address_of_keys_may_have_a_query(clock: Clock) -> None:
    """Those of large providers do."""
    responses.get(f"{KEYS}?appid=1", json=jwks())

    assert IssuerKeys(ISSUER, f"{KEYS}?appid=1", clock).key("r1") is not None


@responses.activate
def test_an_unknown_key_is_asked_for_once_a_minute_and_no_oftener(clock: Clock) -> None:
    """SMART-34."""
    responses.get(KEYS, json=jwks())
    keys = IssuerKeys(ISSUER, KEYS, clock)
    keys.key("e1")

    clock.now += THROTTLE - 1
    held_back = [keys.key("new") for _ in range(20)]
    calls_before = len(responses.calls)
    clock.now += 1
    asked = [keys.key("new") for _ in range(20)]

    assert held_back + asked == [None] * 40
    assert (calls_before, len(responses.calls)) == (1, 2)


@responses.activate
def test_a_key_that_was_rotated_in_is_found(clock: Clock) -> None:
    """SMART-34."""
    responses.get(KEYS, json={"keys": []})
    responses.get(KEYS, json=jwks())
    keys = IssuerKeys(ISSUER, KEYS, clock)
    assert keys.key("e1") is None

    clock.now += THROTTLE

    assert keys.key("e1") is not None


@responses.activate
def test_a_key_that_was_withdrawn_ends_within_the_hour(clock: Clock) -> None:
    responses.get(KEYS, json=jwks())
    responses.get(KEYS, json={"keys": []})
    keys = IssuerKeys(ISSUER, KEYS, clock)
    assert keys.key("e1") is not None

    clock.now += FRESH + 1

    assert keys.key("e1") is None


@responses.activate
def test_known_keys_outlive_an_outage_for_a_day(clock: Clock) -> None:
    responses.get(KEYS, json=jwks())
    responses.get(KEYS, status=503)
    keys = IssuerKeys(ISSUER, KEYS, clock)
    keys.key("e1")

    clock.now += OLDEST - 1
    still = keys.key("e1")
    clock.now += 2

    assert still is not None
    with pytest.raises(IssuerUnavailableError):
        keys.key("e1")


@responses.activate
def test_an_issuer_that_was_never_heard_is_asked_again_soon_but_not_each_time(clock: Clock) -> None:
    responses.get(KEYS, body=requests.ConnectionError("planted"))
    keys = IssuerKeys(ISSUER, KEYS, clock)

    for _ in range(5):
        with pytest.raises(IssuerUnavailableError) as refused:
            keys.key("e1")
        assert "planted" not in refused.value.message
    clock.now += RETRY
    with pytest.raises(IssuerUnavailableError):
        keys.key("e1")

    assert len(responses.calls) == 2


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": ISSUER + "/", "jwks_uri": KEYS}, {"issuer": "https://other.example.invalid", "jwks_uri": KEYS},
        {"jwks_uri": KEYS}, {"issuer": ISSUER}, {"issuer": ISSUER, "jwks_uri": "http://keys.example.invalid/jwks"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, {"issuer": ISSUER, "jwks_uri": ["https://x.example.invalid"]},
        [], "x",
    ],
)  # fmt: skip
@responses.activate(assert_all_requests_are_fired=False)
def test_a_discovery_document_of_another_or_without_a_safe_address_is_refused(clock: Clock, document: Any) -> None:
    """SMART-33: the issuer to the letter."""
    publish(responses.mock, document=document)

    with pytest.raises(IssuerUnavailableError):
        IssuerKeys(ISSUER, clock=clock).key("e1")
    assert len(responses.calls) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, "{}"), (302, ""), (200, "<html>"), (200, "[]"), (200, '{"keys": {}}'), (200, "{" + " " * (1024 * 1024))],
)
@responses.activate
def test_keys_that_are_no_keys_are_refused(clock: Clock, status: int, body: str) -> None:
    responses.get(KEYS, status=status, body=body, headers={"Location": "https://evil.example.invalid"} if status == 302 else None)

    with pytest.raises(IssuerUnavailableError):
        IssuerKeys(ISSUER, KEYS, clock).key("e1")
    assert len(responses.calls) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.invalid",
        "ftp://id.example.invalid",
        "id",
        "",
        "https://",
        "https://u:p@x.example.invalid",
        "https://[x",
    ],
)
def test_an_address_that_is_not_https_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError):
        IssuerKeys(url)
    with pytest.raises(UsageError):
        IssuerKeys(ISSUER, url or "x")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/realm", "http://localhost:9", "https://id.example.invalid"])
def test_loopback_may_be_tried_out_without_tls(url: str) -> None:
    assert IssuerKeys(url).issuer == url


@responses.activate
def test_many_at_once_fetch_the_keys_once(clock: Clock) -> None:
    """SMART-34: a herd of requests is one fetch."""
    responses.get(KEYS, json=jwks())
    keys = IssuerKeys(ISSUER, KEYS, clock)

    with ThreadPoolExecutor(8) as many:
        found = list(many.map(keys.key, ["e1", "r1", "new", "e2"] * 10))

    assert [key is None for key in found] == [False, False, True, False] * 10
    assert len(responses.calls) == 1
