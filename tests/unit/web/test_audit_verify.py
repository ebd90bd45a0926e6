"""``POST /api/audit/verify``: the check of the audit log, against an exported head too (SEC-01)."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from fhir_trial.audit.exported import Head
from fhir_trial.audit.unfinished import Unfinished
from fhir_trial.config import Settings
from fhir_trial.web import create_app, signing_in
from fhir_trial.web.rules import Role
from fhir_trial.web.signing_in import User
from tests.unit.web.services import FakeService
from tests.unit.web.stores import Checked, FakeTrail, all_ports

HASH = "0f" * 32


@pytest.fixture(autouse=True)
def auditor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local user as an auditor, which they are not otherwise."""
    monkeypatch.setattr(signing_in, "LOCAL", User(None, "local", frozenset({(Role.AUDITOR, None)})))


@pytest.fixture
def trail() -> FakeTrail:
    return FakeTrail()


@pytest.fixture
def asking(service: FakeService, trail: FakeTrail) -> FlaskClient:
    return create_app(Settings(), service, all_ports(audit=trail)).test_client()


def test_it_tells_the_end_of_the_chain_to_be_kept_elsewhere(asking: FlaskClient) -> None:
    """SEC-01."""
    assert asking.post("/api/audit/verify", json={}).get_json() == {
        "intact": True,
        "events": 12,
        "first_broken": None,
        "head": {"number": 12, "hash": "a" * 64},
        "unfinished": 0,
    }


def test_a_broken_chain_and_steps_without_outcome_are_told(service: FakeService) -> None:
    """SEC-01, SEC-05."""
    found = Checked(False, 12, 7, Head(6, HASH), (Unfinished(3, "r-1", "create", "2026-03-02T12:00:00+00:00"),))
    asking = create_app(Settings(), service, all_ports(audit=FakeTrail(found))).test_client()

    answer = asking.post("/api/audit/verify", json={}).get_json()

    assert (answer["intact"], answer["first_broken"], answer["head"]["number"], answer["unfinished"]) == (False, 7, 6, 1)


def test_a_head_that_was_exported_is_checked(asking: FlaskClient, trail: FakeTrail) -> None:
    """SEC-01."""
    assert asking.post("/api/audit/verify", json={"head": {"number": 9, "hash": HASH}}).status_code == 200

    assert trail.heads == [Head(9, HASH)]


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"number": 9},
        {"number": -1, "hash": HASH},
        {"number": "9", "hash": HASH},
        {"number": 9, "hash": HASH.upper()},
        {"number": 9, "hash": HASH + "\n"},
        {"number": 9, "hash": HASH, "tenant": "south"},
        f"9:{HASH}",
    ],
)
def test_what_is_no_head_is_refused(asking: FlaskClient, trail: FakeTrail, head: Any) -> None:
    """SEC-13: the tenant is the service's, never the request's."""
    assert asking.post("/api/audit/verify", json={"head": head}).status_code == 422
    assert trail.heads == []


def test_a_reason_longer_than_can_be_kept_is_refused(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "LOCAL", User(None, "local", frozenset({(Role.ADMIN, None)})))
    asking = create_app(Settings(), service, all_ports()).test_client()

    statuses = [asking.post("/api/stop", json={"reason": "x" * length}).status_code for length in (1000, 1001)]

    assert statuses == [200, 422]
