"""US Core, as American EHRs send it: LOINC, RxNorm, ICD-10-CM, orders, category codes, the birth sex extension."""

from __future__ import annotations

from typing import Any

from scripts.samples.chart import LIMITED, SYNTHETIC, Chart, Json, ago, coded, flag, quantity, reference_range
from scripts.samples.codes import (
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    US_TESTS,
    Test,
    diagnosis_name,
    loinc_name,
    product_name,
)

PROFILES = "http://hl7.org/fhir/us/core/StructureDefinition"
CONDITION = "http://terminology.hl7.org/CodeSystem"

PREDNISONE_5, PREDNISONE_10, METHYLPREDNISOLONE_8 = "312617", "198145", "197973"
HYDROXYCHLOROQUINE, MYCOPHENOLATE, AZATHIOPRINE = "979092", "200060", "197388"
TACROLIMUS, RITUXIMAB, BELIMUMAB, METHOTREXATE = "198377", "1657862", "1656398", "105585"

INEFFECTIVE = coded(SNOMED, "182841002", "Doctor stopped drugs - ineffective")


class UsCoreChart(Chart):
    """A chart in the words of US Core."""

    tests = US_TESTS

    def moment(self, on: str) -> str:
        return on if len(on) != len("2026-03-02") else f"{on}T09:30:00-05:00"

    def patient(self, given: str, gender: str | None, birth: str | None, *, birth_sex: str | None = None, **more: Any) -> Json:
        """The Patient."""
        sex = [{"url": f"{PROFILES}/us-core-birthsex", "valueCode": birth_sex}] if birth_sex else None
        return self.add(
            "Patient",
            "",
            meta={"profile": [f"{PROFILES}/us-core-patient"], "security": [SYNTHETIC]},
            extension=sex,
            identifier=[{"system": "https://ehr.example.invalid/mrn", "value": self.story}],
            name=[{"family": "Sample", "given": [given]}],
            gender=gender,
            birthDate=birth,
            **more,
        )

    def lab(self, name: str, value: str | None = None, on: str | None = None, **content: Any) -> Json:
        """A numeric result; without a value the usual one, without a day last week's. ``bare`` leaves the range out."""
        test: Test = self.tests[name]
        unit = content.pop("unit", test.unit)
        number = quantity(value or test.usual, unit, code=content.pop("ucum", None), comparator=content.pop("comparator", None))
        if not content.pop("bare", False) and (test.low or test.high):
            content.setdefault("referenceRange", [reference_range(test.low, test.high, unit)])
        return self._result(name, on, valueQuantity=number, **content)

    def says(self, name: str, word: str, on: str | None = None, **content: Any) -> Json:
        """A result in words."""
        return self._result(name, on, valueString=word, **content)

    def finds(self, name: str, code: str, display: str, on: str | None = None, **content: Any) -> Json:
        """A result as a SNOMED CT finding."""
        return self._result(name, on, valueCodeableConcept=coded(SNOMED, code, display), **content)

    def negative(self, name: str, on: str | None = None) -> Json:
        return self.finds(name, "260385009", "Negative", on, interpretation=flag("NEG", "Negative"))

    def positive(self, name: str, on: str | None = None) -> Json:
        return self.finds(name, "10828004", "Positive", on, interpretation=flag("POS", "Positive"))

    def _result(self, name: str, on: str | None, **content: Any) -> Json:
        test: Test = self.tests[name]
        code = coded(LOINC, test.loinc, loinc_name(test.loinc) or None)
        content.setdefault("category", test.category)
        return self.observation(name.replace("_", "-"), code, on or ago(6), **content)

    def problem(self, code: str, since: str | None = None, *, system: str = ICD10CM, **content: Any) -> Json:
        """A Condition; by default confirmed, active and on the problem list."""
        verification, clinical = content.pop("verification", "confirmed"), content.pop("clinical", "active")
        kind = content.pop("kind", "problem-list-item")
        return self.add(
            "Condition",
            content.pop("name", "problem"),
            clinicalStatus=coded(f"{CONDITION}/condition-clinical", clinical) if clinical else None,
            verificationStatus=coded(f"{CONDITION}/condition-ver-status", verification),
            category=[coded(f"{CONDITION}/condition-category", kind)],
            code=coded(system, code, diagnosis_name(system, code)),
            subject=self.subject,
            onsetDateTime=since,
            **content,
        )

    def lupus(self, **content: Any) -> Json:
        return self.problem("M32.14", "2019-05-14", name="lupus", **content)

    def order(self, rxcui: str, dose: Any, since: str, until: str | None = None, *, form: str = "inline", **content: Any) -> Json:
        """A MedicationRequest.

        Args:
            dose: Tablets a day, or a dosageInstruction.
            form: How the drug is named: "inline", "referenced" in the Bundle, or "contained".
        """
        period = {"start": since} | ({"end": until} if until else {})
        dosage = dose if isinstance(dose, dict) else _tablets(str(dose), period)
        name = product_name(rxcui).split()[0].lower()
        drug = coded(RXNORM, rxcui, product_name(rxcui), product_name(rxcui))
        return self.add(
            "MedicationRequest",
            name,
            **({"contained": [{"resourceType": "Medication", "id": "drug", "code": drug}]} if form == "contained" else {}),
            status=content.pop("status", "active"),
            intent="order",
            **self._named(form, name, drug),
            subject=self.subject,
            authoredOn=since,
            dosageInstruction=[dosage],
            **content,
        )

    def _named(self, form: str, name: str, drug: Json) -> Json:
        match form:
            case "contained":
                return {"medicationReference": {"reference": "#drug"}}
            case "referenced":
                medication = self.add("Medication", f"{name}-product", code=drug)
                return {"medicationReference": self.reference_to(medication)}
            case _:
                return {"medicationCodeableConcept": drug}

    def failed(self, rxcui: str, since: str, until: str, *, dose: Any = 1, form: str = "inline") -> Json:
        """An order that a clinician stopped because it did not work."""
        return self.order(rxcui, dose, since, until, form=form, status="stopped", statusReason=INEFFECTIVE)

    def given(self, rxcui: str, name: str, dose: str, on: str) -> Json:
        """An infusion."""
        return self.add(
            "MedicationAdministration",
            name,
            status="completed",
            medicationCodeableConcept=coded(RXNORM, rxcui, product_name(rxcui)),
            subject=self.subject,
            effectiveDateTime=self.moment(on),
            dosage={"route": coded(SNOMED, "47625008", "Intravenous route"), "dose": quantity(dose, "mg")},
        )

    # --- what most stories share

    def three_failed(self) -> None:
        """Three classes stopped as ineffective, and a stable background treatment."""
        self.failed(AZATHIOPRINE, "2021-02-01", "2021-11-30", dose=2)
        self.failed(HYDROXYCHLOROQUINE, "2019-06-01", "2022-03-31", dose=2, form="contained")
        self.failed(PREDNISONE_10, "2019-05-20", "2020-01-31", dose=2)
        self.order(PREDNISONE_5, 2, ago(120), form="referenced")

    def in_order(self, *without: str) -> None:
        """Recent results that fulfil every limit, but for those named."""
        for name in (*LIMITED, "dsdna"):
            if name not in without:
                self.lab(name)
        if "ecg" not in without:
            self.ecg("Normal ECG.", ago(34))
        if "chest_ct" not in without:
            self.chest_ct("Normal chest CT.", ago(47))
        if "sledai" not in without:
            self.sledai(10, ago(8))


def _tablets(number: str, period: Json) -> Json:
    each = {"doseQuantity": quantity(number, "tablet", code="{tbl}")}
    return {
        "text": f"{number} by mouth once daily",
        "timing": {"repeat": {"boundsPeriod": period, "frequency": 1, "period": 1, "periodUnit": "d"}},
        "route": coded(SNOMED, "26643006", "Oral route"),
        "doseAndRate": [each],
    }
