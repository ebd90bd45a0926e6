"""A patient on a server is the patient in the file: every criterion is answered alike, with the same reasons and evidence.

Three things differ by design. A server names versions of resources, where a file has none. It says when each was last updated,
which by R31 settles what date, time and ``issued`` leave tied, and it stamps that itself: one moment for all that came in one
transaction, or one for each. So a record that contradicts itself may be answered otherwise after each load; of that story the
file is given the server's stamps here, and nothing else may differ. And a type that a server was asked for and that came whole
is complete, which no file can claim of itself: so C6 may say "no such drug" there (R12).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fhir_trial.config import samples_folder
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources import FileSource, ServerSource
from fhir_trial.transport import FhirServer
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.library import screen_raw
from tests.servers.loading import load_file

Json = dict[str, Any]

AS_OF = date(2026, 3, 2)
BY_COMPLETENESS = "C6"
STORIES = (
    "bailuhe-complete",
    "everything-in-letters",
    "interface-lost-the-units",
    "lina-potentially-eligible",
    "lupus-refuted",
    "lvef-missing",
    "omar-platelets-low-immune",
    "platelets-two-causes",
    "record-no-longer-in-use",
    "rituximab-two-months-ago",
    "theo-consent-signed",
    "twelve-egfr-formulas-disagree",
    "values-that-cannot-be",
)


@pytest.fixture(scope="module")
def trial() -> ResolvedTrial:
    return load_trial("nct06789107")


def without_versions(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_versions(value) for key, value in node.items() if key != "version"}
    return [without_versions(each) for each in node] if isinstance(node, list) else node


def criteria_but_c6(verdict: Json) -> list[Json]:
    return [without_versions(each) for each in verdict["criteria"] if each["id"] != BY_COMPLETENESS]


def all_but_criteria(verdict: Json) -> Json:
    return {key: value for key, value in verdict.items() if key != "criteria"}


def answer_to_c6(verdict: Json) -> str:
    (answer,) = (each["answer"] for each in verdict["criteria"] if each["id"] == BY_COMPLETENESS)
    return str(answer)


@pytest.mark.parametrize("story", STORIES)
def test_the_server_and_the_file_give_the_same_verdict(server: FhirServer, trial: ResolvedTrial, story: str) -> None:
    """DATA-19, R12."""
    path = samples_folder() / f"{story}.json"
    load_file(server, path)

    (in_file,) = FileSource([path]).patients(trial.needs)
    on_server = ServerSource(server).patient(in_file.reference, trial.needs)

    check_same(in_file, on_server, trial)


def check_same(in_file: RawPatient, on_server: RawPatient, trial: ResolvedTrial) -> None:
    """Word for word, and in the same order."""
    expected, found = (verdict_json(screen_raw(raw, trial, as_of=AS_OF)) for raw in (in_file, on_server))
    assert criteria_but_c6(found) == criteria_but_c6(expected)
    if answer_to_c6(found) == answer_to_c6(expected):
        assert all_but_criteria(found) == all_but_criteria(expected)
    else:
        assert (answer_to_c6(expected), answer_to_c6(found)) == ("unknown", "not-met")
        assert found["issues"] == expected["issues"]


def test_a_record_that_contradicts_itself_is_settled_by_the_servers_stamps_and_by_nothing_else(
    server: FhirServer, trial: ResolvedTrial
) -> None:
    """R31, DATA-19."""
    path = samples_folder() / "record-contradicts-itself.json"
    load_file(server, path)

    (in_file,) = FileSource([path]).patients(trial.needs)
    on_server = ServerSource(server).patient(in_file.reference, trial.needs)
    stamps = {f"{each['resourceType']}/{each['id']}": each["meta"]["lastUpdated"] for each in on_server.resources}
    for each in in_file.resources:
        each.setdefault("meta", {})["lastUpdated"] = stamps[f"{each['resourceType']}/{each['id']}"]

    check_same(in_file, on_server, trial)


def test_every_answer_names_the_version_that_it_rests_on(server: FhirServer, trial: ResolvedTrial) -> None:
    """VER-12: so that a result can be told from one on newer data."""
    load_file(server, samples_folder() / "lina-potentially-eligible.json")

    raw = ServerSource(server).patient("lina-potentially-eligible", trial.needs)
    criteria = verdict_json(screen_raw(raw, trial, as_of=AS_OF))["criteria"]

    shown = {(each["reference"], each["version"]) for criterion in criteria for each in criterion["evidence"]}
    assert len(shown) > 10
    assert shown == {(reference, server.read(reference)["meta"]["versionId"]) for reference, _ in shown}
