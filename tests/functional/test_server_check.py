"""``fhir-trial server check`` and ``screen --candidates`` against a real server (DATA-20, DATA-53)."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fhir_trial.definitions.sites import load_site
from fhir_trial.sandbox import Sandbox
from fhir_trial.terminology import load_terminology
from tests.functional.conftest import PLANTED

pytestmark = pytest.mark.server

LOCAL = "https://his.example.invalid/lab"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    own = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_TRIAL_")}
    return subprocess.run(
        [sys.executable, "-m", "fhir_trial", *arguments], capture_output=True, text=True, env=own, timeout=120, check=False
    )


def file_of(folder: Path, *resources: dict[str, object]) -> Path:
    path = folder / "more.json"
    entries = [{"resource": each} for each in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return path


def test_an_engineer_reads_what_works_what_does_not_and_what_to_do(fhir: Sandbox, jane: str) -> None:
    """DATA-20: and nothing of a patient, though names stand in codes, texts and units."""
    told = run("server", "check", fhir.base_url, "--patient", jane)

    assert (told.returncode, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert lines[:2] == [f"Server      {fhir.base_url}", lines[1]]
    assert "FHIR        4.0.1" in lines[1]
    assert "      Condition?patient=...: 1" in lines
    assert "      Observation?patient=...&category=laboratory: 1" in lines
    assert "  1. " in lines[lines.index("Next") + 1]
    assert [word for word in (*PLANTED, jane, jane.split("/")[1]) if word in told.stdout] == []


def test_the_report_is_json_as_well(fhir: Sandbox, jane: str) -> None:
    told = run("server", "check", fhir.base_url, "--format", "json", "--patient", jane)

    report = json.loads(told.stdout)
    assert report["sample"] == 1
    states = {each["resource_type"]: each["state"] for each in report["types"]}
    assert states["Condition"] == states["Observation"] == "fetched"
    assert {each["resource_type"] for each in report["write_back"] if each["goes"]} >= {"ResearchSubject", "Observation"}


def test_the_overlay_draft_lists_local_codes_and_loads_once_filled_in(fhir: Sandbox, jane: str, tmp_path: Path) -> None:
    """DATA-15."""
    local: dict[str, object] = {
        "resourceType": "Observation",
        "id": f"{jane.split('/')[1]}-local",
        "status": "final",
        "subject": {"reference": jane},
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": LOCAL, "code": "XJ-0120", "display": PLANTED[0]}]},
        "valueQuantity": {"value": 180, "unit": "10*9/L"},
    }
    assert not fhir.load(file_of(tmp_path, local)).refused
    folder = tmp_path / "sites" / "ours"
    folder.mkdir(parents=True)
    draft = folder / "overlay.yaml"

    told = run("server", "check", fhir.base_url, "--patient", jane, "--overlay", str(draft))
    again = run("server", "check", fhir.base_url, "--patient", jane, "--overlay", str(draft))

    assert told.returncode == 0
    assert f"     1  laboratory   {LOCAL}|XJ-0120" in told.stdout.splitlines()
    assert again.returncode == 2
    draft.write_text(draft.read_text().replace("analyte: TO-FILL-IN", "analyte: platelets"))
    overlay = load_site("ours", tmp_path, load_terminology()).overlay
    assert overlay is not None
    assert [(code.code, code.analyte) for code in overlay.lab_codes] == [("XJ-0120", "platelets")]


def test_a_server_that_is_not_there_ends_with_five(free_port: int) -> None:
    told = run("server", "check", f"http://127.0.0.1:{free_port}/fhir")

    assert told.returncode == 5
    assert "is it running" in told.stderr
    assert told.stdout == ""


def test_only_patients_with_the_diagnosis_are_screened(fhir: Sandbox, jane: str) -> None:
    """The grown man without lupus is left out."""
    told = run("screen", "--server", fhir.base_url, "--candidates", "condition", "--as-of", "2026-03-02", "--format", "csv")

    patients = [row["patient"] for row in csv.DictReader(io.StringIO(told.stdout.lstrip("\ufeff")))]
    assert told.returncode == 0
    assert jane in patients
    assert "Patient/adult" not in patients
    assert f"Candidates: {len(patients)}." in told.stderr


def test_a_file_of_patients_is_screened_and_a_bad_line_is_told_with_its_number(fhir: Sandbox, jane: str, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text(f"# of our clinic\n{jane}\nadult\n")
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(f"{PLANTED[0]}, Jane\n")

    told = run("screen", "--server", fhir.base_url, "--candidates", str(names), "--as-of", "2026-03-02", "--format", "csv")
    refused = run("screen", "--server", fhir.base_url, "--candidates", str(wrong))

    assert [row["patient"] for row in csv.DictReader(io.StringIO(told.stdout.lstrip("\ufeff")))] == sorted(
        ["Patient/adult", jane]
    )
    assert refused.returncode == 2
    assert f"{wrong}:1" in refused.stderr
    assert PLANTED[0] not in refused.stderr


def test_candidates_of_files_make_no_sense() -> None:
    told = run("screen", "sample_bundles", "--candidates", "condition")

    assert told.returncode == 2
    assert "--server" in told.stderr
