"""The Writer against servers of different makes: what a second run, a race and a person's hand lead to."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.errors import ConflictError
from fhir_trial.people.statuses import Standing, Status
from fhir_trial.store import StoreOutbox, migrate, new_key_line, open_store, read_keyring
from fhir_trial.transport import FhirServer, ServerSettings
from fhir_trial.verdict.model import Verdict
from fhir_trial.writeback import SANDBOX, Action, PersonsDecision, Writer, WriteResult
from fhir_trial.writeback.document_note import DocumentNote
from tests.servers.loading import place_all
from tests.servers.peers import Peer
from tests.servers.validator import Validator
from tests.unit.writeback.verdicts import not_eligible, trial, verdict

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
LATER = datetime(2026, 3, 3, 6, 5, tzinfo=UTC)
CALLERS = 16
PROCESSES = 5
KINDS = ("ResearchStudy", "ResearchSubject", "Observation", "Provenance")
ONE_OF_EACH = dict.fromkeys(KINDS, 1)
CREATED, UPDATED, UNCHANGED, WITHHELD = Action.CREATED, Action.UPDATED, Action.UNCHANGED, Action.WITHHELD

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def chart(server: FhirServer) -> None:
    """The patient, and what the verdicts of these tests name as evidence."""
    subject = {"reference": "Patient/p1"}
    code = {"text": "platelets"}
    place_all(
        server,
        [
            {"resourceType": "Patient", "id": "p1", "gender": "female"},
            {"resourceType": "Condition", "id": "c1", "subject": subject},
            {"resourceType": "Observation", "id": "o1", "status": "final", "code": code, "subject": subject},
        ],
    )


@pytest.fixture
def clients(peer: Peer) -> Iterator[Callable[[], FhirServer]]:
    """Makes clients that share no connection."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(peer.connect())


def writer(server: FhirServer) -> Writer:
    return Writer(server, SANDBOX, software="fhir-trial 0.1.0")


def write(one: Writer, what: Verdict | None = None, now: datetime = NOW) -> tuple[WriteResult, ...]:
    return one.write(what or verdict(), trial(), now=now)


def kind(result: WriteResult) -> str:
    return result.reference.split("/")[0].split("?")[0]


def actions(results: Iterable[WriteResult]) -> dict[str, Action]:
    """Type -> what became of it."""
    return {kind(result): result.action for result in results}


def created(runs: Iterable[Iterable[WriteResult]]) -> Counter[str]:
    return Counter(kind(result) for run in runs for result in run if result.action is CREATED)


def ours(server: FhirServer) -> Counter[str]:
    """How many resources of ours there are of each type."""
    found = {each: server.search(each, []).matches for each in KINDS}
    observations = [each for each in found["Observation"] if each["id"] != "o1"]
    return +Counter({each: len(matches) for each, matches in found.items()} | {"Observation": len(observations)})


def test_a_second_run_writes_nothing_and_names_the_same_resources(server: FhirServer) -> None:
    """WB-05, WB-07."""
    first = write(writer(server))
    second = write(writer(server), now=LATER)

    assert actions(first) == dict.fromkeys(KINDS, CREATED)
    assert actions(second) == dict.fromkeys(KINDS[:3], UNCHANGED)  # a Provenance belongs to a new result only
    assert [result.reference for result in first][:3] == [result.reference for result in second]
    assert ours(server) == ONE_OF_EACH
    assert {server.read(result.reference)["meta"]["versionId"] for result in second} == {"1"}


def test_nothing_that_we_send_is_lost_on_the_way(server: FhirServer) -> None:
    """WB-23: each result would say what the server did not keep."""
    results = write(writer(server))

    assert not any("did not keep" in result.reason for result in results)
    held = [server.read(result.reference) for result in results]
    assert [each["resourceType"] for each in held] == list(KINDS)
    assert held[1]["individual"] == {"reference": "Patient/p1"}
    assert held[2]["issued"].startswith("2026-03-02T06:05:00")
    assert held[3]["target"][0]["reference"].split("/_history/")[0] == results[2].reference


def test_the_machine_takes_back_its_own_flag_and_sets_it_again(server: FhirServer) -> None:
    """WB-01, WB-14: updates with If-Match."""
    one = writer(server)
    flagged = write(one)[1]

    taken_back = write(one, not_eligible(), LATER)[1]
    status = server.read(flagged.reference)["status"]
    again = write(one, now=LATER)[1]

    assert [taken_back.action, again.action] == [UPDATED, UPDATED]
    assert status == "ineligible"
    assert server.read(flagged.reference)["status"] == "potential-candidate"
    assert ours(server)["ResearchSubject"] == 1


def test_a_new_result_names_the_one_that_it_replaces(server: FhirServer) -> None:
    """WB-28."""
    one = writer(server)
    first = write(one)[2]

    second = write(one, not_eligible(), LATER)[2]

    extensions = {each["url"].rsplit("/", 1)[1]: each["valueReference"] for each in server.read(second.reference)["extension"]}
    assert extensions["observation-replaces"]["reference"] == first.reference
    assert server.read(first.reference)["status"] == "preliminary"


def test_what_a_person_set_stays(server: FhirServer) -> None:
    """WB-01."""
    flagged = write(writer(server))[1]
    held = server.read(flagged.reference)
    server.update({**held, "status": "screening"}, if_match=held["meta"]["versionId"])

    left = write(writer(server), not_eligible(), LATER)[1]

    assert (left.action, left.reference) == (WITHHELD, flagged.reference)
    assert server.read(flagged.reference)["status"] == "screening"


def test_sixteen_callers_of_one_writer_make_one_of_each(server: FhirServer) -> None:
    """WB-07: the Writer sends one verdict after another, whatever the server guarantees."""
    one = writer(server)

    with ThreadPoolExecutor(CALLERS) as pool:
        runs = list(pool.map(lambda _: write(one), range(CALLERS)))

    assert created(runs) == ONE_OF_EACH
    assert ours(server) == ONE_OF_EACH


def test_sixteen_writers_at_once(peer: Peer, server: FhirServer, clients: Callable[[], FhirServer]) -> None:
    """WB-07: Writers that know nothing of one another, as in sixteen processes, are as safe as the server's conditional create.

    Where that is not atomic there may be several. The next run then says so, or leaves them; it never adds one.
    """
    writers = [writer(clients()) for _ in range(CALLERS)]

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(write, writers))

    after = ours(server)
    assert after["ResearchSubject"] >= 1
    if peer.creates_once:
        assert after == ONE_OF_EACH
    assert set(actions(write(writer(server), now=LATER)).values()) <= {UNCHANGED, WITHHELD}
    assert ours(server) == after


@pytest.mark.parametrize("is_shared", [True, False], ids=["one store", "a store each"])
def test_processes_at_once(peer: Peer, server: FhirServer, tmp_path: Path, is_shared: bool) -> None:
    """WB-03, WB-07, WB-10: processes with an outbox in one database, or each in its own.

    A Provenance has no identifier to be created by on condition: it is written by the process that made its Observation. Where
    the server's conditional create is not atomic there may be several Observations, each with a Provenance of its own.
    """
    keys = tmp_path / "keys"
    keys.write_text(new_key_line("k1"), encoding="utf-8")
    keys.chmod(0o600)
    urls = [f"sqlite:///{tmp_path}/{0 if is_shared else number}.db" for number in range(PROCESSES)]
    for url in set(urls):
        migrate(open_store(url))
    processes = multiprocessing.get_context("forkserver")  # what it has imported once, each process has
    models = ("researchstudy", "researchsubject", "observation", "provenance")
    processes.set_forkserver_preload([__name__, *(f"fhir.resources.R4B.{each}" for each in models)])
    barrier = processes.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, processes, _wait_for, (barrier,)) as pool:
        runs = list(pool.map(_write_alone, repeat(server.settings), urls, repeat(keys)))

    after = ours(server)
    targets = Counter(each["target"][0]["reference"].split("/_history/")[0] for each in server.search("Provenance", []).matches)
    observations = [each["id"] for each in server.search("Observation", []).matches if each["id"] != "o1"]
    assert targets == dict.fromkeys((f"Observation/{identity}" for identity in observations), 1)
    if peer.creates_once:
        assert after == ONE_OF_EACH == sum((Counter(run) for run in runs), Counter())
    for url in set(urls):
        outbox = StoreOutbox(open_store(url), read_keyring(keys))
        last = Writer(server, SANDBOX, software="fhir-trial 0.1.0", outbox=outbox).write(verdict(), trial(), now=LATER)
        assert {result.action for result in last} <= {UNCHANGED, WITHHELD}
        assert not list(outbox.interrupted("default", server.base))
    assert ours(server) == after


_BARRIERS: list[Any] = []


def _wait_for(barrier: Any) -> None:
    _BARRIERS.append(barrier)


def _write_alone(settings: ServerSettings, url: str, keys: Path) -> dict[str, int]:
    """One process: what it created, by type."""
    outbox = StoreOutbox(open_store(url), read_keyring(keys))
    with FhirServer(settings) as own:
        one = Writer(own, SANDBOX, software="fhir-trial 0.1.0", outbox=outbox)
        own.capabilities()
        _BARRIERS[0].wait(60)
        return dict(created([write(one)]))


def test_in_one_transaction_it_comes_to_the_same(server: FhirServer) -> None:
    """WB-18, WB-20: urn:uuid references, ifNoneExist and ifMatch within a Bundle."""
    whole = Writer(server, replace(SANDBOX, transactions=True), software="fhir-trial 0.1.0")

    first = write(whole)
    second = write(whole, now=LATER)
    changed = write(whole, not_eligible(), LATER)

    assert actions(first) == dict.fromkeys(KINDS, CREATED)
    assert actions(second) == dict.fromkeys(KINDS[:3], UNCHANGED)
    assert actions(changed) == {
        "ResearchStudy": UNCHANGED,
        "ResearchSubject": UPDATED,
        "Observation": CREATED,
        "Provenance": CREATED,
    }
    assert ours(server) == {"ResearchStudy": 1, "ResearchSubject": 1, "Observation": 2, "Provenance": 2}
    assert whole.refused == {}


def contacted(shown: WriteResult, version: str) -> PersonsDecision:
    return PersonsDecision(
        "Patient/p1", Standing(Status.POTENTIAL), Status.CONTACTED, date(2026, 3, 3), shown=(shown.reference, version)
    )


def test_a_persons_decision_is_written_on_the_version_that_was_shown_and_on_no_other(server: FhirServer) -> None:
    """WB-01, WB-14."""
    one = writer(server)
    flagged = write(one)[1]

    decided = one.decide(contacted(flagged, "1"), trial(), now=LATER)
    with pytest.raises(ConflictError, match="has changed since it was shown"):
        one.decide(contacted(flagged, "1"), trial(), now=LATER)

    assert (decided.action, decided.reference) == (UPDATED, flagged.reference)
    held = server.read(flagged.reference)
    assert (held["status"], held["meta"]["versionId"]) == ("candidate", "2")
    assert actions(write(writer(server), not_eligible(), LATER))["ResearchSubject"] is WITHHELD


def test_of_sixteen_people_who_decide_at_once_one_is_heard(server: FhirServer, clients: Callable[[], FhirServer]) -> None:
    """WB-14: the others are told to look again."""
    flagged = write(writer(server))[1]
    writers = [writer(clients()) for _ in range(CALLERS)]

    def decide(one: Writer) -> str:
        try:
            return one.decide(contacted(flagged, "1"), trial(), now=LATER).action
        except ConflictError:
            return "conflict"

    with ThreadPoolExecutor(CALLERS) as pool:
        outcomes = Counter(pool.map(decide, writers))

    assert outcomes == {UPDATED: 1, "conflict": CALLERS - 1}
    assert server.read(flagged.reference)["meta"]["versionId"] == "2"


def test_what_a_person_decided_is_not_tagged_as_computed(server: FhirServer) -> None:
    """R40: where a tag outlives the update, it takes a $meta-delete."""
    one = writer(server)
    flagged = write(one)[1]
    tagged = server.read(flagged.reference)["meta"]["tag"]

    decided = one.decide(contacted(flagged, "1"), trial(), now=LATER)

    assert decided.reason == "A person decided: contacted."
    assert [tag["code"] for tag in tagged] == ["computed"]
    assert "tag" not in server.read(flagged.reference)["meta"]


def test_a_note_for_people_is_filed_once_and_a_new_one_replaces_it(server: FhirServer, r4: Validator) -> None:
    """WB-29: where a server takes neither subjects nor results."""
    note = DocumentNote(server, replace(SANDBOX, note_code="51851-4"), software="fhir-trial 0.1.0")

    (shown,) = note.write(verdict(), trial(), now=NOW, dry_run=True)
    (first,) = note.write(verdict(), trial(), now=NOW)
    (second,) = note.write(verdict(), trial(), now=LATER)
    (changed,) = note.write(not_eligible(), trial(), now=LATER)

    assert [first.action, second.action, changed.action] == [CREATED, UNCHANGED, CREATED]
    assert first.reference == second.reference
    assert server.read(changed.reference)["relatesTo"][0]["target"]["reference"] == first.reference
    assert r4.errors(shown.resource or {}) == []
    assert r4.errors(server.read(changed.reference)) == []
