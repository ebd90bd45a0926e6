"""Requests made ready by hand are, to the last header, those that the session would have made."""

from urllib.parse import urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.errors import FatalServerError
from fhir_trial.transport.connection import Connection
from fhir_trial.transport.outgoing import Blank
from fhir_trial.transport.settings import ServerSettings

BASE = "https://ehr.example.invalid/fhir"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAIRS = st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=3)
ADDRESSES = st.sampled_from(
    [
        BASE,
        f"{BASE}/metadata",
        f"{BASE}/Patient/p-1.x",
        f"{BASE}/Patient/..",
        f"{BASE}/Observation/_search",
        f"{BASE}/Observation?_getpages=a b&page=ü%20",
        "https://other.example.invalid/fhir/Patient/p1",
        "https://EHR.example.invalid:443/fhir/Patient/p1",
    ]
)


def session() -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    made.headers["Accept"] = "application/fhir+json"
    return made


def told(request: requests.PreparedRequest) -> tuple[object, ...]:
    return request.method, request.url, dict(request.headers), request.body


@given(address=ADDRESSES, pairs=PAIRS)
def test_a_get_is_the_one_that_the_session_makes(address: str, pairs: list[tuple[str, str]]) -> None:
    wanted = session().prepare_request(requests.Request("GET", address, params=pairs))

    made = Blank(session(), BASE).filled("GET", address, pairs)

    assert told(made) == told(wanted)


@given(address=ADDRESSES, pairs=PAIRS.filter(bool))
def test_a_search_by_post_is_the_one_that_the_session_makes(address: str, pairs: list[tuple[str, str]]) -> None:
    wanted = session().prepare_request(requests.Request("POST", address, data=pairs))

    made = Blank(session(), BASE).filled("POST", address, body=urlencode(pairs), headers=FORM)

    assert told(made) == told(wanted)


def test_a_write_is_the_one_that_the_session_makes() -> None:
    content, body = {"Content-Type": "application/fhir+json", "If-Match": 'W/"3"'}, '{"text":"ü"}'.encode()
    wanted = session().prepare_request(requests.Request("PUT", f"{BASE}/Flag/f1", data=body, headers=content))

    made = Blank(session(), BASE).filled("PUT", f"{BASE}/Flag/f1", body=body, headers=content)

    assert told(made) == told(wanted)


def test_one_request_does_not_colour_the_next() -> None:
    blank = Blank(session(), BASE)

    blank.filled("POST", f"{BASE}/Flag", body=b"{}", headers={"Authorization": "Bearer first", "If-None-Exist": "a=b"})
    after = blank.filled("GET", f"{BASE}/metadata")

    assert not {"Authorization", "If-None-Exist", "Content-Length"} & set(after.headers)
    assert after.body is None


def test_a_token_with_a_line_break_is_refused_and_not_told() -> None:
    # SEC-27
    connection = Connection(ServerSettings(BASE))

    with pytest.raises(FatalServerError) as refused:
        connection.write("PUT", f"{BASE}/Flag/f1", "Flag update", {}, {"Authorization": "Bearer se\r\ncret"})

    assert "cret" not in str(refused.value)


def test_an_address_that_cannot_be_is_an_error_of_the_request() -> None:
    connection = Connection(ServerSettings("https://.example.invalid/fhir"))

    with pytest.raises(FatalServerError):
        connection.get("https://.example.invalid/fhir/metadata", "CapabilityStatement")
