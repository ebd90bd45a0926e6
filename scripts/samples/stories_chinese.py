"""Stories told in the words of a Chinese hospital; screen them with ``--site bailuhe``."""

from __future__ import annotations

from scripts.samples.chart import Json, ago
from scripts.samples.chinese import BELIMUMAB, CYCLOPHOSPHAMIDE, HYDROXYCHLOROQUINE, MYCOPHENOLATE, PREDNISONE, HospitalChart


def complete() -> Json:
    """A woman in whom every prescreening question is answered, if the hospital's codes are known."""
    chart = HospitalChart("bailuhe-complete")
    chart.patient("甲", "female", "1998-04-16")
    chart.diagnosis("ZD-3201", "2020-06-01")
    chart.score("eular-acr", "2019 EULAR/ACR系统性红斑狼疮分类标准评分", 17, "2020-06-20")
    chart.three_failed()
    chart.in_order("dsdna")
    chart.lab("dsdna", "185", arrow="↑")
    chart.says("ana_titre", "1：320 均质型", ago(200))
    chart.says("sm", "阳(+)", ago(200))
    chart.says("urine_hcg", "阴(-)", ago(3))
    return chart.bundle()


def child() -> Json:
    """A girl of 9 before menarche, liver enzymes above the hospital's limit, consent of mother and child."""
    chart = HospitalChart("bailuhe-girl-of-nine")
    chart.patient("乙", "female", "2016-05-20")
    chart.icd("M32.101", "系统性红斑狼疮性肾炎", "2024-08-01")
    chart.lab("ast", "125", arrow="偏↑")
    chart.lab("alt", "122", arrow="偏↑")
    chart.lab("bilirubin", "44", arrow="偏↑")
    chart.lab("creatinine", "39")
    chart.lab("height", "131", ago(25))
    chart.add("Observation", "menarche", status="final", code={"text": "月经初潮"}, subject=chart.subject,
              effectiveDateTime=chart.moment(ago(25)), valueString="未初潮")  # fmt: skip
    chart.order(PREDNISONE, "3", "晨顿服", ago(70))
    chart.consent("mother", ago(4), by="母亲（监护人）")
    chart.consent("child", ago(4))
    return chart.bundle()


def low_counts() -> Json:
    """Counts below their limits, a weak antibody, a dose raised last week."""
    chart = HospitalChart("bailuhe-low-counts")
    chart.patient("丙", "male", "1977-12-01")
    chart.diagnosis("ZD-3201", "2018-01-01")
    chart.diagnosis("ZD-6903", "2025-12-20")
    chart.lab("alc", "0.42", arrow="↓↓")
    chart.lab("anc", "0.48", arrow="↓↓")
    chart.lab("hemoglobin", "76", arrow="↓")
    chart.lab("platelets", "52", arrow="↓↓")
    chart.lab("cd19", "11", arrow="↓")
    chart.lab("spo2", "90")
    chart.lab("lvef", "50")
    chart.says("sm", "弱阳(±)")
    chart.order(PREDNISONE, "2", "晨顿服", ago(100), ago(6), status="stopped")
    chart.order(PREDNISONE, "6", "晨顿服", ago(5))
    return chart.bundle()


def midnight() -> Json:
    """Blood drawn at half past seven in Shanghai is yesterday's in UTC: 28 days old, or 29."""
    chart = HospitalChart("bailuhe-drawn-at-dawn")
    chart.patient("丁", "male", "1989-09-19")
    chart.diagnosis("ZD-3201", "2021-01-01")
    for name in ("alc", "anc", "hemoglobin", "platelets"):
        chart.lab(name, on=ago(28))
    chart.failed(MYCOPHENOLATE, "4", "2021-09-01", "2023-03-31", unit="粒")
    chart.failed(CYCLOPHOSPHAMIDE, "3", "2023-05-01", "2023-11-30", unit="支", route="静滴", timing="每4周一次")
    chart.failed(PREDNISONE, "6", "2021-03-01", "2022-05-31")
    chart.order(HYDROXYCHLOROQUINE, "2", "早晚各一次", ago(400))
    return chart.bundle()


def old_laboratory() -> Json:
    """Enzymes of December, when the analysers were others and the limits lower."""
    chart = HospitalChart("bailuhe-before-new-analysers")
    chart.patient("戊", "female", "1961-11-11")
    chart.icd("M32.900", "系统性红斑狼疮", "2012-01-01")
    chart.lab("ast", "110", "2025-12-28")
    chart.lab("alt", "110", "2025-12-28")
    chart.lab("bilirubin", on="2025-12-28")
    chart.order(BELIMUMAB, "5", "每4周一次", ago(90), unit="支", route="静滴")
    return chart.bundle()


STORIES = (complete, child, low_counts, midnight, old_laboratory)
