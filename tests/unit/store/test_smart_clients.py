"""How we are registered with EHRs, kept: SEC-13, SEC-28, SMART-35, SMART-62."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fhir_trial.errors import UsageError
from fhir_trial.store import Keyring, SmartClient, SmartClients
from fhir_trial.store.rewrapping import rewrap
from fhir_trial.store.sealing import SealError
from fhir_trial.store.tables import SmartClientRow

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ISS = "https://ehr.example.invalid/fhir"
SECRET = "PLANTED-SECRET"  # nosec B105 - planted, to be looked for
PUBLIC = SmartClient(ISS, "our-app", "public")
SYMMETRIC = SmartClient(ISS, "our-app", "symmetric", secret=SECRET)


@pytest.fixture
def clients(engine: Engine, keys: Keyring) -> SmartClients:
    return SmartClients(engine, keys, "north")


def registered(clients: SmartClients, client: SmartClient) -> None:
    clients.register(client, by="Adams", at=NOW)


def test_a_registration_is_found_by_its_base_with_or_without_a_trailing_slash(clients: SmartClients) -> None:
    client = replace(
        SYMMETRIC,
        iss=f"{ISS}/",
        id_issuer="https://login.example.invalid/oauth2",
        id_keys="https://login.example.invalid/keys",
        scope_version="v1",
        frame_ancestors="https://ehr.example.invalid https://*.ward.example.invalid:8443",
    )
    registered(clients, client)

    assert clients.find(ISS) == replace(client, iss=ISS)
    assert clients.find(f"{ISS}/") == replace(client, iss=ISS)


@pytest.mark.parametrize(
    "iss",
    [
        "https://ehr.example.invalid",
        "https://ehr.example.invalid/FHIR",
        "https://ehr.example.invalid/fhir/r4",
        "http://ehr.example.invalid/fhir",
        "https://ehr.example.invalid.evil.example.invalid/fhir",
        "https://ehr.example.invalid/fhir?x=1",
        "https://ehr.example.invalid/fhir\0",
        "https://ehr.example.invalid/fhir\ud800",
        "https://ehr.example.invalid/" + "x" * 5000,
        "",
    ],
)
def test_a_base_that_is_not_exactly_a_registered_one_is_unknown(clients: SmartClients, iss: str) -> None:
    registered(clients, PUBLIC)

    assert clients.find(iss) is None


def test_the_issuer_of_id_tokens_is_what_was_configured_and_never_derived_from_the_base(clients: SmartClients) -> None:
    """SMART-35."""
    registered(clients, PUBLIC)
    found = clients.find(ISS)
    assert found is not None
    assert found.id_issuer is None

    registered(clients, replace(PUBLIC, id_issuer="https://login.example.invalid/oauth2"))

    found = clients.find(ISS)
    assert found is not None
    assert found.id_issuer == "https://login.example.invalid/oauth2"


def test_two_practices_of_one_base_are_two_registrations(clients: SmartClients) -> None:
    """SMART-62."""
    registered(clients, replace(PUBLIC, practice="a-1", client_id="one"))
    registered(clients, replace(PUBLIC, practice="a-2", client_id="two"))

    found = [clients.find(ISS, practice) for practice in ("a-1", "a-2")]

    assert [one.client_id if one else None for one in found] == ["one", "two"]
    assert clients.find(ISS) is None


@pytest.mark.parametrize("practice", ["a-1", "\0", "\ud800", "x" * 5000])
def test_a_practice_that_is_not_registered_is_unknown(clients: SmartClients, practice: str) -> None:
    """SMART-62."""
    registered(clients, PUBLIC)

    assert clients.find(ISS, practice) is None


def test_a_disabled_registration_is_unknown_until_it_is_registered_again(clients: SmartClients) -> None:
    registered(clients, PUBLIC)

    clients.disable(f"{ISS}/", by="Baker", why="contract ended", at=NOW)

    assert clients.find(ISS) is None
    assert [one.is_enabled for one in clients.all()] == [False]
    with pytest.raises(UsageError):
        clients.disable(ISS, by="Baker", why="again", at=NOW)
    registered(clients, PUBLIC)
    assert clients.find(ISS) == PUBLIC


def test_another_tenant_has_registrations_of_its_own(engine: Engine, keys: Keyring, clients: SmartClients) -> None:
    """SEC-13."""
    registered(clients, SYMMETRIC)
    south = SmartClients(engine, keys, "south")

    assert south.find(ISS) is None
    assert south.all() == []
    with pytest.raises(UsageError):
        south.disable(ISS, by="Baker", why="x", at=NOW)


def test_a_secret_is_sealed_and_neither_listed_nor_shown(engine: Engine, clients: SmartClients) -> None:
    """SEC-28."""
    registered(clients, SYMMETRIC)

    with Session(engine) as session:
        row = session.scalars(select(SmartClientRow)).one()
    assert row.sealed_secret is not None
    assert SECRET.encode() not in row.sealed_secret
    assert SECRET not in repr(SYMMETRIC)
    assert [one.secret for one in clients.all()] == [None]


def test_a_secret_moved_to_another_registration_does_not_open(engine: Engine, clients: SmartClients) -> None:
    """SEC-28."""
    registered(clients, SYMMETRIC)
    registered(clients, replace(SYMMETRIC, practice="other", secret="another"))
    with Session(engine) as session, session.begin():
        moved = session.scalars(select(SmartClientRow.sealed_secret).where(SmartClientRow.practice == "")).one()
        session.execute(update(SmartClientRow).where(SmartClientRow.practice == "other").values(sealed_secret=moved))

    with pytest.raises(SealError):
        clients.find(ISS, "other")


def test_after_sealing_anew_the_former_key_may_go(engine: Engine, keys: Keyring, clients: SmartClients) -> None:
    """SEC-28."""
    registered(clients, SYMMETRIC)
    registered(clients, replace(PUBLIC, practice="public"))

    assert rewrap(engine, Keyring("k2", {"k2": b"2" * 32, **keys.keys}), "north") == 1

    found = SmartClients(engine, Keyring("k2", {"k2": b"2" * 32}), "north").find(ISS)
    assert found is not None
    assert found.secret == SECRET


def test_a_registration_replaces_the_former_one_with_its_secret(engine: Engine, clients: SmartClients) -> None:
    registered(clients, SYMMETRIC)

    registered(clients, PUBLIC)

    assert clients.find(ISS) == PUBLIC
    with Session(engine) as session:
        assert session.scalars(select(SmartClientRow.sealed_secret)).one() is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"iss": "http://ehr.example.invalid/fhir"}, "iss is an https URL"),
        ({"iss": "ehr.example.invalid"}, "iss is a URL"),
        ({"iss": "https://user:word@ehr.example.invalid"}, "iss is a URL"),
        ({"iss": "https://ehr.example.invalid/fhir?x=1"}, "iss is a URL"),
        ({"iss": "https://ehr.example.invalid/fhir#x"}, "iss is a URL"),
        ({"iss": "https://ehr.example.invalid/fhir\n"}, "iss is a URL"),
        ({"id_issuer": "http://login.example.invalid"}, "id-issuer is an https URL"),
        ({"id_keys": "file:///etc/passwd"}, "id-keys is a URL"),
        ({"authentication": "basic"}, "authentication is one of public, symmetric, asymmetric"),
        ({"authentication": "symmetric"}, "needs its secret"),
        ({"authentication": "symmetric", "secret": " "}, "needs its secret"),
        ({"secret": SECRET}, "public has no secret"),
        ({"authentication": "asymmetric", "secret": SECRET}, "asymmetric has no secret"),
        ({"scope_version": "v3"}, "scope-version is one of v1, v2"),
        ({"frame_ancestors": "https://ehr.example.invalid; script-src *"}, "frame-ancestors"),
        ({"frame_ancestors": "*"}, "frame-ancestors"),
        ({"client_id": "x" * 301}, "longer than 300"),
        ({"client_id": ""}, "client id"),
    ],
)
def test_what_cannot_be_right_is_refused_and_nothing_is_kept(clients: SmartClients, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        registered(clients, replace(PUBLIC, **changed))

    assert SECRET not in str(refused.value)
    assert clients.all() == []


@pytest.mark.parametrize("iss", ["http://127.0.0.1:8080/fhir", "http://localhost/fhir", "http://[::1]:8080/fhir"])
def test_a_server_of_this_machine_may_be_spoken_to_without_tls(clients: SmartClients, iss: str) -> None:
    registered(clients, replace(PUBLIC, iss=iss))

    assert clients.find(iss) is not None


@pytest.mark.parametrize("authentication", ["public", "asymmetric"])
def test_a_client_that_signs_or_says_nothing_has_no_secret(clients: SmartClients, authentication: Any) -> None:
    registered(clients, replace(PUBLIC, authentication=authentication))

    assert clients.find(ISS) == replace(PUBLIC, authentication=authentication)
