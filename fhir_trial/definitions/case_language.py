"""The short forms of a case file, and the FHIR resources they stand for.

A case is written for people: ``lab: {analyte: hemoglobin, value: "8.0 g/dL", on: "2026-02-20"}``. What has no short form is
written as FHIR itself under ``fhir``. Every resource goes the whole way of a real one: readers, facts, criteria, verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fhir_trial.records.model import LoadState
from fhir_trial.screening.ports import RawPatient
from fhir_trial.terminology import Terminology
from fhir_trial.terminology.systems import ATC, ICD9CM, ICD10, ICD10CM, INTERPRETATION, LOINC, RXNORM, SNOMED, UCUM

Json = dict[str, Any]
PATIENT = "Patient/case"

_SYSTEMS = {
    "LOINC": LOINC,
    "SNOMED": SNOMED,
    "RxNorm": RXNORM,
    "ATC": ATC,
    "ICD-10-CM": ICD10CM,
    "ICD-10": ICD10,
    "ICD-9-CM": ICD9CM,
}
_NUMBER = re.compile(r"(?P<comparator><=|>=|<|>)?\s*(?P<number>-?\d+(?:\.\d+)?)(?:\s+(?P<unit>\S.*))?")
_DOSE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s+(?P<unit>\S+)")
_TIMES = re.compile(r"(?P<frequency>\d+)\s+per\s+(?:(?P<period>\d+)\s+)?(?P<unit>day|week|month|hour)s?")
_PERIOD_UNITS = {"hour": "h", "day": "d", "week": "wk", "month": "mo"}
_DRUG_KINDS = {
    "request": "MedicationRequest",
    "statement": "MedicationStatement",
    "dispense": "MedicationDispense",
    "administration": "MedicationAdministration",
}


_DONE_WHEN_WRITTEN = ("MedicationDispense", "MedicationAdministration")


class CaseWordError(ValueError):
    """A short form is written wrong."""


def raw_patient(
    patient: Mapping[str, Any],
    record: Sequence[Mapping[str, Any]],
    terminology: Terminology,
    *,
    copies: Sequence[Mapping[str, Any]] = (),
    states: Mapping[str, LoadState] | None = None,
) -> RawPatient:
    """The resources that a case stands for.

    Args:
        patient: The patient in short form; ``copies`` are other copies of that resource, newest last (VER-07).
        record: Short forms, in the order of the file.
        terminology: For the preferred code of an analyte.
        states: What became of the search for a type; a type not named is as in a file, without a claim of completeness.

    Raises:
        CaseWordError: A short form says something that it cannot.
    """
    resources = [_resource(index, form, terminology) for index, form in enumerate(record)]
    persons = [_patient(each) for each in (patient, *copies)]
    by_reference = {f"{r['resourceType']}/{r['id']}": r for r in [*persons, *resources] if "id" in r}
    return RawPatient(PATIENT, persons, resources, by_reference, states=states or {})


def coding(written: str) -> Json:
    """``"ICD-10-CM M32.9"`` as a Coding; any URI or URN may stand for the system."""
    system, _, code = written.partition(" ")
    if not code:
        raise CaseWordError(f"'{written}' is no code. Expected a system and a code, such as \"SNOMED 55464009\".")
    return {"system": _SYSTEMS.get(system, system), "code": code}


def _patient(written: Mapping[str, Any]) -> Json:
    person: Json = {"resourceType": "Patient", "id": "case"}
    for key, element in (("birth_date", "birthDate"), ("sex", "gender"), ("active", "active"), ("links", "link")):
        if key in written:
            person[element] = written[key]
    if "birth_sex" in written:
        person["extension"] = [
            {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": written["birth_sex"]}
        ]
    deceased = written.get("deceased")
    if deceased is not None:
        person["deceasedBoolean" if isinstance(deceased, bool) else "deceasedDateTime"] = deceased
    return person


def _resource(index: int, form: Mapping[str, Any], terminology: Terminology) -> Json:
    (word, written), *more = form.items()
    if more:
        raise CaseWordError("Expected one thing on record per item.")
    if word == "fhir":
        exact: Json = _exact(written)
        return {"id": f"r{index + 1}", "subject": {"reference": PATIENT}} | exact
    makers: dict[str, Callable[[], Json]] = {
        "lab": lambda: _lab(written, terminology),
        "diagnosis": lambda: _diagnosis(written),
        "drug": lambda: _drug(written),
        "report": lambda: _report(written),
        "procedure": lambda: _procedure(written),
        "consent": lambda: _consent(written),
    }
    made = makers[word]()
    patient_element = "patient" if made["resourceType"] == "Consent" else "subject"
    return {"id": str(written.get("id", f"r{index + 1}")), patient_element: {"reference": PATIENT}} | made


def _lab(written: Mapping[str, Any], terminology: Terminology) -> Json:
    made: Json = {"resourceType": "Observation", "status": written.get("status", "final")}
    made["code"] = _lab_code(written, terminology)
    for key, (element, as_fhir) in _OF_A_LAB.items():
        if key in written:
            made[element] = as_fhir(written[key])
    if "value" in written:
        made |= _value(str(written["value"]), written.get("unit_as", "ucum"))
    ranged = _range(written)
    if ranged:
        made["referenceRange"] = [ranged]
    if "beside" in written:
        made["component"] = [_lab(component, terminology) for component in written["beside"]]
    return made


_OF_A_LAB: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "on": ("effectiveDateTime", lambda day: day),
    "issued": ("issued", lambda moment: moment),
    "flag": ("interpretation", lambda code: [{"coding": [{"system": INTERPRETATION, "code": code}]}]),
    "note": ("note", lambda text: [{"text": text}]),
    "by": ("performer", lambda name: [{"display": name}]),
    "specimen": ("specimen", lambda name: {"display": name}),
}


def _range(written: Mapping[str, Any]) -> Json:
    unit_as = written.get("unit_as", "ucum")
    ranged = {side: _quantity(str(written[side]), unit_as) for side in ("low", "high") if side in written}
    return ranged | ({"text": written["range_text"]} if "range_text" in written else {})


def _lab_code(written: Mapping[str, Any], terminology: Terminology) -> Json:
    if "code" in written:
        return {"coding": [coding(written["code"])]} | ({"text": written["name"]} if "name" in written else {})
    if "name" in written:
        return {"text": written["name"]}
    preferred = preferred_code(written["analyte"], terminology)
    return {"coding": [preferred]}


def preferred_code(analyte: str, terminology: Terminology) -> Json:
    """The first code of an analyte that decides, as a Coding.

    Raises:
        CaseWordError: No such analyte, or none of its codes decides.
    """
    for codes in terminology.codes.values():
        for code in codes:
            if code.analyte == analyte and (code.decides or code.role == "context"):
                return {"system": code.system, "code": code.code}
    raise CaseWordError(f"No code decides an analyte named '{analyte}'.")


def _value(text: str, unit_as: str) -> Json:
    if _NUMBER.fullmatch(text) and unit_as != "string":
        return {"valueQuantity": _quantity(text, unit_as)}
    return {"valueString": text}


def _quantity(text: str, unit_as: str) -> Json:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise CaseWordError(f"'{text}' is no number with a unit.")
    number = match["number"]
    quantity: Json = {"value": number if unit_as == "quoted" else Decimal(number)}  # quoted: a JSON string, as FHIR forbids (R34)
    if match["comparator"]:
        quantity["comparator"] = match["comparator"]
    if match["unit"]:
        quantity["unit"] = match["unit"]
        if unit_as != "text":
            quantity |= {"system": UCUM, "code": match["unit"]}
    return quantity


def _diagnosis(written: Mapping[str, Any]) -> Json:
    made: Json = {"resourceType": "Condition", "code": _concept(written)}
    if "status" in written:
        made["clinicalStatus"] = _word("condition-clinical", written["status"])
    if "verification" in written:
        made["verificationStatus"] = _word("condition-ver-status", written["verification"])
    if "category" in written:
        made["category"] = [_word("condition-category", written["category"])]
    for key, element in (("on", "onsetDateTime"), ("recorded", "recordedDate"), ("ended", "abatementDateTime")):
        if key in written:
            made[element] = written[key]
    return made


def _word(system: str, code: str) -> Json:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def _concept(written: Mapping[str, Any]) -> Json:
    concept: Json = {}
    if "code" in written:
        codes = [written["code"]] if isinstance(written["code"], str) else written["code"]
        concept["coding"] = [coding(code) for code in codes]
    for key in ("text", "name"):
        if key in written:
            concept["text"] = written[key]
    return concept


def _drug(written: Mapping[str, Any]) -> Json:
    kind = _DRUG_KINDS[written.get("as", "request")]
    made: Json = {"resourceType": kind, "medicationCodeableConcept": _concept(written)}
    made["status"] = written.get("status", "completed" if kind in _DONE_WHEN_WRITTEN else "active")
    if "status_reason" in written:
        reason = written["status_reason"]
        concept = {"coding": [coding(reason)]} if " " in reason and reason.split(" ")[0] in _SYSTEMS else {"text": reason}
        made["statusReason"] = concept if kind == "MedicationRequest" else [concept]
    if "note" in written:
        made["note"] = [{"text": written["note"]}]
    dosage = _dosage(written)
    if kind == "MedicationRequest":
        return made | _request_dates(written, dosage)
    if kind == "MedicationDispense":
        return made | _dispense_dates(written, dosage)
    period = {end: written[key] for key, end in (("from", "start"), ("to", "end")) if key in written}
    made |= {"effectivePeriod": period} if period else {}
    if "on" in written:
        made["effectiveDateTime"] = written["on"]
    if dosage:
        given = {element: dosage[element] for element in ("text", "route", "dose") if element in dosage}
        made["dosage"] = [dosage] if kind == "MedicationStatement" else given
    return made


def _request_dates(written: Mapping[str, Any], dosage: Json) -> Json:
    made: Json = {"intent": written.get("intent", "order")}
    if "from" in written or "on" in written:
        made["authoredOn"] = written.get("on", written.get("from"))
    bounds = {end: written[key] for key, end in (("from", "start"), ("to", "end")) if key in written}
    if bounds:
        dosage.setdefault("timing", {}).setdefault("repeat", {})["boundsPeriod"] = bounds
    if dosage:
        made["dosageInstruction"] = [dosage]
    return made


def _dispense_dates(written: Mapping[str, Any], dosage: Json) -> Json:
    made: Json = {}
    if "on" in written:
        made["whenHandedOver"] = written["on"]
    if "days" in written:
        made["daysSupply"] = {"value": Decimal(str(written["days"])), "unit": "days"}
    if dosage:
        made["dosageInstruction"] = [dosage]
    return made


def _dosage(written: Mapping[str, Any]) -> Json:
    dosage: Json = {}
    if "sig" in written:
        dosage["text"] = written["sig"]
    if "route" in written:
        dosage["route"] = {"text": written["route"]}
    if written.get("as_needed"):
        dosage["asNeededBoolean"] = True
    if "dose" in written:
        match = _DOSE.fullmatch(written["dose"])
        if match is None:
            raise CaseWordError(f"'{written['dose']}' is no dose. Expected a number and a unit, such as \"10 mg\".")
        dose = {"value": Decimal(match["number"]), "unit": match["unit"]}
        dosage["doseAndRate"] = [{"doseQuantity": dose}]
        dosage["dose"] = dose
    if "times" in written:
        match = _TIMES.fullmatch(written["times"])
        if match is None:
            raise CaseWordError(f'\'{written["times"]}\' is no frequency. Expected such as "2 per day" or "1 per 2 days".')
        dosage["timing"] = {
            "repeat": {
                "frequency": int(match["frequency"]),
                "period": Decimal(match["period"] or 1),
                "periodUnit": _PERIOD_UNITS[match["unit"]],
            }
        }
    return dosage


def _report(written: Mapping[str, Any]) -> Json:
    kind = written.get("as", "DiagnosticReport")
    concept = _concept({key: written[key] for key in ("code", "name") if key in written})
    if kind == "DocumentReference":
        from base64 import b64encode

        data = b64encode(str(written["text"]).encode()).decode()
        made = {"resourceType": kind, "status": "current", "type": concept, "date": written.get("on")}
        return made | {"content": [{"attachment": {"contentType": "text/plain", "data": data}}]}
    return {
        "resourceType": kind,
        "status": written.get("status", "final"),
        "code": concept,
        "effectiveDateTime": written.get("on"),
        "conclusion": written.get("text"),
    }


def _procedure(written: Mapping[str, Any]) -> Json:
    made: Json = {"resourceType": "Procedure", "status": written.get("status", "completed"), "code": _concept(written)}
    if "on" in written:
        made["performedDateTime"] = written["on"]
    return made


def _consent(written: Mapping[str, Any]) -> Json:
    made: Json = {
        "resourceType": "Consent",
        "status": written.get("status", "active"),
        "scope": _word("consentscope", written.get("scope", "research")),
        "performer": [{"reference": PATIENT} if who == "patient" else {"display": who} for who in written.get("by", [])],
    }
    if "on" in written:
        made["dateTime"] = written["on"]
    if "study" in written:
        made["policy"] = [{"uri": written["study"]}]
    if "decision" in written:
        made["provision"] = {"type": written["decision"]}
    return made


_QUANTITIES = ("low", "high", "numerator", "denominator", "dose", "doseQuantity")


def _exact(written: Any, under: str = "") -> Any:
    """In a Quantity, a number in quotes becomes that number, with its digits."""
    if isinstance(written, list):
        return [_exact(item, under) for item in written]
    if not isinstance(written, dict):
        return written
    quantity = under in _QUANTITIES or under.endswith("Quantity")
    return {
        key: Decimal(value) if quantity and key == "value" and isinstance(value, str) else _exact(value, key)
        for key, value in written.items()
    }
