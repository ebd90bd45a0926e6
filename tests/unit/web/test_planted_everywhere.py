"""SEC-62: every route, by the table of rules itself: planted data in all that is sent, and in all that breaks behind it."""

import logging
import time
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

import pytest
import responses
from flask import Flask
from werkzeug.test import TestResponse

from fhir_trial.config import Settings
from fhir_trial.web import create_app
from fhir_trial.web.rules import RULES, Role
from fhir_trial.web.service import Service
from tests.unit.web.identities import AUDIENCE, ISSUER, claims, jwks, token
from tests.unit.web.services import FakeService
from tests.unit.web.stores import PATIENT, FakeGrants, all_ports
from tests.unit.web.test_rules import CALLS

WORDS = ("Plantedname", "MRN-99887766", "2013-08-17", "planted-id")
SAID = " ".join(WORDS)
KEYS = "https://keys.example.invalid/jwks"
#: What a browser, a proxy or a careless client might send along.
ALONG = {
    "User-Agent": SAID,
    "Referer": f"https://ehr.example.invalid/Patient/{WORDS[3]}?name={WORDS[0]}",
    "Origin": f"https://{WORDS[0]}.example.invalid",
    "Cookie": f"patient={WORDS[1]}",
    "X-Request-Id": SAID,
    "X-Forwarded-For": WORDS[1],
    "X-Patient": SAID,
    "If-None-Match": f'"{SAID}"',
    "Accept": f"text/{WORDS[0]}",
    "Accept-Language": WORDS[0],
}


class Breaks:
    """A port all of whose methods fail with a message that quotes a record."""

    def __getattr__(self, name: str) -> Any:
        def fail(*args: object, **kwargs: object) -> NoReturn:
            raise KeyError(SAID)

        return fail


@dataclass
class Heard:
    """All that somebody else than the caller could hear: logs, metrics, and the errors that callers pass on."""

    capfd: pytest.CaptureFixture[str]
    caplog: pytest.LogCaptureFixture

    def words_in(self, answers: list[TestResponse], *more: str) -> list[str]:
        captured = self.capfd.readouterr()
        errors = [str(answer.headers) + answer.get_data(as_text=True) for answer in answers if answer.status_code >= 300]
        heads = [str(answer.headers) for answer in answers]
        everything = "".join([captured.out, captured.err, self.caplog.text, *errors, *heads, *more]).lower()
        assert '"event": "request"' in captured.err, "the log is heard at all"
        return [word for word in (*WORDS, PATIENT) if word.lower() in everything or quote(word).lower() in everything]


@pytest.fixture
def heard(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Heard:
    caplog.set_level(logging.DEBUG)
    return Heard(capfd, caplog)


def signed_in() -> dict[str, str]:
    return {"Authorization": f"Bearer {token(claims(int(time.time()), name=WORDS[0]))}"}


def app_with(service: Service, **ports: Any) -> Flask:
    grants = FakeGrants()
    for role in Role:
        grants.give(role)
    settings = Settings(issuers=(ISSUER,), audience=AUDIENCE, issuer_jwks={ISSUER: KEYS}, log_level="debug", rate_limit=0)
    return create_app(settings, service, all_ports(grants=grants, **ports))


def method_of(endpoint: str) -> str:
    return "POST" if CALLS[endpoint][1] is not None else "GET"


@responses.activate
def test_what_breaks_behind_a_route_is_not_told(heard: Heard) -> None:
    """Each port fails with a message that quotes a record (SEC-27)."""
    responses.get(KEYS, json=jwks())
    names = ("screenings", "answers", "decisions", "switch", "database", "keys")
    app = app_with(Breaks(), **{name: Breaks() for name in names})
    no_outbox = app_with(FakeService(), outbox=Breaks())

    answers = {
        endpoint: (no_outbox if endpoint.startswith("outbox") else app)
        .test_client()
        .open(path, method=method_of(endpoint), json=body, headers=signed_in())
        for endpoint, (path, body) in CALLS.items()
    }

    assert set(answers) == set(RULES)
    numbers = app.test_client().get("/metrics", headers=signed_in()).get_data(as_text=True)
    assert heard.words_in(list(answers.values()), numbers) == []
    unbroken = {endpoint for endpoint, answer in answers.items() if answer.status_code != 500}
    assert unbroken <= {"health.live", "api-docs.openapi_json", "metrics.show_metrics", "audit.verify"}


@responses.activate
@pytest.mark.parametrize("endpoint", sorted(RULES))
def test_what_is_sent_along_is_not_repeated(heard: Heard, endpoint: str) -> None:
    """In the path, the query, the headers, the names and the values of a body; signed in and as a stranger (SEC-26, SEC-27)."""
    responses.get(KEYS, json=jwks())
    app = app_with(FakeService())
    asking, method = app.test_client(), method_of(endpoint)
    path, body = CALLS[endpoint]
    plain, _, query = path.partition("?")
    planted_path = "/".join(WORDS[3] if any(sign.isdigit() for sign in step) else step for step in plain.split("/"))
    bodies = (
        [body]
        if body is None
        else [body, dict.fromkeys([*body, WORDS[0], SAID], SAID), [SAID], SAID, {name: [SAID] for name in body}]
    )

    answers = []
    for headers in (ALONG, ALONG | signed_in()):
        answers += [asking.open(plain, method=method, query_string=query, json=each, headers=headers) for each in bodies]
        answers += [
            asking.open(address, method=method, query_string=asked, json=body, headers=headers)
            for address in (plain, planted_path, f"{plain}/{WORDS[3]}", f"{plain}//{WORDS[3]}")
            for asked in (
                f"name={WORDS[0]}",
                f"{WORDS[0]}={WORDS[1]}",
                f"patient={WORDS[1]}&trial={WORDS[3]}&state={WORDS[0]}&limit={WORDS[2]}",
            )
        ]
        answers += [
            asking.open(plain, method=other, headers=headers) for other in ("HEAD", "OPTIONS", "PUT", "TRACE", WORDS[0].upper())
        ]
        if body is not None:
            answers += [
                asking.post(plain, data=SAID, content_type=kind, headers=headers)
                for kind in ("application/json", f"text/{WORDS[0]}")
            ]

    numbers = app.test_client().get("/metrics", headers=signed_in()).get_data(as_text=True)
    assert heard.words_in(answers, numbers) == []
    assert {answer.status_code for answer in answers if answer.status_code >= 500} == set()
