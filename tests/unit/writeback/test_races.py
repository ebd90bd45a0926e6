"""Two runs at once, as in two processes: one wins the Observation, and its Provenance is the winner's. WB-04, WB-07, WB-10."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_trial.errors import ConflictError, TemporaryServerError
from fhir_trial.writeback import Action, MemoryOutbox, Observations, WriteBack, Writer, WriteResult, WriteSettings, writer
from fhir_trial.writeback.outbox import IntentState
from tests.unit.writeback.fake_server import BASE, FakeServer
from tests.unit.writeback.verdicts import trial, verdict

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
SETTINGS = WriteSettings(WriteBack.WORK_LIST, observations=Observations.ALL, base="https://trials.hospital.invalid")


@pytest.fixture(autouse=True)
def as_in_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one process, writers to one server wait for one another."""
    monkeypatch.setattr(writer, "lock_of", lambda _: threading.Lock())


def run(server: FakeServer, outbox: MemoryOutbox) -> tuple[WriteResult, ...]:
    return Writer(server, SETTINGS, software="fhir-trial test", outbox=outbox).write(verdict(), trial(), now=NOW)


def overtaken(server: FakeServer, outbox: MemoryOutbox, other: Callable[[], Any], where: str) -> tuple[WriteResult, ...]:
    """A run within which, at that point, another does its work."""

    def step_aside(point: str) -> None:
        if point == where:
            server.tick = lambda _: None
            other()

    server.tick = step_aside
    return run(server, outbox)


class Ended(BaseException):
    """The other process ends."""


def until(server: FakeServer, outbox: MemoryOutbox, where: str) -> None:
    """A run that ends at that point."""

    def end(point: str) -> None:
        if point == where:
            raise Ended

    server.tick = end
    with pytest.raises(Ended):
        run(server, outbox)
    server.tick = lambda _: None


@pytest.mark.parametrize("conflict", [False, True], ids=["200", "409"])
@pytest.mark.parametrize("shared", [False, True], ids=["an outbox each", "one outbox"])
def test_the_loser_of_an_observation_writes_no_provenance_for_it(shared: bool, conflict: bool) -> None:
    """HAPI answers 409 to a create that another overtook, others 200."""
    server, mine = FakeServer(), MemoryOutbox()
    theirs = mine if shared else MemoryOutbox()

    def other() -> None:
        run(server, theirs)
        if conflict:
            server.refuses = {"create Observation": ConflictError("409")}

    results = overtaken(server, mine, other, "before create Observation")

    assert len(server.all("Observation")) == len(server.all("Provenance")) == 1
    assert [result.action for result in results] == [Action.UNCHANGED, Action.CREATED, Action.UNCHANGED]
    assert not list(mine.interrupted("default", BASE))
    assert IntentState.CONFIRMED in {kept.state for kept in mine.kept() if kept.intent.kind == "Provenance"}


@pytest.mark.parametrize("conflict", [False, True], ids=["200", "409"])
def test_the_loser_does_not_write_what_the_winner_is_about_to_write(conflict: bool) -> None:
    """The winner has its Observation and not yet its Provenance; the loser's intent is settled by its next run."""
    server, mine, theirs = FakeServer(), MemoryOutbox(), MemoryOutbox()

    def other() -> None:
        until(server, theirs, "before create Provenance")
        if conflict:
            server.refuses = {"create Observation": ConflictError("409")}

    results = overtaken(server, mine, other, "before create Observation")
    in_between = len(server.all("Provenance"))
    server.refuses = {}
    run(server, theirs)
    run(server, mine)

    assert results[-1].reference.startswith("Observation/")
    assert (in_between, len(server.all("Provenance"))) == (0, 1)
    assert not list(mine.interrupted("default", BASE))
    assert not list(theirs.interrupted("default", BASE))


def test_a_winner_that_ends_before_its_provenance_is_made_good_by_whoever_begins_next() -> None:
    """WB-03: with one outbox for both the debt is one intent, which the loser must not close."""
    server, outbox = FakeServer(), MemoryOutbox()

    overtaken(server, outbox, lambda: until(server, outbox, "before create Provenance"), "before create Observation")
    before = len(server.all("Provenance"))
    run(server, outbox)

    assert (before, len(server.all("Provenance"))) == (0, 1)
    assert not list(outbox.interrupted("default", BASE))


def test_the_same_writer_settles_it_in_its_next_run() -> None:
    server, mine, theirs = FakeServer(), MemoryOutbox(), MemoryOutbox()
    one = Writer(server, SETTINGS, software="fhir-trial test", outbox=mine)

    def step_aside(point: str) -> None:
        if point == "before create Observation":
            until(server, theirs, "before create Provenance")

    server.tick = step_aside
    one.write(verdict(), trial(), now=NOW)
    run(server, theirs)
    one.write(verdict(), trial(), now=NOW)

    assert len(server.all("Provenance")) == 1
    assert not list(mine.interrupted("default", BASE))


def test_an_answer_that_was_lost_is_not_taken_for_anothers_work() -> None:
    """WB-04: the Observation arrived, and its Provenance is ours to write."""
    server, outbox = FakeServer(), MemoryOutbox()
    server.loses = {"create Observation"}

    run(server, outbox)

    assert len(server.all("Provenance")) == 1


def test_a_search_that_fails_leaves_the_debt_open() -> None:
    server, mine, theirs = FakeServer(), MemoryOutbox(), MemoryOutbox()

    def away(point: str) -> None:
        if point == "before search Provenance":
            raise TemporaryServerError("Away.")

    def other() -> None:
        run(server, theirs)
        server.tick = away

    with pytest.raises(TemporaryServerError):
        overtaken(server, mine, other, "before create Observation")
    server.tick = lambda _: None
    run(server, mine)

    assert len(server.all("Provenance")) == 1
    assert not list(mine.interrupted("default", BASE))
