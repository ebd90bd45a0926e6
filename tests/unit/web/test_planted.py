"""Planted data of a patient, and tokens, are nowhere but where they belong (SEC-26, SEC-27, SEC-62)."""

import logging
import time
from dataclasses import replace
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient

from fhir_trial.audit import Actor
from fhir_trial.config import Settings
from fhir_trial.errors import FatalServerError
from fhir_trial.web import create_app
from fhir_trial.web.service import Trials
from tests.unit.web.identities import AUDIENCE, ISSUER, STRANGER, claims, jwks, token
from tests.unit.web.services import FakeService
from tests.unit.web.stores import PATIENT, TRIAL, VERDICT, FakeGrants, FakeOutbox, FakeScreenings, StoredScreening, all_ports

WORDS = ("Plantedname", "MRN-99887766", "2013-08-17", "planted-id")
KEYS = "https://keys.example.invalid/jwks"


class BrokenScreenings(FakeScreenings):
    """A defect whose message quotes a record."""

    def of_patient(self, patient: str, trials: Trials, actor: Actor, request: str) -> Any:
        raise KeyError(" ".join(WORDS))


def marked() -> FakeScreenings:
    return FakeScreenings([StoredScreening("s1", TRIAL, verdict={**VERDICT, "patient": " ".join(WORDS)})])


@responses.activate
def test_nothing_of_a_patient_or_a_token_is_logged_measured_or_in_an_error(
    service: FakeService, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Failures included; everything that any library says is heard."""
    caplog.set_level(logging.DEBUG)
    responses.get(KEYS, json=jwks())
    grants = FakeGrants()
    for role in ("investigator", "admin", "auditor"):
        grants.give(role)
    settings = Settings(issuers=(ISSUER,), audience=AUDIENCE, issuer_jwks={ISSUER: KEYS}, log_level="debug")
    asking = create_app(settings, service, all_ports(grants=grants, screenings=marked())).test_client()
    broken = create_app(settings, service, all_ports(grants=grants, screenings=BrokenScreenings())).test_client()
    good = token(claims(int(time.time()), email=f"{WORDS[0]}@example.invalid"))
    bad = token(claims(int(time.time()), name=WORDS[0]), key=STRANGER)
    headers = {"Authorization": f"Bearer {good}"}
    said = f"{WORDS[0]}, {WORDS[1]}, born {WORDS[2]}"

    shown = asking.get("/api/screenings/s1", headers=headers)
    answered = asking.post(
        "/api/answers",
        json={"screening": "s1", "criterion": "C1", "answer": "met", "reason": said},
        headers=headers,
    )
    stopped = asking.post("/api/stop", json={"reason": said}, headers=headers)
    service.failure = None
    errors = [
        asking.get("/api/trials", headers={"Authorization": f"Bearer {bad}"}),
        asking.get(f"/api/trials?token={good}"),
        asking.get(f"/api/patients/{WORDS[1]}/screenings?name={WORDS[0]}", headers=headers),
        asking.get(f"/api/screenings/{WORDS[3]}", headers=headers),
        asking.get(f"/api/answers?patient={WORDS[1]}&trial={WORDS[0]}", headers=headers),
        asking.post("/api/answers", json={WORDS[0]: WORDS[1], "screening": f"{WORDS[3]}?"}, headers=headers),
        asking.post("/api/decisions", json={"patient": WORDS[3], "status": WORDS[0]}, headers=headers),
        asking.get(f"/api/outbox?state={WORDS[0]}", headers=headers),
        broken.get(f"/api/patients/{PATIENT}/screenings", headers=headers),
    ]
    service.failure = FatalServerError("Patient read: the server answered 400.")
    errors.append(asking.post("/api/screenings", json={"patient": f"Patient/{WORDS[3]}", "trial": TRIAL}, headers=headers))
    numbers = [one.get("/metrics").get_data(as_text=True) for one in (asking, broken)]

    assert (shown.status_code, answered.status_code, stopped.status_code) == (200, 201, 200)
    assert [error.status_code for error in errors] == [401, 401, 404, 404, 422, 422, 422, 422, 500, 502]
    captured = capfd.readouterr()
    heard = captured.out + captured.err + caplog.text + "".join(numbers)
    heard += "".join(error.get_data(as_text=True) + str(error.headers) for error in errors)
    assert captured.err.count('"event": "request"') >= 13
    secrets = [piece for whole in (good, bad) for piece in whole.split(".")[1:]]
    assert [word for word in (*WORDS, PATIENT, 'u1"', *secrets) if word.lower() in heard.lower()] == []


def test_no_route_of_ours_takes_an_id_of_the_hospitals_in_its_address(client: FlaskClient) -> None:
    """SEC-26: a patient stands in an address by our own key alone."""
    templates = {rule.rule for rule in client.application.url_map.iter_rules() if rule.arguments}

    assert templates == {
        "/api/trials/<name>",
        "/api/trials/<name>/needs",
        "/api/screenings/<identity>",
        "/api/patients/<key>/screenings",
        "/api/patients/<key>/standing",
    }


def test_an_answer_names_no_address_with_a_patient_in_it(service: FakeService) -> None:
    asking = create_app(replace(Settings(), log_level="error"), service, all_ports(outbox=FakeOutbox())).test_client()

    answers = [asking.get("/api/outbox"), asking.post("/api/screenings", json={"patient": "Patient/p1", "trial": TRIAL})]

    assert all("Location" not in answer.headers and "Link" not in answer.headers for answer in answers)
