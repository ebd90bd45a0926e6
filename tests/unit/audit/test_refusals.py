"""Refused sign-ins are recorded, and a flood of them fills nothing (SEC-02)."""

import threading

import pytest

from fhir_trial.audit import AuditUnavailableError, line_of
from fhir_trial.audit.refusals import Refusal, RefusedSignIns
from tests.unit.audit.logs import FailingLog, MovedClock

BAD = Refusal("The bearer token is no JWT.")


def test_a_refused_sign_in_says_why_and_who_as_far_as_that_was_proved() -> None:
    """SEC-02, SEC-04."""
    log = FailingLog()
    signed = Refusal("The bearer token has expired.", "https://id.example.invalid", "u1", "jti-1")

    RefusedSignIns(log, MovedClock()).record("north", signed, "r-1")
    RefusedSignIns(log, MovedClock()).record("north", BAD, "r-2")

    proved, unproved = (line_of(event) for event in log.events)
    assert {name: proved[name] for name in ("action", "outcome", "subject", "issuer", "token", "reason", "request")} == {
        "action": "refused-sign-in",
        "outcome": "failed",
        "subject": "u1",
        "issuer": "https://id.example.invalid",
        "token": "jti-1",
        "reason": "The bearer token has expired.",
        "request": "r-1",
    }
    assert (unproved["subject"], "issuer" in unproved, "token" in unproved) == ("unknown", False, False)


def test_a_flood_is_recorded_one_by_one_at_first_and_then_as_a_number() -> None:
    log, clock = FailingLog(), MovedClock()
    refusals = RefusedSignIns(log, clock, most=3)

    for number in range(100):
        refusals.record("north", BAD, f"r-{number}")
    clock.move(59)
    refusals.settle("north")
    within = len(log.events)
    clock.move(1)
    refusals.settle("north")
    refusals.settle("north")

    assert within == 3
    (count,) = log.events[3:]
    assert (count.number_of, count.request, count.actor.subject) == (97, None, "unknown")


def test_the_next_refusal_settles_the_number_and_begins_a_new_minute() -> None:
    log, clock = FailingLog(), MovedClock()
    refusals = RefusedSignIns(log, clock, most=1)
    for request in ("r-1", "r-2"):
        refusals.record("north", BAD, request)
    clock.move(60)

    refusals.record("north", BAD, "r-3")

    assert [(event.request, event.number_of) for event in log.events] == [("r-1", None), (None, 1), ("r-3", None)]


def test_a_number_that_cannot_be_recorded_is_kept_for_later() -> None:
    log, clock = FailingLog(2), MovedClock()
    refusals = RefusedSignIns(log, clock, most=1)
    for request in ("r-1", "r-2", "r-3"):
        refusals.record("north", BAD, request)
    clock.move(60)

    with pytest.raises(AuditUnavailableError):
        refusals.settle("north")
    refusals.settle("north")

    assert [event.number_of for event in log.events] == [None, 2]


def test_threads_lose_none() -> None:
    log, clock = FailingLog(), MovedClock()
    refusals = RefusedSignIns(log, clock, most=5)

    def work() -> None:
        for _ in range(50):
            refusals.record("north", BAD, "r")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.move(60)
    refusals.settle("north")

    assert sum(event.number_of or 1 for event in log.events) == 400
