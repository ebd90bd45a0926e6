"""A synthetic patient of 300 resources, as a hospital's FHIR server would send her: US Core in the main, ten per cent history.

Codes, units and typical values are data, in chart.json. The same seed gives the same bytes.
"""

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

Resource = dict[str, Any]

AS_OF = date(2026, 3, 2)
RESOURCES = 300

_NEWEST_VISIT = AS_OF - timedelta(days=5)
_DAYS_BETWEEN_VISITS = 26
_VISITS = 40
_OBSERVATIONS = 212
_PATIENT = "Patient/benchmark"
_SUBJECT = {"reference": _PATIENT}
_CHART: dict[str, Any] = json.loads(Path(__file__).with_name("chart.json").read_text(encoding="utf-8"))


def bundle(seed: int = 300) -> bytes:
    """A Bundle of type collection with exactly RESOURCES entries, as JSON."""
    dice = random.Random(seed)
    visits = [_NEWEST_VISIT - timedelta(days=_DAYS_BETWEEN_VISITS * nth) for nth in range(_VISITS)]
    observations = [resource for _, resource in zip(range(_OBSERVATIONS), _observations(visits, dice), strict=False)]
    resources = [_patient(), *_encounters(visits), *_conditions(), *observations, *_medication_requests(visits)]
    if len(resources) != RESOURCES:
        raise AssertionError(f"The chart makes {len(resources)} resources, not {RESOURCES}.")
    entries = [{"fullUrl": f"https://ehr.example.invalid/fhir/{r['resourceType']}/{r['id']}", "resource": r} for r in resources]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "collection", "entry": entries})


def _patient() -> Resource:
    return {
        "resourceType": "Patient",
        "id": "benchmark",
        "meta": _meta("1", date(2026, 1, 4), "us-core-patient"),
        "identifier": [{"system": "https://ehr.example.invalid/mrn", "value": "B-300"}],
        "active": True,
        "name": [{"use": "official", "family": "Benchmark", "given": ["Synthetic"]}],
        "gender": "female",
        "birthDate": "1991-07-19",
    }


def _encounters(visits: list[date]) -> Iterator[Resource]:
    for nth, day in enumerate(visits):
        yield {
            "resourceType": "Encounter",
            "id": f"e{nth}",
            "meta": _meta("2", day, "us-core-encounter"),
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
            "type": [{"text": "Rheumatology clinic"}],
            "subject": _SUBJECT,
            "period": {"start": f"{day}T08:30:00+01:00", "end": f"{day}T09:10:00+01:00"},
        }


def _conditions() -> Iterator[Resource]:
    for nth, condition in enumerate(_CHART["conditions"]):
        onset = date(2019, 3, 11) + timedelta(days=97 * nth)
        yield {
            "resourceType": "Condition",
            "id": f"c{nth}",
            "meta": _meta("1", onset, "us-core-condition-problems-health-concerns"),
            "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
            "verificationStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
            "category": [_concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
            "code": _concept("http://hl7.org/fhir/sid/icd-10-cm", condition["icd10cm"], condition["display"]),
            "subject": _SUBJECT,
            "onsetDateTime": onset.isoformat(),
            "recordedDate": onset.isoformat(),
        }


def _observations(visits: list[date], dice: random.Random) -> Iterator[Resource]:
    """Newest visit first, each test at every visit, every second one, and so on."""
    ids = (f"o{nth}" for nth in count())
    for nth, day in enumerate(visits):
        for item in _CHART["laboratory"]:
            if nth % item["every"] == 0:
                yield _laboratory(next(ids), item, nth, day, dice)
        for item in _CHART["vital_signs"]:
            if nth % item["every"] == 0:
                measured = {"valueQuantity": _quantity(_value(item, dice), item["unit"])}
                yield _observation(next(ids), item, "vital-signs", nth, day) | measured
        yield _blood_pressure(next(ids), nth, day, dice)


def _laboratory(name: str, item: Resource, visit: int, day: date, dice: random.Random) -> Resource:
    value = _value(item, dice)
    low, high = float(item["low"]), float(item["high"])
    flag = "L" if value < low else "H" if value > high else "N"
    return _observation(name, item, "laboratory", visit, day) | {
        "issued": f"{day}T13:05:22.000+01:00",
        "valueQuantity": _quantity(value, item["unit"]),
        "interpretation": [_concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", flag)],
        "referenceRange": [{"low": _quantity(low, item["unit"]), "high": _quantity(high, item["unit"])}],
    }


def _blood_pressure(name: str, visit: int, day: date, dice: random.Random) -> Resource:
    panel = _CHART["blood_pressure"]
    components = [
        {
            "code": _concept("http://loinc.org", part["loinc"], part["display"]),
            "valueQuantity": _quantity(_value(part, dice), panel["unit"]),
        }
        for part in panel["components"]
    ]
    return _observation(name, panel, "vital-signs", visit, day) | {"component": components}


def _observation(name: str, item: Resource, category: str, visit: int, day: date) -> Resource:
    return {
        "resourceType": "Observation",
        "id": name,
        "meta": _meta("1", day, f"us-core-{category}"),
        "status": "final",
        "category": [_concept("http://terminology.hl7.org/CodeSystem/observation-category", category)],
        "code": _concept("http://loinc.org", item["loinc"], item["display"]),
        "subject": _SUBJECT,
        "encounter": {"reference": f"Encounter/e{visit}"},
        "effectiveDateTime": f"{day}T08:41:00+01:00",
    }


def _medication_requests(visits: list[date]) -> Iterator[Resource]:
    """Each medicine renewed at every fifth visit: the newest is active, the older ones are completed."""
    for nth, day in enumerate(visits[::5]):
        for medicine in _CHART["medications"]:
            yield {
                "resourceType": "MedicationRequest",
                "id": f"m{nth}-{medicine['rxcui']}",
                "meta": _meta("3", day, "us-core-medicationrequest"),
                "status": "active" if nth == 0 else "completed",
                "intent": "order",
                "medicationCodeableConcept": _concept(
                    "http://www.nlm.nih.gov/research/umls/rxnorm", medicine["rxcui"], medicine["display"]
                ),
                "subject": _SUBJECT,
                "encounter": {"reference": f"Encounter/e{5 * nth}"},
                "authoredOn": f"{day}T09:02:00+01:00",
                "dosageInstruction": [_dosage(medicine)],
            }


def _dosage(medicine: Resource) -> Resource:
    return {
        "text": f"{medicine['tablets']} tablet(s) by mouth, {medicine['per_day']} times a day",
        "timing": {"repeat": {"frequency": medicine["per_day"], "period": 1, "periodUnit": "d"}},
        "route": _concept("http://snomed.info/sct", "26643006", "Oral route"),
        "doseAndRate": [{"doseQuantity": {"value": int(medicine["tablets"]), "unit": "tablet"}}],
    }


def _meta(version: str, day: date, profile: str) -> Resource:
    return {
        "versionId": version,
        "lastUpdated": f"{day}T18:00:00.000Z",
        "profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/{profile}"],
    }


def _concept(system: str, code: str, display: str | None = None) -> Resource:
    if display is None:
        return {"coding": [{"system": system, "code": code}]}
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _quantity(value: float, unit: str) -> Resource:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _value(item: Resource, dice: random.Random) -> float:
    """Around the usual value, with as many decimals as the chart writes it."""
    decimals = len(item["centre"].partition(".")[2])
    return round(dice.gauss(float(item["centre"]), float(item["spread"])), decimals)
