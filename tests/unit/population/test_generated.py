"""The hospital that bulk screening is proved on: its size, its dirt, and its truth."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.generate import FORMS, TRUTH, Hospital, rewrite, truth_of, write_hospital
from fhir_trial.transport import decode_json


def read(folder: Path) -> list[object]:
    """Every resource, in an order that does not depend on files."""
    lines = b"\n".join(path.read_bytes() for path in sorted(folder.glob("*.ndjson")) if path.name != TRUTH).split(b"\n")
    return sorted(
        (decode_json(line) for line in lines if line.strip()), key=lambda one: json.dumps(one, sort_keys=True, default=str)
    )


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_hospital(tmp_path / name, Hospital(5, seed=3))
    write_hospital(tmp_path / "third", Hospital(5, seed=4))

    one, other, third = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "other", "third")
    )
    assert one == other
    assert one != third


def test_a_patient_is_as_large_as_in_a_real_export(tmp_path: Path) -> None:
    write_hospital(tmp_path, Hospital(200, seed=3))

    contents = [path.read_bytes() for path in tmp_path.glob("*.ndjson") if path.name != TRUTH]
    assert 170_000 < sum(map(len, contents)) / 200 < 270_000
    assert 140 < sum(content.count(b"\n") for content in contents) / 200 < 200


def test_prevalence_and_truth_are_those_asked_for(tmp_path: Path) -> None:
    write_hospital(tmp_path, Hospital(600, seed=3, prevalence=0.3, ballast=0))

    known = list(truth_of(tmp_path))
    forms = Counter(form for patient in known for form in patient.diseases.values())
    assert len({patient.patient for patient in known}) == 600
    assert 140 < sum("nct06789107" in patient.diseases for patient in known) < 220
    assert {"snomed", "icd-10-cm-no-dot", "icd-10", "text-only", "refuted", "entered-in-error", "claim-only"} <= set(forms)
    assert all(set(patient.signs) <= set(patient.diseases) for patient in known)
    assert any(patient.look_alike for patient in known)


def test_it_is_as_dirty_as_hospitals_are(tmp_path: Path) -> None:
    write_hospital(tmp_path, Hospital(100, seed=3, ballast=0.05))

    everything = b"".join(path.read_bytes() for path in tmp_path.glob("*.ndjson"))
    odd = (b'"Patient/%b/_history/3"', b'"urn:uuid:%b"', b'"https://ehr.example.invalid/fhir/Patient/%b"')
    patients = [known.patient.removeprefix("Patient/").encode() for known in truth_of(tmp_path)]
    assert all(any(spelling % patient in everything for patient in patients) for spelling in odd)
    assert b'"comparator":"<"' in everything
    assert b'"valueString"' in everything
    assert b'"HouseSpecificForm"' in everything
    assert b'"OperationOutcome"' in everything
    subjects = {
        line["subject"]["reference"] for line in map(json.loads, (tmp_path / "Encounter.ndjson").read_bytes().splitlines())
    }
    assert any(
        subject.removeprefix("Patient/").encode() not in patients for subject in subjects if subject.startswith("Patient/")
    )


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("plain", "gzip", "long-lines")])
def test_a_form_is_the_same_content_in_other_bytes(tmp_path: Path, form: str) -> None:
    write_hospital(tmp_path / "plain", Hospital(6, seed=3, ballast=0.05))

    rewrite(tmp_path / "plain", tmp_path / form, form)

    assert read(tmp_path / form) == read(tmp_path / "plain")
    assert {path.name: path.read_bytes() for path in (tmp_path / form).iterdir()} != {
        path.name: path.read_bytes() for path in (tmp_path / "plain").iterdir()
    }
    assert list(truth_of(tmp_path / form)) == list(truth_of(tmp_path / "plain"))
