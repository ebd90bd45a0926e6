"""POST /api/screenings (VER-20)."""

from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.writeback import Action, WriteResult
from tests.unit.web.conftest import issues
from tests.unit.web.services import FakeService
from tests.unit.writeback.verdicts import verdict

URL = "/api/screenings"
LEAST = {"patient": "Patient/p1", "trial": "nct00000000"}


def test_the_answer_is_the_verdict_of_the_contract_and_what_was_written(client: FlaskClient) -> None:
    answer = client.post(URL, json=LEAST)

    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json == {
        "verdict": verdict_json(verdict()),
        "written": [{"reference": "ResearchSubject/1", "action": "created", "reason": "Undecided: for the work list."}],
    }


def test_the_verdict_keeps_the_order_of_the_contract(client: FlaskClient) -> None:
    """VER-10."""
    answer = client.post(URL, json=LEAST)

    assert answer.json is not None
    assert list(answer.json) == ["verdict", "written"]
    assert list(answer.json["verdict"]) == list(verdict_json(verdict()))


def test_without_more_words_it_writes_and_leaves_the_day_to_the_site(client: FlaskClient, service: FakeService) -> None:
    answer = client.post(URL, json=LEAST)

    request = answer.headers["X-Request-Id"]
    assert service.asked == [{**LEAST, "as_of": None, "first_dose": None, "write": True, "request": request}]


def test_every_member_reaches_the_service(client: FlaskClient, service: FakeService) -> None:
    whole = {"trial": "nct00000000@v1", "as_of": "2026-03-02", "first_dose": "2026-03-20", "write": False}

    client.post(URL, json={"patient": "Patient/A-1.b", **whole})

    (asked,) = service.asked
    assert (asked["patient"], asked["trial"]) == ("Patient/A-1.b", "nct00000000@v1")
    assert (asked["as_of"], asked["first_dose"], asked["write"]) == (date(2026, 3, 2), date(2026, 3, 20), False)


def test_a_dry_run_shows_the_body_that_would_be_sent(client: FlaskClient, service: FakeService) -> None:
    body = {"resourceType": "ResearchSubject", "status": "potential-candidate"}
    service.written = (WriteResult("ResearchSubject?identifier=s|v", Action.CREATED, "Undecided.", body),)

    answer = client.post(URL, json={**LEAST, "write": False})

    assert answer.json is not None
    assert answer.json["written"][0]["resource"] == body


@pytest.mark.parametrize(
    ("change", "member", "code"),
    [
        ({"patient": None}, "patient", "value"),
        ({"patient": ""}, "patient", "value"),
        ({"patient": 1}, "patient", "value"),
        ({"patient": "p1"}, "patient", "value"),
        ({"patient": "Patient/"}, "patient", "value"),
        ({"patient": "Patient/.."}, "patient", "value"),
        ({"patient": "Patient/a/b"}, "patient", "value"),
        ({"patient": "Patient/p1?x=y"}, "patient", "value"),
        ({"patient": "Patient/p1\n"}, "patient", "value"),
        ({"patient": "Practitioner/p1"}, "patient", "value"),
        ({"patient": "Patient/" + "x" * 65}, "patient", "value"),
        ({"patient": "https://ehr.example.invalid/fhir/Patient/p1"}, "patient", "value"),
        ({"trial": ""}, "trial", "value"),
        ({"trial": "../secrets"}, "trial", "value"),
        ({"trial": "nct00000000@"}, "trial", "value"),
        ({"as_of": "2026-3-2"}, "as_of", "value"),
        ({"as_of": "20260302"}, "as_of", "value"),
        ({"as_of": "2026-02-30"}, "as_of", "value"),
        ({"as_of": "2026-03-02T10:00:00Z"}, "as_of", "value"),
        ({"as_of": 2026}, "as_of", "value"),
        ({"first_dose": "soon"}, "first_dose", "value"),
        ({"write": "false"}, "write", "value"),
        ({"write": 0}, "write", "value"),
        ({"write": None}, "write", "value"),
        ({"wirte": False}, "wirte", "value"),
        ({"site": "harbour"}, "site", "value"),
    ],
)
def test_a_member_that_does_not_fit_is_named_and_nothing_is_screened(
    client: FlaskClient, service: FakeService, change: dict[str, Any], member: str, code: str
) -> None:
    answer = client.post(URL, json={**LEAST, **change})

    assert answer.status_code == 422
    assert [(issue["code"], issue["expression"]) for issue in issues(answer)] == [(code, [member])]
    assert service.asked == []


def test_each_missing_member_is_an_issue_of_its_own(client: FlaskClient) -> None:
    answer = client.post(URL, json={})

    assert answer.status_code == 422
    assert sorted((issue["code"], *issue["expression"]) for issue in issues(answer)) == [
        ("required", "patient"),
        ("required", "trial"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "null null", "{'patient': 1}", '{"patient": "Patient/p1", "patient": "Patient/p2", "trial": "t"}',
        '{"write": NaN}', "[" * 9000,
        b'{"patient": "Patient/\xff"}', b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
def test_what_is_no_json_is_a_bad_request(client: FlaskClient, service: FakeService, body: str | bytes) -> None:
    """SEC-22: nesting and repeated members included."""
    answer = client.post(URL, data=body, content_type="application/json")

    assert answer.status_code == 400
    assert [issue["code"] for issue in issues(answer)] == ["structure"]
    assert service.asked == []


@pytest.mark.parametrize("body", ["[]", "null", '"Patient/p1"', "[1]"])
def test_json_that_is_no_object_does_not_fit(client: FlaskClient, service: FakeService, body: str) -> None:
    answer = client.post(URL, data=body, content_type="application/json")

    assert answer.status_code == 422
    assert issues(answer)
    assert service.asked == []
