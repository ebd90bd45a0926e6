"""The resources that trials read: US Core in the main, with the dirt of real ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Final

from benchmarks.generate.people import BASE, DAYS, Diagnosis, Person
from benchmarks.generate.templates import CHART, HOSPITAL, Resource, Template, coded, meta, narrative

Line = tuple[str, bytes]

_HL7: Final = "http://terminology.hl7.org/CodeSystem"
_UCUM: Final = "http://unitsofmeasure.org"
_DIRT: Final = HOSPITAL["quantity_dirt"]
_KINDS: Final = tuple(_DIRT["weights"])
_WEIGHTS: Final = tuple(accumulate(_DIRT["weights"].values()))
_OLDER_COPIES: Final = 0.01
_PARTIAL_DAYS: Final = 0.03


class Clinic:
    """Writes charts.

    Args:
        medications: How many the hospital has, to which requests refer.
        dice: Also of everything else in the hospital, so that one seed gives one hospital.
    """

    def __init__(self, medications: int, dice: Random) -> None:
        self._dice, self._medications = dice, medications
        self._laboratory = [
            (item, _laboratory(item), _around(item, ill=False), _around(item, ill=True)) for item in CHART["laboratory"]
        ]
        self._vital_signs = [(item, Template(_vital_sign(item)), _around(item, ill=True)) for item in CHART["vital_signs"]]
        self._pressure = Template(_pressure())
        self._patient = Template(_patient())
        self._encounters = [Template(_encounter(*each)) for each in HOSPITAL["encounter_types"]]
        self._conditions = [Template(_condition(code)) for code in HOSPITAL["common_conditions"]]
        self._requests = [Template(_request({"medicationCodeableConcept": each})) for each in _medicines("common_medications")]
        self._special = [Template(_request({"medicationCodeableConcept": each})) for each in _medicines("disease_medications")]
        self._by_reference = Template(_request({"medicationReference": {"reference": "Medication/@medication@"}}))
        self._statements = [
            Template(_statement(each)) for each in (*_medicines("disease_medications"), *_medicines("common_medications"))
        ]
        self._procedures = [Template(_procedure(code)) for code in HOSPITAL["procedures"]]
        self._reports = [Template(_report(code)) for code in HOSPITAL["reports"]]
        self._consent = Template(_consent())
        self._diagnoses: dict[tuple[str | None, str], Template] = {}

    def chart(self, person: Person) -> Iterator[Line]:
        """Everything of one person, the patient first."""
        gaps = {b"version": b"2", b"day": DAYS[person.visits[0]], b"patient": person.identity}
        gaps |= {b"gender": b"female" if person.female else b"male", b"birth": person.birth_date}
        yield "Patient", self._patient.fill(gaps)
        for nth, diagnosis in enumerate(person.diagnoses):
            yield self._diagnosis(person, nth, diagnosis)
        yield from self._problems(person)
        for nth, back in enumerate(person.visits):
            yield from self._visit(person, nth, back)
        if self._dice.random() < 0.05:
            yield "Consent", self._consent.fill(self._gaps(person, b"consent", person.visits[-1], 0))

    def some(self, person: Person) -> Iterator[Line]:
        """A few resources of somebody."""
        yield from self._problems(person)
        yield from self._visit(person, 0, person.visits[0])

    def _gaps(self, person: Person, name: bytes, back: int, visit: int) -> dict[bytes, bytes]:
        roll = self._dice.random()
        day = DAYS[back]
        return {
            b"id": b"%b-%b" % (person.identity, name),
            b"subject": person.subjects[int(roll * len(person.subjects))],
            b"patient": person.identity,
            b"day": day,
            b"when": day[: 7 if roll * 977 % 1 < _PARTIAL_DAYS else 10],
            b"version": b"2",
            b"encounter": b"Encounter/%b-e%d" % (person.identity, visit),
        }

    def _diagnosis(self, person: Person, nth: int, diagnosis: Diagnosis) -> Line:
        key = (diagnosis.trial, diagnosis.form)
        if key not in self._diagnoses:
            raw = diagnosis.raw
            made = _claim_of(raw["code"]) if raw.get("claim") else _condition(raw["code"], raw.get("verification", "confirmed"))
            self._diagnoses[key] = Template(made)
        filled = self._diagnoses[key].fill(self._gaps(person, b"d%d" % nth, person.visits[-1], 0))
        return ("Claim" if diagnosis.raw.get("claim") else "Condition"), filled

    def _problems(self, person: Person) -> Iterator[Line]:
        dice = self._dice
        for nth in range(2 + int(dice.random() * 6)):
            filled = dice.choice(self._conditions).fill(self._gaps(person, b"c%d" % nth, person.visits[-1] + nth, 0))
            yield "Condition", filled
        for nth in range(int(dice.random() * 3)):
            yield "Procedure", dice.choice(self._procedures).fill(self._gaps(person, b"p%d" % nth, person.visits[-1], 0))
        for nth in range(int(dice.random() * 4)):
            templates = self._statements if person.is_ill else self._statements[-len(HOSPITAL["common_medications"]) :]
            filled = dice.choice(templates).fill(self._gaps(person, b"s%d" % nth, person.visits[0], 0))
            yield "MedicationStatement", filled

    def _visit(self, person: Person, visit: int, back: int) -> Iterator[Line]:
        dice = self._dice
        gaps = self._gaps(person, b"e%d" % visit, back, visit)
        yield "Encounter", self._encounters[int(dice.random() ** 3 * len(self._encounters))].fill(gaps)
        yield from self._results(person, visit, back)
        for nth, (_, template, (centre, spread, shown)) in enumerate(self._vital_signs):
            gaps = self._gaps(person, b"v%d-%d" % (visit, nth), back, visit)
            gaps[b"value"] = shown % (centre + (dice.random() - 0.5) * spread)
            yield "Observation", template.fill(gaps)
        gaps = self._gaps(person, b"b%d" % visit, back, visit)
        gaps |= {b"high": b"%d" % (105 + int(dice.random() * 45)), b"low": b"%d" % (60 + int(dice.random() * 30))}
        yield "Observation", self._pressure.fill(gaps)
        if visit % 3 == 0:
            yield "DiagnosticReport", dice.choice(self._reports).fill(self._gaps(person, b"r%d" % visit, back, visit))
        yield self._request(person, visit, back)

    def _results(self, person: Person, visit: int, back: int) -> Iterator[Line]:
        dice, ill = self._dice, person.is_ill
        for nth, (item, templates, healthy, diseased) in enumerate(self._laboratory):
            if (nth + visit) % (2 * item["every"] if ill else 3 * item["every"]):
                continue
            centre, spread, shown = diseased if ill else healthy
            gaps = self._gaps(person, b"o%d-%d" % (visit, nth), back, visit)
            gaps[b"value"] = shown % abs(centre + (dice.random() - 0.5) * spread)
            template = templates[dice.choices(_KINDS, cum_weights=_WEIGHTS)[0]]
            yield "Observation", template.fill(gaps)
            if dice.random() < _OLDER_COPIES:
                older = {b"version": b"1", b"value": shown % abs(centre + (dice.random() - 0.5) * spread)}
                yield "Observation", template.fill(gaps | older)

    def _request(self, person: Person, visit: int, back: int) -> Line:
        dice = self._dice
        gaps = self._gaps(person, b"m%d" % visit, back, visit)
        gaps[b"status"] = b"active" if visit == 0 else b"completed"
        if dice.random() < 0.3:
            gaps[b"medication"] = b"med-%d" % int(dice.random() * self._medications * 1.02)  # a few refer to what is not there
            return "MedicationRequest", self._by_reference.fill(gaps)
        return "MedicationRequest", dice.choice(self._special if person.is_ill else self._requests).fill(gaps)


def shared(medications: int) -> Iterator[Line]:
    """What belongs to no patient: medications, the house itself, and a line of what the server has to say."""
    medicines = [*_medicines("disease_medications"), *_medicines("common_medications")]
    gaps = {b"version": b"1", b"day": DAYS[-1]}
    made = {"resourceType": "Medication", "id": "med-@nth@", "meta": meta("us-core-medication")}
    templates = [Template(made | {"code": medicine}) for medicine in medicines]
    for nth in range(medications):
        yield "Medication", templates[nth % len(templates)].fill(gaps | {b"nth": b"%d" % nth})
    yield "Organization", Template({"resourceType": "Organization", "id": "house", "name": "General Hospital"}).fill(gaps)
    issue = {"severity": "warning", "code": "informational", "diagnostics": "Search parameters were normalised."}
    yield "Observation", Template({"resourceType": "OperationOutcome", "issue": [issue]}).fill(gaps)


def _medicines(name: str) -> list[Resource]:
    return list(HOSPITAL[name])


def _around(item: Resource, *, ill: bool) -> tuple[float, float, bytes]:
    """Centre and width of the values, and with how many decimals they are written."""
    shown = b"%%.%df" % len(item["centre"].partition(".")[2])
    if ill or "low" not in item:
        return float(item["centre"]), 3 * float(item["spread"]), shown
    low, high = float(item["low"]), float(item["high"])
    return (low + high) / 2, (high - low) * 1.1, shown


def _patient() -> Resource:
    return {
        "resourceType": "Patient",
        "id": "@patient@",
        "meta": meta("us-core-patient"),
        "text": narrative("Synthetic", "@patient@"),
        "extension": [
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                "extension": [{"url": "text", "valueString": "Asked, but unknown"}],
            }
        ],
        "identifier": [{"use": "usual", "system": "https://ehr.example.invalid/mrn", "value": "MRN-@patient@"}],
        "active": True,
        "name": [{"use": "official", "family": "Synthetic", "given": ["@patient@"]}],
        "telecom": [{"system": "phone", "value": "000-0000", "use": "home"}],
        "gender": "@gender@",
        "birthDate": "@birth@",
        "address": [{"line": ["1 Sample Street"], "city": "Sampletown", "postalCode": "00000"}],
        "managingOrganization": {"reference": "Organization/house"},
    }


def _encounter(code: str, display: str, words: str) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": "@id@",
        "meta": meta("us-core-encounter"),
        "identifier": [{"system": "https://ehr.example.invalid/visits", "value": "@id@"}],
        "status": "finished",
        "class": {"system": f"{_HL7}/v3-ActCode", "code": code, "display": display},
        "type": [{"text": words}],
        "subject": {"reference": "@subject@", "display": "Synthetic"},
        "participant": [{"individual": {"reference": "Practitioner/absent", "display": "Dr. Nobody"}}],
        "period": {"start": "@day@T08:30:00+01:00", "end": "@day@T09:10:00+01:00"},
        "serviceProvider": {"reference": "Organization/house"},
    }


def _condition(code: Resource, verification: str = "confirmed") -> Resource:
    made = {
        "resourceType": "Condition",
        "id": "@id@",
        "meta": meta("us-core-condition-problems-health-concerns"),
        "clinicalStatus": coded(f"{_HL7}/condition-clinical", "active"),
        "verificationStatus": coded(f"{_HL7}/condition-ver-status", verification),
        "category": [coded(f"{_HL7}/condition-category", "problem-list-item")],
        "code": code,
        "subject": {"reference": "@subject@"},
        "encounter": {"reference": "@encounter@"},
        "onsetDateTime": "@when@",
        "recordedDate": "@day@",
        "note": [{"text": "Entered at the front desk; see letter."}],
    }
    if verification == "entered-in-error":
        del made["clinicalStatus"]  # con-5
    return made


def _claim_of(code: Resource) -> Resource:
    return {
        "resourceType": "Claim",
        "id": "@id@",
        "status": "active",
        "use": "claim",
        "patient": {"reference": "@subject@"},
        "created": "@day@",
        "diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": code}],
    }


def _observation(item: Resource, category: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": "@id@",
        "meta": meta(f"us-core-{category}"),
        "text": narrative(item["display"], "@day@"),
        "identifier": [{"system": "https://ehr.example.invalid/results", "value": "@id@"}],
        "status": "final",
        "category": [coded(f"{_HL7}/observation-category", category)],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": item["loinc"], "display": item["display"]}],
            "text": item["display"],
        },
        "subject": {"reference": "@subject@"},
        "encounter": {"reference": "@encounter@"},
        "effectiveDateTime": "@day@T08:41:00+01:00",
        "issued": "@day@T13:05:22.000+01:00",
        "performer": [{"reference": "Organization/house", "display": 'Central laboratory / "main" site'}],
    }


def _quantity(unit: str | None, value: str = "#value#") -> Resource:
    return {"value": value} if unit is None else {"value": value, "unit": unit, "system": _UCUM, "code": unit}


def _laboratory(item: Resource) -> dict[str, Template]:
    unit = item["unit"]
    usual = _observation(item, "laboratory")
    usual["referenceRange"] = [{"low": _quantity(unit, "#low#"), "high": _quantity(unit, "#high#")}]
    odd = {"value": "#value#", "unit": _DIRT["odd_units"].get(unit, f"{unit} (calc.)")}
    local = {"coding": [{"system": "https://ehr.example.invalid/tests", "code": f"L{item['loinc']}", "display": item["display"]}]}
    made: dict[str, Resource] = {
        "clean": {"valueQuantity": _quantity(unit)},
        "no-unit": {"valueQuantity": _quantity(None)},
        "odd-unit": {"valueQuantity": odd},
        "comparator": {"valueQuantity": _quantity(unit) | {"comparator": "<"}},
        "words": {"valueString": f"@value@ {unit}"},
        "local-code": {"valueQuantity": _quantity(unit), "code": local},
        "absent": {"dataAbsentReason": coded(f"{_HL7}/data-absent-reason", "unknown")},
        "day-only": {"valueQuantity": _quantity(unit), "effectiveDateTime": "@when@"},
    }
    limits = {"#low#": item["low"], "#high#": item["high"]}
    return {kind: Template(_with_limits(usual | value, limits)) for kind, value in made.items()}


def _with_limits(made: Resource, limits: dict[str, str]) -> Resource:
    """Numbers as numbers."""
    ranges = made["referenceRange"][0]
    filled = {side: quantity | {"value": float(limits[quantity["value"]])} for side, quantity in ranges.items()}
    return made | {"referenceRange": [filled]}


def _vital_sign(item: Resource) -> Resource:
    return _observation(item, "vital-signs") | {"valueQuantity": _quantity(item["unit"])}


def _pressure() -> Resource:
    panel = CHART["blood_pressure"]
    parts = zip(panel["components"], ("#high#", "#low#"), strict=True)
    return _observation(panel, "vital-signs") | {
        "component": [
            {"code": coded("http://loinc.org", part["loinc"]), "valueQuantity": _quantity(panel["unit"], value)}
            for part, value in parts
        ]
    }


def _request(medicine: Resource) -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": "@id@",
        "meta": meta("us-core-medicationrequest"),
        "status": "@status@",
        "intent": "order",
        **medicine,
        "subject": {"reference": "@subject@"},
        "encounter": {"reference": "@encounter@"},
        "authoredOn": "@day@",
        "requester": {"display": "Dr. Nobody"},
        "dosageInstruction": HOSPITAL["dosages"][:1],
    }


def _statement(medicine: Resource) -> Resource:
    return {
        "resourceType": "MedicationStatement",
        "id": "@id@",
        "meta": meta("medicationstatement"),
        "status": "active",
        "medicationCodeableConcept": medicine,
        "subject": {"reference": "@subject@"},
        "effectivePeriod": {"start": "@when@"},
        "dateAsserted": "@day@",
        "dosage": HOSPITAL["dosages"][1:2],
    }


def _procedure(code: Resource) -> Resource:
    return {
        "resourceType": "Procedure",
        "id": "@id@",
        "meta": meta("us-core-procedure"),
        "status": "completed",
        "code": code,
        "subject": {"reference": "@subject@"},
        "performedDateTime": "@when@",
    }


def _report(code: Resource) -> Resource:
    return {
        "resourceType": "DiagnosticReport",
        "id": "@id@",
        "meta": meta("us-core-diagnosticreport-lab"),
        "status": "final",
        "category": [coded(f"{_HL7}/v2-0074", "LAB")],
        "code": code,
        "subject": {"reference": "@subject@"},
        "encounter": {"reference": "@encounter@"},
        "effectiveDateTime": "@day@T08:41:00+01:00",
        "issued": "@day@T13:05:22.000+01:00",
        "result": [{"reference": "Observation/@id@-absent"}],
        "conclusion": "See single results.",
    }


def _consent() -> Resource:
    return {
        "resourceType": "Consent",
        "id": "@id@",
        "status": "active",
        "scope": coded(f"{_HL7}/consentscope", "patient-privacy"),
        "category": [coded("http://loinc.org", "59284-0")],
        "patient": {"reference": "@subject@"},
        "dateTime": "@day@",
        "provision": {"type": "permit"},
    }


__all__ = ["BASE", "Clinic", "shared"]
