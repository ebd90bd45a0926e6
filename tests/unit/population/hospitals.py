"""Small hospitals, written by hand, and what each way of screening makes of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.chart import AS_OF
from benchmarks.comparing import TRIALS, at_once, one_at_a_time
from fhir_trial import load_trial
from fhir_trial.population.asking import Population, Question
from fhir_trial.population.rows import Row
from fhir_trial.trials.model import ResolvedTrial

Json = dict[str, Any]
RAW = bytes | Json


@cache
def trials() -> tuple[ResolvedTrial, ...]:
    return tuple(load_trial(name) for name in TRIALS)


def question(**more: Any) -> Question:
    """Of everybody, in this process, unless asked otherwise."""
    return Question(trials(), AS_OF, **({"everyone": True, "processes": 1} | more))


def patient(identity: str = "p1", **more: Any) -> Json:
    return {"resourceType": "Patient", "id": identity, "gender": "female", "birthDate": "1990-01-01", **more}


def lupus(identity: str = "c1", subject: str = "Patient/p1", **more: Any) -> Json:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "55464009"}]}
    whose = {"reference": subject}
    made = {"resourceType": "Condition", "id": identity, "subject": whose, "code": code, "onsetDateTime": "2024-01-01"}
    return made | {"clinicalStatus": {"coding": [{"code": "active"}]}} | more


def platelets(identity: str = "o1", subject: str = "Patient/p1", value: str = "142", **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2026-02-27",
        "valueQuantity": {"value": int(value), "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"},
        **more,
    }


def outcome(words: str, **more: Any) -> Json:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "exception", "diagnostics": words, **more}],
    }


def deletions(*references: str) -> Json:
    entries = [{"request": {"method": "DELETE", "url": reference}} for reference in references]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def lines(*values: RAW) -> bytes:
    return b"".join((value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n" for value in values)


def write(folder: Path, **files: bytes) -> Path:
    """NDJSON files by name."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.ndjson").write_bytes(content)
    return folder


def agreed(folder: Path, *, processes: int = 1, complete: bool = False) -> tuple[Population, list[Row]]:
    """The rows on which both ways agree, and what they could not read."""
    report, known = one_at_a_time(folder, trials(), complete=complete)
    population, found = at_once(folder, question(processes=processes, complete=complete))
    _, candidates = at_once(folder, question(processes=processes, complete=complete, everyone=False))
    assert found == known
    chosen = {row.patient for row in candidates}
    assert candidates == [row for row in known if row.patient in chosen]
    assert population.report.lost_types == report.lost_types
    assert trouble(population.report.counts) == trouble(report.counts)
    assert population.patients == report.resources["Patient"]
    return population, found


def trouble(counts: dict[str, int]) -> dict[str, int]:
    """Without what is nobody's, which bulk screening does not look for."""
    return {
        code: number for code, number in counts.items() if code not in ("absent-patient", "no-subject", "subject-not-a-patient")
    }


def by_patient(rows: list[Row], trial: str = "nct06789107") -> dict[str, Row]:
    return {row.patient.removeprefix("Patient/"): row for row in rows if row.trial == trial}


def whys(row: Row) -> set[str]:
    return {answer.why for answer in row.answers if answer.why is not None}
