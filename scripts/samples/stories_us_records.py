"""Stories of records that are old, broken, contradictory or kept back, told in the words of US Core."""

from __future__ import annotations

from scripts.samples.chart import LIMITED, Json, ago, coded, flag, quantity, reference_range
from scripts.samples.codes import SNOMED
from scripts.samples.us_core import AZATHIOPRINE, HYDROXYCHLOROQUINE, PREDNISONE_5, PREDNISONE_10, UsCoreChart

_SAME_MINUTE = f"{ago(5)}T08:00:00-05:00"


def stale() -> Json:
    """Seen four months ago, not since: each result deserves a look and has to be repeated."""
    chart = UsCoreChart("last-seen-in-november")
    chart.patient("Vera", "female", "1993-10-10", birth_sex="F")
    chart.lupus()
    old = ago(105)
    for name in LIMITED:
        chart.lab(name, on=old)
    chart.ecg("Normal ECG.", old)
    chart.chest_ct("Normal chest CT.", old)
    chart.sledai(12, old)
    chart.lab("ana_titre", "160", ago(400))
    chart.lab("dsdna", "55", ago(400))
    chart.lab("sm", "33", ago(400))
    chart.positive("urine_hcg", ago(60))
    # Three classes taken for long and still a high score: probable, never proven by codes.
    chart.order(PREDNISONE_10, 1, "2024-01-10")
    chart.order(HYDROXYCHLOROQUINE, 2, "2023-03-01", form="referenced")
    chart.order(AZATHIOPRINE, 2, "2024-06-01", form="contained")
    return chart.bundle()


def broken_interface() -> Json:
    """A laboratory interface that lost its units and ranges: nothing is assumed."""
    chart = UsCoreChart("interface-lost-the-units")
    chart.patient("Pim", "female", "1985-03-03", birth_sex="F")
    unknown = {"url": "https://ehr.example.invalid/fhir/modifier", "valueBoolean": True}
    chart.lupus(modifierExtension=[unknown])
    for name in ("alc", "anc", "cd19", "hemoglobin", "platelets", "creatinine"):
        chart.lab(name, unit="", bare=True)
    chart.lab("lvef", "50", comparator=">=")
    for name in ("ast", "alt", "bilirubin"):
        chart.lab(name, {"bilirubin": "3.1"}.get(name, "96"), bare=True)
    chart.lab("spo2", "12.4", unit="kPa", bare=True)
    chart.says("ana_titre", "<1:160")
    chart.lab("dsdna", "41", bare=True)
    chart.lab("sm", "26", bare=True)
    chart.ecg("Normal ECG.", ago(10), status="preliminary")
    chart.chest_ct("Normal chest CT.", ago(10), status="preliminary")
    chart.sledai(quantity("8", "{score}", comparator="<"), ago(8))
    chart.says("urine_hcg", "Invalid", ago(2))
    chart.order(PREDNISONE_5, {"text": "3 daily", **_daily("3", "")}, ago(90))
    chart.consent("consent", ago(3), modifierExtension=[unknown])
    return chart.bundle()


def implausible() -> Json:
    """Values that cannot be: shown with both readings, never repaired."""
    chart = UsCoreChart("values-that-cannot-be")
    chart.patient("Ulla", "female", "1990-06-06", birth_sex="F")
    chart.lupus()
    chart.lab("alc", "1400")
    chart.lab("anc", "3200")
    chart.lab("cd19", "14200")
    chart.lab("hemoglobin", "121")
    chart.lab("platelets", "214000")
    chart.lab("lvef", "0.62")
    chart.lab("creatinine", "68")
    chart.lab("ast", "28", bare=True)
    chart.lab("alt", "31", bare=True)
    chart.lab("bilirubin", "0.6", bare=True)
    chart.lab("spo2", "9.8")
    for name in ("ana_titre", "dsdna_titre", "sm_titre"):
        chart.lab(name, "0.0125")
    chart.sledai(120, ago(8))
    chart.problem("Z33.1", None, name="pregnancy")
    chart.negative("urine_hcg", ago(3))
    chart.order(PREDNISONE_5, 1, ago(90))
    chart.add(
        "MedicationRequest",
        "unnamed-drug",
        status="active",
        intent="order",
        medicationReference={"display": "drug from the outside pharmacy"},
        subject=chart.subject,
        authoredOn=ago(30),
    )
    return chart.bundle()


def same_minute() -> Json:
    """Two results of the same minute, two ranges, two statements: the record contradicts itself."""
    chart = UsCoreChart("record-contradicts-itself")
    chart.patient("Kim", "female", "1992-02-02", birth_sex="M")
    chart.lupus()
    chart.classified(15, "2019-06-01")
    chart.classified(7, "2021-06-01")
    pairs = {
        "alc": ("1.4", "0.3"), "anc": ("3.2", "0.4"), "cd19": ("142", "3"), "hemoglobin": ("12.1", "7.0"),
        "platelets": ("214", "51"), "lvef": ("62", "48"), "creatinine": ("0.8", "6.0"), "spo2": ("98", "88"),
    }  # fmt: skip
    for name, values in pairs.items():
        for value in values:
            chart.lab(name, value, _SAME_MINUTE)
    chart.lab("ast", "130", referenceRange=[reference_range("8", high, "U/L") for high in ("40", "60")])
    chart.lab("alt", "31", interpretation=flag("H", "High"))
    chart.lab("bilirubin", "0.6", interpretation=flag("HH", "Critical high"))
    for says in ("Normal ECG.", "Atrial fibrillation."):
        chart.ecg(says, _SAME_MINUTE)
    chart.lab("ana_units", "5", interpretation=flag("POS", "Positive"))
    chart.lab("dsdna", "86", interpretation=flag("N", "Normal"))
    chart.lab("sm", "4", interpretation=flag("H", "High"))
    for total in (12, 2):
        chart.sledai(total, _SAME_MINUTE)
    chart.positive("urine_hcg", _SAME_MINUTE)
    chart.negative("urine_hcg", _SAME_MINUTE)
    order = chart.order(HYDROXYCHLOROQUINE, 2, ago(200))
    chart.add(
        "MedicationStatement",
        "not-taken",
        status="not-taken",
        medicationCodeableConcept=order["medicationCodeableConcept"],
        subject=chart.subject,
        dateAsserted=ago(4),
        effectiveDateTime=ago(4),
    )
    chart.consent("consent", ago(10))
    chart.consent("second-consent", ago(10), decision="deny")
    return chart.bundle()


def restricted() -> Json:
    """The server kept something back: what is on file could be overturned."""
    chart = UsCoreChart("chart-partly-withheld")
    chart.patient("Zoe", "female", None, birth_sex="F")
    for name in ("alc", "platelets", "ast"):
        chart.lab(name)
    chart.lupus(verification="refuted", clinical=None)
    chart.order(HYDROXYCHLOROQUINE, 2, ago(200))
    chart.consent("consent", ago(10))
    bundle = chart.bundle()
    for entry in bundle["entry"]:
        entry["search"] = {"mode": "match"}
    bundle["entry"].append({"resource": _WITHHELD, "search": {"mode": "outcome"}})
    return bundle | {"type": "searchset"}


_WITHHELD: Json = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "warning", "code": "suppressed", "diagnostics": "Some of the record is withheld from this user."}],
}


def withheld_elsewhere() -> Json:
    """The same of a person whose birth date and results are known, without consent on file."""
    chart = UsCoreChart("results-withheld")
    chart.patient("Abel", "male", "1970-07-07", birth_sex="M")
    chart.lab("cd19")
    bundle = chart.bundle()
    bundle["entry"].append({"resource": _WITHHELD, "search": {"mode": "outcome"}})
    return bundle | {"type": "searchset"}


def letters() -> Json:
    """All of it stands in letters and scans, which are for a person to read."""
    chart = UsCoreChart("everything-in-letters")
    chart.patient("Ruth", "female", "1982-12-12", birth_sex="F")
    chart.letter("letter", "Seen for systemic lupus erythematosus. SLEDAI-2K 8 at this visit.", ago(8))
    chart.says("lvef", "Normal", ago(8))
    chart.ecg(None, ago(8))
    chart.chest_ct(None, ago(8))
    chart.order(PREDNISONE_5, {"text": "Take as directed"}, ago(90))
    chart.letter("consent-form", "Informed consent form, study NCT06789107, signed", ago(2))
    return chart.bundle()


def _daily(dose: str, unit: str) -> Json:
    return {
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        "route": coded(SNOMED, "26643006", "Oral route"),
        "doseAndRate": [{"doseQuantity": quantity(dose, unit)}],
    }


STORIES = (stale, broken_interface, implausible, same_minute, restricted, withheld_elsewhere, letters)
