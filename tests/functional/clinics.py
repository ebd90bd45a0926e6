"""A signed-in coordinator at work with the service, on a real FHIR server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import responses
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fhir_trial.audit import patient_key
from fhir_trial.config import Settings
from fhir_trial.people.opt_outs import OptOutKind
from fhir_trial.sandbox import Sandbox
from fhir_trial.transport import FhirServer, Json
from fhir_trial.web import create_app
from fhir_trial.wiring.service import ScreeningService
from tests.functional.stores import NOW, TRIAL, kept
from tests.unit.web.identities import AUDIENCE, ISSUER, claims, jwks, token

AS_OF = "2026-03-02"
_KEYS = "https://keys.example.invalid/jwks"
#: Settings by which people sign in.
SIGNING_IN: dict[str, Any] = {"issuers": (ISSUER,), "audience": AUDIENCE, "issuer_jwks": {ISSUER: _KEYS}}


@contextmanager
def issuer_keys(fhir: Sandbox) -> Iterator[responses.RequestsMock]:
    """The issuer's keys; everything else goes where it is sent."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        http.add_passthru(fhir.base_url)
        http.get(_KEYS, json=jwks())
        yield http


class Clinic:
    """The service, and a coordinator who asks it."""

    def __init__(self, settings: Settings, patient: str) -> None:
        self.settings, self.patient = settings, patient
        self.key = patient_key(settings.tenant, settings.server_url, patient)
        kept(settings).grants.grant(ISSUER, "u1", "coordinator", TRIAL, name="Mei Lin", by="admin", why=None, at=NOW)
        self.asking: FlaskClient = create_app(settings, ScreeningService(settings)).test_client()

    def ask(self, method: str, path: str, body: Json | None = None) -> TestResponse:
        bearer = {"Authorization": f"Bearer {token(claims(int(time.time())))}"}
        return self.asking.open(path, method=method, json=body, headers=bearer)

    def screened(self, **days: str) -> Json:
        answer = self.ask("POST", "/api/screenings", {"patient": self.patient, "trial": TRIAL, "as_of": AS_OF} | days)
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def standing(self) -> Json:
        answer = self.ask("GET", f"/api/patients/{self.key}/standing?trial={TRIAL}")
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def decided(self, status: str, **more: Any) -> TestResponse:
        body = {"patient": self.key, "trial": TRIAL, "status": status, "reason": "Spoken with.", "since": AS_OF}
        return self.ask("POST", "/api/decisions", {**body, "shown": self.standing()["shown"], **more})

    def subjects(self) -> list[Json]:
        with FhirServer(self.settings.server_url) as server:
            return list(server.search("ResearchSubject", [("patient", self.patient.split("/")[1])]).matches)

    def set_on_server(self, status: str) -> None:
        """Somebody moves the patient on in the EHR."""
        (subject,) = self.subjects()
        with FhirServer(self.settings.server_url) as server:
            server.update({**subject, "status": status}, if_match=subject["meta"]["versionId"])

    def found_too_young(self) -> None:
        """A mistake in the record is mended: the patient is a child of a year, and not eligible."""
        with FhirServer(self.settings.server_url) as server:
            patient = server.read(self.patient)
            server.update({**patient, "birthDate": "2025-02-01"}, if_match=patient["meta"]["versionId"])


def opt_out(settings: Settings, key: str) -> None:
    kept(settings).opt_outs.record(key, None, OptOutKind.OBJECTION, by="dr-li", at=NOW)
