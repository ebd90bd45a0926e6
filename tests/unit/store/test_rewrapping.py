"""A former key goes once everything that it sealed is sealed anew, in every table (SEC-28)."""

from __future__ import annotations

import secrets

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.people.statuses import NO_STANDING, By, Status, moved
from fhir_trial.store import Keyring, StoreOutbox, StoreSteps, Taken, rewrap, rewrapping
from fhir_trial.store.engine import transaction
from fhir_trial.store.rewrapping import open_from, place_of, seal_in, sealed_columns, sealed_tables
from fhir_trial.store.sealing import SealError
from fhir_trial.store.tables import OutboxRow, SmartClientRow
from fhir_trial.writeback.outbox import Intent
from tests.unit.store.kept import AS_OF, NOW, SERVER, Shelf, named, raw, screened, trial

#: Every sealed column there is, and the place that its values are bound to. A new one is written here when its room's code seals
#: for that place and a test below fills it.
PLACES = {
    "answers.patient",
    "answers.reason",
    "outbox.body",
    "outbox.patient",
    "screenings.inputs",
    "screenings.patient",
    "screenings.shown",
    "screenings.verdict",
    "smart_clients.secret",
    "steps.patient",
    "steps.reason",
}
KEY = "pt-00000000000000aa"
NEW = Keyring("k2", {"k2": b"2" * 32})


def fill(engine: Engine, keys: Keyring, tenant: str = "north") -> int:
    """A row in each sealed table, and two in one; how many."""
    shelf = Shelf(engine, keys, tenant)
    kept = shelf.keep()
    shelf.keep(named("Patient/another"), minutes=1)
    shelf.answers.give(kept.id, shelf.said(kept))
    taken = Taken(NOW, AS_OF, By.PERSON, "https://login.example.invalid", "anna", "She said so.")
    after = moved(NO_STANDING, Status.CONTACTED, By.PERSON)
    StoreSteps(engine, keys, tenant).take(KEY, "Patient/p", "nct1", NO_STANDING, after, after_step=None, taken=taken)
    StoreOutbox(engine, keys).intend(
        Intent("k", tenant, SERVER, "Patient/p", "nct1", "Observation", "s|v", "create", {"resourceType": "Observation"}), NOW
    )
    client = SmartClientRow(
        tenant=tenant, iss=SERVER, practice="", client_id="us", authentication="post", is_enabled=True, registered_at=NOW,
        registered_by="anna", seal=secrets.token_hex(16),
    )  # fmt: skip
    seal_in(client, keys, sealed_secret="PLANTED-SECRET")
    with transaction(engine, tenant) as session:
        session.add(client)
    return 6


def both(keys: Keyring) -> Keyring:
    return Keyring("k2", {**NEW.keys, **keys.keys})


def test_every_sealed_column_is_known_and_its_table_names_tenant_and_seal() -> None:
    """SEC-13, SEC-28."""
    found = {place_of(table(tenant="t", seal="s"), column).table for table in sealed_tables() for column in sealed_columns(table)}

    assert found == PLACES


def test_afterwards_everything_opens_with_the_new_key_alone(engine: Engine, keys: Keyring) -> None:
    rows = fill(engine, keys)

    assert rewrap(engine, both(keys), "north") == rows
    assert rewrap(engine, both(keys), "north") == 0

    opened = set()
    with Session(engine) as session:
        for table in sealed_tables():
            for row in session.scalars(select(table)):
                for column in sealed_columns(table):
                    assert open_from(row, NEW, column)
                    opened.add(place_of(row, column).table)
    assert opened == PLACES
    shelf = Shelf(engine, NEW)
    (kept,) = shelf.screenings.of_patient(shelf.screenings.key_of(raw().reference))
    assert shelf.screenings.reference_of(kept.patient) == raw().reference
    assert shelf.answers.of_patient(kept.patient, kept.trial)[0].reason == "Seen on paper."
    assert list(shelf.answers.about(raw().reference, trial())) == list(screened(answers=shelf.answers).people)
    assert StoreSteps(engine, NEW, "north").open()[0].reason == "She said so."


def test_another_tenant_keeps_its_own_seals(engine: Engine, keys: Keyring) -> None:
    """SEC-13."""
    rows = fill(engine, keys) and fill(engine, keys, "south")

    assert rewrap(engine, both(keys), "north") == rows

    with pytest.raises(SealError, match="keys file does not hold"):
        StoreSteps(engine, NEW, "south").open()
    assert rewrap(engine, both(keys), "south") == rows


def test_it_goes_on_where_it_was_broken_off(engine: Engine, keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrapping, "_BATCH", 2)
    outbox = StoreOutbox(engine, keys)
    for number in range(7):
        intent = Intent(f"k{number}", "north", SERVER, None, "nct1", "Observation", f"s|{number}", "create", {"id": "1"})
        outbox.intend(intent, NOW)
    whole = put_last(engine, b"k1:altered-in-the-file-of-the-database")

    with pytest.raises(SealError):
        rewrap(engine, both(keys), "north")
    put_last(engine, whole)

    assert rewrap(engine, both(keys), "north") == 1
    assert len(list(StoreOutbox(engine, NEW).interrupted("north", SERVER))) == 7


def put_last(engine: Engine, body: bytes) -> bytes:
    """Puts a body into the last row; what was there."""
    with Session(engine) as session, session.begin():
        row = session.scalars(select(OutboxRow).order_by(OutboxRow.number.desc()).limit(1)).one()
        before, row.sealed_body = row.sealed_body, body
        return before
