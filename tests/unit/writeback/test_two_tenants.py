"""Two tenants that write to one server under one base: each knows its own, and neither disturbs the other. SEC-13, WB-05."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_trial.writeback import Action, MemoryOutbox, Observations, WriteBack, Writer, WriteSettings
from fhir_trial.writeback.document_note import DocumentNote
from tests.unit.writeback.fake_server import FakeServer
from tests.unit.writeback.verdicts import not_eligible, trial, verdict

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
NORTH = WriteSettings(
    WriteBack.WORK_LIST,
    observations=Observations.ALL,
    base="https://trials.hospital.invalid",
    tenant="north",
    note_code="00000-0",
)
SOUTH = replace(NORTH, tenant="south")


def actions(route: Any, given: Any = None) -> dict[str, Action]:
    results = route.write(given or verdict(), trial(), now=NOW)
    return {result.reference.split("/")[0].split("?")[0]: result.action for result in results}


@pytest.fixture(params=["one outbox", "an outbox each"])
def writers(request: pytest.FixtureRequest) -> tuple[FakeServer, Writer, Writer]:
    server, outbox = FakeServer(), MemoryOutbox()
    other = outbox if request.param == "one outbox" else MemoryOutbox()
    return (
        server,
        Writer(server, NORTH, software="fhir-trial test", outbox=outbox),
        Writer(server, SOUTH, software="fhir-trial test", outbox=other),
    )


def test_neither_takes_the_others_result_for_its_own_and_a_rerun_writes_nothing(
    writers: tuple[FakeServer, Writer, Writer],
) -> None:
    server, north, south = writers
    first = [actions(north), actions(south)]

    again = [actions(north), actions(south), actions(north)]

    assert [each["Observation"] for each in first] == [Action.CREATED] * 2
    assert {each["Observation"] for each in again} == {Action.UNCHANGED}
    assert len(server.all("Observation")) == len(server.all("Provenance")) == 2
    assert not any("observation-replaces" in each["url"] for held in server.all("Observation") for each in held["extension"])


def test_neither_takes_back_the_others_flag(writers: tuple[FakeServer, Writer, Writer]) -> None:
    """WB-01: the first to flag has flagged; for the other it is somebody else's subject."""
    server, north, south = writers
    actions(north)

    others = [actions(south)["ResearchSubject"], actions(south, not_eligible())["ResearchSubject"]]

    assert others == [Action.WITHHELD] * 2
    assert [each["status"] for each in server.all("ResearchSubject")] == ["potential-candidate"]
    assert actions(north, not_eligible())["ResearchSubject"] is Action.UPDATED


def test_each_replaces_its_own_result_alone(writers: tuple[FakeServer, Writer, Writer]) -> None:
    """WB-28."""
    server, north, south = writers
    actions(north)
    actions(south)
    of_north = server.all("Observation")[0]["id"]

    actions(north, not_eligible())

    replaced = [each["valueReference"]["reference"] for each in server.all("Observation")[-1]["extension"]]
    assert f"Observation/{of_north}" in replaced
    assert actions(south)["Observation"] is Action.UNCHANGED


def test_each_has_its_own_note() -> None:
    """WB-29."""
    server = FakeServer()
    north, south = (DocumentNote(server, each, software="x") for each in (NORTH, SOUTH))

    done = [actions(each)["DocumentReference"] for each in (north, south, north, south)]

    assert done == [Action.CREATED, Action.CREATED, Action.UNCHANGED, Action.UNCHANGED]
    assert not any("relatesTo" in each for each in server.all("DocumentReference"))
