"""What is refused before any view is asked (VER-20, SEC-18, SEC-22, SEC-59)."""

import pytest
from flask.testing import FlaskClient

from fhir_trial.web.guards import is_loopback
from tests.unit.web.conftest import issues
from tests.unit.web.services import FakeService

URL = "/api/screenings"
LEAST = {"patient": "Patient/p1", "trial": "nct00000000"}


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/fhir+json",
     "application/json; charset=utf-16", "application/jsonp", "text/json"],
)  # fmt: skip
def test_another_content_type_than_json_is_refused(client: FlaskClient, service: FakeService, content_type: str) -> None:
    answer = client.post(URL, data='{"patient": "Patient/p1", "trial": "nct00000000"}', content_type=content_type)

    assert answer.status_code == 415
    assert [issue["code"] for issue in issues(answer)] == ["not-supported"]
    assert service.asked == []


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON; charset=UTF-8"]
)
def test_json_in_utf_8_is_read(client: FlaskClient, content_type: str) -> None:
    answer = client.post(URL, data='{"patient": "Patient/p1", "trial": "nct00000000"}', content_type=content_type)

    assert answer.status_code == 200


def test_a_compressed_body_is_refused(client: FlaskClient) -> None:
    answer = client.post(URL, json=LEAST, headers={"Content-Encoding": "gzip"})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8090", "127.0.0.1", "127.0.0.1:8090", "[::1]:8090", "LOCALHOST", "trials.example.invalid"]
)
def test_own_names_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["", "evil.example.invalid", "localhost.evil.example.invalid", "127.0.0.1.evil.example.invalid", "evil.example.invalid:8090",
     "localhost@evil.example.invalid", "localhost:8090@evil.example.invalid", "127.0.0.2",
     "localhost:port", "localhost/evil", "[::1", "::1"],
)  # fmt: skip
def test_a_foreign_host_is_refused(client: FlaskClient, service: FakeService, host: str) -> None:
    """Or a page of a foreign name that resolves to 127.0.0.1 could read patients (DNS rebinding)."""
    answer = client.post(URL, json=LEAST, headers={"Host": host})

    assert answer.status_code == 400
    assert issues(answer)
    assert service.asked == []


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "trials.example.invalid", ""])
def test_a_server_that_listens_beyond_loopback_answers_nothing(client: FlaskClient, service: FakeService, address: str) -> None:
    """Whoever started it, ``flask run`` and gunicorn included."""
    answer = client.post(URL, json=LEAST, environ_overrides={"SERVER_NAME": address, "HTTP_HOST": "localhost"})

    assert answer.status_code == 403
    assert [issue["code"] for issue in issues(answer)] == ["forbidden"]
    assert service.asked == []


@pytest.mark.parametrize(
    ("address", "is_it"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("10.0.0.1", False), ("", False), ("localhost.example.invalid", False), ("*", False)],
)  # fmt: skip
def test_loopback_is_told_from_everything_else(address: str, is_it: bool) -> None:
    assert is_loopback(address) is is_it


def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not(client: FlaskClient, service: FakeService) -> None:
    """SEC-59: 16 KiB unless set otherwise."""
    plain = b'{"patient": "Patient/p1", "trial": "nct00000000"}'
    longest = plain + b" " * (16 * 1024 - len(plain))

    at, over = (client.post(URL, data=body, content_type="application/json") for body in (longest, longest + b" "))

    assert (at.status_code, over.status_code) == (200, 413)
    assert [issue["code"] for issue in issues(over)] == ["too-long"]
    assert len(service.asked) == 1
