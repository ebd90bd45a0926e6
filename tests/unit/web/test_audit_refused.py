"""Who was refused at the door is audited: as far as that was proved, and without the token (SEC-02, SEC-04)."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient
from joserfc import jws

from fhir_trial.audit import line_of
from fhir_trial.config import Settings
from fhir_trial.web import create_app
from tests.unit.web import stores
from tests.unit.web.identities import AUDIENCE, EC256, ISSUER, STRANGER, claims, jwks, token
from tests.unit.web.services import FakeService
from tests.unit.web.stores import AT, FakeGrants, FakeLog, FakeTrail, all_ports

KEYS = "https://keys.example.invalid/jwks"


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def asking(service: FakeService, log: FakeLog) -> Iterator[FlaskClient]:
    settings = Settings(tenant="harbour", issuers=(ISSUER,), audience=AUDIENCE, issuer_jwks={ISSUER: KEYS})
    grants = FakeGrants()
    grants.give("screener")
    with responses.RequestsMock(assert_all_requests_are_fired=False) as servers:
        servers.get(KEYS, json=jwks())
        yield create_app(settings, service, all_ports(grants=grants, audit=FakeTrail(log=log))).test_client()


def sent(asking: FlaskClient, bearer: str, path: str = "/api/trials") -> int:
    return asking.get(path, headers={"Authorization": f"Bearer {bearer}"}).status_code


def signed(**changes: Any) -> str:
    return token(claims(time.time(), **changes))


def ascii_signed(**changes: Any) -> str:
    """Claims as another library may write them."""
    content = json.dumps(claims(time.time(), **changes))
    return jws.serialize_compact({"alg": "ES256", "kid": "e1"}, content, EC256, algorithms=["ES256"])


@pytest.mark.parametrize(
    ("bearer", "known", "why"),
    [
        (lambda: "no-jwt", {}, "no JWT"),
        (lambda: signed(iss="https://unknown.example.invalid", jti="j"), {}, "not configured"),
        (lambda: token(claims(time.time(), jti="j"), key=STRANGER), {"issuer": ISSUER}, "does not prove"),
        (lambda: signed(exp=1, jti="j-1"), {"issuer": ISSUER, "subject": "u1", "token": "j-1"}, "expired"),
        (lambda: signed(aud="x"), {"issuer": ISSUER, "subject": "u1"}, "another audience"),
        (lambda: signed(exp=1, jti="with a space"), {"issuer": ISSUER, "subject": "u1"}, "expired"),
        (lambda: ascii_signed(sub="half \ud800"), {"issuer": ISSUER}, "names no subject"),
    ],
)
def test_a_refused_token_is_recorded_with_what_it_proved(
    asking: FlaskClient, log: FakeLog, bearer: Any, known: dict[str, str], why: str
) -> None:
    """SEC-02, SEC-04: an issuer that is configured, a subject and jti whose signature held."""
    sends = bearer()

    assert sent(asking, sends) == 401

    (event,) = log.events
    line = line_of(event)
    assert (line["action"], line["outcome"], line["tenant"], line["source"]) == ("refused-sign-in", "failed", "harbour", "api")
    assert {name: line[name] for name in ("issuer", "subject", "token") if name in line} == {"subject": "unknown"} | known
    assert why in line["reason"]
    assert all(part not in json.dumps(line) for part in sends.split("."))


def test_somebody_without_a_grant_is_recorded_by_name(asking: FlaskClient, log: FakeLog) -> None:
    """SEC-02, SEC-12."""
    statuses = [sent(asking, signed(sub="u9", jti="j-9")), sent(asking, signed(), "/api/outbox")]

    assert statuses == [403, 403]
    assert [(event.actor.subject, event.actor.token, event.reason) for event in log.events] == [
        ("u9", "j-9", "Nobody has granted a role."),
        ("u1", None, "No role allows this address."),
    ]


def test_whoever_is_let_in_or_shows_nothing_is_no_refused_sign_in(asking: FlaskClient, log: FakeLog) -> None:
    statuses = [sent(asking, signed()), asking.get("/api/trials").status_code, asking.get("/livez").status_code]

    assert statuses == [200, 401, 200]
    assert log.events == []


def test_a_flood_of_bad_tokens_is_recorded_in_part(asking: FlaskClient, log: FakeLog) -> None:
    """SEC-59: the fake records three of a minute one by one."""
    assert {sent(asking, "no-jwt") for _ in range(30)} == {401}

    assert len(log.events) == 3


def test_a_refusal_that_cannot_be_recorded_is_a_refusal(asking: FlaskClient, log: FakeLog) -> None:
    """SEC-05: what is audited, the sign-in, fails in any case."""
    log.is_full = True

    assert sent(asking, "no-jwt") == 401
    assert sent(asking, signed(sub="u9")) == 403


def test_the_jti_is_with_the_actor_of_what_is_done(asking: FlaskClient, service: FakeService) -> None:
    """SEC-04."""
    body = {"patient": "Patient/p1", "trial": "nct00000000"}

    answer = asking.post("/api/screenings", json=body, headers={"Authorization": f"Bearer {signed(jti='j-1')}"})

    assert answer.status_code == 200
    assert service.asked[0]["actor"].token == "j-1"


def test_what_went_uncounted_is_settled_by_any_later_request(
    asking: FlaskClient, log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-02."""
    for _ in range(10):
        sent(asking, "no-jwt")
    monkeypatch.setattr(stores, "AT", AT.replace(hour=AT.hour + 1))

    asking.get("/livez")

    assert [event.number_of for event in log.events] == [None, None, None, 7]
