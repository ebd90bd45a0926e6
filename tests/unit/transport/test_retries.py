"""A read that fails is tried again: paced, after a wait, and never once the site is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.errors import TemporaryServerError
from fhir_trial.transport import FhirServer, RestrictedError, ServerSettings
from fhir_trial.transport.access import Bearer
from fhir_trial.transport.connection import StoppedError
from fhir_trial.transport.pace import Pace, pace_of
from fhir_trial.transport.retries import seconds_asked, wait_before

BASE = "https://busy.example.invalid/fhir"
PATIENT = {"resourceType": "Patient", "id": "p1"}
NOW = 1_800_000_000.0
WITHHELD = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "fatal", "code": "suppressed", "details": {"coding": [{"code": "4130"}]}}],
}


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Instead of waiting between two tries."""
    found: list[float] = []
    monkeypatch.setattr("fhir_trial.transport.connection.sleep", found.append)
    return found


def test_a_further_try_counts_in_the_requests_of_the_minute(
    http: responses.RequestsMock, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DATA-18."""
    slept: list[float] = []
    pace = Pace(1, per_minute=60, clock=lambda: 0.0, sleep=slept.append)
    monkeypatch.setattr("fhir_trial.transport.connection.pace_of", lambda *_: pace)
    for _ in range(2):
        http.get(f"{BASE}/Patient/p1", status=503)
    http.get(f"{BASE}/Patient/p1", json=PATIENT)

    with FhirServer(BASE) as server:
        assert server.read("Patient/p1") == PATIENT

    assert slept == [1.0, 2.0]
    assert len(waits) == 2


def test_the_kill_switch_stops_the_next_try(http: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-60: thrown while a read waits."""
    stopped: list[float] = []
    monkeypatch.setattr("fhir_trial.transport.connection.sleep", stopped.append)
    http.get(f"{BASE}/Patient/p1", status=503)

    with FhirServer(BASE, halted=lambda: bool(stopped)) as server, pytest.raises(StoppedError):
        server.read("Patient/p1")

    assert len(http.calls) == 1


def test_the_kill_switch_is_asked_when_the_turn_has_come(http: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-60: a request may wait long for its turn."""
    stopped: list[float] = []
    pace = Pace(1, per_minute=1, clock=lambda: 0.0, sleep=stopped.append)
    monkeypatch.setattr("fhir_trial.transport.connection.pace_of", lambda *_: pace)
    http.get(f"{BASE}/Patient/p1", json=PATIENT)

    with FhirServer(BASE, halted=lambda: bool(stopped)) as server:
        server.read("Patient/p1")
        with pytest.raises(StoppedError):
            server.read("Patient/p1")

    assert len(http.calls) == 1


@pytest.mark.parametrize(
    "fault", [requests.ConnectionError("x"), requests.exceptions.ChunkedEncodingError("x"), requests.Timeout()]
)
def test_a_break_of_the_connection_is_tried_again(http: responses.RequestsMock, waits: list[float], fault: Exception) -> None:
    """DATA-18: in the middle of a body as well."""
    http.get(f"{BASE}/Patient/p1", body=fault)
    http.get(f"{BASE}/Patient/p1", json=PATIENT)

    with FhirServer(BASE) as server:
        assert server.read("Patient/p1") == PATIENT
    assert len(waits) == 1


def test_the_last_failure_is_told_after_as_many_tries_as_the_setting_says(
    http: responses.RequestsMock, waits: list[float]
) -> None:
    """DATA-18."""
    http.get(f"{BASE}/Patient/p1", status=429)

    with FhirServer(ServerSettings(BASE, retries=2)) as server, pytest.raises(TemporaryServerError, match="answered 429"):
        server.read("Patient/p1")

    assert (len(http.calls), len(waits)) == (3, 2)


def test_a_search_by_post_is_a_read_and_tried_again(http: responses.RequestsMock, waits: list[float]) -> None:
    """DATA-17, DATA-18."""
    offered = [{"type": "Condition", "interaction": [{"code": "search-type"}]}]
    http.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "rest": [{"resource": offered}]})
    http.post(f"{BASE}/Condition/_search", status=503)
    http.post(f"{BASE}/Condition/_search", json={"resourceType": "Bundle", "type": "searchset"})

    with FhirServer(BASE) as server:
        assert server.search("Condition", [("patient", "p1")]).complete
    assert [call.request.method for call in http.calls] == ["GET", "POST", "POST"]
    assert len(waits) == 1


@pytest.mark.parametrize("method", ["create", "place", "process"])
def test_a_write_is_sent_once_whatever_comes(http: responses.RequestsMock, waits: list[float], method: str) -> None:
    """WB-04."""
    resource = {"resourceType": "Observation", "id": "o1"}
    for sent in (http.post, http.put):
        for url in (BASE, f"{BASE}/Observation", f"{BASE}/Observation/o1"):
            sent(url, status=503, headers={"Retry-After": "0"})

    with FhirServer(BASE) as server, pytest.raises(TemporaryServerError):
        getattr(server, method)(resource)

    assert (len(http.calls), waits) == (1, [])


def test_a_record_that_is_withheld_is_not_asked_for_again(http: responses.RequestsMock, waits: list[float]) -> None:
    """DATA-27: whatever the status says."""
    http.get(f"{BASE}/Patient/p1", status=503, json=WITHHELD)

    with FhirServer(BASE) as server, pytest.raises(RestrictedError):
        server.read("Patient/p1")

    assert (len(http.calls), waits) == (1, [])


def test_each_try_has_a_token_that_is_good_then(
    http: responses.RequestsMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DATA-18: a wait may outlast a token."""
    file = tmp_path / "token"
    file.write_text("first")
    monkeypatch.setattr("fhir_trial.transport.connection.sleep", lambda _: file.write_text("second"))
    http.get(f"{BASE}/Patient/p1", status=503)
    http.get(f"{BASE}/Patient/p1", json=PATIENT)

    with FhirServer(ServerSettings(BASE, access=Bearer(file))) as server:
        server.read("Patient/p1")

    assert [call.request.headers["Authorization"] for call in http.calls] == ["Bearer first", "Bearer second"]


# --- how long ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("99999999999", 99999999999.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("\u0663", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("Fri, 99 Foo 2100", 0.0),
    ],
)
def test_what_is_neither_seconds_nor_a_date_counts_as_no_retry_after(header: str | None, seconds: float) -> None:
    """DATA-18."""
    assert seconds_asked(header, NOW) == seconds


def test_garbage_in_retry_after_does_not_end_the_read(http: responses.RequestsMock, waits: list[float]) -> None:
    """DATA-18: it is tried again after the wait of a server that names none."""
    http.get(f"{BASE}/Patient/p1", status=503, headers={"Retry-After": "soon"})
    http.get(f"{BASE}/Patient/p1", json=PATIENT)

    with FhirServer(BASE) as server:
        assert server.read("Patient/p1") == PATIENT

    assert 0.25 <= waits[0] <= 0.5


@given(number=st.integers(1, 40), asked=st.floats(0, 1e9), longest=st.integers(0, 120), chance=st.floats(0, 1))
def test_a_wait_is_at_least_what_the_server_asks_and_never_endless(
    number: int, asked: float, longest: int, chance: float
) -> None:
    """DATA-18: more than ``longest`` is cut to it; jitter comes on top."""
    wait = wait_before(number, asked, longest, chance=lambda: chance)

    assert min(asked, longest) < wait <= longest + 30


def test_waits_grow_and_differ() -> None:
    """DATA-18."""
    shortest = [wait_before(number, 0, 120, chance=lambda: 0.0) for number in (1, 2, 3)]
    longest = [wait_before(number, 0, 120, chance=lambda: 1.0) for number in (1, 2, 3)]

    assert shortest == [0.25, 0.5, 1.0]
    assert longest == [0.5, 1.0, 2.0]


# --- one pace for each server -------------------------------------------------------


def test_two_settings_of_one_server_share_a_pace_and_the_stricter_limits() -> None:
    """DATA-18."""
    first = pace_of("https://shared.example.invalid/fhir", 8, None)
    second = pace_of("https://Shared.example.invalid:443/fhir/", 2, 100)
    third = pace_of("https://shared.example.invalid/fhir", 4, 300)

    assert first is second is third
    assert (first.parallel, first.per_minute) == (2, 100)


@pytest.mark.parametrize("other", ["https://shared.example.invalid/other", "https://else.example.invalid/fhir"])
def test_another_server_has_its_own_pace(other: str) -> None:
    assert pace_of(other, 2, 100) is not pace_of("https://shared.example.invalid/fhir", 2, 100)


def test_a_limit_that_becomes_stricter_holds_for_those_who_wait_already() -> None:
    """DATA-18."""
    now, slept = 0.0, list[float]()
    pace = Pace(2, clock=lambda: now, sleep=slept.append)

    with pace.turn():
        pace.tighten(1, 60)
    for _ in range(2):
        with pace.turn():
            pass

    assert slept == [1.0]
