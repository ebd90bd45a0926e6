"""All lines of a block decoded in one go, and signs met where nobody looked for them, change no answer (BULK-34, BULK-35)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.comparing import at_once
from fhir_trial.population import finding
from fhir_trial.population.blocks import lines_of
from fhir_trial.population.finding import shows_diagnoses
from fhir_trial.population.folder import Part, look_into
from fhir_trial.population.heads import sketches_of, whose
from tests.unit.population.hospitals import RAW, agreed, by_patient, lines, lupus, patient, platelets, question, write


def test_lines_that_are_an_object_each_are_decoded_in_one_go() -> None:
    block = lines(patient("p1"), platelets("o1", "https://ehr.example.invalid/fhir/Patient/p1/_history/3"))

    sketches = sketches_of(block, lines_of(block))

    assert sketches is not None
    assert [(sketch.resourceType, whose(sketch)) for sketch in sketches] == [
        ("Patient", "Patient/p1"),
        ("Observation", "Patient/p1"),
    ]


@pytest.mark.parametrize(
    "block",
    [
        b'{"id":"a"}{"id":\n"b"}\n',
        b'{}{"a":\n{}}\n',
        b'{"a":{}\n}{}\n',
        b'{"a":[{}\n{}]}{}\n',
        b'{"a":"}\n{"}{}\n',
        b"{}\n\n{}\n",
        b"{}\r\n{}\r\n",
        b"[]\n{}\n",
        b"{}\n{",
        b'{"a":"\xff"}\n',
        b'{"resourceType":1}\n',
    ],
)
def test_other_lines_are_left_to_be_looked_at_one_by_one(block: bytes) -> None:
    assert sketches_of(block, lines_of(block)) is None


@pytest.mark.parametrize("processes", [1, 2])
def test_a_diagnosis_hidden_among_other_types_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    monkeypatch.setattr(finding, "_LOOK", 200)
    around: list[RAW] = [platelets(f"o{nth}", "Patient/p1") for nth in range(9)]
    export = write(
        tmp_path,
        Patient=lines(patient("p1"), patient("p2"), patient("p3")),
        Condition=lines(lupus("c2", "Patient/p2")),
        Observation=lines(*around, lupus("c1", "Patient/p1"), *around),
    )
    looked_in = [file.path.name for file in look_into(export).files if shows_diagnoses(Part(file))]

    population, rows = agreed(export, processes=processes)

    assert looked_in == ["Condition.ndjson"]
    assert set(by_patient(rows)) == {"p1", "p2", "p3"}
    assert population.lines == 23


def test_candidates_are_all_who_show_a_sign_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_LOOK", 200)
    around: list[RAW] = [platelets(f"o{nth}", "Patient/p1") for nth in range(9)]
    hidden = lines(*around, lupus("c1", "Patient/p1"), *around)
    export = write(tmp_path, Patient=lines(patient("p1"), patient("p2")), Observation=hidden)

    population, rows = at_once(export, question(everyone=False))

    assert population.candidates == 1
    assert set(by_patient(rows)) == {"p1"}
