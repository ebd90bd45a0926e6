"""``fhir-trial site rewrap``: afterwards the former key opens nothing and is missed by nothing."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir_trial.cli.main import main
from fhir_trial.store import StoreOutbox, migrate, new_key_line, open_store, read_keyring
from fhir_trial.store.sealing import SealError
from fhir_trial.store.tables import AuditRow
from fhir_trial.writeback.outbox import Intent
from tests.unit.store.kept import SERVER, Shelf

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def site(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(["site", *words])
    return ended.value.code


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_key_is_changed_for_every_table_and_it_is_recorded_who_did_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SEC-28."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    keys = private(tmp_path / "keys", new_key_line("old"))
    for name in [name for name in os.environ if name.startswith("FHIR_TRIAL_")]:
        monkeypatch.delenv(name)
    for name, value in {"DATABASE": url, "KEYS_FILE": str(keys), "TENANT": "north"}.items():
        monkeypatch.setenv(f"FHIR_TRIAL_{name}", value)
    engine = open_store(url)
    migrate(engine)
    before = read_keyring(keys)
    kept = Shelf(engine, before).keep()
    intent = Intent("k", "north", SERVER, "Patient/p", "nct1", "Observation", "s|v", "create", {"id": "1"})
    StoreOutbox(engine, before).intend(intent, NOW)
    newest = new_key_line("new")
    private(keys, f"{newest}\n{keys.read_text()}")

    assert site("rewrap") == 2
    assert site("rewrap", "--who", "Li") == 0
    told = capsys.readouterr().out

    assert "Sealed anew: 2 rows." in told
    after = read_keyring(private(tmp_path / "new-keys", newest))
    assert Shelf(engine, after).screenings.screening(kept.id) == kept
    assert [one.intent for one in StoreOutbox(engine, after).interrupted("north", SERVER)] == [intent]
    with pytest.raises(SealError, match="keys file does not hold"):
        Shelf(engine, before).screenings.screening(kept.id)
    with Session(engine) as session:
        lines = [json.loads(row.line) for row in session.scalars(select(AuditRow).order_by(AuditRow.number))]
    assert [(line["action"], line["outcome"]) for line in lines] == [("rewrap", "begun"), ("rewrap", "done")]
    assert "Li" in json.dumps(lines[0])
    engine.dispose()
