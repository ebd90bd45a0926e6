"""``fhir-trial site purge``: what is old goes, what a person's answer rests on stays, and the audit log knows who did it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.cli.main import main
from fhir_trial.store import migrate, new_key_line, open_store, read_keyring
from fhir_trial.store.tables import AuditRow
from tests.unit.store.kept import SERVER, Shelf

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in [name for name in os.environ if name.startswith("FHIR_TRIAL_")]:
        monkeypatch.delenv(name)
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text(new_key_line("k1"))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    for name, value in {"DATABASE": url, "KEYS_FILE": str(keys), "TENANT": "north", "SERVER": SERVER}.items():
        monkeypatch.setenv(f"FHIR_TRIAL_{name}", value)

    def _run(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["site", "purge", *words])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return _run


@pytest.fixture
def engine(tmp_path: Path, run: Run) -> Engine:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    return opened


def audited(engine: Engine) -> list[dict[str, str]]:
    with Session(engine) as session:
        return [json.loads(row.line) for row in session.scalars(select(AuditRow).order_by(AuditRow.number))]


@time_machine.travel(datetime(2026, 4, 1, 12, tzinfo=UTC))
def test_screenings_before_the_day_go_and_it_is_recorded_who_took_them(
    run: Run, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = Shelf(engine, read_keyring(tmp_path / "keys"))
    kept = shelf.keep()
    day = kept.at.date()

    assert run("--before", str(day), "--who", "Li") == 0
    assert shelf.screenings.screening(kept.id) is not None, "the day itself stays"
    assert run("--before", str(day.replace(day=day.day + 1)), "--who", "Li", "--why", "after 90 days") == 0

    assert shelf.screenings.screening(kept.id) is None
    assert "Purged: 1 screening from before" in capsys.readouterr().out
    lines = audited(engine)
    assert [(line["action"], line["outcome"]) for line in lines] == [("purge", "begun"), ("purge", "done")] * 2
    assert (lines[-1]["subject"], lines[-1]["role"], lines[-1]["reason"].endswith(": after 90 days")) == ("Li", "admin", True)


@time_machine.travel(datetime(2026, 4, 1, 12, tzinfo=UTC))
def test_a_day_that_has_not_come_is_refused(run: Run, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--before", "2026-04-02", "--who", "Li") == 2

    assert "has not come yet" in capsys.readouterr().err
    assert audited(engine) == []


def test_nobody_purges_without_a_name(run: Run) -> None:
    assert run("--before", "2026-03-02") == 2
