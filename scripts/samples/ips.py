"""The International Patient Summary, as European systems send it: a document, statements, SNOMED CT, ATC, SI units, urn:uuid."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from scripts.samples.chart import LIMITED, SYNTHETIC, Chart, Json, ago, coded, flag, quantity, reference_range
from scripts.samples.codes import ATC, LOINC, SI_TESTS, SNOMED, Test, diagnosis_name, ingredient_codes, loinc_name

CONDITION = "http://terminology.hl7.org/CodeSystem"
LIST_EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"

#: Section: its LOINC code, title, and the types it lists.
SECTIONS = (
    ("10160-0", "Medication Summary", ("MedicationStatement",)),
    ("11450-4", "Problem List", ("Condition",)),
    ("30954-2", "Diagnostic Results", ("Observation", "DiagnosticReport")),
)


class SummaryChart(Chart):
    """A chart in the words of the International Patient Summary; its Bundle is a document that a Composition opens."""

    bundle_type = "document"
    tests = SI_TESTS

    def __init__(self, story: str) -> None:
        super().__init__(story)
        self.no_medication = False

    @property
    def subject(self) -> Json:
        return {"reference": self._urn("Patient", self.story)}

    def full_url(self, resource: Json) -> str:
        return self._urn(resource["resourceType"], resource["id"])

    def reference_to(self, resource: Json) -> Json:
        return {"reference": self.full_url(resource)}

    def bundle(self) -> Json:
        listed = list(self.resources)
        summary = self.add(
            "Composition",
            "summary",
            status="final",
            type=coded(LOINC, "60591-5", loinc_name("60591-5")),
            subject=self.subject,
            date=f"{ago(1)}T12:00:00+01:00",
            author=[{"display": "Regional hospital, fictitious"}],
            title="International Patient Summary",
            section=[self._section(code, title, kinds, listed) for code, title, kinds in SECTIONS],
        )
        self.resources = [summary, *listed]
        identifier = {"system": "urn:ietf:rfc:3986", "value": self._urn("Bundle", self.story)}
        whole = super().bundle()
        entries = whole.pop("entry")
        return whole | {"identifier": identifier, "timestamp": f"{ago(1)}T12:00:00+01:00", "entry": entries}

    def transaction(self) -> Json:
        """The same resources without a document around them, as one system hands them to another."""
        whole = super().bundle() | {"type": "transaction"}
        for entry in whole["entry"]:
            resource = entry["resource"]
            entry["request"] = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
        return whole

    def _section(self, code: str, title: str, kinds: tuple[str, ...], listed: Iterable[Json]) -> Json:
        section: Json = {"title": title, "code": coded(LOINC, code, loinc_name(code))}
        entries = [self.reference_to(each) for each in listed if each["resourceType"] in kinds]
        if entries:
            return section | {"entry": entries}
        known = self.no_medication and "MedicationStatement" in kinds
        return section | {"emptyReason": coded(LIST_EMPTY, "nilknown" if known else "unavailable")}

    def _urn(self, kind: str, identity: str) -> str:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{self.base}/{kind}/{identity}')}"

    def moment(self, on: str) -> str:
        return on

    def patient(self, given: str, gender: str | None, birth: str | None, **more: Any) -> Json:
        """The Patient."""
        return self.add(
            "Patient",
            "",
            meta={"security": [SYNTHETIC]},
            identifier=[{"system": "https://summary.example.invalid/national-id", "value": self.story}],
            name=[{"family": "Sample", "given": [given]}],
            gender=gender,
            birthDate=birth,
            **more,
        )

    def lab(self, name: str, value: str | None = None, on: str | None = None, **content: Any) -> Json:
        """A numeric result in SI units; without a value the usual one, without a day last week's."""
        test: Test = self.tests[name]
        unit = content.pop("unit", test.unit)
        number = quantity(value or test.usual, unit, comparator=content.pop("comparator", None))
        if not content.pop("bare", False) and (test.low or test.high):
            content.setdefault("referenceRange", [reference_range(test.low, test.high, unit)])
        return self._result(name, on, valueQuantity=number, **content)

    def titre(self, name: str, denominator: str, on: str | None = None) -> Json:
        """A titre as a Ratio."""
        return self._result(name, on, valueRatio={"numerator": {"value": 1}, "denominator": {"value": int(denominator)}})

    def negative(self, name: str, on: str | None = None) -> Json:
        value = coded(SNOMED, "260385009", "Negative")
        return self._result(name, on, valueCodeableConcept=value, interpretation=flag("NEG", "Negative"))

    def positive(self, name: str, on: str | None = None) -> Json:
        value = coded(SNOMED, "10828004", "Positive")
        return self._result(name, on, valueCodeableConcept=value, interpretation=flag("POS", "Positive"))

    def says(self, name: str, word: str, on: str | None = None, **content: Any) -> Json:
        return self._result(name, on, valueString=word, **content)

    def _result(self, name: str, on: str | None, **content: Any) -> Json:
        test: Test = self.tests[name]
        content.setdefault("category", test.category)
        code = coded(LOINC, test.loinc, loinc_name(test.loinc))
        return self.observation(name.replace("_", "-"), code, on or ago(6), **content)

    def problem(self, code: str, since: str | None = None, *, system: str = SNOMED, **content: Any) -> Json:
        """A Condition, by default confirmed and active."""
        clinical = content.pop("clinical", "active")
        return self.add(
            "Condition",
            content.pop("name", "problem"),
            clinicalStatus=coded(f"{CONDITION}/condition-clinical", clinical) if clinical else None,
            verificationStatus=coded(f"{CONDITION}/condition-ver-status", content.pop("verification", "confirmed")),
            category=[coded(f"{CONDITION}/condition-category", "problem-list-item")],
            code=coded(system, code, diagnosis_name(system, code)),
            subject=self.subject,
            onsetDateTime=since,
            **content,
        )

    def lupus(self, **content: Any) -> Json:
        return self.problem("55464009", "2018-11", name="lupus", **content)

    def statement(self, ingredient: str, mg: str | None, since: str, until: str | None = None, **content: Any) -> Json:
        """A MedicationStatement: what is, or was, taken. ``mg`` once a day; None where only ``text`` says how."""
        atc, substance = ingredient_codes(ingredient)
        codings = [{"system": ATC, "code": atc, "display": ingredient}]
        if substance:
            codings.append({"system": SNOMED, "code": substance, "display": ingredient})
        text = content.pop("text", None)
        dosage: Json = {"text": text} if text else {}
        if mg is not None:
            dosage |= {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "route": content.pop("route", coded("http://standardterms.edqm.eu", "20053000", "Oral use")),
                "doseAndRate": [{"doseQuantity": quantity(mg, "mg")}],
            }
        return self.add(
            "MedicationStatement",
            ingredient.replace(" ", "-"),
            status=content.pop("status", "completed" if until else "active"),
            medicationCodeableConcept={"coding": codings, "text": content.pop("called", ingredient)},
            subject=self.subject,
            effectivePeriod={"start": since} | ({"end": until} if until else {}),
            dosage=[dosage] if dosage else None,
            **content,
        )

    def failed(self, ingredient: str, mg: str, since: str, until: str) -> Json:
        """A treatment stopped because it did not work."""
        reason = [coded(SNOMED, "58848006", "Lack of drug action")]
        return self.statement(ingredient, mg, since, until, status="stopped", statusReason=reason)

    def three_failed(self) -> None:
        self.failed("prednisolone", "20", "2018-12-01", "2020-02-28")
        self.failed("hydroxychloroquine", "400", "2018-12-01", "2021-06-30")
        self.failed("azathioprine", "100", "2020-03-01", "2021-12-31")
        self.statement("prednisolone", "7.5", ago(200))

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
            self.sledai(8, ago(12))
