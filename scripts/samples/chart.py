"""A patient's chart in the making: resources with ids after the story, and the Bundle around them.

What is common to all dialects stands here; how each of them speaks stands in us_core.py, ips.py and chinese.py.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from scripts.samples.codes import FLAGS, LOINC, UCUM, loinc_name

Json = dict[str, Any]

#: The day on which the samples are meant to be screened.
SCREENING = date(2026, 3, 2)

#: Made up; says so in every Patient.
SYNTHETIC = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}

#: The results for which the first trial has a limit.
LIMITED = ("alc", "anc", "cd19", "hemoglobin", "platelets", "lvef", "egfr", "ast", "alt", "bilirubin", "spo2")

_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def ago(days: int) -> str:
    """The date that many days before screening."""
    return (SCREENING - timedelta(days=days)).isoformat()


def coded(system: str, code: str, display: str | None = None, text: str | None = None) -> Json:
    """A CodeableConcept."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


def quantity(value: str, unit: str, *, code: str | None = None, comparator: str | None = None) -> Json:
    """A Quantity; ``code`` is its UCUM code, "" for none, by default the unit."""
    found: Json = {"value": Decimal(value)}
    if comparator:
        found["comparator"] = comparator
    if unit:
        found["unit"] = unit
    ucum = unit if code is None else code
    if ucum:
        found |= {"system": UCUM, "code": ucum}
    return found


def reference_range(low: str | None, high: str | None, unit: str) -> Json:
    """A reference range in the unit of the result."""
    ends = {"low": low, "high": high}
    return {end: quantity(value, unit) for end, value in ends.items() if value is not None}


class Chart:
    """Collects the resources of one patient.

    Attributes:
        story: Name of the file and beginning of every id.
        bundle_type: Of the Bundle.
        base: Of the fullUrls.
    """

    bundle_type = "collection"
    base = "https://ehr.example.invalid/fhir"

    def __init__(self, story: str) -> None:
        self.story = story
        self.resources: list[Json] = []
        self._names: Counter[str] = Counter()

    @property
    def subject(self) -> Json:
        return {"reference": f"Patient/{self.story}"}

    def add(self, kind: str, name: str, /, **content: Any) -> Json:
        """Adds a resource; a name used again gets a number."""
        self._names[name] += 1
        number = "" if self._names[name] == 1 else f"-{self._names[name]}"
        identity = self.story if kind == "Patient" else f"{self.story}-{name}{number}"
        resource = {"resourceType": kind, "id": identity} | {key: value for key, value in content.items() if value is not None}
        self.resources.append(resource)
        return resource

    def bundle(self) -> Json:
        """The Bundle as it is written to the file."""
        entries = [{"fullUrl": self.full_url(resource), "resource": resource} for resource in self.resources]
        return {"resourceType": "Bundle", "id": self.story, "type": self.bundle_type, "entry": entries}

    def full_url(self, resource: Json) -> str:
        return f"{self.base}/{resource['resourceType']}/{resource['id']}"

    def reference_to(self, resource: Json) -> Json:
        return {"reference": f"{resource['resourceType']}/{resource['id']}"}

    def moment(self, on: str) -> str:
        """A day as this dialect writes it; what has a time already, or is partial, stays."""
        return on

    def observation(self, name: str, code: Json, on: str | None, *, category: str = "laboratory", **content: Any) -> Json:
        """An Observation of this patient."""
        content.setdefault("status", "final")
        return self.add(
            "Observation",
            name,
            category=[coded(_CATEGORY, category)],
            code=code,
            subject=self.subject,
            effectiveDateTime=None if on is None else self.moment(on),
            **content,
        )

    def report(self, name: str, title: str, says: str | None, on: str, **content: Any) -> Json:
        """A DiagnosticReport with a conclusion, or, where it says nothing, with a scan that no program reads."""
        scan = [{"contentType": "application/pdf", "url": "https://ehr.example.invalid/scans/1", "title": title}]
        return self.add(
            "DiagnosticReport",
            name,
            status=content.pop("status", "final"),
            category=content.pop("category", None),
            code=content.pop("code", {"text": title}),
            subject=self.subject,
            effectiveDateTime=self.moment(on),
            conclusion=says,
            presentedForm=None if says else scan,
            **content,
        )

    def ecg(self, says: str | None, on: str, **content: Any) -> Json:
        return self.report("ecg", "12 lead ECG", says, on, code=coded(LOINC, "11524-6", loinc_name("11524-6")), **content)

    def chest_ct(self, says: str | None, on: str, **content: Any) -> Json:
        return self.report(
            "chest-ct", "CT chest", says, on, code=coded(LOINC, "24627-2", loinc_name("24627-2"), "CT chest"), **content
        )

    def score(self, name: str, title: str, value: Any, on: str, **content: Any) -> Json:
        """A total that somebody wrote down; no standard code of it is known."""
        content.setdefault("performer", [{"display": "Rheumatology clinic"}])
        key = {int: "valueInteger", str: "valueString"}.get(type(value), "valueQuantity")
        return self.observation(name, {"text": title}, on, category="survey", **{key: value}, **content)

    def sledai(self, total: Any, on: str, **content: Any) -> Json:
        return self.score("sledai", "SLEDAI-2K total score", total, on, **content)

    def classified(self, points: int, on: str) -> Json:
        return self.score("eular-acr", "2019 EULAR/ACR classification criteria for SLE, score", points, on)

    def consent(self, name: str, on: str, *, by: str = "Patient", status: str = "active", **content: Any) -> Json:
        """A research consent to the trial."""
        decision = content.pop("decision", "permit")
        performer = self.subject | {"display": "the patient"} if by == "Patient" else {"display": by}
        return self.add(
            "Consent",
            name,
            status=status,
            scope=coded("http://terminology.hl7.org/CodeSystem/consentscope", "research", "Research"),
            category=[coded(LOINC, "59284-0", loinc_name("59284-0"))],
            patient=self.subject,
            dateTime=on,
            performer=[performer],
            policy=[{"uri": "https://clinicaltrials.gov/study/NCT06789107"}],
            provision={"type": decision},
            **content,
        )

    def letter(self, name: str, text: str, on: str) -> Json:
        """A note that only a person reads, in plain text."""
        return self.add(
            "DocumentReference",
            name,
            status="current",
            type=coded(LOINC, "11488-4", loinc_name("11488-4")),
            subject=self.subject,
            date=f"{on}T10:00:00Z",
            description=text,
            content=[{"attachment": {"contentType": "text/plain", "title": text}}],
        )


def flag(code: str, display: str) -> list[Json]:
    """An interpretation."""
    return [coded(FLAGS, code, display)]
