"""Stories told in the words of US Core."""

from __future__ import annotations

from typing import Any

from scripts.samples.chart import Json, ago, coded, flag, quantity
from scripts.samples.codes import SNOMED
from scripts.samples.us_core import (
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
    """Low platelets with an immune and a congenital cause on file."""
    chart = UsCoreChart("platelets-two-causes")
    chart.patient("Ines", "female", "1963-09-09", birth_sex="F")
    chart.lupus()
    chart.problem("D69.41", "2024-03-01", name="evans")
    chart.problem("D69.42", "2001-01-01", name="congenital")
    chart.lab("platelets", "61")
    return chart.bundle()


def clumped() -> Json:
    """A low count in a clumped sample; elsewhere too data that ask for a judgement: oxygen, lungs, antibodies, activity."""
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
    """Too young; lupus stands in a single encounter diagnosis."""
    chart = UsCoreChart("four-years-old")
    chart.patient("Ben", "male", "2021-09-01", birth_sex="M")
    chart.lupus(kind="encounter-diagnosis")
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
    chart.failed(BELIMUMAB, "2023-09-15", "2025-03-31", dose=_infusion("600"))
    chart.failed(HYDROXYCHLOROQUINE, "2019-06-01", "2022-03-31", dose=2)
    chart.order(PREDNISONE_5, 3, ago(60), form="contained")
    chart.given(RITUXIMAB, "rituximab", "1000", ago(62))
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


def _infusion(mg: str) -> Any:
    return {
        "text": f"{mg} mg intravenously every 4 weeks",
        "timing": {"repeat": {"frequency": 1, "period": 4, "periodUnit": "wk"}},
        "route": coded(SNOMED, "47625008", "Intravenous route"),
        "doseAndRate": [{"doseQuantity": quantity(mg, "mg")}],
    }


STORIES = (
    lina, theo, omar, menorrhagia, two_causes, clumped, lvef_missing, refuted, provisional, pregnant, turns_five, four, twelve,
    ten, rituximab, died, inactive,
)  # fmt: skip
