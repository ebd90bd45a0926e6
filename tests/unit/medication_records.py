"""Tiny medication records: one line, one resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date
from functools import lru_cache
from itertools import count
from typing import Any

from fhir_trial.criteria.answers import Answer, met, not_met, say
from fhir_trial.criteria.case import Case
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.records.model import LoadState
from fhir_trial.records.reading import read_record
from fhir_trial.screening.ports import RawPatient
from fhir_trial.terminology import Terminology, load_terminology

Json = dict[str, Any]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
S = date(2026, 3, 2)

DRUGS = {
    "prednisone 5": ("312617", "prednisone 5 MG Oral Tablet"),
    "prednisone 2.5": ("198146", "prednisone 2.5 MG Oral Tablet"),
    "prednisone 10": ("198145", "prednisone 10 MG Oral Tablet"),
    "prednisone": ("8640", "prednisone"),
    "methylprednisolone 4": ("259966", "methylprednisolone 4 MG Oral Tablet"),
    "methylprednisolone iv": ("1743726", "Methylprednisolone 1000 MG Injection"),
    "meprednisone": ("29523", "meprednisone Oral Tablet"),
    "betamethasone": ("1514", "betamethasone Oral Tablet"),
    "hcq 200": ("979092", "hydroxychloroquine sulfate 200 MG Oral Tablet"),
    "mmf 500": ("200060", "mycophenolate mofetil 500 MG Oral Tablet"),
    "mmf 250": ("199058", "mycophenolate mofetil 250 MG Oral Capsule"),
    "mpa 360": ("485023", "mycophenolic acid 360 MG Delayed Release Oral Tablet"),
    "azathioprine 50": ("197388", "azathioprine 50 MG Oral Tablet"),
    "methotrexate 2.5": ("105585", "methotrexate 2.5 MG Oral Tablet"),
    "cyc iv": ("1734919", "cyclophosphamide 1000 MG Injection"),
    "cyc 50": ("197550", "Cyclophosphamide 50 MG Oral Tablet"),
    "tacrolimus 1": ("198377", "tacrolimus 1 MG Oral Capsule"),
    "tacrolimus": ("42316", "tacrolimus"),
    "tacrolimus ointment": ("314266", "tacrolimus 0.001 MG/MG Topical Ointment"),
    "everolimus": ("141704", "everolimus"),
    "rituximab": ("1657865", "rituximab 10 MG/ML Injection"),
    "belimumab": ("1092437", "belimumab"),
    "tofacitinib": ("1357536", "tofacitinib"),
    "filgrastim": ("68442", "filgrastim"),
    "amoxicillin": ("308182", "amoxicillin 250 MG Oral Capsule"),
}
_KINDS = {
    "order": ("MedicationRequest", "authoredOn", "dosageInstruction"),
    "report": ("MedicationStatement", "dateAsserted", "dosage"),
    "supply": ("MedicationDispense", "whenHandedOver", "dosageInstruction"),
    "given": ("MedicationAdministration", None, "dosage"),
}
_numbers = count(1)


@lru_cache(maxsize=1)
def terminology() -> Terminology:
    return load_terminology()


def dosage(dose: str | None, often: str | None = "1/1d", **more: Any) -> Json:
    """Such as ("10 mg", "2/1d"): 10 mg twice in one day. A dose in tablets is "2 tablet"; a range "5-10 mg"."""
    said: Json = {}
    if dose is not None:
        amount, unit = dose.split(" ")
        low, _, high = amount.partition("-")
        quantities = [{"value": _number(number), "unit": unit} for number in (low, high) if number]
        key = "doseRange" if high else "doseQuantity"
        said["doseAndRate"] = [{key: dict(zip(("low", "high"), quantities, strict=True)) if high else quantities[0]}]
    if often is not None:
        frequency, _, period = often.partition("/")
        said["timing"] = {"repeat": {"frequency": int(frequency), "period": _number(period[:-1]), "periodUnit": period[-1]}}
    return said | more


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def medication(
    kind: str,
    drug: str | Json | None,
    start: str | None,
    dose: str | None = "10 mg",
    often: str | None = "1/1d",
    *,
    status: str = "",
    end: str | None = None,
    dosages: Iterable[Json] | None = None,
    **more: Any,
) -> Json:
    """One resource; ``start`` is authoredOn, effectivePeriod.start, whenHandedOver or effectiveDateTime, ``end`` its end."""
    resource_type, written, key = _KINDS[kind]
    resource: Json = {
        "resourceType": resource_type,
        "id": f"{kind}{next(_numbers)}",
        "status": status or ("active" if kind in ("order", "report") else "completed"),
        "subject": {"reference": "Patient/p1"},
    }
    if isinstance(drug, str):
        code, display = DRUGS[drug]
        resource["medicationCodeableConcept"] = {"coding": [{"system": RXNORM, "code": code, "display": display}]}
    else:
        resource |= drug or {}
    instructions = [dosage(dose, often)] if dosages is None else list(dosages)
    if kind == "order":
        resource["intent"] = "order"
        if end:
            for item in instructions:
                item.setdefault("timing", {}).setdefault("repeat", {})["boundsPeriod"] = {"start": start, "end": end}
    if kind == "report":
        resource["effectivePeriod"] = {name: day for name, day in (("start", start), ("end", end)) if day}
    elif kind == "given":
        resource["effectiveDateTime"] = start
    elif written and start:
        resource[written] = start
    instructions = [item for item in instructions if item]
    if instructions:
        resource[key] = instructions if kind != "given" else instructions[0]
    return resource | more


def days(number: int) -> Json:
    return {"value": number, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}


def case_of(
    *resources: Json,
    as_of: date = S,
    first_dose: date | None = None,
    complete: bool = False,
    states: Mapping[str, LoadState] | None = None,
    birth: str | None = "1990-04-12",
    activity: Callable[[date], bool] | None = None,
    by_reference: dict[str, Json] | None = None,
) -> Case:
    """A case; ``activity`` says on which days criterion C5 is met."""
    patient: Json = {"resourceType": "Patient", "id": "p1", "gender": "female"} | ({"birthDate": birth} if birth else {})
    raw = RawPatient("Patient/p1", [patient], list(resources), by_reference=by_reference or {}, states=states or {})
    record = read_record(raw, UTC, complete=complete)

    def answer(case: Case, criterion: str) -> Answer:
        assert criterion == "C5"
        active = activity is not None and activity(case.as_of)
        return met(say("active")) if active else not_met(say("quiet"))

    return Case(FactSheet(record, terminology(), UTC), as_of, first_dose, answer)
