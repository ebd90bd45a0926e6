"""Trials, health, OpenAPI, and what every answer carries (VER-21, SEC-18, SEC-27)."""

import json
import uuid

import pytest
from flask.testing import FlaskClient

from fhir_trial.config import Settings
from fhir_trial.errors import FatalServerError, TemporaryServerError, UsageError
from fhir_trial.web import create_app
from tests.unit.web.conftest import issues
from tests.unit.web.services import FakeService


def test_every_version_of_every_trial_is_listed(client: FlaskClient) -> None:
    answer = client.get("/api/trials")

    assert answer.json == {
        "trials": [
            {"id": "nct00000000", "version": "v1", "dated": "2025", "title": "Nothing"},
            {"id": "nct00000000", "version": "v2", "dated": "2026", "title": "Nothing"},
        ]
    }


def test_a_trial_is_shown_with_the_protocols_words_and_how_they_are_read(client: FlaskClient) -> None:
    shown = client.get("/api/trials/nct00000000@v1").json

    assert shown is not None
    assert (shown["id"], shown["version"], shown["digest"], shown["site"], shown["settings"]) == (
        "nct00000000",
        "v1",
        "d1",
        None,
        {},
    )
    assert [criterion["id"] for criterion in shown["criteria"]] == ["C1", "C2"]
    assert shown["criteria"][0] == {
        "id": "C1",
        "type": "inclusion",
        "stage": "prescreening",
        "title": "Title C1",
        "text": "Sentence C1",
        "source": "Protocol",
        "english": "fixed",
        "counts": True,
        "notes": [],
        "questions": [],
    }
    assert shown["needs"]["resource_types"] == ["Observation", "Patient"]
    assert shown["not_evaluated"] == ["exclusion criteria: not in the source text"]
    assert shown["identifiers"] == [{"system": "https://clinicaltrials.gov/nctid", "value": "NCT00000000"}]


def test_the_process_lives_though_the_fhir_server_does_not(client: FlaskClient, service: FakeService) -> None:
    service.failure = TemporaryServerError("CapabilityStatement: no answer from the server.")

    assert client.get("/livez").json == {"status": "alive"}


def test_ready_asks_the_fhir_server(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


@pytest.mark.parametrize("error", [TemporaryServerError, FatalServerError])
def test_without_a_fhir_server_it_is_not_ready(client: FlaskClient, service: FakeService, error: type[Exception]) -> None:
    service.failure = error("CapabilityStatement: the server answered otherwise.")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert [issue["code"] for issue in issues(answer)] == ["transient"]


def test_the_openapi_document_names_every_route_and_its_errors(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json

    assert document is not None
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {
        "/.well-known/jwks.json",
        "/api/answers",
        "/api/audit/verify",
        "/api/decisions",
        "/api/decisions/unsent",
        "/api/outbox",
        "/api/patients/{key}/screenings",
        "/api/patients/{key}/standing",
        "/api/resume",
        "/api/screenings",
        "/api/screenings/{identity}",
        "/api/server-check",
        "/api/stop",
        "/api/trials",
        "/api/trials/{name}",
        "/api/trials/{name}/needs",
        "/livez",
        "/metrics",
        "/readyz",
    }
    screening = document["paths"]["/api/screenings"]["post"]
    assert set(screening["responses"]) == {"200", *map(str, (400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503))}
    assert list(screening["responses"]["422"]["content"]) == ["application/fhir+json"]
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    public = {
        path
        for path, methods in document["paths"].items()
        for name, one in methods.items()
        if name == "get" and one.get("security") == []
    }
    assert public == {"/livez", "/readyz", "/.well-known/jwks.json"}
    request = document["components"]["schemas"]["ScreeningRequest"]
    assert (request["required"], request["additionalProperties"]) == (["patient", "trial"], False)
    assert set(request["properties"]) == {"patient", "trial", "as_of", "first_dose", "write"}


@pytest.mark.parametrize("path", ["/livez", "/openapi.json", "/nowhere"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers
    assert "Set-Cookie" not in headers


def test_a_request_id_that_is_a_uuid_is_kept_and_any_other_is_not(client: FlaskClient) -> None:
    own = "0b9f8f3e-2f0f-4b8e-9a55-1f0c3d2e4a51"

    kept = client.get("/livez", headers={"X-Request-Id": own}).headers["X-Request-Id"]
    replaced = client.get("/livez", headers={"X-Request-Id": "Jane Planted"}).headers["X-Request-Id"]

    assert kept == own
    assert uuid.UUID(replaced).version == 4


def test_the_access_line_has_the_route_and_no_path_or_query(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    answer = client.get("/api/trials/nct00000000?name=Planted", headers={"User-Agent": "Planted", "X-Request-Id": "Planted"})

    assert answer.status_code == 200
    (line,) = capsys.readouterr().err.splitlines()
    logged = json.loads(line)
    assert (logged["event"], logged["method"], logged["route"], logged["status"]) == ("request", "GET", "/api/trials/<name>", 200)
    assert set(logged) == {"event", "level", "timestamp", "request", "method", "route", "status", "ms"}
    assert "Planted" not in line


def test_a_field_that_is_not_on_the_list_is_not_logged(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    structlog.get_logger().warning("odd", patient="Jane Planted", status=1)

    (line,) = capsys.readouterr().err.splitlines()
    assert set(json.loads(line)) == {"event", "level", "timestamp", "status"}


def test_the_log_level_is_a_setting(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    create_app(Settings(log_level="error"), service).test_client().get("/livez")

    assert capsys.readouterr().err == ""


def test_debug_mode_is_refused(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-25: its error pages show the locals of every frame."""
    monkeypatch.setenv("FLASK_DEBUG", "1")

    with pytest.raises(UsageError, match="debug mode"):
        create_app(Settings(), service)


def test_without_a_server_the_application_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FHIR_TRIAL_SERVER", raising=False)

    with pytest.raises(UsageError, match="FHIR_TRIAL_SERVER"):
        create_app()
