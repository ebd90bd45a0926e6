"""A Chinese hospital, fictitious: local codes, Chinese text, flags as arrows and words, +08:00, limits in a table of its own.

Its codes, words and limits are those of mappings/sites/bailuhe/overlay.yaml; without that overlay most of it means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.samples.chart import LIMITED, SYNTHETIC, Chart, Json, ago, coded, quantity, reference_range
from scripts.samples.codes import ICD10

HIS = "https://his.bailuhe.example.invalid"
LAB, DRUG, DIAGNOSIS = f"{HIS}/lab-item", f"{HIS}/drug", f"{HIS}/diagnosis"


@dataclass(frozen=True, slots=True)
class Item:
    """A test of the hospital's laboratory. A range is sent only where one stands here."""

    code: str
    name: str
    usual: str
    unit: str
    low: str | None = None
    high: str | None = None


ITEMS: Mapping[str, Item] = {
    "alc": Item("XJ-0107", "血液分析：淋巴（绝）", "1.4", "×10^9/L", "1.1", "3.2"),
    "anc": Item("XJ-0105", "血液分析：中性（绝）", "3.2", "×10^9/L", "1.8", "6.3"),
    "hemoglobin": Item("XJ-0112", "血液分析：血色素", "121", "g/L", "115", "150"),
    "platelets": Item("XJ-0120", "血液分析：板数", "214", "×10^9/L", "125", "350"),
    "cd19": Item("LS-0304", "流式：B细胞（绝）", "142", "个/μL", "90", "560"),
    "creatinine": Item("SH-0211", "生化：Cr（酶法）", "61", "μmol/L", "41", "81"),
    "egfr": Item("SH-0219", "生化：滤过率（CKD-EPI）", "101", "ml/(min·1.73m²)"),
    "ast": Item("SH-0202", "生化：草转", "27", "U/L"),
    "alt": Item("SH-0201", "生化：丙转", "24", "U/L"),
    "bilirubin": Item("SH-0205", "生化：总胆", "9.4", "μmol/L"),
    "ana_titre": Item("MY-0401", "免疫：核抗体滴度（IIF）", "", ""),
    "dsdna": Item("MY-0402", "免疫：双链（ELISA）", "185", "IU/ml", None, "100"),
    "sm": Item("MY-0405", "免疫：斯密斯抗体（印迹）", "", ""),
    "urine_hcg": Item("TJ-0501", "体液：早早孕（尿）", "", ""),
    "spo2": Item("HL-0601", "护理：指氧", "98", "%"),
    "lvef": Item("CS-0701", "超声：左室EF值（双平面）", "64", "%"),
    "height": Item("HL-0610", "护理：身长", "142", "cm"),
}

PREDNISONE, HYDROXYCHLOROQUINE = "YP-1001", "YP-1010"
MYCOPHENOLATE, CYCLOPHOSPHAMIDE, BELIMUMAB, TELITACICEPT = "YP-1021", "YP-1025", "YP-1031", "YP-1033"

DRUGS: Mapping[str, str] = {
    PREDNISONE: "强松片 5mg",
    HYDROXYCHLOROQUINE: "赛能片 0.1g",
    MYCOPHENOLATE: "赛可平胶囊 0.25g",
    CYCLOPHOSPHAMIDE: "CTX针 0.2g",
    BELIMUMAB: "BLyS单抗针 120mg",
    TELITACICEPT: "BLyS/APRIL融合蛋白针 80mg",
}

DIAGNOSES: Mapping[str, str] = {"ZD-3201": "SLE（活动期）", "ZD-6903": "ITP（免疫性）"}


class HospitalChart(Chart):
    """A chart as the hospital's interface exports it."""

    base = f"{HIS}/fhir"

    def moment(self, on: str) -> str:
        return on if len(on) != len("2026-03-02") else f"{on}T07:30:00+08:00"

    def patient(self, given: str, gender: str, birth: str) -> Json:
        """The Patient."""
        return self.add(
            "Patient",
            "",
            meta={"security": [SYNTHETIC]},
            identifier=[{"system": f"{HIS}/bah", "value": self.story}],
            name=[{"text": f"样例{given}"}],
            gender=gender,
            birthDate=birth,
        )

    def lab(
        self, name: str, value: str | None = None, on: str | None = None, *, arrow: str | None = None, **content: Any
    ) -> Json:
        """A numeric result, its unit as printed, its flag as an arrow or a word."""
        item = ITEMS[name]
        if item.low or item.high:
            content.setdefault("referenceRange", [reference_range_of(item)])
        number = quantity(value or item.usual, item.unit, code="", comparator=content.pop("comparator", None))
        return self._result(item, on, valueQuantity=number, interpretation=[{"text": arrow}] if arrow else None, **content)

    def says(self, name: str, word: str, on: str | None = None, **content: Any) -> Json:
        """A result in words."""
        return self._result(ITEMS[name], on, valueString=word, **content)

    def _result(self, item: Item, on: str | None, **content: Any) -> Json:
        content.setdefault("performer", [{"display": "白鹿河医院检验科"}])
        code = coded(LAB, item.code, item.name, item.name)
        return self.observation(item.code.lower(), code, on or ago(6), **content)

    def diagnosis(self, code: str, since: str, **content: Any) -> Json:
        """A diagnosis by the hospital's own code."""
        return self._condition(coded(DIAGNOSIS, code, DIAGNOSES[code], DIAGNOSES[code]), since, **content)

    def icd(self, code: str, name: str, since: str, **content: Any) -> Json:
        """A diagnosis by the national extension of ICD-10."""
        return self._condition(coded(ICD10, code, name, name), since, **content)

    def _condition(self, code: Json, since: str, **content: Any) -> Json:
        terminology = "http://terminology.hl7.org/CodeSystem"
        return self.add(
            "Condition",
            "diagnosis",
            clinicalStatus=coded(f"{terminology}/condition-clinical", "active"),
            verificationStatus=coded(f"{terminology}/condition-ver-status", "confirmed"),
            category=[coded(f"{terminology}/condition-category", "problem-list-item")],
            code=code,
            subject=self.subject,
            onsetDateTime=since,
            **content,
        )

    def order(self, code: str, pieces: str, timing: str, since: str, until: str | None = None, **content: Any) -> Json:
        """An order in pieces of the product, as the ward writes it."""
        period = {"start": since} | ({"end": until} if until else {})
        unit = content.pop("unit", "片")
        return self.add(
            "MedicationRequest",
            code.lower(),
            status=content.pop("status", "active"),
            intent="order",
            medicationCodeableConcept=coded(DRUG, code, DRUGS[code], DRUGS[code]),
            subject=self.subject,
            authoredOn=since,
            dosageInstruction=[
                {
                    "text": f"{pieces}{unit} {timing}",
                    "timing": {"code": {"text": timing}, "repeat": {"boundsPeriod": period}},
                    "route": {"text": content.pop("route", "口服")},
                    "doseAndRate": [{"doseQuantity": quantity(pieces, unit, code="")}],
                }
            ],
            **content,
        )

    def failed(self, code: str, pieces: str, since: str, until: str, **content: Any) -> Json:
        """An order that was stopped because it did not work."""
        timing = content.pop("timing", "晨顿服")
        return self.order(code, pieces, timing, since, until, status="stopped", statusReason={"text": "疗效不佳"}, **content)

    def three_failed(self) -> None:
        self.failed(PREDNISONE, "6", "2021-03-01", "2022-05-31")
        self.failed(MYCOPHENOLATE, "4", "2021-09-01", "2023-03-31", unit="粒")
        self.failed(TELITACICEPT, "2", "2023-05-01", "2024-10-31", unit="支", route="皮下注射", timing="每周一次")
        self.order(PREDNISONE, "2", "晨顿服", ago(150))

    def ecg_says(self, says: str, on: str) -> Json:
        return self.report("ecg", "心电图", says, on)

    def ct_says(self, says: str, on: str) -> Json:
        return self.report("chest-ct", "胸部CT平扫", says, on)

    def in_order(self, *without: str) -> None:
        """Recent results that fulfil every limit, but for those named."""
        for name in (*LIMITED, "dsdna"):
            if name not in without:
                self.lab(name)
        self.ecg_says("正常心电图", ago(34))
        self.ct_says("未见明显异常", ago(47))
        self.score("sledai", "SLEDAI-2K总分", 10, ago(8), performer=[{"display": "风湿免疫科"}])


def reference_range_of(item: Item) -> Json:
    """The range as printed: numbers, without a unit."""
    return reference_range(item.low, item.high, "")
