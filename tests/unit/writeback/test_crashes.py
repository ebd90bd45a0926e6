"""A crash at every point of a write, on both sides of each commit and each request: WB-03, WB-04, WB-05, WB-10, WB-20."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_trial.errors import ConflictError, TemporaryServerError
from fhir_trial.transport import NotSupportedError
from fhir_trial.transport.connection import StoppedError
from fhir_trial.writeback import Action, MemoryOutbox, Observations, WriteBack, Writer, WriteResult, WriteSettings
from fhir_trial.writeback.document_note import DocumentNote
from fhir_trial.writeback.outbox import IntentState
from tests.unit.writeback.fake_server import BASE, FakeServer
from tests.unit.writeback.verdicts import not_eligible, trial, verdict

OURS = "https://trials.hospital.invalid"
NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
LATER = datetime(2026, 3, 3, 6, 5, tzinfo=UTC)
STEPS = WriteSettings(WriteBack.WORK_LIST, observations=Observations.ALL, base=OURS)
AT_ONCE = WriteSettings(WriteBack.WORK_LIST, observations=Observations.ALL, base=OURS, transactions=True)


class Crash(BaseException):
    """The process ends here: no handler of an ordinary error sees it."""


class Trap:
    """Raises at the n-th point that is passed."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.where = ""

    def __call__(self, where: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.where = where
            raise Crash(where)


class TrappedOutbox(MemoryOutbox):
    """Passes a point before and after each commit."""

    tick: Callable[[str], None] = staticmethod(lambda _: None)

    def intend(self, intent: Any, at: datetime) -> int:
        self.tick(f"before intend {intent.kind}")
        number = super().intend(intent, at)
        self.tick(f"after intend {intent.kind}")
        return number

    def mark(self, number: int, state: IntentState, at: datetime, **more: Any) -> None:
        self.tick(f"before mark {state}")
        super().mark(number, state, at, **more)
        self.tick(f"after mark {state}")


def run(server: FakeServer, outbox: MemoryOutbox, settings: WriteSettings, given: Any = None) -> tuple[WriteResult, ...]:
    """As a new process would: a fresh writer on the same outbox and server."""
    return Writer(server, settings, software="fhir-trial test", outbox=outbox).write(given or verdict(), trial(), now=NOW)


def crashed_at(number: int, settings: WriteSettings, prepare: Callable[[FakeServer, TrappedOutbox], Any]) -> tuple[Any, ...]:
    server, outbox = FakeServer(transaction=True), TrappedOutbox()
    given = prepare(server, outbox)
    trap = Trap(number)
    server.tick = outbox.tick = trap
    with suppress(Crash):
        run(server, outbox, settings, given)
    server.tick = outbox.tick = lambda _: None
    return server, outbox, trap, given


def nothing_before(server: FakeServer, outbox: TrappedOutbox) -> Any:
    return verdict()


def flagged_before(server: FakeServer, outbox: TrappedOutbox) -> Any:
    run(server, outbox, STEPS)
    return not_eligible()


@pytest.mark.parametrize("settings", [STEPS, AT_ONCE], ids=["step by step", "in one transaction"])
@pytest.mark.parametrize(
    ("prepare", "status", "results"), [(nothing_before, "potential-candidate", 1), (flagged_before, "ineligible", 2)]
)
def test_wherever_the_process_ends_the_next_one_completes_the_write_and_doubles_nothing(
    settings: WriteSettings, prepare: Callable[[FakeServer, TrappedOutbox], Any], status: str, results: int
) -> None:
    """WB-03, WB-05, WB-10."""
    points: list[str] = []
    for number in range(1, 200):
        server, outbox, trap, given = crashed_at(number, settings, prepare)
        if not trap.where:
            break
        points.append(trap.where)

        run(server, outbox, settings, given)
        last = run(server, outbox, settings, given)

        (subject,) = server.all("ResearchSubject")
        observations, provenances = server.all("Observation"), server.all("Provenance")
        assert subject["status"] == status, trap.where
        assert len(observations) == results, trap.where
        targets = sorted(each["target"][0]["reference"] for each in provenances)
        assert targets == sorted(f"Observation/{each['id']}" for each in observations), trap.where
        assert {result.action for result in last} == {Action.UNCHANGED}, trap.where
        assert not list(outbox.interrupted("default", BASE)), trap.where
        assert outbox.version("default", BASE, f"ResearchSubject/{subject['id']}") == subject["meta"]["versionId"], trap.where

    assert len(points) > 20
    assert {point.split()[0] for point in points} == {"before", "after"}


# --- faults of servers -------------------------------------------------------------------


def test_an_answer_that_was_lost_leaves_the_flag_known_as_the_machines_own() -> None:
    """WB-03, WB-04: the write had arrived."""
    server, outbox = FakeServer(), MemoryOutbox()
    server.loses = {"create ResearchSubject", "create Observation", "create Provenance"}

    run(server, outbox, STEPS)

    assert server.requests == ["create ResearchSubject", "create Observation", "create Provenance"]
    assert len(server.all("Provenance")) == 1
    assert outbox.version("default", BASE, "ResearchSubject/1") == "1"


def test_what_somebody_saved_after_the_crash_is_not_taken_for_the_machines_own() -> None:
    """WB-01: the content is the same, the version is later."""
    server, outbox, _, _ = crashed_at(0, STEPS, nothing_before)
    server, outbox = FakeServer(), TrappedOutbox()

    def crash_after_create(where: str) -> None:
        if where == "after create ResearchSubject":
            raise Crash

    server.tick = crash_after_create
    with pytest.raises(Crash):
        run(server, outbox, STEPS)
    server.tick = lambda _: None
    server.put(server.all("ResearchSubject")[0])

    left = run(server, outbox, STEPS, not_eligible())[1]

    assert left.action is Action.WITHHELD
    assert outbox.kept()[0].state is IntentState.SUPERSEDED


def test_a_server_that_ignores_conditions_gets_one_of_each_since_it_is_read_first() -> None:
    """WB-07."""
    server, outbox = FakeServer(transaction=True), MemoryOutbox()
    server.ignores_conditions = True

    for settings in (STEPS, AT_ONCE, STEPS):
        run(server, outbox, settings)

    assert [len(server.all(kind)) for kind in ("ResearchSubject", "Observation", "Provenance")] == [1, 1, 1]


def test_a_transaction_that_was_done_by_half_is_completed_step_by_step() -> None:
    """WB-07, WB-20."""
    server, outbox = FakeServer(transaction=True), MemoryOutbox()
    server.half = True

    results = run(server, outbox, AT_ONCE)

    assert server.requests == ["process Bundle", "create Observation", "create Provenance"]
    assert [result.action for result in results] == [Action.UNCHANGED, *[Action.CREATED] * 3]
    assert len(server.all("ResearchSubject")) == 1


def test_one_transaction_carries_all_three() -> None:
    """WB-10, WB-18."""
    server, outbox = FakeServer(transaction=True), MemoryOutbox()

    results = run(server, outbox, AT_ONCE)

    assert server.requests == ["process Bundle"]
    assert [result.action for result in results] == [Action.UNCHANGED, *[Action.CREATED] * 3]
    assert server.all("Provenance")[0]["target"] == [{"reference": results[2].reference}]
    assert results[3].reference == f"Provenance/{server.all('Provenance')[0]['id']}"


@pytest.mark.parametrize("error", [NotSupportedError("No."), TemporaryServerError("Later."), ConflictError("412")])
def test_a_transaction_that_is_refused_is_written_step_by_step(error: Exception) -> None:
    """WB-20."""
    server, outbox = FakeServer(transaction=True), MemoryOutbox()
    server.refuses = {"process Bundle": error}

    results = run(server, outbox, AT_ONCE)

    assert server.requests == ["process Bundle", "create ResearchSubject", "create Observation", "create Provenance"]
    assert [result.action for result in results][1:] == [Action.CREATED] * 3


@pytest.mark.parametrize("offered", [True, False])
def test_no_transaction_unless_the_site_wants_it_and_the_server_offers_it(offered: bool) -> None:
    """WB-20."""
    server = FakeServer(transaction=offered)

    run(server, MemoryOutbox(), STEPS if offered else AT_ONCE)

    assert "process Bundle" not in server.requests


def test_without_versions_the_flag_is_never_taken_back() -> None:
    """WB-15."""
    server, outbox = FakeServer(), MemoryOutbox()
    server.keeps_versions = False

    run(server, outbox, STEPS)
    left = run(server, outbox, STEPS, not_eligible())[1]

    assert left.action is Action.WITHHELD
    assert "update ResearchSubject" not in server.requests


def test_the_first_refusal_of_a_kind_switches_it_off_with_a_reason() -> None:
    """WB-02."""
    server = FakeServer()
    server.refuses = {"create Observation": NotSupportedError("Observation create: the server answered 405.")}
    writer = Writer(server, STEPS, software="fhir-trial test")

    first = writer.write(verdict(), trial(), now=NOW)
    second = writer.write(verdict(), trial(), now=NOW)

    assert server.requests.count("create Observation") == 1
    assert first[2].action is second[2].action is Action.WITHHELD
    assert "405" in second[2].reason
    assert "not tried again" in second[2].reason
    assert list(writer.refused) == ["create Observation"]
    assert server.all("Provenance") == []


def test_only_what_may_pass_is_tried_again() -> None:
    """WB-03: 429, 5xx and broken connections twice, everything else once."""
    failed, superseded = IntentState.FAILED, IntentState.SUPERSEDED
    for error, times, state in (
        (TemporaryServerError("503"), 2, failed),
        (ConflictError("409"), 2, superseded),
        (NotSupportedError("405"), 1, failed),
    ):
        server, outbox = FakeServer(), MemoryOutbox()
        server.refuses = {"create ResearchSubject": error}
        with suppress(TemporaryServerError):
            run(server, outbox, STEPS)

        assert server.requests.count("create ResearchSubject") == times
        assert [kept.state for kept in outbox.kept() if kept.intent.kind == "ResearchSubject"] == [state] * times


def test_when_the_server_stays_away_the_intent_stays_open_until_it_can_be_asked() -> None:
    """WB-03, WB-04: the write had arrived, and neither answer nor search came back."""
    server, outbox = FakeServer(), MemoryOutbox()
    server.loses = {"create ResearchSubject"}

    def away(where: str) -> None:
        if server.requests and where.startswith("before search"):
            raise TemporaryServerError("Away.")

    server.tick = away
    with pytest.raises(TemporaryServerError):
        run(server, outbox, STEPS)
    (open_one,) = outbox.interrupted("default", BASE)
    server.tick = lambda _: None
    run(server, outbox, STEPS)

    assert (open_one.state, open_one.attempts) == (IntentState.SENT, 1)
    assert server.requests.count("create ResearchSubject") == 1
    assert outbox.version("default", BASE, "ResearchSubject/1") == "1"


# --- the kill switch -------------------------------------------------------------------------


def test_a_stopped_site_is_neither_read_nor_written() -> None:
    """SEC-60."""
    server, outbox = FakeServer(), MemoryOutbox()
    asked: list[str] = []
    server.tick = asked.append
    outbox.stop("default")

    (only,) = run(server, outbox, STEPS)

    assert (only.action, only.reason) == (Action.WITHHELD, "Writing is stopped for this site.")
    assert asked == []


@pytest.mark.parametrize("settings", [STEPS, AT_ONCE])
def test_the_switch_stops_a_run_in_its_middle_and_the_rest_comes_after_its_release(settings: WriteSettings) -> None:
    """SEC-60: asked immediately before each request."""
    server, outbox = FakeServer(transaction=False), MemoryOutbox()

    def stop_after_subject(where: str) -> None:
        if where == "after create ResearchSubject":
            outbox.stop("default")

    server.tick = stop_after_subject

    stopped = run(server, outbox, settings)

    assert server.requests == ["create ResearchSubject"]
    assert [(result.action, result.reason) for result in stopped[2:]] == [(Action.WITHHELD, "Writing is stopped for this site.")]
    outbox.release("default")
    run(server, outbox, settings)
    assert server.requests == ["create ResearchSubject", "create Observation", "create Provenance"]


@pytest.mark.parametrize("settings", [STEPS, AT_ONCE], ids=["step by step", "in one transaction"])
def test_the_switch_is_asked_after_the_audit_line_and_before_the_request(settings: WriteSettings) -> None:
    """SEC-60."""
    server, outbox = FakeServer(transaction=True), MemoryOutbox()
    told: list[str] = []

    def stop(action: str, target: str, outcome: str) -> None:
        told.append(outcome)
        outbox.stop("default")

    writer = Writer(server, settings, software="fhir-trial test", outbox=outbox)
    stopped = writer.write(verdict(), trial(), now=NOW, witness=stop)

    assert server.requests == []
    assert {(result.action, result.reason) for result in stopped[1:]} == {(Action.WITHHELD, "Writing is stopped for this site.")}
    assert set(told) == {"begun", "failed"}
    assert {kept.state for kept in outbox.kept()} == {IntentState.PENDING}
    outbox.release("default")
    run(server, outbox, settings)
    assert [len(server.all(kind)) for kind in ("ResearchSubject", "Observation", "Provenance")] == [1, 1, 1]
    assert not list(outbox.interrupted("default", BASE))


def test_an_intent_that_cannot_be_looked_up_does_not_bar_the_way_for_ever() -> None:
    """WB-03."""
    server, outbox = FakeServer(), MemoryOutbox()

    def crash(where: str) -> None:
        if where == "before create ResearchSubject":
            raise Crash

    server.tick = crash
    with pytest.raises(Crash):
        run(server, outbox, STEPS)

    def forbidden(where: str) -> None:
        if where == "before search ResearchSubject":
            raise NotSupportedError("ResearchSubject search: the server answered 405.")

    server.tick = forbidden
    writer = Writer(server, STEPS, software="fhir-trial test", outbox=outbox)

    assert (writer.resume(NOW), writer.resume(NOW)) == (1, 0)
    assert [(kept.state, kept.note) for kept in outbox.kept()] == [
        (IntentState.FAILED, "ResearchSubject search: the server answered 405.")
    ]


def test_a_stopped_site_is_not_asked_at_the_start_either() -> None:
    """SEC-60."""
    server, outbox = FakeServer(), MemoryOutbox()
    asked: list[str] = []
    server.tick = asked.append
    outbox.stop("default")

    assert Writer(server, STEPS, software="fhir-trial test", outbox=outbox).resume(NOW) == 0
    assert asked == []


@pytest.mark.parametrize("where", ["before read ResearchSubject/1", "before create ResearchSubject"])
def test_what_the_switch_cut_off_stays_open_until_the_server_may_be_asked_again(where: str) -> None:
    """SEC-60, WB-03: the connection lets nothing pass any more, and the write may have arrived."""
    server, outbox = FakeServer(), MemoryOutbox()

    def halt(point: str) -> None:
        if point == where:
            raise StoppedError("Stopped.")

    server.tick = halt
    with pytest.raises(StoppedError):
        run(server, outbox, STEPS)
    (cut_off,) = outbox.interrupted("default", BASE)
    server.tick = lambda _: None
    run(server, outbox, STEPS)

    assert cut_off.state is IntentState.SENT
    assert server.requests.count("create ResearchSubject") == 1
    assert outbox.version("default", BASE, "ResearchSubject/1") == "1"


@pytest.mark.parametrize("error", [StoppedError("Stopped."), TemporaryServerError("Away.")])
@pytest.mark.parametrize("route", [Writer, DocumentNote])
def test_what_cannot_be_asked_at_the_start_stays_open(route: Any, error: Exception) -> None:
    """WB-03, SEC-60: for the connection's switch and for a server that is away alike."""
    server, outbox = FakeServer(), MemoryOutbox()
    settings = replace(STEPS, note_code="00000-0")
    kind = "ResearchSubject" if route is Writer else "DocumentReference"

    def crash(where: str) -> None:
        if where == f"after create {kind}":
            raise Crash

    def away(where: str) -> None:
        if where == f"before search {kind}":
            raise error

    server.tick = crash
    with pytest.raises(Crash):
        route(server, settings, software="x", outbox=outbox).write(verdict(), trial(), now=NOW)
    server.tick = away
    second = route(server, settings, software="x", outbox=outbox)
    with pytest.raises(type(error)):
        second.write(verdict(), trial(), now=NOW)
    still = [kept.state for kept in outbox.interrupted("default", BASE)]
    server.tick = lambda _: None
    second.write(verdict(), trial(), now=NOW)

    assert still == [IntentState.SENT]
    assert len(server.all(kind)) == 1
    assert not list(outbox.interrupted("default", BASE))


def test_the_switch_between_result_and_provenance_leaves_the_provenance_owed() -> None:
    """SEC-60, WB-10."""
    server, outbox = FakeServer(), MemoryOutbox()
    writer = Writer(server, STEPS, software="fhir-trial test", outbox=outbox)

    def stop_after_observation(where: str) -> None:
        if where == "after create Observation":
            outbox.stop("default")

    server.tick = stop_after_observation
    writer.write(verdict(), trial(), now=NOW)
    server.tick = lambda _: None
    assert server.all("Provenance") == []

    outbox.release("default")
    writer.write(verdict(), trial(), now=LATER)

    assert len(server.all("Provenance")) == 1


# --- what else is refused ------------------------------------------------------------------


def test_a_patient_who_has_died_gets_no_new_flag() -> None:
    """R32."""
    server = FakeServer()

    subject = run(server, MemoryOutbox(), STEPS, verdict(blockers=("deceased",)))[1]

    assert (subject.action, subject.reason) == (Action.WITHHELD, "No subject is created for a patient who has died.")


def test_a_merged_patient_is_not_written_to_even_when_intents_are_open() -> None:
    """WB-06."""
    server, outbox, _, _ = crashed_at(12, STEPS, nothing_before)
    server.put({**server.held["Patient/p1"], "link": [{"type": "replaced-by", "other": {"reference": "Patient/p2"}}]})
    before = list(server.requests)

    (only,) = run(server, outbox, STEPS)

    assert only.action is Action.WITHHELD
    assert server.requests == before
