"""Stories told in the words of the International Patient Summary."""

from __future__ import annotations

from scripts.samples.chart import LIMITED, Json, ago, coded, flag
from scripts.samples.ips import SummaryChart

ABSENT_UNKNOWN = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"


def nora() -> Json:
    """A woman after a hysterectomy in whom every prescreening question is answered."""
    chart = SummaryChart("nora-summary-complete")
    chart.patient("Nora", "female", "1979-03-08")
    chart.lupus()
    chart.classified(18, "2020-02-11")
    chart.problem("428078001", "2016-09-01", name="hysterectomy")
    chart.three_failed()
    chart.in_order()
    chart.titre("ana_titre", "640", "2025-09-30")
    return chart.bundle()


def all_below() -> Json:
    """Every limit missed."""
    chart = SummaryChart("every-limit-missed")
    chart.patient("Per", "male", "1969-11-11")
    chart.lupus()
    below = {
        "alc": "0.4", "anc": "0.4", "cd19": "24", "hemoglobin": "79", "platelets": "74", "lvef": "54", "egfr": "29", "ast": "121",
        "alt": "169", "bilirubin": "43", "spo2": "91", "dsdna": "15", "sm": "20",
    }  # fmt: skip
    for name, value in below.items():
        chart.lab(name, value)
    chart.titre("ana_titre", "40")
    chart.problem("737221003", "1969-11-11", name="congenital-thrombocytopenia")
    chart.sledai(5, ago(10))
    chart.score(
        "eular-acr", "2019 EULAR/ACR classification criteria for SLE", "not fulfilled: does not meet the criteria", "2024-01-15"
    )
    chart.statement("prednisolone", "10", ago(4))
    chart.consent("consent", ago(60), status="rejected")
    return chart.bundle()


def at_the_limit() -> Json:
    """Every value exactly at its limit: equality counts."""
    chart = SummaryChart("every-value-at-its-limit")
    chart.patient("Una", "female", "1966-01-01")
    chart.lupus()
    chart.classified(10, "2020-02-11")
    at = {
        "alc": "0.5", "anc": "0.5", "cd19": "25", "hemoglobin": "80", "platelets": "75", "lvef": "55", "egfr": "30", "ast": "120",
        "alt": "168", "bilirubin": "42", "spo2": "92",
    }  # fmt: skip
    for name, value in at.items():
        chart.lab(name, value, ago(28) if name != "lvef" else ago(90))
    chart.titre("ana_titre", "80", "2025-03-02")
    chart.ecg("ECG within normal limits.", ago(90))
    chart.chest_ct("No abnormality detected.", ago(90))
    chart.sledai(6, ago(30))
    chart.three_failed()
    return chart.bundle()


def two_years() -> Json:
    """Came back after two years: everything has to be done again."""
    chart = SummaryChart("back-after-two-years")
    chart.patient("Olga", "female", "1990-12-24")
    chart.lupus(clinical="remission")
    old = ago(700)
    for name in (*LIMITED, "dsdna", "sm"):
        chart.lab(name, on=old)
    chart.ecg("Normal ECG.", old)
    chart.chest_ct("Normal chest CT.", old)
    chart.sledai(14, old)
    chart.titre("ana_titre", "320", old)
    chart.negative("urine_hcg", old)
    chart.statement("azathioprine", "50", "2023-01-01", ago(600))
    return chart.bundle()


def nothing_taken() -> Json:
    """A summary that states: no medication is taken. Tubal ligation, and a serum test alone."""
    chart = SummaryChart("no-medication-taken")
    chart.patient("Greta", "female", "1986-04-30")
    chart.lupus()
    chart.no_medication = True
    chart.problem("8550006", "2018-01-01", name="sterilisation")
    chart.negative("serum_hcg", ago(2))
    return chart.bundle()


def no_known_medications() -> Json:
    """The code for "no known medications", sent as a transaction; a weak positive anti-dsDNA."""
    chart = SummaryChart("no-known-medications-coded")
    chart.patient("Hedda", "female", "1964-06-24")
    chart.lupus()
    chart.says("dsdna_presence", "weak positive")
    chart.add(
        "MedicationStatement",
        "none",
        status="active",
        medicationCodeableConcept=coded(ABSENT_UNKNOWN, "no-known-medications", "No known medications"),
        subject=chart.subject,
        effectiveDateTime=ago(5),
    )
    return chart.transaction()


def unspecific() -> Json:
    """Sex recorded as other, a dose in words, a bound that is the limit itself."""
    chart = SummaryChart("sex-recorded-as-other")
    chart.patient("Sascha", "other", "1995-05-05")
    chart.lupus()
    chart.lab("alc", "0.5", comparator="<=")
    chart.positive("ana")
    chart.lab("dsdna", "22", bare=True, interpretation=flag("IND", "Indeterminate"))
    chart.statement("hydroxychloroquine", None, ago(300), text="as before")
    return chart.bundle()


def newcomer() -> Json:
    """A name and nothing else."""
    chart = SummaryChart("newcomer-without-records")
    chart.patient("Quinn", None, None)
    return chart.bundle()


def month_only() -> Json:
    """Born in March 2021, the day unknown."""
    chart = SummaryChart("born-in-march-2021")
    chart.patient("Iris", "female", "2021-03")
    chart.lupus()
    return chart.bundle()


def born_2014() -> Json:
    """Born in 2014: 11 or 12, so that menarche has to be asked for, or not."""
    chart = SummaryChart("born-in-2014")
    chart.patient("Juna", "female", "2014")
    chart.lupus()
    return chart.bundle()


def born_2008() -> Json:
    """Born in 2008, own consent: of age, or not."""
    chart = SummaryChart("born-in-2008-own-consent")
    chart.patient("Lars", "male", "2008")
    chart.lupus()
    chart.consent("consent", ago(3))
    return chart.bundle()


def no_birth_date() -> Json:
    """Own consent, no birth date at all."""
    chart = SummaryChart("consent-but-no-birth-date")
    chart.patient("Mika", "male", None)
    chart.consent("consent", ago(3))
    return chart.bundle()


def two_registrations() -> Json:
    """Registered twice with different birth dates."""
    chart = SummaryChart("registered-twice")
    first = chart.patient("Tess", "female", "1983-01-13")
    chart.lupus()
    chart.lab("creatinine", "68")
    again = {**first, "birthDate": "1988-01-13", "meta": first["meta"] | {"versionId": "2"}}
    chart.resources.append(again)
    return chart.bundle()


STORIES = (
    nora, all_below, at_the_limit, two_years, nothing_taken, no_known_medications, unspecific, newcomer, month_only, born_2014,
    born_2008, no_birth_date, two_registrations,
)  # fmt: skip
