"""What is kept: intents, the kill switch, the audit chain; sealed, in order, and whole."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditOutcome, AuditUnavailableError
from fhir_trial.errors import StoreUnavailableError, UsageError
from fhir_trial.store import (
    Keyring,
    KillSwitch,
    StoreAudit,
    StoreOutbox,
    migrate,
    new_key_line,
    open_store,
    read_keyring,
    rewrap,
    verify,
)
from fhir_trial.store.chain import Head
from fhir_trial.store.sealing import Place, SealError
from fhir_trial.store.tables import AuditRow, Base, OutboxRow
from fhir_trial.writeback.outbox import Intent, IntentState

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SERVER = "https://ehr.example.invalid/fhir"
BODY = {"resourceType": "Observation", "valueString": "PLANTED-VALUE", "subject": {"reference": "Patient/planted-patient"}}
INTENT = Intent("key-1", "north", SERVER, "Patient/planted-patient", "nct1", "Observation", "sys|run-1", "create", BODY)


def event(subject: str = "dr-li", tenant: str = "north") -> AuditEvent:
    return AuditEvent(NOW, Actor(tenant, subject), AuditAction.SCREEN, AuditOutcome.DONE)


class TestOutbox:
    def test_an_intent_is_kept_before_anything_is_sent_and_outlives_the_process(self, engine: Engine, keys: Keyring) -> None:
        """WB-03."""
        number = StoreOutbox(engine, keys).intend(INTENT, NOW)

        (kept,) = StoreOutbox(engine, keys).interrupted("north", SERVER)

        assert (kept.number, kept.intent, kept.state, kept.at, kept.attempts) == (number, INTENT, IntentState.PENDING, NOW, 0)

    def test_the_same_intent_is_not_doubled_and_another_one_for_the_same_place_supersedes_it(
        self, engine: Engine, keys: Keyring
    ) -> None:
        """WB-03, WB-08."""
        outbox = StoreOutbox(engine, keys)
        first = outbox.intend(INTENT, NOW)

        assert outbox.intend(INTENT, NOW) == first
        second = outbox.intend(replace(INTENT, key="key-2"), NOW)

        assert second > first
        assert [kept.number for kept in outbox.interrupted("north", SERVER)] == [second]

    def test_a_confirmed_intent_is_open_no_more_and_its_version_is_known(self, engine: Engine, keys: Keyring) -> None:
        outbox = StoreOutbox(engine, keys)
        number = outbox.intend(INTENT, NOW)

        outbox.mark(number, IntentState.SENT, NOW, tenant="north")
        outbox.mark(
            number, IntentState.CONFIRMED, NOW + timedelta(seconds=1), tenant="north", reference="Observation/9", version="3"
        )

        assert list(outbox.interrupted("north", SERVER)) == []
        assert outbox.version("north", SERVER, "Observation/9") == "3"
        assert outbox.version("north", SERVER, "Observation/8") is None
        assert outbox.version("north", "https://other.example.invalid/fhir", "Observation/9") is None

    def test_what_was_written_once_is_known_by_its_identifier_for_this_tenant_alone(self, engine: Engine, keys: Keyring) -> None:
        """WB-01, SEC-13."""
        outbox = StoreOutbox(engine, keys)
        number = outbox.intend(INTENT, NOW)
        assert outbox.reference("north", SERVER, INTENT.identifier) is None

        outbox.mark(number, IntentState.CONFIRMED, NOW, tenant="north", reference="ResearchSubject/1")

        assert outbox.reference("north", SERVER, INTENT.identifier) == "ResearchSubject/1"
        assert outbox.reference("south", SERVER, INTENT.identifier) is None

    def test_a_version_that_a_person_wrote_is_not_ours(self, engine: Engine, keys: Keyring) -> None:
        outbox = StoreOutbox(engine, keys)
        outbox.mark(
            outbox.intend(INTENT, NOW), IntentState.CONFIRMED, NOW, tenant="north", reference="Observation/9", version="1"
        )

        persons = replace(INTENT, key="person-1")
        outbox.mark(
            outbox.intend(persons, NOW), IntentState.CONFIRMED, NOW, tenant="north", reference="Observation/9", version=None
        )

        assert outbox.version("north", SERVER, "Observation/9") is None

    def test_a_closed_intent_is_not_opened_again(self, engine: Engine, keys: Keyring) -> None:
        outbox = StoreOutbox(engine, keys)
        first = outbox.intend(INTENT, NOW)
        second = outbox.intend(replace(INTENT, key="key-2"), NOW)

        outbox.mark(first, IntentState.SENT, NOW, tenant="north")

        assert [kept.number for kept in outbox.interrupted("north", SERVER)] == [second]

    def test_each_try_is_counted(self, engine: Engine, keys: Keyring) -> None:
        outbox = StoreOutbox(engine, keys)
        number = outbox.intend(INTENT, NOW)

        outbox.mark(number, IntentState.SENT, NOW, tenant="north")
        outbox.mark(number, IntentState.SENT, NOW, tenant="north", note="The server was busy.")

        (kept,) = outbox.interrupted("north", SERVER)
        assert (kept.attempts, kept.note) == (2, "The server was busy.")

    def test_a_tenant_moves_its_own_alone(self, engine: Engine, keys: Keyring) -> None:
        """SEC-13."""
        outbox = StoreOutbox(engine, keys)
        number = outbox.intend(INTENT, NOW)

        with pytest.raises(LookupError):
            outbox.mark(number, IntentState.CONFIRMED, NOW, tenant="south", reference="Observation/9", version="3")
        with pytest.raises(LookupError):
            outbox.mark(number + 1, IntentState.FAILED, NOW, tenant="north")
        assert [kept.number for kept in outbox.interrupted("north", SERVER)] == [number]
        outbox.mark(number, IntentState.CONFIRMED, NOW, tenant="north", reference="Observation/9", version="3")

        assert outbox.version("south", SERVER, "Observation/9") is None

    def test_a_tenant_sees_its_own_alone(self, engine: Engine, keys: Keyring) -> None:
        """SEC-13."""
        outbox = StoreOutbox(engine, keys)
        outbox.intend(INTENT, NOW)

        assert list(outbox.interrupted("south", SERVER)) == []

    def test_sixteen_at_once_keep_one_intent(self, engine: Engine, keys: Keyring) -> None:
        outbox = StoreOutbox(engine, keys)
        threads = [threading.Thread(target=outbox.intend, args=(INTENT, NOW)) for _ in range(16)]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(list(outbox.interrupted("north", SERVER))) == 1


class TestKillSwitch:
    def test_it_holds_for_its_tenant_until_somebody_lets_it_go_on(self, engine: Engine, keys: Keyring) -> None:
        """SEC-60."""
        outbox, switch = StoreOutbox(engine, keys), KillSwitch(engine, "north")
        assert not outbox.stopped("north")

        switch.stop("dr-li", "wrong trial", NOW)

        assert outbox.stopped("north")
        assert not outbox.stopped("south")
        switch.resume()
        assert not switch.is_stopped()


class TestSealing:
    def test_the_database_file_holds_no_readable_value_and_no_patient(self, tmp_path: Path, keys: Keyring) -> None:
        """SEC-28."""
        engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
        migrate(engine)
        StoreOutbox(engine, keys).intend(INTENT, NOW)
        engine.dispose()

        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())

        assert b"run-1" in content
        assert b"PLANTED-VALUE" not in content
        assert b"planted-patient" not in content
        assert (tmp_path / "store.db").stat().st_mode & 0o077 == 0

    def test_a_sealed_value_moved_to_another_row_does_not_open(self, engine: Engine, keys: Keyring) -> None:
        outbox = StoreOutbox(engine, keys)
        outbox.intend(INTENT, NOW)
        outbox.intend(replace(INTENT, key="key-2", identifier="sys|run-2", body={**BODY, "id": "other"}), NOW)

        with Session(engine) as session, session.begin():
            first, second = session.scalars(select(OutboxRow).order_by(OutboxRow.number)).all()
            second.sealed_body = first.sealed_body

        with pytest.raises(SealError, match="altered or moved"):
            list(outbox.interrupted("north", SERVER))

    def test_rewrapping_frees_the_former_key(self, engine: Engine, keys: Keyring) -> None:
        StoreOutbox(engine, keys).intend(INTENT, NOW)
        both = Keyring("k2", {"k2": b"2" * 32, **keys.keys})

        assert rewrap(engine, both, "north") == 1
        assert rewrap(engine, both, "north") == 0

        (kept,) = StoreOutbox(engine, Keyring("k2", {"k2": b"2" * 32})).interrupted("north", SERVER)
        assert kept.intent == INTENT
        with pytest.raises(SealError, match="keys file does not hold"):
            list(StoreOutbox(engine, keys).interrupted("north", SERVER))

    @given(st.text(), st.text(), st.text())
    def test_what_is_sealed_opens_in_its_place_alone(self, text: str, row: str, other: str) -> None:
        keys = Keyring("k1", {"k1": b"1" * 32})
        sealed = keys.seal(text, Place("north", "t", row))

        assert keys.open(sealed, Place("north", "t", row)) == text
        if other != row:
            with pytest.raises(SealError):
                keys.open(sealed, Place("north", "t", other))

    def test_a_keys_file_is_private_and_well_formed(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(f"# newest first\n{new_key_line('new')}\n{new_key_line('old')}\n")
        path.chmod(0o600)
        keyring = read_keyring(path)
        assert (keyring.current, set(keyring.keys)) == ("new", {"new", "old"})
        assert "b'" not in repr(keyring)

        path.write_text(f"{new_key_line('new')}\nold short\n")
        with pytest.raises(UsageError, match="32 bytes"):
            read_keyring(path)
        path.chmod(0o644)
        with pytest.raises(UsageError, match="0600"):
            read_keyring(path)


class TestAudit:
    def test_a_whole_chain_is_whole(self, engine: Engine) -> None:
        """SEC-01."""
        audit = StoreAudit(engine)
        for _ in range(3):
            audit.record(event())

        assert verify(engine, "north", audit.head("north")) is None
        assert verify(engine, "south") is None

    def test_an_altered_row_is_found(self, engine: Engine) -> None:
        _written(engine, 3)
        with Session(engine) as session, session.begin():
            session.execute(update(AuditRow).where(AuditRow.number == 2).values(line="{}"))

        broken = verify(engine, "north")

        assert broken is not None
        assert (broken.number, broken.what) == (2, "was altered")

    def test_a_removed_row_is_found_in_the_middle_and_with_an_exported_head_at_the_end(self, engine: Engine) -> None:
        head = _written(engine, 4)
        with Session(engine) as session, session.begin():
            session.execute(delete(AuditRow).where(AuditRow.number == 4))
        assert verify(engine, "north") is None
        at_the_end = verify(engine, "north", head)
        with Session(engine) as session, session.begin():
            session.execute(delete(AuditRow).where(AuditRow.number == 2))

        in_the_middle = verify(engine, "north")

        assert at_the_end is not None
        assert (at_the_end.number, at_the_end.what) == (4, "is missing")
        assert in_the_middle is not None
        assert (in_the_middle.number, in_the_middle.what) == (2, "is missing")

    def test_rows_that_change_places_are_found(self, engine: Engine) -> None:
        _written(engine, 3)
        with Session(engine) as session, session.begin():
            for old, new in ((1, 9), (2, 1), (9, 2)):
                session.execute(update(AuditRow).where(AuditRow.number == old).values(number=new))

        broken = verify(engine, "north")

        assert broken is not None
        assert broken.number == 1

    def test_a_chain_written_anew_is_not_the_one_that_was_exported(self, engine: Engine) -> None:
        head = _written(engine, 2)
        with Session(engine) as session, session.begin():
            session.execute(delete(AuditRow))
        for number in range(2):
            StoreAudit(engine).record(event(f"somebody-else-{number}"))

        broken = verify(engine, "north", head)

        assert broken is not None
        assert broken.what == "is not the one that was exported"

    def test_writers_at_once_keep_one_chain(self, engine: Engine) -> None:
        audit = StoreAudit(engine)

        def work() -> None:
            for _ in range(5):
                audit.record(event())

        threads = [threading.Thread(target=work) for _ in range(6)]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        head = audit.head("north")
        assert head is not None
        assert head.number == 30
        assert verify(engine, "north", head) is None

    def test_what_cannot_be_recorded_does_not_happen(self, tmp_path: Path) -> None:
        """SEC-05."""
        engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")  # no table was made

        with pytest.raises(AuditUnavailableError):
            StoreAudit(engine).record(event())
        engine.dispose()


def test_the_migrations_lead_to_the_tables_that_the_code_knows(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


def test_migrating_twice_changes_nothing(engine: Engine, keys: Keyring) -> None:
    StoreOutbox(engine, keys).intend(INTENT, NOW)

    migrate(engine)

    assert len(list(StoreOutbox(engine, keys).interrupted("north", SERVER))) == 1


def test_a_database_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """SEC-28."""
    path = tmp_path / "store.db"
    path.touch(mode=0o644)
    path.chmod(0o644)

    with pytest.raises(UsageError, match="0600"):
        open_store(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite+nodriver:///x"])
def test_a_wrong_url_is_said_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)

    assert url not in str(caught.value)


def _written(engine: Engine, count: int) -> Head:
    audit = StoreAudit(engine)
    for _ in range(count):
        audit.record(event())
    head = audit.head("north")
    assert head is not None
    return head


def test_a_database_that_somebody_else_holds_is_away_and_no_defect(tmp_path: Path, keys: Keyring) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=1")
    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreUnavailableError):
        StoreOutbox(engine, keys).intend(INTENT, NOW)

    holder.close()
    engine.dispose()


def test_a_url_without_its_driver_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="driver"):
        open_store(f"sqlite+nodriver:///{tmp_path / 'store.db'}")

    assert list(tmp_path.iterdir()) == []
