"""Where a result came from: WB-10."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_trial.criteria.answers import met, say
from fhir_trial.errors import FatalServerError, WriteRefusedError
from fhir_trial.transport import NotSupportedError
from fhir_trial.writeback import Action, MemoryOutbox, Observations, WriteBack, Writer, WriteSettings
from fhir_trial.writeback.checking import checked
from fhir_trial.writeback.codes import Release
from fhir_trial.writeback.observation import Run
from fhir_trial.writeback.provenance import aimed_at, provenance
from tests.unit.writeback.fake_server import FakeServer
from tests.unit.writeback.verdicts import criterion, evidence, not_eligible, trial, verdict

BASE = "https://trials.hospital.invalid"
NOW = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
RUN = Run(BASE, "run-1", "ResearchStudy/s1", "NCT00000000", None, "fhir-trial 0.1.0", NOW)
SETTINGS = WriteSettings(WriteBack.WORK_LIST, observations=Observations.ALL, base=BASE)


def shown(release: Release = Release.R4, **changes: Any) -> dict[str, Any]:
    return aimed_at(provenance(verdict(**changes), RUN, release), "Observation/7")


def test_the_provenance_names_software_rules_and_each_datum_with_its_version() -> None:
    """WB-10."""
    assert checked(shown()) == {
        "resourceType": "Provenance",
        "target": [{"reference": "Observation/7"}],
        "occurredDateTime": "2026-03-02T14:05:00Z",
        "recorded": "2026-03-02T14:05:00Z",
        "activity": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation", "code": "CREATE"}]},
        "agent": [
            {
                "type": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": "assembler"}
                    ]
                },
                "who": {"display": "fhir-trial 0.1.0"},
            }
        ],
        "entity": [
            {"role": "source", "what": {"reference": "Condition/c1/_history/1"}},
            {"role": "source", "what": {"reference": "Observation/o1/_history/3"}},
            {"role": "derivation", "what": {"identifier": {"system": f"{BASE}/criteria-version", "value": "NCT00000000-v1"}}},
        ],
    }


def test_r5_has_another_word_for_the_rules() -> None:
    """WB-25: R5 has no role derivation."""
    assert checked(shown(Release.R5), Release.R5)["entity"][-1]["role"] == "instantiates"
    with pytest.raises(WriteRefusedError):
        checked(shown(Release.R4), Release.R5)


def test_a_datum_counts_once_and_one_without_a_version_is_named_without() -> None:
    inner = met(say("yes"), [evidence("MedicationRequest/m1", None), evidence("urn:uuid:x")])
    answers = ((criterion("C1"), met(say("yes"), [evidence("MedicationRequest/m1", None)], parts=(("a", inner),))),)

    sources = [each["what"] for each in shown(answers=answers)["entity"]][:-1]

    assert sources == [{"reference": "MedicationRequest/m1"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": []},
        {"target": [{"reference": "Patient/p1"}]},
        {"target": [{"type": "Observation", "identifier": {"system": "s", "value": "v"}}]},
        {"agent": []},
        {"agent": [{"type": {"coding": [{"system": "x", "code": "verifier"}]}, "who": {"display": "x"}}]},
        {"activity": {"coding": [{"system": "x", "code": "CREATE"}]}},
        {"entity": []},
        {"entity": [{"role": "cause", "what": {"reference": "Observation/1"}}]},
        {"entity": [{"role": "source", "what": {"reference": "urn:uuid:x"}}]},
        {"entity": [{"role": "source", "what": {"display": "a result"}}]},
        {"colour": "red"},
    ],
)
def test_an_unfit_provenance_does_not_leave(wrong: dict[str, Any]) -> None:
    with pytest.raises(WriteRefusedError):
        checked({**shown(), **wrong})


def test_each_new_result_gets_one_and_an_unchanged_result_none() -> None:
    """WB-10."""
    server, outbox = FakeServer(), MemoryOutbox()
    writer = Writer(server, SETTINGS, software="fhir-trial test", outbox=outbox)

    kinds = [[result.reference.split("/")[0] for result in writer.write(each, trial(), now=NOW)] for each in (verdict(),) * 2]
    writer.write(not_eligible(), trial(), now=NOW)

    assert [each.count("Provenance") for each in kinds] == [1, 0]
    assert len(server.all("Provenance")) == len(server.all("Observation")) == 2


def test_a_server_without_provenance_and_a_site_that_wants_none_get_none() -> None:
    """WB-02."""
    for server, settings in (
        (FakeServer(without=("Provenance",)), SETTINGS),
        (FakeServer(), replace(SETTINGS, provenance=False)),
    ):
        outbox = MemoryOutbox()
        results = Writer(server, settings, software="fhir-trial test", outbox=outbox).write(verdict(), trial(), now=NOW)

        assert len(results) == 3
        assert [kept.intent.kind for kept in outbox.kept()] == ["ResearchSubject", "Observation"]


def test_a_refused_provenance_does_not_undo_the_result() -> None:
    """WB-02, WB-10."""
    server = FakeServer()
    server.refuses = {"create Provenance": NotSupportedError("Provenance create: the server answered 405.")}
    writer = Writer(server, SETTINGS, software="fhir-trial test")

    results = writer.write(verdict(), trial(), now=NOW)
    writer.write(not_eligible(), trial(), now=NOW)

    assert [result.action for result in results] == [Action.UNCHANGED, Action.CREATED, Action.CREATED, Action.WITHHELD]
    assert server.requests.count("create Provenance") == 1


@pytest.mark.parametrize(
    ("named", "without", "count"),
    [({"target", "patient"}, (), 1), (set(), (), 1), ({"patient"}, (), 0), ({"target"}, ("search-type",), 0)],
)
def test_none_where_it_could_not_be_found_again(named: set[str], without: tuple[str, ...], count: int) -> None:
    """WB-04, WB-10: it has no identifier, so what no search by target finds would be written twice after a time-out."""
    server = FakeServer()
    offered = {**server._stated.interactions, "Provenance": frozenset({"create", "search-type"} - set(without))}
    server._stated = replace(server._stated, interactions=offered, parameters={"Provenance": frozenset(named)})

    Writer(server, SETTINGS, software="fhir-trial test").write(verdict(), trial(), now=NOW)

    assert len(server.all("Provenance")) == count
    assert len(server.all("Observation")) == 1


def test_a_search_for_provenance_that_is_refused_does_not_undo_the_result() -> None:
    """WB-10, WB-22."""
    server, outbox = FakeServer(), MemoryOutbox()

    def forbidden(where: str) -> None:
        if where == "before search Provenance":
            raise FatalServerError("Provenance search: the server answered 403.")

    server.tick = forbidden

    results = Writer(server, SETTINGS, software="fhir-trial test", outbox=outbox).write(verdict(), trial(), now=NOW)

    assert [result.action for result in results] == [Action.UNCHANGED, Action.CREATED, Action.CREATED, Action.WITHHELD]
    assert results[-1].reason == "Provenance search: the server answered 403."
    assert not list(outbox.interrupted("default", server.base))
