"""The audit chain of the store: what breaks it is found, and what was begun without an outcome (SEC-01, SEC-05)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, delete, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditOutcome, AuditUnavailableError
from fhir_trial.errors import StoreUnavailableError, UsageError
from fhir_trial.store import KillSwitch, StoreAudit
from fhir_trial.store import audit as store_audit
from fhir_trial.store.chain import START, Head, inspect, lines, link
from fhir_trial.store.ports import LONGEST_REASON, AuditedSwitch, AuditOfTenant
from fhir_trial.store.tables import AuditRow

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AUDITOR = Actor("north", "au-1", "https://id.example.invalid", "auditor")
EVENT = AuditEvent(NOW, Actor("north", "dr-li"), AuditAction.SCREEN, AuditOutcome.BEGUN, request="r-1")


def clock() -> datetime:
    return NOW


def fill(engine: Engine, *outcomes: AuditOutcome, tenant: str = "north") -> list[Head]:
    """The head after each event."""
    audit = StoreAudit(engine)
    heads = []
    for outcome in outcomes:
        audit.record(replace(EVENT, outcome=outcome, actor=replace(EVENT.actor, tenant=tenant)))
        head = audit.head(tenant)
        assert head is not None
        heads.append(head)
    return heads


def rewrite(engine: Engine, *texts: str) -> None:
    """The chain computed anew, as somebody could who may write to the database."""
    before = START
    with Session(engine) as session, session.begin():
        session.execute(delete(AuditRow).where(AuditRow.tenant == "north"))
        for number, text in enumerate(texts, 1):
            before = link(before, "north", number, text)
            session.add(AuditRow(tenant="north", number=number, line=text, hash=before))


BEGUN, DONE, FAILED = AuditOutcome.BEGUN, AuditOutcome.DONE, AuditOutcome.FAILED


def test_an_empty_chain_is_whole_and_has_a_head(engine: Engine) -> None:
    found = inspect(engine, "north", [Head(0, START)])

    assert (found.broken, found.head, found.unfinished) == (None, Head(0, START), ())


def test_every_head_that_was_exported_lies_on_a_whole_chain(engine: Engine) -> None:
    """SEC-01."""
    heads = fill(engine, BEGUN, DONE, BEGUN, FAILED)
    fill(engine, BEGUN, tenant="south")

    found = inspect(engine, "north", heads)

    assert (found.broken, found.head) == (None, heads[-1])


def test_a_chain_written_anew_is_whole_in_itself_and_exported_heads_alone_show_it(engine: Engine) -> None:
    """SEC-01: this is what a head kept elsewhere is for."""
    heads = fill(engine, BEGUN, DONE, DONE)
    rewrite(engine, "{}", "{}", "{}")

    assert inspect(engine, "north").broken is None
    broken = inspect(engine, "north", heads[1:]).broken
    assert broken is not None
    assert (broken.number, broken.what) == (2, "is not the one that was exported")


def test_a_chain_that_ends_before_an_exported_head_lacks_rows(engine: Engine) -> None:
    """SEC-01."""
    heads = fill(engine, BEGUN, DONE, DONE)
    with Session(engine) as session, session.begin():
        session.execute(delete(AuditRow).where(AuditRow.number > 1))

    broken = inspect(engine, "north", heads).broken

    assert broken is not None
    assert (broken.number, broken.what) == (2, "is missing")


def test_a_row_that_is_no_event_is_found_although_its_hash_fits(engine: Engine) -> None:
    fill(engine, DONE)
    rewrite(engine, "{}", "no JSON")

    broken = inspect(engine, "north").broken

    assert broken is not None
    assert (broken.number, broken.what) == (2, "is no event")


def test_an_altered_row_is_found_and_the_head_is_the_row_before_it(engine: Engine) -> None:
    """SEC-01."""
    heads = fill(engine, BEGUN, DONE, DONE)
    with Session(engine) as session, session.begin():
        session.execute(update(AuditRow).where(AuditRow.number == 3).values(line="{}"))

    found = inspect(engine, "north", heads)

    assert found.broken is not None
    assert (found.broken.number, found.broken.what, found.head) == (3, "was altered", heads[1])


def test_steps_without_outcome_are_found_with_their_request(engine: Engine) -> None:
    """SEC-05."""
    fill(engine, BEGUN, DONE, BEGUN)
    StoreAudit(engine).record(replace(EVENT, request="r-2"))

    found = AuditOfTenant(engine, StoreAudit(engine), clock).verify(AUDITOR, "r-3")

    assert [(step.number, step.request, step.action) for step in found.unfinished] == [(3, "r-1", "screen"), (4, "r-2", "screen")]


def test_a_check_is_an_event_itself_with_intent_and_outcome(engine: Engine) -> None:
    """SEC-02."""
    audit = StoreAudit(engine)

    found = AuditOfTenant(engine, audit, clock).verify(AUDITOR, "r-3")

    events = [row.fields() for row in lines(engine, "north")]
    assert [(event["action"], event["outcome"], event["subject"], event["request"]) for event in events] == [
        ("verify-audit", "begun", "au-1", "r-3"),
        ("verify-audit", "done", "au-1", "r-3"),
    ]
    assert (found.intact, found.events, found.head.number, found.unfinished) == (True, 1, 1, ())


def test_rows_are_read_in_order_from_one_number_to_another(engine: Engine) -> None:
    fill(engine, *[DONE] * 5)
    fill(engine, DONE, tenant="south")

    assert [row.number for row in lines(engine, "north", 2, 4)] == [2, 3, 4]
    assert [row.number for row in lines(engine, "north", 4)] == [4, 5]


def test_an_export_is_recorded_before_it_begins_and_after_it_has_ended(engine: Engine) -> None:
    """SEC-02, SEC-06."""
    fill(engine, DONE, DONE)

    with AuditOfTenant(engine, StoreAudit(engine), clock).exporting(AUDITOR, "r-4") as export:
        exported = list(export.rows)

    assert [row.number for row in exported] == [1, 2, 3]
    assert (exported[-1].fields()["action"], exported[-1].fields()["outcome"]) == ("export-audit", "begun")
    assert export.broken is None
    assert [row.fields()["outcome"] for row in lines(engine, "north", 4)] == ["done"]


def test_a_broken_chain_is_exported_to_its_end_and_said_to_be_broken(engine: Engine) -> None:
    fill(engine, DONE, DONE, DONE)
    with Session(engine) as session, session.begin():
        session.execute(update(AuditRow).where(AuditRow.number == 1).values(hash="0" * 64))

    with AuditOfTenant(engine, StoreAudit(engine), clock).exporting(AUDITOR, "r-4") as export:
        numbers = [row.number for row in export.rows]

    assert (numbers, export.broken is not None and export.broken.number) == ([1, 2, 3, 4], 1)


@pytest.mark.parametrize("what", ["stop", "resume"])
def test_who_stopped_or_resumed_and_why_is_in_the_chain_before_it_happens(engine: Engine, what: str) -> None:
    """SEC-60, SEC-02."""
    switch = KillSwitch(engine, "north")
    audited = AuditedSwitch(switch, StoreAudit(engine), clock)
    act: Callable[..., None] = audited.stop if what == "stop" else audited.resume

    act("Wrong results of the analyser.", AUDITOR, "r-5", "cli")

    begun, done = (row.fields() for row in lines(engine, "north"))
    assert (begun["action"], begun["outcome"], done["outcome"]) == (what, "begun", "done")
    assert (begun["reason"], begun["subject"], begun["source"]) == ("Wrong results of the analyser.", "au-1", "cli")
    assert switch.is_stopped() == (what == "stop")


@pytest.mark.parametrize("reason", ["", "  ", "x" * (LONGEST_REASON + 1)])
def test_without_a_reason_or_with_one_that_cannot_be_kept_nothing_is_stopped(engine: Engine, reason: str) -> None:
    switch = KillSwitch(engine, "north")

    with pytest.raises(UsageError, match="Say why"):
        AuditedSwitch(switch, StoreAudit(engine), clock).stop(reason, AUDITOR, "r-5")

    assert not switch.is_stopped()
    assert list(lines(engine, "north")) == []


def test_what_no_database_takes_is_recorded_all_the_same(engine: Engine) -> None:
    """A subject may hold half of a character; a reason a NUL."""
    StoreAudit(engine).record(replace(EVENT, actor=Actor("north", "dr-\ud800"), reason="a\x00b 原因"))

    (row,) = lines(engine, "north")
    assert (row.fields()["subject"], row.fields()["reason"]) == ("dr-\ud800", "a\x00b 原因")
    assert inspect(engine, "north").broken is None


@pytest.mark.parametrize(
    "failure", [OperationalError("x", None, Exception("locked")), OSError("disk"), StoreUnavailableError("The database is away.")]
)
def test_every_failure_of_the_store_stops_the_action(engine: Engine, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    """SEC-05."""

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(store_audit, "transaction", fail)

    with pytest.raises(AuditUnavailableError, match="cannot be written"):
        StoreAudit(engine).record(EVENT)


def test_a_defect_is_no_outage(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError("a defect")

    monkeypatch.setattr(store_audit, "transaction", fail)

    with pytest.raises(TypeError, match="a defect"):
        StoreAudit(engine).record(EVENT)


def test_a_log_that_cannot_be_read_is_said_to_be_so(engine: Engine) -> None:
    with engine.begin() as connection:
        AuditRow.__table__.drop(connection)  # type: ignore[attr-defined]  # a Table, typed as its base

    with pytest.raises(StoreUnavailableError):
        inspect(engine, "north")
    with pytest.raises(StoreUnavailableError):
        StoreAudit(engine).head("north")


def test_a_line_is_plain_json_with_sorted_names(engine: Engine) -> None:
    """SEC-01: what is hashed can be read again by anything."""
    fill(engine, DONE)

    (row,) = lines(engine, "north")
    assert row.line == json.dumps(row.fields(), sort_keys=True, separators=(",", ":"))
    assert row.hash == link(START, "north", 1, row.line)
