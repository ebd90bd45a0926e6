"""Tiny records: a patient, some resources, and what was read of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_trial.records.model import PatientRecord
from fhir_trial.records.reading import read_record
from fhir_trial.screening.ports import RawPatient

Json = dict[str, Any]
SHANGHAI = ZoneInfo("Asia/Shanghai")
ABOUT = {"subject": {"reference": "Patient/p1"}}


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "id": "p1", "birthDate": "2010-05-17", "gender": "female", **more}


def observation(**more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
        "effectiveDateTime": "2026-02-27",
        "valueQuantity": {"value": 142, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"},
        **ABOUT,
        **more,
    }


def without(resource: Json, *keys: str) -> Json:
    return {key: value for key, value in resource.items() if key not in keys}


Read = Callable[..., PatientRecord]


@pytest.fixture(name="read")
def _read() -> Read:
    def read(
        *resources: Json, patients: tuple[Json, ...] = (), by_reference: dict[str, Json] | None = None, **more: Any
    ) -> PatientRecord:
        copies = patients or (patient(),)
        raw_keys = {key: more.pop(key) for key in ("states", "default_state", "names") if key in more}
        raw = RawPatient("Patient/p1", copies, resources, by_reference or {}, **raw_keys)
        return read_record(raw, more.pop("zone", SHANGHAI), **more)

    return read


def codes(record: PatientRecord) -> list[str]:
    return [issue.code for issue in record.issues]
