"""Requests that no client of ours sends: refused as what they are, with nothing of them repeated (VER-20, SEC-22, SEC-25)."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from marshmallow import ValidationError, fields

from fhir_trial.config import Settings
from fhir_trial.errors import UnknownTrialError
from fhir_trial.transport.connection import StoppedError
from fhir_trial.web import create_app
from fhir_trial.web.errors import _misfits
from fhir_trial.web.schemas import Strict, WholeNumber
from fhir_trial.web.service import Ports
from tests.unit.web.conftest import issues
from tests.unit.web.services import FakeService
from tests.unit.web.stores import PATIENT, TRIAL, all_ports

ANSWER = {"screening": "s1", "criterion": "C1", "answer": "met", "reason": "Seen on paper."}


@pytest.fixture
def ports() -> Ports:
    return all_ports()


@pytest.fixture
def asking(service: FakeService, ports: Ports) -> FlaskClient:
    return create_app(Settings(log_level="critical"), service, ports).test_client()


@pytest.mark.parametrize("path", ["/api//trials", "/api/patients//MRN-99887766/screenings", "/api///outbox?name=Planted"])
def test_an_address_with_too_many_slashes_is_none_and_nobody_is_sent_elsewhere(asking: FlaskClient, path: str) -> None:
    """SEC-26: a redirect would say the address again, in a header and in a page."""
    answer = asking.get(path)

    assert answer.status_code == 404
    assert [issue["code"] for issue in issues(answer)] == ["not-found"]
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/api/trials/%ff", "/api/trials/%00", "/api/trials/a%2Fb", "/api/trials/", "/livez/", "/" + "x" * 60_000]
)
def test_an_address_of_odd_bytes_is_none(asking: FlaskClient, path: str) -> None:
    answer = asking.get(path)

    assert answer.status_code == 404
    assert issues(answer)


@pytest.mark.parametrize("text", ["\\ud800", "a\\udfffb", "\\udc00\\ud800"])
@pytest.mark.parametrize("member", ["reason", "criterion", "Planted"])
def test_half_a_character_is_no_json_of_ours(asking: FlaskClient, ports: Any, text: str, member: str) -> None:
    """RFC 8259 section 8.2: nobody can store it, so it is refused before anything is done."""
    body = json.dumps({**ANSWER, member: "?"}).replace('"?"', f'"{text}"')

    answer = asking.post("/api/answers", data=body, content_type="application/json")

    assert answer.status_code == 400
    assert [issue["code"] for issue in issues(answer)] == ["structure"]
    assert ports.answers.kept == []


def test_a_character_in_two_halves_is_one(asking: FlaskClient, ports: Any) -> None:
    body = json.dumps({**ANSWER, "reason": "Lächeln 😀 血小板"})
    assert "\\ud83d\\ude00" in body

    answer = asking.post("/api/answers", data=body, content_type="application/json")

    assert answer.status_code == 201
    assert ports.answers.kept[0].reason == "Lächeln 😀 血小板"


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "\x7f", "a\x0bb", "\x85", "\u2028"])
def test_a_reason_holds_no_control_characters(asking: FlaskClient, ports: Any, text: str) -> None:
    """SEC-51: what is kept can be read, everywhere. PostgreSQL stores no NUL, and a terminal obeys ESC."""
    answer = asking.post("/api/answers", json={**ANSWER, "reason": text})

    assert answer.status_code == 422
    assert [issue["expression"] for issue in issues(answer)] == [["reason"]]
    assert ports.answers.kept == []


def test_a_reason_may_have_lines(asking: FlaskClient) -> None:
    assert asking.post("/api/answers", json={**ANSWER, "reason": "First.\r\nSecond.\tThird.\n"}).status_code == 201


@pytest.mark.parametrize(
    "path", ["/api/outbox?stat=failed", "/api/outbox?limit=1&Planted=1", f"/api/answers?patient={PATIENT}&trial={TRIAL}&since=1"]
)
def test_a_misspelt_parameter_is_an_error_and_not_ignored(asking: FlaskClient, path: str) -> None:
    """A filter that is not seen would show more than was asked for."""
    answer = asking.get(path)

    assert answer.status_code == 422
    (issue,) = issues(answer)
    assert issue["details"]["text"].startswith("Unknown; what may be sent is ")
    assert "planted" not in answer.get_data(as_text=True).lower()


def test_who_sends_an_unknown_member_is_told_the_known_ones(asking: FlaskClient) -> None:
    """SEC-27: a form may have mistaken a name for a label, which is not repeated."""
    answer = asking.post("/api/answers", json={**ANSWER, "Jane Planted": "1961-04-12"})

    (issue,) = issues(answer)
    assert issue["details"]["text"] == "Unknown; what may be sent is screening, criterion, answer, reason."
    assert "Planted" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/outbox?limit=1&limit=2", "limit"),
        ("/api/outbox?state=failed&state=sent", "state"),
        (f"/api/answers?patient={PATIENT}&trial={TRIAL}&trial=nct11111111", "trial"),
    ],
)
def test_a_parameter_given_twice_is_refused(asking: FlaskClient, path: str, name: str) -> None:
    """SEC-13: whoever checks one value must not answer for the other."""
    answer = asking.get(path)

    assert answer.status_code == 422
    assert [issue["expression"] for issue in issues(answer)] == [[name]]


@pytest.mark.parametrize("limit", ["1_0", "+5", " 5", "٥", "5.0", "1e2", "0x10", "%00", "9" * 5000, "-1", "true", ""])
def test_a_limit_is_a_plain_number(asking: FlaskClient, limit: str) -> None:
    assert asking.get("/api/outbox", query_string={"limit": limit}).status_code == 422


class Inner(Strict):
    number = WholeNumber(required=True)


class Outer(Strict):
    head = fields.Nested(Inner)


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("3.0", 3), ("3e2", 300), ("-0.0", 0), ("9007199254740993", 9007199254740993)]
)
def test_a_whole_number_is_one_however_it_is_written(text: str, number: int) -> None:
    """JSON knows no integers: 3.0 is one to JSON Schema, and so to clients that read it."""
    assert Outer().load({"head": {"number": json.loads(text)}}) == {"head": {"number": number}}


@pytest.mark.parametrize("value", [True, False, "3", 3.5, float("inf"), float("nan"), None, [], {}])
def test_anything_else_is_no_whole_number(value: object) -> None:
    with pytest.raises(ValidationError) as found:
        Outer().load({"head": {"number": value}})

    assert set(found.value.messages_dict["head"]) == {"number"}


def test_a_member_of_a_member_is_named_by_its_path(asking: FlaskClient) -> None:
    misfits = list(_misfits({"head": {"number": ["Expected a whole number."], "Planted": ["Unknown field."]}}, Outer()))

    assert [(issue["expression"], issue["details"]["text"]) for issue in misfits] == [
        (["head.number"], "Expected a whole number."),
        (["head"], "Unknown; what may be sent is number."),
    ]


@pytest.mark.parametrize(
    "body",
    ["null", "[]", "1", '"Planted"', "{}", '[{"screening": "s1"}]', '{"screening": {}, "criterion": []}', '{"answer": 1e999}'],
)
def test_json_of_another_shape_is_refused(asking: FlaskClient, ports: Any, body: str) -> None:
    answer = asking.post("/api/answers", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert issues(answer)
    assert "Planted" not in answer.get_data(as_text=True)
    assert ports.answers.kept == []


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"\xef\xbb\xbf{}", b'{"reason": NaN}', b'{"reason": "a", "reason": "b"}', b'{"x": ' + b"9" * 6000 + b"}",
     b"[" * 8000, b"[" * 8000 + b"]" * 8000, b'{"a":' * 2500 + b"1" + b"}" * 2500],
)  # fmt: skip
def test_what_is_no_json_is_refused(asking: FlaskClient, ports: Any, body: bytes) -> None:
    answer = asking.post("/api/stop", data=body, content_type="application/json")

    assert answer.status_code in (400, 403), "403: the local user is no admin"
    assert asking.post("/api/answers", data=body, content_type="application/json").status_code == 400
    assert ports.answers.kept == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/trials/MRN-99887766", None),
        ("GET", "/api/trials/MRN-99887766@v1/needs", None),
        ("POST", "/api/screenings", {"patient": "Patient/p1", "trial": "MRN-99887766"}),
    ],
)
def test_a_trial_that_is_not_there_is_not_repeated(
    asking: FlaskClient, service: FakeService, method: str, path: str, body: dict[str, str] | None
) -> None:
    """SEC-27: the command line says what was asked for, since it is the asker's own screen; an answer is passed on and logged."""
    service.failure = UnknownTrialError("Unknown trial 'MRN-99887766'. Did you mean nct06789107?")

    answer = asking.open(path, method=method, json=body)

    assert answer.status_code == 404
    (issue,) = issues(answer)
    assert (issue["code"], issue["details"]["text"]) == ("not-found", "No trial has such a name; /api/trials lists them.")


def test_the_kill_switch_is_ours_and_no_refusal_of_the_fhir_servers(asking: FlaskClient, service: FakeService) -> None:
    """SEC-60: 502 would blame the hospital."""
    service.failure = StoppedError("Patient read: everything towards this server is stopped by the site's kill switch.")

    answer = asking.post("/api/screenings", json={"patient": "Patient/p1", "trial": TRIAL})

    assert answer.status_code == 422
    assert [issue["code"] for issue in issues(answer)] == ["business-rule"]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PLANTED"])
@pytest.mark.parametrize("path", ["/livez", "/api/trials", "/api/screenings/s1", "/nowhere"])
def test_other_methods_say_nothing_more_than_get_does(asking: FlaskClient, method: str, path: str) -> None:
    answer = asking.open(path, method=method)

    assert answer.status_code in (200, 404, 405)
    assert "Planted" not in answer.get_data(as_text=True)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if method in ("HEAD", "OPTIONS") and answer.status_code == 200:
        assert answer.get_data() == b""
