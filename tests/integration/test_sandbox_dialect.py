"""The same data behind a tidy and a careless server: the answers differ only where a MedicationStatement mattered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.cli.main import main
from fhir_trial.config import samples_folder
from fhir_trial.sandbox import Sandbox
from fhir_trial.transport import FhirServer, NotFoundError
from fhir_trial.transport.refusals import NotSupportedError

pytestmark = pytest.mark.server

#: Answers for which the current medication must be known: without one type of it, its absence is not proof (R12).
MEDICATION = ("C4", "C6")
OVERALL = ("potentially-eligible", "indeterminate", "not-eligible")
Verdicts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Verdicts, Verdicts]:
    """One database, served tidily and then carelessly: who reads when things were stored reads the same."""
    pytest.importorskip("sekmet")
    folder = tmp_path_factory.mktemp("dialect")
    with Sandbox(folder / "data") as tidy:
        assert tidy.load(samples_folder()).refused == []
        clean = screened(tidy, folder / "clean.json")
    with Sandbox(folder / "data", dirty=True) as careless:
        return clean, screened(careless, folder / "dirty.json")


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    pytest.importorskip("sekmet")
    with Sandbox(dirty=True) as running:
        running.load(samples_folder() / "every-value-at-its-limit.json")
        yield running


def screened(sandbox: Sandbox, output: Path) -> Verdicts:
    """What ``fhir-trial screen --server`` says, by patient."""
    with pytest.raises(SystemExit) as ended:
        main(["screen", "--server", sandbox.base_url, "--as-of", "2026-03-02", "--format", "json", "--output", str(output)])
    assert ended.value.code in (0, 1)
    return {verdict["patient"]: verdict for verdict in json.loads(output.read_text())}


def leaves(criteria: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in criteria:
        yield each
        yield from leaves(each["parts"])


def with_statements() -> set[str]:
    """Patients whose sample holds a MedicationStatement."""
    found = set()
    for path in samples_folder().glob("*.json"):
        resources = [entry["resource"] for entry in json.loads(path.read_text()).get("entry", [])]
        if any(each["resourceType"] == "MedicationStatement" for each in resources):
            found |= {f"Patient/{each['id']}" for each in resources if each["resourceType"] == "Patient"}
    return found


def test_answers_differ_only_where_a_statement_was_the_evidence_or_its_absence(both: tuple[Verdicts, Verdicts]) -> None:
    # DATA-19, DATA-20: a type that is not offered is not loaded, and absence is no proof then
    clean, dirty = both
    stated = with_statements()

    assert clean.keys() == dirty.keys()
    assert len(clean) > 40
    assert len(stated & clean.keys()) == 7
    for patient, verdict in clean.items():
        for one, other in zip(leaves(verdict["criteria"]), leaves(dirty[patient]["criteria"]), strict=True):
            assert one["id"] == other["id"]
            if one["answer"] != other["answer"]:
                assert one["id"].startswith(MEDICATION), (patient, one["id"])
                assert patient in stated or (one["answer"], other["why"]) == ("not-met", "not-loaded")


def test_an_answer_that_rested_on_a_statement_is_open_on_the_careless_server(both: tuple[Verdicts, Verdicts]) -> None:
    clean, dirty = (verdicts["Patient/every-value-at-its-limit"] for verdicts in both)

    shown = {each["id"]: each for each in leaves(clean["criteria"])}["C6"]
    hidden = {each["id"]: each for each in leaves(dirty["criteria"])}["C6"]

    assert any(evidence["reference"].startswith("MedicationStatement/") for evidence in shown["evidence"])
    assert (shown["answer"], hidden["answer"], hidden["why"]) == ("met", "unknown", "not-loaded")


def test_most_patients_keep_their_overall_answer(both: tuple[Verdicts, Verdicts]) -> None:
    clean, dirty = both

    changed = {(clean[patient]["overall"], dirty[patient]["overall"]) for patient in clean} - {(word, word) for word in OVERALL}

    assert changed <= {("not-eligible", "indeterminate"), ("potentially-eligible", "indeterminate")}


def test_it_shows_no_statement_by_any_road(careless: Sandbox) -> None:
    with FhirServer(careless.base_url) as server:
        capabilities = server.capabilities()

        assert not capabilities.offers("MedicationStatement", "search-type")
        assert capabilities.offers("MedicationRequest", "search-type")
        with pytest.raises((NotFoundError, NotSupportedError)):
            server.search("MedicationStatement", [])
        found = server.search("Patient", [("_revinclude", "MedicationStatement:subject")])
        assert [each["resourceType"] for each in (*found.matches, *found.included)] == ["Patient"]


def test_it_answers_with_absolute_references_and_bare_codes(careless: Sandbox) -> None:
    # DATA-23: relative and absolute references are one
    with FhirServer(careless.base_url) as server:
        (patient,) = server.search("Patient", []).matches
        conditions = server.search("Condition", []).matches
        read = server.read(f"Condition/{conditions[0]['id']}")

    assert {each["subject"]["reference"] for each in conditions} == {f"{careless.base_url}/Patient/{patient['id']}"}
    assert read["subject"]["reference"] == f"{careless.base_url}/Patient/{patient['id']}"
    assert all("display" not in coding for each in conditions for coding in each["code"]["coding"])
    assert all(coding["code"] for each in conditions for coding in each["code"]["coding"])
