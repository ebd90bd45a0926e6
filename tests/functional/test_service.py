"""The whole path against a real FHIR server: pull, screen, write, read back, and again (issue: the whole path, thin; VER-20)."""

import http.server
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
import structlog
from flask.testing import FlaskClient

from fhir_trial.audit import AuditEvent, AuditLog, AuditUnavailableError, JsonLinesAudit
from fhir_trial.config import Settings
from fhir_trial.sandbox import Sandbox
from fhir_trial.transport import FhirServer
from fhir_trial.web import create_app
from fhir_trial.web.service import Ports
from fhir_trial.wiring.service import ScreeningService
from fhir_trial.writeback import Observations, WriteBack
from tests.functional.conftest import PLANTED
from tests.unit.web.identities import AUDIENCE, claims, jwks, token
from tests.unit.web.stores import FakeGrants

pytestmark = pytest.mark.server

TRIAL = "nct06789107"
DAY = "2026-03-02"


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in ("werkzeug", "urllib3", "requests", "fhir_trial")}
    yield
    structlog.reset_defaults()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def settings(fhir: Sandbox, tenant: str) -> Settings:
    """As the sandbox is used; each test is a tenant of its own, so that none finds another's results."""
    return Settings(
        server=fhir.base_url, tenant=tenant, write_back=WriteBack.WORK_LIST, create_study=True, observations=Observations.ALL
    )


def client(chosen: Settings, audit: AuditLog | None = None) -> FlaskClient:
    return create_app(chosen, ScreeningService(chosen, audit or JsonLinesAudit(io.StringIO()))).test_client()


def screen(asking: FlaskClient, patient: str, **more: Any) -> dict[str, Any]:
    answer = asking.post("/api/screenings", json={"patient": patient, "trial": TRIAL, "as_of": DAY, **more})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    content: dict[str, Any] = answer.get_json()
    return content


def actions(answer: dict[str, Any]) -> dict[str, str]:
    return {result["reference"].split("/")[0].split("?")[0]: result["action"] for result in answer["written"]}


def reference(answer: dict[str, Any], kind: str) -> str:
    (found,) = [result["reference"] for result in answer["written"] if result["reference"].startswith(f"{kind}/")]
    return str(found)


def test_a_screening_is_written_once_and_can_be_read_back(fhir: Sandbox, jane: str) -> None:
    asking = client(settings(fhir, "once"))

    first, second = screen(asking, jane), screen(asking, jane)

    assert first["verdict"]["overall"] == "indeterminate"
    assert (actions(first)["ResearchSubject"], actions(first)["Observation"]) == ("created", "created")
    assert set(actions(second).values()) == {"unchanged"}
    assert second["verdict"] == first["verdict"], "our own result must not become evidence (R40)"
    with FhirServer(fhir.base_url) as server:
        subject = server.read(reference(first, "ResearchSubject"))
        result = server.read(reference(first, "Observation"))
        study = server.read(subject["study"]["reference"])
    assert (subject["status"], subject["individual"]["reference"]) == ("potential-candidate", jane)
    assert subject["meta"]["versionId"] == "1"
    assert (result["status"], result["valueCodeableConcept"]["coding"][0]["code"]) == ("preliminary", "indeterminate")
    assert "NCT06789107" in [identifier["value"] for identifier in study["identifier"]]


def test_a_service_started_anew_writes_nothing_either(fhir: Sandbox, jane: str) -> None:
    first = screen(client(settings(fhir, "anew")), jane)

    second = screen(client(settings(fhir, "anew")), jane)

    lasting = [result["reference"] for result in first["written"] if not result["reference"].startswith("Provenance/")]
    assert [result["reference"] for result in second["written"]] == lasting, "the Provenance is of the first run alone"
    assert set(actions(second).values()) == {"unchanged"}


def test_a_patient_who_is_not_eligible_gets_a_result_and_no_subject(fhir: Sandbox) -> None:
    answer = screen(client(settings(fhir, "adult")), "Patient/adult")

    assert answer["verdict"]["overall"] == "not-eligible"
    assert (actions(answer)["ResearchSubject"], actions(answer)["Observation"]) == ("withheld", "created")


def test_a_dry_run_shows_the_bodies_and_sends_none(fhir: Sandbox, jane: str) -> None:
    asking = client(settings(fhir, "dry"))

    dry = screen(asking, jane, write=False)

    bodies = {result["resource"]["resourceType"]: result["resource"] for result in dry["written"] if "resource" in result}
    assert bodies["ResearchSubject"]["individual"] == {"reference": jane}
    assert bodies["Observation"]["subject"] == {"reference": jane}
    identifier = bodies["ResearchSubject"]["identifier"][0]
    with FhirServer(fhir.base_url) as server:
        assert server.search("ResearchSubject", [("identifier", f"{identifier['system']}|{identifier['value']}")]).matches == ()
    assert actions(screen(asking, jane))["ResearchSubject"] == "created"


def test_with_write_back_off_nothing_leaves(fhir: Sandbox, jane: str) -> None:
    answer = screen(client(replace(settings(fhir, "off"), write_back=WriteBack.OFF)), jane)

    assert answer["written"] == [{"reference": jane, "action": "withheld", "reason": "Writing back is off."}]


def test_each_step_is_audited_under_the_requests_id_and_without_the_patients(fhir: Sandbox, jane: str) -> None:
    """SEC-02, SEC-03."""
    lines = io.StringIO()
    asking = client(settings(fhir, "audited"), JsonLinesAudit(lines))

    answer = asking.post("/api/screenings", json={"patient": jane, "trial": TRIAL, "as_of": DAY})

    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    steps = [(event["action"], event.get("target"), event["outcome"]) for event in events]
    assert steps[:5] == [
        ("screen", None, "begun"),
        ("read-patient", "Patient", "begun"),
        ("read-patient", "Patient", "done"),
        ("screen", None, "done"),
        ("read-patient", "ResearchSubject", "begun"),
    ]
    assert steps[-7:] == [
        ("create", "ResearchSubject", "begun"),
        ("create", "ResearchSubject", "done"),
        ("create", "Observation", "begun"),
        ("create", "Observation", "done"),
        ("create", "Provenance", "begun"),
        ("create", "Provenance", "done"),
        ("read-patient", "ResearchSubject", "done"),
    ]
    assert {event["request"] for event in events} == {answer.headers["X-Request-Id"]}
    assert {(event["trial"], event["tenant"], event["source"]) for event in events} == {(TRIAL, "audited", "api")}
    assert jane.removeprefix("Patient/") not in lines.getvalue()


class FullDisk:
    """An audit log that takes the first events and no more."""

    def __init__(self, takes: int) -> None:
        self.left = takes

    def record(self, event: AuditEvent) -> None:
        if self.left == 0:
            raise AuditUnavailableError("The audit log cannot be written, so nothing was done.")
        self.left -= 1


@pytest.mark.parametrize("takes", [0, 2, 3, 4, 5])
def test_what_cannot_be_audited_is_not_done(fhir: Sandbox, takes: int, jane: str) -> None:
    """SEC-05: with five events taken, the first create would have been the sixth."""
    tenant = f"full{takes}"
    chosen = settings(fhir, tenant)
    asking = client(chosen, FullDisk(takes))

    answer = asking.post("/api/screenings", json={"patient": jane, "trial": TRIAL, "as_of": DAY})

    assert answer.status_code == 503
    dry = screen(client(chosen), jane, write=False)
    assert actions(dry)["ResearchSubject"] == "created", "it must not be there yet"


def test_an_unknown_patient_is_not_found(fhir: Sandbox) -> None:
    answer = client(settings(fhir, "x")).post("/api/screenings", json={"patient": "Patient/nobody", "trial": TRIAL})

    assert (answer.status_code, answer.get_json()["issue"][0]["code"]) == (404, "not-found")


@pytest.mark.parametrize("name", ["nct99999999", f"{TRIAL}@seed99"])
def test_an_unknown_trial_is_not_found(fhir: Sandbox, name: str, jane: str) -> None:
    answer = client(settings(fhir, "x")).post("/api/screenings", json={"patient": jane, "trial": name})

    assert (answer.status_code, answer.get_json()["issue"][0]["code"]) == (404, "not-found")


def test_without_the_fhir_server_it_lives_but_is_not_ready(free_port: int) -> None:
    asking = client(Settings(server=f"http://127.0.0.1:{free_port}/fhir"))

    ready, alive = asking.get("/readyz"), asking.get("/livez")

    assert (ready.status_code, ready.get_json()["issue"][0]["code"]) == (503, "transient")
    assert alive.status_code == 200


def test_with_the_fhir_server_it_is_ready(fhir: Sandbox) -> None:
    assert client(settings(fhir, "x")).get("/readyz").get_json() == {"status": "ready"}


def test_the_first_trial_is_shown_in_full(fhir: Sandbox) -> None:
    shown = client(settings(fhir, "x")).get(f"/api/trials/{TRIAL}").get_json()

    assert [criterion["id"] for criterion in shown["criteria"]][:4] == ["C1", "C2", "C3", "C3.1"]
    assert all(criterion["text"] and criterion["source"] and criterion["english"] for criterion in shown["criteria"])
    assert shown["settings"]["screening_days"] == 28
    assert len(shown["digest"]) == 64
    assert "Observation" in shown["needs"]["resource_types"]


def test_a_former_base_is_still_ours_and_a_new_base_is_written(fhir: Sandbox, jane: str) -> None:
    """R40: what was written under the old base is found, not doubled, and is no evidence."""
    before = settings(fhir, "moved")
    first = screen(client(before), jane)

    moved = replace(before, identifier_base="https://trials.example.invalid", former_bases=("https://example.org/fhir-trial",))
    second = screen(client(moved), jane)

    assert second["verdict"]["criteria"] == first["verdict"]["criteria"]
    assert actions(second)["ResearchSubject"] == "unchanged"
    assert reference(second, "ResearchSubject") == reference(first, "ResearchSubject")


def test_logs_and_errors_hold_nothing_of_the_patient(
    fhir: Sandbox, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, jane: str
) -> None:
    """SEC-27: an end-to-end run with planted data, failures included; everything any library says is heard."""
    caplog.set_level(logging.DEBUG)
    chosen = replace(settings(fhir, "planted"), log_level="debug")
    asking = create_app(chosen, ScreeningService(chosen)).test_client()  # the audit lines go to standard error as well

    good = screen(asking, jane)
    errors = [
        asking.post("/api/screenings", json={"patient": jane, "trial": TRIAL, "as_of": PLANTED[3]}),
        asking.post("/api/screenings", json={"patient": f"Patient/{PLANTED[1]}", "trial": TRIAL}),
        asking.post("/api/screenings", json={"patient": f"Patient/{PLANTED[0]}", "trial": f"{PLANTED[0]}"}),
        asking.get(f"/api/trials/x?name={PLANTED[0]}"),
        asking.get(f"/Patient?identifier={PLANTED[1]}&birthdate={PLANTED[2]}"),
    ]

    captured = capfd.readouterr()
    heard = captured.out + captured.err + caplog.text
    assert good["verdict"]["criteria"]
    assert [error.status_code for error in errors] == [422, 404, 404, 404, 404]
    assert [word for word in PLANTED if word in heard] == []
    assert captured.err.count('"event": "request"') == 6
    said = "".join(error.get_data(as_text=True) for error in errors)
    assert [word for word in PLANTED if word in said] == []


class _Issuer(http.server.BaseHTTPRequestHandler):
    """An identity provider on loopback: its discovery document and its keys."""

    def do_GET(self) -> None:
        issuer = f"http://127.0.0.1:{cast(http.server.HTTPServer, self.server).server_port}"
        documents = {
            "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/keys"},
            "/keys": jwks(),
        }
        body = json.dumps(documents.get(self.path, {})).encode()
        self.send_response(200 if self.path in documents else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
        """Says nothing."""


@pytest.fixture
def issuer() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Issuer) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_whom_a_real_issuer_signs_in_may_do_what_our_grants_say(fhir: Sandbox, issuer: str) -> None:
    """SMART-33, SMART-36, SEC-12: over HTTP, from the discovery document to the answer."""
    grants = FakeGrants()
    grants.give("screener", TRIAL, "member", issuer)
    chosen = replace(settings(fhir, "signed"), issuers=(issuer,), audience=AUDIENCE)
    service = ScreeningService(chosen, JsonLinesAudit(io.StringIO()))
    asking = create_app(chosen, service, Ports(grants=grants)).test_client()

    def asked(subject: str, **changes: Any) -> int:
        bearer = token(claims(int(time.time()), iss=issuer, sub=subject, **changes))
        return asking.get(f"/api/trials/{TRIAL}", headers={"Authorization": f"Bearer {bearer}"}).status_code

    assert asking.get(f"/api/trials/{TRIAL}").status_code == 401
    assert asked("member", aud="https://other.example.invalid") == 401
    assert asked("member", exp=int(time.time()) - 61) == 401
    assert asked("stranger") == 403
    assert asked("member") == 200
    assert asking.get("/readyz").status_code == 200
