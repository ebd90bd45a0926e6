"""Every way to fail: its status, and an OperationOutcome (VER-20, SEC-25)."""

import json

import pytest
from flask.testing import FlaskClient

from fhir_trial import errors, transport
from fhir_trial.audit import AuditUnavailableError
from fhir_trial.definitions.yaml_source import DefinitionErrors
from fhir_trial.web.errors import status_of
from tests.unit.web.conftest import issues
from tests.unit.web.services import FakeService

LEAST = {"patient": "Patient/p1", "trial": "nct00000000"}

TABLE = [
    (errors.PatientNotFoundError, 404, "not-found"),
    (errors.UsageError, 422, "value"),
    (errors.WriteRefusedError, 422, "business-rule"),
    (errors.ConflictError, 409, "conflict"),
    (errors.DefinitionError, 500, "invalid"),
    (errors.SourceError, 500, "structure"),
    (errors.FhirTrialError, 500, "exception"),
    (errors.ServerError, 502, "exception"),
    (errors.FatalServerError, 502, "processing"),
    (transport.NotAuthorisedError, 502, "forbidden"),
    (transport.NotFoundError, 502, "not-found"),
    (transport.NotSupportedError, 502, "not-supported"),
    (transport.RestrictedError, 403, "suppressed"),
    (errors.TemporaryServerError, 503, "transient"),
    (AuditUnavailableError, 503, "exception"),
]


@pytest.mark.parametrize(("error", "status", "code"), TABLE)
def test_each_error_has_its_status_and_its_issue_type(
    client: FlaskClient, service: FakeService, error: type[errors.FhirTrialError], status: int, code: str
) -> None:
    service.failure = error("What is wrong, and what to do.", expression="file.yaml:1:2")

    answer = client.post("/api/screenings", json=LEAST)

    assert answer.status_code == status
    (issue,) = issues(answer)
    assert (issue["code"], issue["details"]["text"]) == (code, "What is wrong, and what to do.")
    assert issue["diagnostics"] == "file.yaml:1:2"


def every_error(kind: type[errors.FhirTrialError] = errors.FhirTrialError) -> list[type[errors.FhirTrialError]]:
    return [kind, *(inner for child in kind.__subclasses__() for inner in every_error(child))]


def test_no_error_of_ours_is_without_a_status() -> None:
    assert [error.__name__ for error in every_error() if not 400 <= status_of(error) <= 599] == []


def test_each_mistake_in_a_trial_is_an_issue_with_its_place(client: FlaskClient, service: FakeService) -> None:
    places = ["t.yaml:1:2 a", "t.yaml:3:4 b"]
    service.failure = DefinitionErrors([errors.DefinitionError("Unknown field.", expression=place) for place in places])

    answer = client.get("/api/trials/nct00000000")

    assert answer.status_code == 500
    assert [issue["diagnostics"] for issue in issues(answer)] == places


def test_a_defect_says_nothing_but_where_to_look(
    client: FlaskClient, service: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.failure = KeyError("Jane Planted")

    answer = client.post("/api/screenings", json=LEAST)

    assert answer.status_code == 500
    (issue,) = issues(answer)
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (defect,) = [line for line in logged if line["event"] == "defect"]
    assert issue["details"]["text"].endswith(f"under {defect['request']}.")
    assert defect["error"] == "KeyError"
    assert any(place.startswith("web/screenings.py:") for place in defect["where"])
    assert "Planted" not in json.dumps([answer.json, logged])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/api/trials/unknown", 404, "not-found"),
        ("GET", "/api/trials/a%20b", 404, "not-found"),
        ("GET", "/api/trials/..%2Fx", 404, "not-found"),
        ("GET", "/api/screenings", 405, "not-supported"),
        ("DELETE", "/api/trials", 405, "not-supported"),
    ],
)
def test_what_is_not_there_is_an_operation_outcome_too(
    client: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.open(path, method=method)

    assert answer.status_code == status
    assert [issue["code"] for issue in issues(answer)] == [code]
    assert ("Allow" in answer.headers) is (status == 405)


def test_an_answer_to_an_error_repeats_nothing_of_the_request(client: FlaskClient) -> None:
    """A caller may mistake a field: names and values stay where they are (SEC-27)."""
    asked = {
        "patient": "Jane Planted 19610412",
        "trial": "Jane Planted",
        "as_of": "Planted",
        "write": "Planted",
        "Jane Planted": 1,
    }

    answers = [
        client.post("/api/screenings", json=asked),
        client.get("/api/trials/Jane%20Planted"),
        client.get("/Patient/Planted?name=Planted"),
        client.get("/livez", headers={"Host": "planted.example.invalid"}),
        client.post("/api/screenings", data='{"Planted": ', content_type="application/json"),
    ]

    assert [answer.status_code for answer in answers] == [422, 404, 404, 400, 400]
    assert all("planted" not in answer.get_data(as_text=True).lower() for answer in answers)
    assert len(issues(answers[0])) == 5
