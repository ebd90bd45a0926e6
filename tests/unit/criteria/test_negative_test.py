"""C8.2: a negative pregnancy test, against everything that says pregnant. R5, R6, R30, R31, R44."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.negative_test import NegativeTest
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import (
    SNOMED,
    TODAY,
    Json,
    ago,
    briefly,
    case_of,
    check_turning_points,
    claim,
    clinical,
    condition,
    lab,
    verified,
)

ASK = NegativeTest("hcg_urine", "pregnant", days=7, serum="hcg_serum", status="pregnancy_status")
ACCEPT = replace(ASK, serum_hcg="accept")
URINE, SERUM, SERUM_NUMBER, STATUS = "2106-3", "2118-8", "19080-1", "82810-3"


def said(word: str) -> Json:
    return {"valueCodeableConcept": {"text": word}}


def urine(word: str, days: int | str, **more: Any) -> Json:
    return lab(URINE, said(word), None, days, **more)


def serum(word: str, days: int | str, **more: Any) -> Json:
    return lab(SERUM, said(word), None, days, **more)


def number(value: float, days: int, high: int | None = 5, **more: Any) -> Json:
    limits = [] if high is None else [{"high": {"value": high, "unit": "m[IU]/mL"}}]
    return lab(SERUM_NUMBER, value, "m[IU]/mL", days, **({"referenceRange": limits} if limits else {}), **more)


def status(code: str, days: int) -> Json:
    return lab(STATUS, {"valueCodeableConcept": {"coding": [{"system": SNOMED, "code": code}]}}, None, days)


def pregnant(days: int | str | None, code: str = "Z34.01", **more: Any) -> Json:
    told = condition(code, **more)
    if days is None:
        del told["onsetDateTime"]
    else:
        told["onsetDateTime"] = days if isinstance(days, str) else ago(days)
    return told


# words of a small language: u = urine, s = serum, n = serum number, p = pregnancy code, y = status pregnant; sign, age in days
# answer when asked, answer when serum is accepted
TABLE = """
    -                  unknown not-recorded            unknown not-recorded
    u-0                met                             met
    u-7                met                             met
    u-8                unknown stale                   unknown stale
    u-400              unknown stale                   unknown stale
    u+0                not-met                         not-met
    u+7                not-met                         not-met
    u+8                needs-clinician stale           needs-clinician stale
    u+294              needs-clinician stale           needs-clinician stale
    u+295              unknown stale                   unknown stale
    u+100,u-20         needs-clinician stale           needs-clinician stale
    u-1,u+3            needs-clinician conflicting     needs-clinician conflicting
    u+1,u-3            not-met                         not-met
    u-1,u+100          needs-clinician conflicting     needs-clinician conflicting
    u-1,u+294          needs-clinician conflicting     needs-clinician conflicting
    u-1,u+295          met                             met
    u-1,s+100          needs-clinician conflicting     needs-clinician conflicting
    s-1                needs-clinician judgement       met
    s-8                unknown stale                   unknown stale
    s+1                not-met                         not-met
    u-5,s-1            met                             met
    u-5,s+1            not-met                         not-met
    s+5,u-1            needs-clinician conflicting     needs-clinician conflicting
    u-1,p100           needs-clinician conflicting     needs-clinician conflicting
    u-1,p294           needs-clinician conflicting     needs-clinician conflicting
    u-1,p295           met                             met
    s-1,p100           needs-clinician conflicting     needs-clinician conflicting
    u+1,p100           not-met                         not-met
    p100               not-met                         not-met
    p294               not-met                         not-met
    p295               unknown not-recorded            unknown not-recorded
    u-8,p100           not-met                         not-met
    y20                not-met                         not-met
    y300               unknown not-recorded            unknown not-recorded
    u-1,y20            needs-clinician conflicting     needs-clinician conflicting
    u?1                needs-clinician judgement       needs-clinician judgement
    uw1                needs-clinician judgement       needs-clinician judgement
    u?1,u-3            needs-clinician judgement       needs-clinician judgement
    u?1,p100           not-met                         not-met
    ux1                unknown unusable                unknown unusable
    ux1,u-3            met                             met
    ux1,u-30           unknown stale                   unknown stale
    n4,1               needs-clinician judgement       met
    n5,1               needs-clinician judgement       met
    n6,1               not-met                         not-met
"""
WORDS = {"-": "Negative", "+": "Positive", "?": "Indeterminate", "w": "Weakly positive", "x": "Invalid"}


def told(record: str) -> list[Json]:
    if record[0] == "n":
        value, days = record[1:].split(",")
        return [number(int(value), int(days))]
    return [] if record == "-" else [_one(word) for word in record.split(",")]


def _one(word: str) -> Json:
    match word[0]:
        case "u":
            return urine(WORDS[word[1]], int(word[2:]))
        case "s":
            return serum(WORDS[word[1]], int(word[2:]))
        case "y":
            return status("77386006", int(word[1:]))
        case _:
            return pregnant(int(word[1:]))


def rows() -> list[list[str]]:
    split = (line.split("  ") for line in TABLE.strip().splitlines())
    return [[cell.strip() for cell in cells if cell.strip()] for cells in split]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_tests_and_codes_together_say_whether_the_test_is_negative(row: list[str]) -> None:
    """C8.2, R5, R6, readings C8."""
    record, asked, accepted = row

    answer = ASK.answer(case_of(*told(record)))

    assert briefly(answer) == asked
    assert briefly(ACCEPT.answer(case_of(*told(record)))) == accepted
    assert not answer.outcome.undecided or answer.next_step is not None
    assert record in ("-", "p295", "y300") or answer.evidence


def test_seven_days_are_counted_back_from_the_first_dose() -> None:
    """R5, precision."""
    case = replace(case_of(urine("Negative", 0)), planned_first_dose=TODAY + timedelta(days=7))
    later = replace(case, planned_first_dose=TODAY + timedelta(days=8))

    assert briefly(ASK.answer(case)) == "met"
    assert briefly(ASK.answer(later)) == "unknown stale"


def test_a_test_of_tomorrow_is_no_evidence_yet() -> None:
    """R44."""
    assert briefly(ASK.answer(case_of(urine("Positive", -1), pregnant(-1)))) == "unknown not-recorded"


# how the pregnancy is recorded -> without a test, beside a fresh negative one
CODES: dict[str, tuple[Json, str, str]] = {
    "resolved": (pregnant(100, **clinical("resolved")), "unknown not-recorded", "met"),
    "ended": (pregnant(100, abatementDateTime=ago(10), **clinical("resolved")), "unknown not-recorded", "met"),
    "ends later": (pregnant(100, abatementDateTime=ago(-10), **clinical("resolved")), "not-met", "needs-clinician conflicting"),
    "refuted": (pregnant(100, **verified("refuted")), "unknown not-recorded", "met"),
    "provisional": (pregnant(100, **verified("provisional")), "needs-clinician judgement", "needs-clinician judgement"),
    "undated": (pregnant(None), "needs-clinician unusable", "needs-clinician unusable"),
    "claim": (claim("Z34.01", ago(30)), "not-met", "needs-clinician conflicting"),
    "snomed": (condition("77386006", SNOMED, onsetDateTime=ago(30)), "not-met", "needs-clinician conflicting"),
    "this year": (pregnant("2026"), "not-met", "needs-clinician conflicting"),
    "last year": (pregnant("2025"), "unknown unusable", "unknown unusable"),
    "not pregnant": (status("60001007", 3), "unknown not-recorded", "met"),
    "reported": (lab("11449-6", said("Pregnant"), None, 3), "unknown not-recorded", "met"),
    "preliminary": (status("77386006", 3) | {"status": "preliminary"}, "unknown not-recorded", "met"),
}


@pytest.mark.parametrize("how", CODES)
def test_how_a_pregnancy_is_recorded_decides_how_it_speaks(how: str) -> None:
    """C8.2, DATA-50, R6, R30; "A pregnancy code without date: needs-clinician, unusable"."""
    record, alone, beside = CODES[how]

    assert briefly(ASK.answer(case_of(record))) == alone
    assert briefly(ASK.answer(case_of(record, urine("Negative", 1)))) == beside


def test_an_undated_code_beside_a_positive_test_changes_nothing() -> None:
    assert briefly(ASK.answer(case_of(pregnant(None), urine("Positive", 1)))) == "not-met"


def test_a_denied_pregnancy_is_shown_beside_the_answer() -> None:
    answer = ASK.answer(case_of(status("60001007", 3), urine("Negative", 1)))

    assert [evidence.role for evidence in answer.evidence] == ["decides", "shown"]


# how the test is recorded -> answer
RESULTS: dict[str, tuple[list[Json], str]] = {
    "no range": ([number(3, 1, None)], "unknown unusable"),
    "flag low": ([number(3, 1, None, interpretation=[{"text": "N"}])], "needs-clinician judgement"),
    "flag high": ([number(30, 1, None, interpretation=[{"coding": [{"code": "H"}]}])], "not-met"),
    "flag against range": ([number(3, 1, interpretation=[{"coding": [{"code": "H"}]}])], "needs-clinician judgement"),
    "flag against word": ([urine("Negative", 1, interpretation=[{"coding": [{"code": "POS"}]}])], "needs-clinician judgement"),
    "bound": ([lab(SERUM_NUMBER, {"valueString": "<5 mIU/mL"}, None, 1, referenceRange=[{"high": {"value": 5}}])],
              "needs-clinician judgement"),
    "bound too high": ([lab(SERUM_NUMBER, {"valueString": "<25 mIU/mL"}, None, 1, referenceRange=[{"high": {"value": 5}}])],
                       "unknown unusable"),
    "open range": ([lab(SERUM_NUMBER, 5, "mIU/mL", 1, referenceRange=[{"text": "<5"}])], "not-met"),
    "low only": ([lab(SERUM_NUMBER, 5, "mIU/mL", 1, referenceRange=[{"low": {"value": 5}}])], "unknown unusable"),
    "two ranges": ([lab(SERUM_NUMBER, 10, "m[IU]/mL", 1, referenceRange=[
        {"high": {"value": 5, "unit": "m[IU]/mL"}}, {"high": {"value": 25, "unit": "m[IU]/mL"}}])], "needs-clinician judgement"),
    "preliminary": ([urine("Negative", 1, status="preliminary")], "unknown unusable"),
    "undated": ([{k: v for k, v in urine("Negative", 1).items() if k != "effectiveDateTime"}], "unknown unusable"),
    "no value": ([lab(URINE, {"dataAbsentReason": {"text": "error"}}, None, 1)], "unknown unusable"),
    "this month": ([urine("Negative", "2026-03")], "met"),
    "this year": ([urine("Negative", "2026")], "unknown unusable"),
    "positive this year": ([urine("Positive", "2026")], "unknown unusable"),
    "two of a day": ([urine("Negative", 1), urine("Positive", 1)], "needs-clinician conflicting"),
    "two of a day, ordered": ([urine("Negative", "2026-03-01T08:00:00Z"), urine("Positive", "2026-03-01T09:00:00Z")], "not-met"),
    "ordered the other way": ([urine("Negative", "2026-03-01T09:00:00Z"), urine("Positive", "2026-03-01T08:00:00Z")],
                              "needs-clinician conflicting"),
    "old by year, negative": ([urine("Negative", "2024")], "unknown stale"),
    "old positive by year": ([urine("Positive", "2025"), urine("Negative", 1)], "unknown unusable"),
}  # fmt: skip


@pytest.mark.parametrize("how", RESULTS)
def test_how_a_test_is_recorded_decides_what_it_says(how: str) -> None:
    """C8.2, R30, R31; clinical units, sections 3 to 6."""
    record, expected = RESULTS[how]

    assert briefly(ASK.answer(case_of(*record))) == expected


def test_too_many_imprecise_dates_leave_it_open() -> None:
    """R30: every way in which they can fall is tried, up to a point."""
    many = [urine("Negative" if month % 2 else "Positive", f"2025-{month:02}") for month in range(3, 13)]

    assert briefly(ASK.answer(case_of(*many, urine("Negative", 1), pregnant("2025")))) == "unknown unusable"


@pytest.mark.parametrize("resource_type", ["Observation", "Condition", "Encounter"])
@pytest.mark.parametrize("record", ["u-1", "u+1", "-"])
def test_what_was_not_loaded_could_overturn_it(resource_type: str, record: str) -> None:
    answer = ASK.answer(case_of(*told(record), states={resource_type: LoadState.PARTIAL}))

    assert briefly(answer) == "unknown not-loaded"
    assert all(evidence.role == "shown" for evidence in answer.evidence)


def test_without_serum_and_status_only_the_urine_test_is_read() -> None:
    plain = NegativeTest("hcg_urine", "pregnant")

    assert briefly(plain.answer(case_of(serum("Negative", 1), status("77386006", 3)))) == "unknown not-recorded"
    assert plain.needs().needs[-1].laboratory == ("hcg_urine",)


@pytest.mark.parametrize(
    "records",
    [
        [urine("Negative", 0)],
        [urine("Positive", 0)],
        [urine("Negative", -40), pregnant(10)],
        [urine("Negative", "2026-03"), urine("Positive", -5)],
        [pregnant(100, abatementDateTime=ago(-30), **clinical("resolved")), urine("Negative", -20)],
        [serum("Negative", -3), urine("Negative", -6), status("77386006", 200)],
        [pregnant("2026-04"), urine("Negative", "2026-05")],
    ],
)
@pytest.mark.parametrize("first_dose", [None, TODAY + timedelta(days=30)])
def test_every_change_of_the_answer_is_a_turning_point(records: list[Json], first_dose: date | None) -> None:
    """VER-16."""
    check_turning_points(ASK, replace(case_of(*records), planned_first_dose=first_dose), 420)


def test_windows_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="counts back"):
        NegativeTest("hcg_urine", "pregnant", days=-1)
    with pytest.raises(ValueError, match="reaches"):
        NegativeTest("hcg_urine", "pregnant", days=8, pregnancy_weeks=1)


def test_the_rule_is_told_in_words_and_says_what_it_needs() -> None:
    assert ASK.in_words().startswith("the latest hcg_urine of the last 7 days before the first dose is negative")
    assert "or hcg_serum" in ACCEPT.in_words()
    assert ASK.needs().resource_types == ("Condition", "Encounter", "Observation")
    assert isinstance(ASK, Kind)


def test_the_reason_names_the_day_and_the_days_that_decide() -> None:
    answer = ASK.answer(case_of(urine("Negative", 20)))

    assert str(answer.reason) == "The last pregnancy test, of 2026-02-10, is older than 7 days before 2026-03-02."
    assert str(answer.next_step) == "Repeat the urine pregnancy test within 7 days before the first dose."


#  urine value, upper limit            answer
@pytest.mark.parametrize(
    ("value", "high", "expected"),
    [(2, 5, "met"), (5, 5, "met"), (200, 5, "not-met"), (2, None, "unknown unusable")],
)
def test_a_measured_urine_hcg_is_read_against_its_own_limit(value: int, high: int | None, expected: str) -> None:
    """labs.csv: a quantitative urine test needs the laboratory's cut-off to be called negative."""
    limits = {} if high is None else {"referenceRange": [{"high": {"value": high, "unit": "[IU]/L"}}]}

    assert briefly(ASK.answer(case_of(lab("25372-4", value, "[IU]/L", 1, **limits)))) == expected


@pytest.mark.parametrize(("code", "expected"), [(URINE, "met"), (SERUM, "needs-clinician judgement")])
def test_false_is_a_negative_test(code: str, expected: str) -> None:
    assert briefly(ASK.answer(case_of(lab(code, {"valueBoolean": False}, None, 1)))) == expected
