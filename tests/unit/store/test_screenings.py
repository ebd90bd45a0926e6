"""Screenings as they were: found again by their tenant alone, sealed, and never changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.audit import patient_key
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.people.shown import shown_of
from fhir_trial.people.statuses import NO_STANDING, By, Status, moved
from fhir_trial.screening.inputs import inputs_digest, inputs_of
from fhir_trial.store import Keyring, StoreScreenings, StoreSteps, Taken, migrate, open_store
from fhir_trial.store import screenings as store_screenings
from fhir_trial.store.sealing import SealError
from fhir_trial.store.tables import ScreeningRow
from fhir_trial.version import SOFTWARE
from tests.unit.store.kept import ANNA, AS_OF, NOW, SERVER, Shelf, named, newer, raw, screened, trial

KEY = patient_key("north", SERVER, "Patient/lvef-missing")
#: Each sealed column, and what reads it of the newest screening.
SEALED: dict[str, Callable[[StoreScreenings, str], object]] = {
    "sealed_patient": lambda screenings, _: screenings.reference_of(KEY),
    "sealed_verdict": lambda screenings, identity: screenings.screening(identity),
    "sealed_shown": lambda screenings, identity: screenings.shown(identity),
    "sealed_inputs": lambda screenings, identity: screenings.inputs(identity),
}


def test_a_screening_is_found_again_with_everything_it_was_made_of(engine: Engine, keys: Keyring) -> None:
    """SEC-03, SEC-52: and with when it was made, so that its age is seen (SEC-55)."""
    before = screened()

    made = Shelf(engine, keys).keep_verdict(before)
    shelf = Shelf(engine, keys)
    found = shelf.screenings.screening(made.id)

    assert found == made
    assert found is not None
    assert found.verdict == verdict_json(before)
    assert list(found.verdict) == list(verdict_json(before))
    assert (found.patient, found.trial, found.version, found.at, found.as_of) == (KEY, "nct06789107", before.version, NOW, AS_OF)
    assert (found.overall, found.basis, found.issuer, found.subject, found.request) == (
        *("indeterminate", None),
        *(ANNA.issuer, "anna", "req-1"),
    )
    assert before.data_cutoff is not None
    assert found.verdict["data_cutoff"] == before.data_cutoff.isoformat()
    assert shelf.screenings.shown(made.id) == shown_of(before)
    assert shelf.screenings.inputs(made.id) == inputs_of(raw())
    assert found.inputs == inputs_digest(inputs_of(raw()))


def test_criteria_and_software_are_kept_beside_it(engine: Engine, keys: Keyring) -> None:
    """SEC-52."""
    Shelf(engine, keys).keep()

    with Session(engine) as session:
        row = session.scalars(select(ScreeningRow)).one()
        assert (row.definition, row.software, row.version) == (trial().digest, SOFTWARE, trial().trial.version)


def test_a_patients_history_is_every_screening_newest_first(engine: Engine, keys: Keyring) -> None:
    """SEC-08: a later screening obscures none."""
    shelf = Shelf(engine, keys)
    first, second = shelf.keep(minutes=0), shelf.keep(newer("2"), minutes=5)
    shelf.keep(named("Patient/another"), minutes=9)

    assert shelf.screenings.of_patient(KEY) == [second, first]
    assert shelf.screenings.of_patient(KEY, limit=1) == [second]
    assert first.inputs != second.inputs


def test_only_screenings_for_the_trials_asked_for_are_listed(engine: Engine, keys: Keyring) -> None:
    """SEC-13."""
    shelf = Shelf(engine, keys)
    one = shelf.keep()
    other = shelf.keep_verdict(replace(screened(), trial="nct00000000"), minutes=1)

    assert shelf.screenings.of_patient(KEY, {"nct06789107"}) == [one]
    assert shelf.screenings.of_patient(KEY, None) == [other, one]
    assert shelf.screenings.of_patient(KEY, set()) == []


def test_the_newest_day_as_of_which_was_screened_leaves_days_to_come_out(engine: Engine, keys: Keyring) -> None:
    """WB-01: what was asked of a later day that has not come is no result."""
    shelf = Shelf(engine, keys)
    shelf.keep_verdict(replace(screened(), as_of=AS_OF + timedelta(days=90)))
    shelf.keep()
    shelf.keep_verdict(replace(screened(), as_of=AS_OF - timedelta(days=9)), minutes=5)
    last_day = shelf.screenings.last_day

    assert last_day(KEY, "nct06789107", AS_OF + timedelta(days=1)) == AS_OF
    assert last_day(KEY, "nct06789107", AS_OF - timedelta(days=10)) is None
    assert last_day(KEY, "nct00000000", AS_OF) is None
    assert Shelf(engine, keys, "south").screenings.last_day("pt-0", "nct06789107", AS_OF) is None


def test_the_servers_own_reference_is_known_for_a_patient_who_was_screened(engine: Engine, keys: Keyring) -> None:
    """SEC-26: outside goes our key alone."""
    shelf = Shelf(engine, keys)
    kept = shelf.keep()

    assert shelf.screenings.key_of("Patient/lvef-missing") == kept.patient == KEY
    assert "lvef-missing" not in kept.id + kept.patient + kept.inputs
    assert shelf.screenings.reference_of(KEY) == "Patient/lvef-missing"
    assert shelf.screenings.reference_of("pt-0000000000000000") is None


@pytest.mark.parametrize(("tenant", "server"), [("south", SERVER), ("north", "https://other.example.invalid/fhir")])
def test_what_another_keeps_is_as_if_it_were_not_there(engine: Engine, keys: Keyring, tenant: str, server: str) -> None:
    """SEC-13: by every way in."""
    kept = Shelf(engine, keys).keep()
    other = Shelf(engine, keys, tenant, server).screenings

    assert other.screening(kept.id) is None
    assert other.shown(kept.id) is None
    assert other.inputs(kept.id) == ()
    assert other.of_patient(KEY) == []
    assert other.reference_of(KEY) is None
    assert other.key_of("Patient/lvef-missing") != KEY
    assert other.purge(NOW + timedelta(days=900)) == 0
    assert Shelf(engine, keys).screenings.screening(kept.id) == kept


def test_an_id_that_is_none_finds_nothing(engine: Engine, keys: Keyring) -> None:
    screenings = Shelf(engine, keys).screenings

    assert [screenings.screening(name) for name in ("", "sc-0", "' OR 1=1 --")] == [None] * 3


def test_the_file_holds_nothing_of_a_patient_that_can_be_read(tmp_path: Path, keys: Keyring) -> None:
    """SEC-28, SEC-26."""
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(engine)
    shelf = Shelf(engine, keys)
    kept = shelf.keep()
    shelf.answers.give(kept.id, shelf.said(kept, reason="PLANTED-REASON"))
    taken = Taken(NOW, AS_OF, By.PERSON, ANNA.issuer, "anna", "PLANTED-WORDS")
    after = moved(NO_STANDING, Status.CONTACTED, By.PERSON)
    StoreSteps(engine, keys, "north").take(
        KEY, "Patient/lvef-missing", "nct06789107", NO_STANDING, after, after_step=None, taken=taken
    )
    engine.dispose()

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert kept.id.encode() in content
    told = [piece for one in kept.verdict["criteria"] for piece in one["evidence"]]
    originals = {piece["original"] for piece in told if piece["original"] and len(piece["original"]) > 6}
    sentences = {one["reason"] for one in kept.verdict["criteria"]}
    assert originals
    assert [text for text in originals | sentences if text.encode() in content] == []
    assert [word for word in (b"lvef-missing", b"PLANTED", b"1990-", b"Observation/", b'"criteria"') if word in content] == []


@pytest.mark.parametrize("column", SEALED)
def test_a_value_moved_to_another_screening_does_not_open(engine: Engine, keys: Keyring, column: str) -> None:
    """SEC-28."""
    shelf = Shelf(engine, keys)
    first, second = shelf.keep(), shelf.keep(newer("2"), minutes=1)
    with Session(engine) as session, session.begin():
        sealed = getattr(session.get_one(ScreeningRow, first.id), column)
        setattr(session.get_one(ScreeningRow, second.id), column, sealed)

    with pytest.raises(SealError, match="altered or moved"):
        SEALED[column](shelf.screenings, second.id)


@pytest.mark.parametrize("column", SEALED)
def test_a_value_moved_to_another_column_does_not_open(engine: Engine, keys: Keyring, column: str) -> None:
    """SEC-28."""
    shelf = Shelf(engine, keys)
    kept = shelf.keep()
    with Session(engine) as session, session.begin():
        row = session.get_one(ScreeningRow, kept.id)
        setattr(row, column, row.sealed_inputs if column != "sealed_inputs" else row.sealed_shown)

    with pytest.raises(SealError, match="altered or moved"):
        SEALED[column](shelf.screenings, kept.id)


class TestPurge:
    """What nobody rests on may go after a time."""

    def test_old_screenings_go_and_newer_ones_stay(self, engine: Engine, keys: Keyring) -> None:
        shelf = Shelf(engine, keys)
        old, new = shelf.keep(minutes=0), shelf.keep(minutes=10)

        assert shelf.screenings.purge(NOW) == 0
        assert shelf.screenings.purge(NOW + timedelta(minutes=10)) == 1

        assert shelf.screenings.screening(old.id) is None
        assert shelf.screenings.of_patient(KEY) == [new]

    def test_many_go_in_small_steps(self, engine: Engine, keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store_screenings, "_BATCH", 2)
        shelf = Shelf(engine, keys)
        verdict = screened()
        for minutes in range(5):
            shelf.keep_verdict(verdict, minutes=minutes)

        assert shelf.screenings.purge(NOW + timedelta(minutes=9)) == 5
        assert shelf.screenings.of_patient(KEY) == []

    def test_that_on_which_an_answer_rests_stays(self, engine: Engine, keys: Keyring) -> None:
        """SEC-08."""
        shelf = Shelf(engine, keys)
        answered, plain = shelf.keep(minutes=0), shelf.keep(minutes=1)
        shelf.answers.give(answered.id, shelf.said(answered))

        assert shelf.screenings.purge(NOW + timedelta(days=1)) == 1

        assert shelf.screenings.screening(answered.id) == answered
        assert shelf.screenings.screening(plain.id) is None

    def test_that_on_which_a_step_rests_stays(self, engine: Engine, keys: Keyring) -> None:
        """SEC-08: the newest of the patient and trial when the step was taken, and no other."""
        shelf = Shelf(engine, keys)
        shelf.keep(minutes=0)
        seen = shelf.keep(minutes=1)
        shelf.keep(minutes=9)
        shelf.keep(named("Patient/another"), minutes=1)
        shelf.keep_verdict(replace(screened(), trial="nct00000000"), minutes=1)
        taken = Taken(NOW + timedelta(minutes=5), AS_OF, By.MACHINE, None, "job")
        after = moved(NO_STANDING, Status.POTENTIAL, By.MACHINE)
        StoreSteps(engine, keys, "north").take(
            KEY, "Patient/lvef-missing", "nct06789107", NO_STANDING, after, after_step=None, taken=taken
        )

        assert shelf.screenings.purge(NOW + timedelta(days=1)) == 4

        assert shelf.screenings.of_patient(KEY) == [seen]
