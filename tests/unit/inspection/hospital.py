"""A small hospital behind mocked HTTP: what it says of itself, and what it does, may be told apart."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import responses
from requests import PreparedRequest

BASE = "https://ehr.example.invalid/fhir"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
LOCAL = "https://his.example.invalid/lab"
Json = dict[str, Any]
#: What must never be seen in a report.
PLANTED = ("Plantedname", "MRN-99887766")

_LISTED = ("Condition", "Observation", "MedicationRequest", "Patient", "Encounter", "DiagnosticReport", "ResearchSubject")


def concept(system: str, code: str, text: str | None = None) -> Json:
    return {"coding": [{"system": system, "code": code}], **({"text": text} if text else {})}


def owned(kind: str, identity: str, patient: str, **more: Any) -> Json:
    return {"resourceType": kind, "id": identity, "subject": {"reference": f"Patient/{patient}"}, **more}


def result(identity: str, patient: str, code: Json, unit: str = "10*9/L", category: str = "laboratory") -> Json:
    value = {"value": 1.2, "unit": unit}
    day = {"status": "final", "effectiveDateTime": "2026-02-20", "category": [concept("urn:x", category)]}
    return owned("Observation", identity, patient, code=code, valueQuantity=value, **day)


def records(patient: str) -> list[Json]:
    lupus = concept(SNOMED, "55464009", f"SLE of {PLANTED[0]}")
    local = concept("https://his.example.invalid/diagnosis", "ZD-1", f"Butterfly of {PLANTED[0]}")
    tablet = concept("https://his.example.invalid/drug", "YP-9", "Tablet")
    return [
        owned("Condition", f"{patient}-c1", patient, code=lupus, category=[concept("urn:x", "problem-list-item")]),
        owned("Condition", f"{patient}-c2", patient, code=local, category=[concept("urn:x", "problem-list-item")]),
        result(f"{patient}-o1", patient, concept(LOCAL, "XJ-0120", PLANTED[0])),
        result(f"{patient}-o2", patient, concept(LOINC, "777-3"), unit="bags"),
        owned("MedicationRequest", f"{patient}-m1", patient, status="active", intent="order", medicationCodeableConcept=tablet),
    ]


class Hospital:
    """Answers searches of its resources.

    Attributes:
        listed: Types that its CapabilityStatement lists.
        more: Said of every type beside its interactions.
        base: Interactions with the base itself.
        statuses: Type -> status with which its searches are answered instead.
        answers: Type -> the Bundle with which its searches are answered instead.
        by_code_only: Whether it refuses a search of Observations that names no code.
    """

    def __init__(self, *patients: str) -> None:
        self.resources = [resource for patient in patients for resource in records(patient)]
        self.resources += [{"resourceType": "Patient", "id": patient, "name": [{"family": PLANTED[0]}]} for patient in patients]
        self.listed: dict[str, tuple[str, ...]] = dict.fromkeys(_LISTED, ("patient", "category", "code", "identifier"))
        self.interactions: tuple[str, ...] = ("search-type", "read", "create", "update")
        self.version = "4.0.1"
        self.more: Json = {}
        self.base: list[Json] = []
        self.statuses: dict[str, int] = {}
        self.answers: dict[str, Json] = {}
        self.by_code_only = False

    def play(self, mock: responses.RequestsMock) -> None:
        mock.add_callback("GET", _under("metadata"), callback=self._statement)
        mock.add_callback("GET", _under("[A-Z][A-Za-z]+/[^/?]+"), callback=self._read)
        mock.add_callback("GET", _under(r"[A-Z][A-Za-z]+(\?.*)?"), callback=self._search)
        mock.add_callback("POST", _under("[A-Z][A-Za-z]+/_search"), callback=lambda _: (405, {}, ""))

    def _statement(self, _: PreparedRequest) -> tuple[int, dict[str, str], str]:
        interactions = [{"code": code} for code in self.interactions]
        resources = [
            {"type": kind, "interaction": interactions, "searchParam": [{"name": name} for name in names]}
            for kind, names in self.listed.items()
        ]
        rest = {"resource": [{**each, **self.more} for each in resources], "interaction": self.base}
        software = {"name": "Paper EHR", "version": "7"}
        statement = {"resourceType": "CapabilityStatement", "fhirVersion": self.version, "software": software, "rest": [rest]}
        return _json(statement)

    def _read(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        kind, identity = urlsplit(str(request.url)).path.split("/")[-2:]
        if kind in self.statuses:
            return self.statuses[kind], {}, ""
        found = [each for each in self.resources if (each["resourceType"], each["id"]) == (kind, identity)]
        return _json(found[0]) if found else (404, {}, "")

    def _search(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        parts = urlsplit(str(request.url))
        kind, asked = parts.path.split("/")[-1], {name: values[0] for name, values in parse_qs(parts.query).items()}
        if kind in self.statuses:
            return self.statuses[kind], {}, ""
        if kind in self.answers:
            return _json(self.answers[kind])
        if kind == "Observation" and self.by_code_only and "code" not in asked:
            return 400, {}, ""
        found = [each for each in self.resources if each["resourceType"] == kind and _answers(each, asked)]
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in found]}
        return _json({**bundle, "link": [{"relation": "self", "url": request.url}]})


def _answers(resource: Json, asked: dict[str, str]) -> bool:
    if "patient" in asked and resource["subject"]["reference"] != f"Patient/{asked['patient']}":
        return False
    categories = {coding["code"] for each in resource.get("category", ()) for coding in each["coding"]}
    if "category" in asked and asked["category"] not in categories:
        return False
    if "category:not" in asked and categories & set(asked["category:not"].split(",")):
        return False
    codes = {f"{coding['system']}|{coding['code']}" for coding in resource.get("code", {}).get("coding", ())}
    return "code" not in asked or bool(codes & set(asked["code"].split(",")))


def _under(pattern: str) -> Any:
    return re.compile(rf"{re.escape(BASE)}/{pattern}$")


def _json(resource: Json) -> tuple[int, dict[str, str], str]:
    return 200, {"Content-Type": "application/fhir+json"}, json.dumps(resource)
