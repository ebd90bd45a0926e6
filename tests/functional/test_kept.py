"""The service with a store: what was written is known after a restart, the kill switch stops it, the audit chain is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from fhir_trial.audit import Actor
from fhir_trial.cli.main import main
from fhir_trial.config import Settings
from fhir_trial.errors import UsageError
from fhir_trial.sandbox import Sandbox
from fhir_trial.store import verify
from fhir_trial.store.tables import AuditRow
from fhir_trial.transport.connection import StoppedError
from fhir_trial.web import create_app
from fhir_trial.wiring.service import Screening, ScreeningService
from fhir_trial.writeback import Action
from tests.functional.stores import NOW, TRIAL, kept, store_settings, with_basis

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings(fhir: Sandbox, tmp_path: Path) -> Settings:
    return with_basis(store_settings(fhir, tmp_path))


def screened(service: ScreeningService, patient: str) -> Screening:
    return service.screen(patient, TRIAL, as_of=date(2026, 3, 2), first_dose=None, write=True, request="r")


def test_after_a_restart_nothing_is_written_again(settings: Settings, jane: str) -> None:
    """WB-03: the intents are confirmed, and a new process goes on where the last one ended."""
    first = screened(ScreeningService(settings), jane)

    second = screened(ScreeningService(settings), jane)

    assert {result.action for result in first.written} >= {Action.CREATED}
    assert {result.action for result in second.written} == {Action.UNCHANGED}
    assert kept(settings).outbox.counts(settings.tenant)["confirmed"] >= 3
    assert list(kept(settings).outbox.interrupted(settings.tenant, settings.server or "")) == []


def test_the_kill_switch_stops_the_service_in_the_middle_of_a_run(settings: Settings, jane: str) -> None:
    """SEC-60: another process throws it."""
    service = ScreeningService(settings)
    screened(service, jane)
    kept(settings).switch.stop("dr-li", "wrong trial", NOW)

    with pytest.raises(StoppedError):
        screened(service, jane)

    kept(settings).switch.resume()
    assert {result.action for result in screened(service, jane).written} == {Action.UNCHANGED}


def test_every_step_is_in_the_chain_and_a_changed_row_is_found(settings: Settings, jane: str) -> None:
    """SEC-01."""
    screened(ScreeningService(settings), jane)
    store = kept(settings)
    assert verify(store.engine, settings.tenant) is None

    with Session(store.engine) as session, session.begin():
        session.execute(update(AuditRow).where(AuditRow.number == 2).values(line="{}"))

    broken = verify(store.engine, settings.tenant)
    assert broken is not None
    assert broken.number == 2


def test_the_database_holds_no_readable_patient_or_result(settings: Settings, jane: str, tmp_path: Path) -> None:
    """SEC-28."""
    screened(ScreeningService(settings), jane)
    content = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))

    assert settings.tenant.encode() in content
    assert jane.encode() not in content
    assert b"eligibility-screening" not in content


def test_the_service_asks_the_database_whether_it_is_ready_and_shows_the_outbox(settings: Settings, jane: str) -> None:
    service = ScreeningService(settings)
    screened(service, jane)
    asking = create_app(settings, service).test_client()

    assert asking.get("/readyz").status_code == 200
    answer = asking.get("/api/outbox").get_json()

    assert {entry["state"] for entry in answer["entries"]} == {"confirmed"}
    ports = service.ports
    assert ports is not None
    assert ports.audit.verify(Actor(settings.tenant, "auditor"), "r").intact


def test_a_database_without_keys_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match="KEYS_FILE"):
        ScreeningService(replace(settings, keys_file=None))


def test_the_command_line_stops_resumes_and_checks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SEC-60, SEC-01."""
    monkeypatch.setenv("FHIR_TRIAL_DATABASE", settings.database or "")
    monkeypatch.setenv("FHIR_TRIAL_KEYS_FILE", str(settings.keys_file))
    monkeypatch.setenv("FHIR_TRIAL_TENANT", settings.tenant)

    def run(*words: str) -> int | str | None:
        with pytest.raises(SystemExit) as ended:
            main(["site", *words])
        return ended.value.code

    assert run("stop", "--who", "Li", "--why", "wrong trial") == 0
    assert kept(settings).switch.is_stopped()
    assert run("resume", "--who", "Li", "--why", "mended") == 0
    assert not kept(settings).switch.is_stopped()
    assert run("rewrap", "--who", "Li") == 0
    capsys.readouterr()
    assert run("verify-audit") == 0
    head = capsys.readouterr().out.strip()
    assert head.startswith("7:"), "three steps, and the intent of the fourth"
    assert run("verify-audit", "--head", head) == 0
    assert run("verify-audit", "--head", f"3:{head[2:]}") == 1
    assert run("verify-audit", "--head", "x") == 2
    assert run("new-key", "k2") == 0
