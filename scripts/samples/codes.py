"""The codes that the samples use, with the names that the tables in mappings/sources give them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "mappings" / "sources"

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
UCUM = "http://unitsofmeasure.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
FLAGS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"

_TABLE_NAMES = {ICD10CM: "ICD-10-CM", ICD10: "ICD-10 (WHO)", SNOMED: "SNOMED CT"}
_NAMED_HERE = {
    (SNOMED, "182841002"): "Doctor stopped drugs - ineffective",
    (SNOMED, "58848006"): "Lack of drug action",
    (SNOMED, "10828004"): "Positive",
    (SNOMED, "260385009"): "Negative",
    (SNOMED, "26643006"): "Oral route",
    (SNOMED, "47625008"): "Intravenous route",
    (LOINC, "11524-6"): "EKG study",
    (LOINC, "24627-2"): "CT Chest",
    (LOINC, "11502-2"): "Laboratory report",
    (LOINC, "11488-4"): "Consult note",
    (LOINC, "60591-5"): "Patient summary Document",
    (LOINC, "10160-0"): "History of Medication use Narrative",
    (LOINC, "11450-4"): "Problem list - Reported",
    (LOINC, "30954-2"): "Relevant diagnostic tests/laboratory data Narrative",
    (LOINC, "59284-0"): "Consent Document",
    (ICD10CM, "D69.3"): "Immune thrombocytopenic purpura",
}


@dataclass(frozen=True, slots=True)
class Test:
    """A test as a laboratory of one dialect reports it.

    Attributes:
        usual: A value that fulfils its criterion.
        low, high: The laboratory's reference range; None where it sends no such end.
    """

    loinc: str
    usual: str
    unit: str
    low: str | None = None
    high: str | None = None
    category: str = "laboratory"


#: As laboratories in the United States report.
US_TESTS: Mapping[str, Test] = {
    "alc": Test("731-0", "1.4", "10*3/uL", "0.9", "3.3"),
    "anc": Test("751-8", "3.2", "10*3/uL", "1.8", "7.7"),
    "cd19": Test("8116-6", "142", "/uL", "90", "660"),
    "hemoglobin": Test("718-7", "12.1", "g/dL", "11.7", "15.5"),
    "platelets": Test("777-3", "214", "10*3/uL", "150", "400"),
    "wbc": Test("6690-2", "5.2", "10*3/uL", "4.0", "11.0"),
    "lymphocytes_percent": Test("736-9", "27", "%"),
    "granulocytes": Test("30394-1", "2.1", "10*3/uL"),
    "lvef": Test("18043-0", "62", "%", category="imaging"),
    "egfr": Test("98979-8", "92", "mL/min/{1.73_m2}", "60"),
    "creatinine": Test("2160-0", "0.8", "mg/dL", "0.5", "1.1"),
    "ast": Test("1920-8", "28", "U/L", "8", "40"),
    "alt": Test("1742-6", "31", "U/L", "7", "56"),
    "bilirubin": Test("1975-2", "0.6", "mg/dL", "0.1", "1.2"),
    "spo2": Test("59408-5", "98", "%", category="vital-signs"),
    "oxygen_flow": Test("3151-8", "2", "L/min", category="vital-signs"),
    "height": Test("8302-2", "150", "cm", category="vital-signs"),
    "temperature": Test("8310-5", "38.4", "Cel", category="vital-signs"),
    "ana_titre": Test("5048-4", "320", "{titer}"),
    "ana": Test("8061-4", "", ""),
    "ana_units": Test("5047-6", "12", "[IU]/mL", None, "7"),
    "dsdna": Test("5130-0", "86", "[IU]/mL", None, "30"),
    "dsdna_titre": Test("11013-0", "40", "{titer}"),
    "dsdna_presence": Test("31348-6", "", ""),
    "sm": Test("11090-8", "4", "[arb'U]/mL", None, "20"),
    "sm_titre": Test("9722-0", "40", "{titer}"),
    "sm_presence": Test("31627-3", "", ""),
    "sm_rnp": Test("31628-1", "", ""),
    "c3": Test("4485-9", "98", "mg/dL", "90", "180"),
    "c4": Test("4498-2", "18", "mg/dL", "10", "40"),
    "upcr": Test("2890-2", "860", "mg/g{creat}", None, "200"),
    "urine_hcg": Test("2106-3", "", ""),
    "serum_hcg": Test("2118-8", "", ""),
    "menarche": Test("3146-8", "", "", category="social-history"),
}

#: As laboratories that follow SI report.
SI_TESTS: Mapping[str, Test] = {
    **US_TESTS,
    "alc": Test("26474-7", "1.4", "10*9/L", "1.0", "3.5"),
    "anc": Test("26499-4", "3.2", "10*9/L", "1.8", "7.5"),
    "cd19": Test("8116-6", "142", "10*6/L", "90", "660"),
    "hemoglobin": Test("718-7", "121", "g/L", "117", "155"),
    "platelets": Test("26515-7", "214", "10*9/L", "150", "400"),
    "wbc": Test("26464-8", "5.2", "10*9/L", "4.0", "10.0"),
    "lvef": Test("10230-1", "62", "%", category="imaging"),
    "egfr": Test("62238-1", "92", "mL/min/{1.73_m2}", "60"),
    "creatinine": Test("14682-9", "68", "umol/L", "45", "90"),
    "bilirubin": Test("14631-6", "9", "umol/L", None, "21"),
    "c3": Test("4485-9", "1.02", "g/L", "0.9", "1.8"),
    "c4": Test("4498-2", "0.19", "g/L", "0.1", "0.4"),
    "dsdna": Test("33800-4", "86", "[IU]/mL", None, "15"),
}


@cache
def loinc_name(code: str) -> str:
    """The name of a laboratory code."""
    return _NAMED_HERE.get((LOINC, code)) or next(row["name"] for row in _rows("labs.csv") if row["loinc"] == code)


@cache
def diagnosis_name(system: str, code: str) -> str:
    """The name of a condition's code."""
    if (system, code) in _NAMED_HERE:
        return _NAMED_HERE[system, code]
    table = _TABLE_NAMES[system]
    return next(row["display"] for row in _rows("conditions.csv") if (row["system"], row["code"]) == (table, code))


@cache
def product_name(rxcui: str) -> str:
    """The name of an RxNorm product."""
    return next(row["name"] for row in _rows("rxnorm_products.csv") if row["rxcui"] == rxcui)


@cache
def ingredient_codes(ingredient: str) -> tuple[str, str]:
    """ATC code and SNOMED substance of an ingredient, the first of each."""
    row = next(row for row in _rows("medications.csv") if row["ingredient"] == ingredient)
    return row["atc"].split("|")[0], row["snomed_substance"]


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    with (SOURCES / name).open(encoding="utf-8", newline="") as table:
        return tuple(csv.DictReader(table))
