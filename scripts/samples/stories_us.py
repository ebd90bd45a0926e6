"""Stories told in the words of US Core."""

from __future__ import annotations

from typing import Any

from scripts.samples.chart import Json, ago, coded, flag, quantity, reference_range
from scripts.samples.codes import SNOMED
from scripts.samples.us_core import (
    AZATHIOPRINE,
    BELIMUMAB,
    HYDROXYCHLOROQUINE,
    METHYLPREDNISOLONE_8,
    MYCOPHENOLATE,
    PREDNISONE_5,
    PREDNISONE_10,
    RITUXIMAB,
    TACROLIMUS,
    UsCoreChart,
)

_SAME_MINUTE = f"{ago(5)}T08:00:00-05:00"


def lina() -> Json:
    """A woman in whom every prescreening question is answered."""
    chart = UsCoreChart("lina-potentially-eligible")
    chart.patient("Lina", "female", "1996-08-19", birth_sex="F")
    chart.lupus()
    chart.classified(19, "2019-06-02")
    chart.three_failed()
    chart.in_order()
    chart.lab("ana_titre", "320", "2025-06-11")
    chart.negative("urine_hcg", ago(3))
    chart.problem("Z97.5", "2024-02-01", name="contraception")
    return chart.bundle()


def theo() -> Json:
    """A man who has signed the consent already."""
    chart = UsCoreChart("theo-consent-signed")
    chart.patient("Theo", "male", "1984-12-03", birth_sex="M")
    chart.lupus()
    chart.classified(14, "2019-06-20")
    chart.three_failed()
    chart.in_order("alc")
    chart.lab("wbc", "5.2", _SAME_MINUTE)
    chart.lab("lymphocytes_percent", "27", _SAME_MINUTE)
    chart.lab("sm", "37", ago(50))
    chart.consent("consent", ago(2))
    return chart.bundle()


def omar() -> Json:
    """Low platelets in immune thrombocytopenia, without bleeding: the note leaves it to the investigator."""
    chart = UsCoreChart("omar-platelets-low-immune")
    chart.patient("Omar", "male", "1991-04-02", birth_sex="M")
    chart.lupus()
    chart.problem("D69.3", "2025-10-03", name="itp")
    chart.classified(16, "2019-07-01")
    chart.three_failed()
    chart.in_order("platelets")
    chart.lab("platelets", "40", interpretation=flag("LL", "Critical low"))
    return chart.bundle()


def menorrhagia() -> Json:
    """Low platelets with documented bleeding and a falling haemoglobin."""
    chart = UsCoreChart("platelets-low-menorrhagia")
    chart.patient("Rosa", "female", "1999-01-30", birth_sex="F")
    chart.lupus()
    chart.problem("N92.0", ago(5), name="bleeding")
    chart.three_failed()
    chart.in_order("platelets", "hemoglobin")
    chart.lab("platelets", "38")
    chart.lab("hemoglobin", "10.4", ago(20))
    chart.lab("hemoglobin", "7.9", ago(3), interpretation=flag("LL", "Critical low"))
    chart.negative("urine_hcg", ago(3))
    return chart.bundle()


def two_causes() -> Json:
    """Low platelets with an immune and a congenital cause on file; a clumped sample beside it."""
    chart = UsCoreChart("platelets-two-causes")
    chart.patient("Ines", "female", "1963-09-09", birth_sex="F")
    chart.lupus()
    chart.problem("D69.41", "2024-03-01", name="evans")
    chart.problem("D69.42", "2001-01-01", name="congenital")
    chart.lab("platelets", "61")
    return chart.bundle()


def clumped() -> Json:
    """A low count whose comment says that the sample clumped; immunoassay, weak and combined antibodies."""
    chart = UsCoreChart("platelets-clumped")
    chart.patient("Noel", "male", "1979-02-11", birth_sex="M")
    chart.lupus()
    chart.lab("platelets", "40", note=[{"text": "Platelet clumps seen on smear; count may be falsely low."}])
    chart.lab("ana_units", "12")
    chart.says("dsdna_presence", "Weak positive")
    chart.positive("sm_rnp")
    chart.lab("granulocytes", "2.1")
    chart.lab("spo2", "93")
    chart.lab("oxygen_flow", "2")
    chart.problem("J84.9", "2023-07-01", name="lung")
    chart.problem("R94.31", "2025-11-20", name="ecg-finding")
    chart.ecg("Normal ECG.", ago(34))
    chart.lab("creatinine", "1.0", ago(9))
    chart.lab("creatinine", "1.8", ago(4))
    chart.score("selena", "SELENA-SLEDAI total score", 9, ago(8))
    chart.order(PREDNISONE_10, 1, ago(90))
    chart.order(MYCOPHENOLATE, 2, ago(300), ago(12), status="stopped")
    chart.order(MYCOPHENOLATE, 4, ago(11))
    return chart.bundle()


def lvef_missing() -> Json:
    """All is there but the ejection fraction; the ECG says a rhythm only."""
    chart = UsCoreChart("lvef-missing")
    chart.patient("Maud", "female", "1988-05-17", birth_sex="F")
    chart.lupus()
    chart.classified(12, "2019-06-02")
    chart.three_failed()
    chart.in_order("lvef", "ecg")
    chart.ecg("Normal sinus rhythm, 68 beats per minute.", ago(34))
    chart.negative("urine_hcg", ago(2))
    return chart.bundle()


def stale() -> Json:
    """Seen four months ago, not since: each result deserves a look and has to be repeated."""
    chart = UsCoreChart("last-seen-in-november")
    chart.patient("Vera", "female", "1993-10-10", birth_sex="F")
    chart.lupus()
    old = ago(105)
    for name in ("alc", "anc", "cd19", "hemoglobin", "platelets", "lvef", "egfr", "ast", "alt", "bilirubin", "spo2"):
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


def refuted() -> Json:
    """Thought to have lupus once; it was refuted."""
    chart = UsCoreChart("lupus-refuted")
    chart.patient("Joel", "male", "2002-11-23", birth_sex="M")
    chart.lupus(verification="refuted", clinical=None)
    chart.lab("ana_titre", "40")
    chart.negative("dsdna_presence")
    chart.negative("sm_presence")
    return chart.bundle()


def provisional() -> Json:
    """A diagnosis that is not confirmed; only exposures on file; a steroid changed to an equivalent dose."""
    chart = UsCoreChart("lupus-provisional")
    chart.patient("Nadia", "female", "1975-01-15", birth_sex="F")
    chart.lupus(verification="provisional")
    chart.problem("Z78.0", "2023-01-01", name="menopause")
    chart.order(PREDNISONE_10, 1, ago(80), ago(4), status="stopped")
    chart.order(METHYLPREDNISOLONE_8, 1, ago(3))
    chart.lab("temperature", "38.4", ago(3))
    chart.lab("c3", "61", ago(5), interpretation=flag("L", "Low"))
    chart.lab("upcr", "860", ago(5))
    chart.lab("dsdna", "86", ago(5))
    chart.negative("serum_hcg", ago(4))
    return chart.bundle()


def pregnant() -> Json:
    """A positive urine test."""
    chart = UsCoreChart("pregnancy-test-positive")
    chart.patient("Elif", "female", "1997-07-21", birth_sex="F")
    chart.lupus()
    chart.positive("urine_hcg", ago(2))
    chart.problem("Z33.1", ago(2), name="pregnancy")
    chart.order(TACROLIMUS, 2, ago(40), ago(10), status="stopped")
    chart.order(TACROLIMUS, 3, ago(9))
    return chart.bundle()


def turns_five() -> Json:
    """Turns five within the screening period."""
    chart = UsCoreChart("turns-five-in-march")
    chart.patient("Ada", "female", "2021-03-20", birth_sex="F")
    chart.lupus()
    return chart.bundle()


def four() -> Json:
    """Too young."""
    chart = UsCoreChart("four-years-old")
    chart.patient("Ben", "male", "2021-09-01", birth_sex="M")
    chart.lupus()
    return chart.bundle()


def twelve() -> Json:
    """A girl of 12 in whom two formulas for the eGFR disagree."""
    chart = UsCoreChart("twelve-egfr-formulas-disagree")
    chart.patient("Cleo", "female", "2013-09-05", birth_sex="F")
    chart.lupus()
    chart.lab("height", "150", ago(20))
    chart.lab("creatinine", "1.9")
    chart.consent("guardian", ago(3), by="mother")
    return chart.bundle()


def ten() -> Json:
    """A girl of 10 of whose menarche nothing is known; a creatinine without a height."""
    chart = UsCoreChart("ten-menarche-not-recorded")
    chart.patient("Dora", "female", "2015-08-08", birth_sex="F")
    chart.lupus()
    chart.lab("creatinine", "0.5")
    return chart.bundle()


def rituximab() -> Json:
    """Rituximab two months ago: the same drug speaks for C4 and has emptied the B cells."""
    chart = UsCoreChart("rituximab-two-months-ago")
    chart.patient("Hugo", "male", "1987-10-29", birth_sex="M")
    chart.lupus()
    chart.classified(13, "2019-06-02")
    chart.failed(MYCOPHENOLATE, "2022-01-10", "2023-08-31", dose=4)
    chart.failed(BELIMUMAB, "2023-09-15", "2025-03-31", dose=_infusion("200"))
    chart.failed(HYDROXYCHLOROQUINE, "2019-06-01", "2022-03-31", dose=2)
    chart.order(PREDNISONE_5, 3, ago(60), form="contained")
    chart.given(RITUXIMAB, "1000", ago(62))
    chart.in_order("cd19")
    chart.lab("cd19", "0", interpretation=flag("L", "Low"))
    return chart.bundle()


def died() -> Json:
    """Died last autumn."""
    chart = UsCoreChart("died-last-autumn")
    chart.patient("Ewan", "male", "1958-02-02", birth_sex="M", deceasedDateTime="2025-10-08")
    chart.lupus()
    return chart.bundle()


def inactive() -> Json:
    """A record that is no longer in use."""
    chart = UsCoreChart("record-no-longer-in-use")
    chart.patient("Fay", "female", "1960-02-02", birth_sex="F", active=False)
    chart.lupus()
    chart.problem("Z90.710", "2012-05-05", name="hysterectomy")
    return chart.bundle()


def _daily(dose: str, unit: str) -> Json:
    return {
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        "route": coded(SNOMED, "26643006", "Oral route"),
        "doseAndRate": [{"doseQuantity": quantity(dose, unit)}],
    }


def _infusion(mg: str) -> Any:
    return {
        "text": f"{mg} mg subcutaneously every week",
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}},
        "route": coded(SNOMED, "34206005", "Subcutaneous route"),
        "doseAndRate": [{"doseQuantity": quantity(mg, "mg")}],
    }


STORIES = (
    lina, theo, omar, menorrhagia, two_causes, clumped, lvef_missing, stale, broken_interface, implausible, same_minute,
    restricted, withheld_elsewhere, letters, refuted, provisional, pregnant, turns_five, four, twelve, ten, rituximab, died, inactive,
)  # fmt: skip
