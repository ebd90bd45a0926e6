"""The latest valid result against a limit: C7.1 to C7.6a and C7.12; R7 to R9, R25, R30, R31, R35, R36."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_trial.criteria.answers import Role
from fhir_trial.criteria.lab import LabLimit
from fhir_trial.criteria.limits import Limit
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import ago, briefly, case_of, check_turning_points, condition, lab, named, shipped

Json = dict[str, Any]

ALC = LabLimit("alc", at_least="0.5 10*9/L", called="absolute lymphocyte count")
CD19 = LabLimit("cd19", at_least="25 /uL", called="CD19+ B cell count", show_last_given=("rituximab",))
ANC = LabLimit(
    "anc",
    at_least="0.5 10*9/L",
    called="absolute neutrophil count",
    ask_on_parts=("granulocytes",),
    warn_drugs=("gcsf", "gm_csf"),
)
HB = LabLimit("hemoglobin", at_least="80 g/L", warn_drugs=("esa",), warn_value_sets=("transfusion",))
LVEF = LabLimit(
    "lvef",
    at_least="55 %",
    called="LVEF",
    order="Order an echocardiogram.",
    fresh_days=90,
    prefer="method",
    ask_on_words=("normal",),
    categories=("imaging", "laboratory"),
)
SPO2 = LabLimit("spo2", at_least="92 %", called="oxygen saturation", ask_on_oxygen=True, categories=("vital-signs",))


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


# kind | code | value | unit | answer: both sides of every limit, the limit itself, and other units of it (case 15)
LIMITS = """
alc  | 731-0   | 0.5   | 10*9/L | met
alc  | 731-0   | 500   | /uL    | met
alc  | 731-0   | 499   | /uL    | not-met
alc  | 731-0   | 0.499 | K/uL   | not-met
cd19 | 8116-6  | 25    | /uL    | met
cd19 | 8116-6  | 25    | 10*6/L | met
cd19 | 8116-6  | 0.025 | 10*9/L | met
cd19 | 8116-6  | 24.9  | /uL    | not-met
cd19 | 8116-6  | 0     | /uL    | not-met
anc  | 751-8   | 0.50  | 10*9/L | met
anc  | 751-8   | 0.49  | 10*9/L | not-met
hb   | 718-7   | 8.0   | g/dL   | met
hb   | 718-7   | 80    | g/L    | met
hb   | 718-7   | 7.9   | g/dL   | not-met
hb   | 59260-0 | 4.97  | mmol/L | met
hb   | 59260-0 | 4.96  | mmol/L | not-met
hb   | 718-7   | 8.2   | g/L    | needs-clinician unusable
hb   | 718-7   | 82    | g/dL   | needs-clinician unusable
hb   | 718-7   | 8.2   | -      | unknown unusable
hb   | 718-7   | 8.2   | furlong | unknown unusable
lvef | 10230-1 | 55    | %      | met
lvef | 10230-1 | 0.55  | -      | met
lvef | 10230-1 | 54.9  | %      | not-met
lvef | 10230-1 | 0.6   | %      | needs-clinician unusable
spo2 | 59408-5 | 92    | %      | met
spo2 | 59408-5 | 0.92  | 1      | met
spo2 | 59408-5 | 91    | %      | not-met
spo2 | 2708-6  | 70    | mm[Hg] | unknown unusable
spo2 | 59412-7 | 97    | %      | unknown not-recorded
"""
KINDS = {"alc": ALC, "cd19": CD19, "anc": ANC, "hb": HB, "lvef": LVEF, "spo2": SPO2}


@pytest.mark.parametrize(("kind", "code", "value", "unit", "expected"), _rows(LIMITS))
def test_value_at_the_limit_counts_and_one_step_below_does_not(
    kind: str, code: str, value: str, unit: str, expected: str
) -> None:
    answer = KINDS[kind].answer(case_of(lab(code, Decimal(value), None if unit == "-" else unit, 3)))

    assert briefly(answer) == expected


# limit | valueString | answer: clinical units section 3, R7
COMPARATORS = """
at_least | > 0.5  | met
at_least | >= 0.5 | met
at_least | > 0.4  | unknown unusable
at_least | >= 0.4 | unknown unusable
at_least | < 0.5  | not-met
at_least | <= 0.5 | needs-clinician unusable
at_least | <= 0.4 | not-met
at_least | < 0.6  | unknown unusable
at_least | ~ 0.5  | needs-clinician unusable
at_least | ~ 0.6  | met
at_most  | < 0.5  | met
at_most  | <= 0.5 | met
at_most  | >= 0.5 | needs-clinician unusable
at_most  | > 0.5  | not-met
at_most  | < 0.6  | unknown unusable
at_most  | ~ 0.5  | needs-clinician unusable
above    | > 0.5  | met
above    | >= 0.5 | needs-clinician unusable
above    | <= 0.5 | not-met
above    | >= 0.6 | met
below    | < 0.5  | met
below    | <= 0.5 | needs-clinician unusable
below    | >= 0.5 | not-met
"""


@pytest.mark.parametrize(("side", "text", "expected"), _rows(COMPARATORS))
def test_comparator_decides_only_when_no_possible_value_lies_on_the_other_side(side: str, text: str, expected: str) -> None:
    limit: dict[str, Any] = {side: "0.5 10*9/L"}
    kind = LabLimit("alc", **limit)

    assert briefly(kind.answer(case_of(lab("731-0", {"valueString": f"{text} 10*9/L"}, None, 3)))) == expected


# days old | ALC | LVEF
BANDS = """
0   | met                   | met
28  | met                   | met
29  | needs-clinician stale | met
90  | needs-clinician stale | met
91  | needs-clinician stale | needs-clinician stale
180 | needs-clinician stale | needs-clinician stale
181 | unknown stale         | unknown stale
-1  | unknown not-recorded  | unknown not-recorded
"""


@pytest.mark.parametrize(("days", "alc", "lvef"), _rows(BANDS))
def test_both_edges_of_every_band(days: str, alc: str, lvef: str) -> None:
    case = case_of(lab("731-0", 1, "10*9/L", int(days)), lab("10230-1", 60, "%", int(days)))

    assert briefly(ALC.answer(case)) == alc
    assert briefly(LVEF.answer(case)) == lvef


def test_stale_result_is_told_with_its_age_and_the_days_that_decide() -> None:
    """VER-10."""
    answer = CD19.answer(case_of(lab("8116-6", 31, "{cells}/uL", 274)))

    assert str(answer.reason) == "The last CD19+ B cell count, 31 /uL on 2025-06-01, is 274 days old; 28 days decide."
    assert str(answer.next_step) == "Order a CD19+ B cell count."
    (shown,) = answer.evidence
    assert (shown.role, shown.original, shown.value, shown.unit, shown.limit) == (
        Role.STALE,
        "31 {cells}/uL",
        Fraction(31),
        "/uL",
        ">= 25 /uL",
    )


def test_nothing_on_file_says_what_to_order() -> None:
    answer = LVEF.answer(case_of())

    assert briefly(answer) == "unknown not-recorded"
    assert str(answer.next_step) == "Order an echocardiogram."


def test_decision_shows_original_converted_value_limit_and_date() -> None:
    answer = HB.answer(case_of(lab("718-7", Decimal("8.0"), "g/dL", 3)))

    (shown,) = answer.evidence
    assert (shown.role, shown.original, shown.value, shown.unit, shown.limit) == (
        Role.DECIDES,
        "8.0 g/dL",
        Fraction(80),
        "g/L",
        ">= 80 g/L",
    )
    assert str(answer.reason) == "The last hemoglobin, 80 g/L on 2026-02-27, is at least 80 g/L."


def test_latest_valid_result_decides_and_the_worst_of_28_days_is_shown() -> None:
    answer = ALC.answer(
        case_of(
            lab("731-0", Decimal("0.3"), "10*9/L", 29), lab("731-0", Decimal("0.4"), "10*9/L", 28), lab("731-0", 1, "10*9/L", 3)
        )
    )

    assert briefly(answer) == "met"
    assert "The lowest of the last 28 days was 0.4 10*9/L" in str(answer.reason)
    assert [item.role for item in answer.evidence] == [Role.DECIDES, Role.SHOWN]


def test_derived_count_beside_a_direct_one_is_not_the_worst() -> None:
    segs, whole = lab("768-2", Decimal("0.1"), "10*9/L", 3), lab("751-8", 1, "10*9/L", 3)

    assert [item.role for item in ANC.answer(case_of(segs, whole)).evidence] == [Role.DECIDES]
    assert [item.role for item in ANC.answer(case_of(segs | {"effectiveDateTime": ago(9)}, whole)).evidence] == [Role.DECIDES]


def test_highest_is_the_worst_where_the_limit_is_an_upper_one() -> None:
    kind = LabLimit("alc", at_most="2 10*9/L")
    answer = kind.answer(
        case_of(lab("731-0", 3, "10*9/L", 9), lab("731-0", {"valueString": ">= 4 10*9/L"}, None, 8), lab("731-0", 1, "10*9/L", 3))
    )

    assert "The highest of the last 28 days was >= 4 10*9/L" in str(answer.reason)


# what is newest | answer when an older result of 1 10*9/L is fresh
PASSED_OVER: list[tuple[str, Json, str]] = [
    ("preliminary", lab("731-0", Decimal("0.1"), "10*9/L", 1, status="preliminary"), "met"),
    ("without unit", lab("731-0", Decimal("0.1"), None, 1), "met"),
    ("without value", lab("731-0", {}, None, 1), "met"),
    ("in words", lab("731-0", {"valueString": "see report"}, None, 1), "met"),
    ("implausible", lab("731-0", 1500, "10*9/L", 1), "needs-clinician unusable"),
]


@pytest.mark.parametrize(("_name", "newest", "expected"), PASSED_OVER)
def test_unreadable_result_is_passed_over_and_shown_but_an_implausible_one_is_not(
    _name: str, newest: Json, expected: str
) -> None:
    """R8, R9."""
    answer = ALC.answer(case_of(lab("731-0", 1, "10*9/L", 3), newest))

    assert briefly(answer) == expected
    assert Role.UNUSABLE in {item.role for item in answer.evidence}


def test_unreadable_result_of_the_same_day_is_shown_and_an_older_one_is_not() -> None:
    same_day = ALC.answer(case_of(lab("731-0", 1, "10*9/L", 1), lab("731-0", 1, None, 1)))
    assert [item.role for item in same_day.evidence] == [Role.DECIDES, Role.UNUSABLE]

    answer = ALC.answer(case_of(lab("731-0", 1, "10*9/L", 1), lab("731-0", 1, None, 9)))

    assert [item.role for item in answer.evidence] == [Role.DECIDES]


@pytest.mark.parametrize(("_name", "alone", "_expected"), PASSED_OVER[:4])
def test_only_unreadable_results_are_unusable(_name: str, alone: Json, _expected: str) -> None:
    assert briefly(ALC.answer(case_of(alone))) == "unknown unusable"


def test_unreadable_result_beside_a_stale_one_leaves_it_stale() -> None:
    assert briefly(ALC.answer(case_of(lab("731-0", 1, "10*9/L", 40), lab("731-0", 1, None, 1)))) == "needs-clinician stale"


def test_both_readings_of_an_implausible_value_are_told() -> None:
    """R8."""
    answer = HB.answer(case_of(lab("718-7", Decimal("8.2"), "g/L", 3)))

    assert "recorded as 8.2 g/L" in str(answer.reason)
    assert "8.2 g/dL = 82 g/L" in str(answer.reason)


def test_panel_without_value_of_its_own_is_no_unusable_result() -> None:
    panel = lab("59408-5", {}, None, 3, component=[{"code": {"coding": [{"system": "http://loinc.org", "code": "3151-8"}]}}])

    assert briefly(SPO2.answer(case_of(panel))) == "unknown not-recorded"


# results as "value @ date"; 2026-03-02 is today
DATES = """
1 @ 2026-02                                  | unknown unusable
1 @ 2026                                     | unknown unusable
1 @ 2026-03                                  | met
1 @ 2025-09                                  | unknown unusable
1 @ 2025-11                                  | needs-clinician stale
1 @ 2025                                     | unknown unusable
1 @ 2024                                     | unknown stale
1 @ 2026-02, 1 @ 2026-02-14                  | met
1 @ 2026-02, 0.1 @ 2026-02-14                | unknown unusable
0.1 @ 2026-02, 0.1 @ 2026-02-14              | not-met
0.1 @ 2026-01, 1 @ 2026-02-14                | met
0.1 @ 2026-03, 1 @ 2026-03-01                | unknown unusable
1 @ 2026-02-14T08:00:00Z, 0.1 @ 2026-02-14T07:00:00Z | met
0.1 @ 2026-02-14T08:00:00Z, 1 @ 2026-02-14T07:00:00Z | not-met
1 @ 2026-02-14, 0.1 @ 2026-02-14             | needs-clinician conflicting
1 @ 2026-02-14, 2 @ 2026-02-14               | met
1 @ 2026-02-14T08:00:00Z, 0.1 @ 2026-02-14   | needs-clinician conflicting
1 @ 2026-02-14T08:00:00Z, 2 @ 2026-02-14     | met
"""


@pytest.mark.parametrize(("results", "expected"), _rows(DATES))
def test_dates_that_do_not_order_the_results_leave_the_question_open(results: str, expected: str) -> None:
    """R30, R31, and "A partial date that may be the latest"."""
    told = [one.strip().split(" @ ") for one in results.split(",")]

    assert briefly(ALC.answer(case_of(*(lab("731-0", Decimal(value), "10*9/L", day) for value, day in told)))) == expected


@pytest.mark.parametrize("when", ["2026-02-14", "2026-02-14T08:00:00Z"])
def test_issued_orders_what_the_time_does_not_and_last_updated_after_it(when: str) -> None:
    """R31; a date without time beside a date-time is not ordered by it."""
    low, high = Decimal("0.1"), Decimal(1)
    by_issued = [
        lab(
            "731-0",
            high,
            "10*9/L",
            "2026-02-14T08:00:00Z",
            issued="2026-02-15T09:00:00Z",
            meta={"lastUpdated": "2026-02-16T09:00:00Z"},
        ),
        lab("731-0", low, "10*9/L", when, issued="2026-02-15T08:00:00Z", meta={"lastUpdated": "2026-02-17T09:00:00Z"}),
    ]
    by_update = [
        lab("731-0", high, "10*9/L", "2026-02-14T08:00:00Z", meta={"lastUpdated": "2026-02-18T09:00:00Z"}),
        lab("731-0", low, "10*9/L", when, issued="2026-02-15T08:00:00Z", meta={"lastUpdated": "2026-02-17T09:00:00Z"}),
    ]

    assert briefly(ALC.answer(case_of(*by_issued))) == "met"
    assert briefly(ALC.answer(case_of(*by_update))) == "met"


def test_blood_gas_haemoglobin_yields_to_a_blood_count_only_when_nothing_else_orders_them() -> None:
    gas, count = lab("30313-1", 70, "g/L", 3), lab("718-7", 90, "g/L", 3)

    assert briefly(HB.answer(case_of(gas, count))) == "met"
    assert (
        briefly(HB.answer(case_of(gas | {"issued": "2026-02-28T09:00:00Z"}, count | {"issued": "2026-02-28T08:00:00Z"})))
        == "not-met"
    )


def test_times_that_go_round_in_a_circle_order_nothing() -> None:
    first = lab("731-0", 1, "10*9/L", "2026-02-14T08:00:00Z", issued="2026-02-15T03:00:00Z")
    second = lab("731-0", Decimal("0.1"), "10*9/L", "2026-02-14T09:00:00Z", issued="2026-02-15T01:00:00Z")
    undated = lab("731-0", 1, "10*9/L", "2026-02-14", issued="2026-02-15T02:00:00Z")

    assert briefly(ALC.answer(case_of(first, second, undated))) == "needs-clinician conflicting"


# results as "code value unit @ days ago" | kind | answer
DERIVED = """
6690-2 2.0 10*9/L @ 3, 736-9 25 % @ 3                        | alc  | met
6690-2 2.0 10*9/L @ 3, 736-9 24 % @ 3                        | alc  | not-met
6690-2 2000 /uL @ 3, 736-9 25 % @ 3                          | alc  | met
6690-2 2.0 10*9/L @ 3, 736-9 0.25 1 @ 3                      | alc  | met
6690-2 2.0 10*9/L @ 4, 736-9 25 % @ 3                        | alc  | unknown unusable
6690-2 2.0 10*9/L @ 3, 736-9 25 - @ 3                        | alc  | unknown unusable
6690-2 900 10*9/L @ 3, 736-9 25 % @ 3                        | alc  | unknown unusable
736-9 25 % @ 3                                               | alc  | unknown unusable
731-0 0.4 10*9/L @ 3, 6690-2 2.0 10*9/L @ 3, 736-9 25 % @ 3  | alc  | not-met
731-0 0.4 10*9/L @ 4, 6690-2 2.0 10*9/L @ 3, 736-9 25 % @ 3  | alc  | met
731-0 0.4 - @ 3, 6690-2 2.0 10*9/L @ 3, 736-9 25 % @ 3       | alc  | met
6690-2 1.0 10*9/L @ 3, 770-8 50 % @ 3                        | anc  | met
768-2 0.5 10*9/L @ 3                                         | anc  | met
768-2 0.49 10*9/L @ 3                                        | anc  | unknown unusable
768-2 0.4 10*9/L @ 3, 763-3 0.1 10*9/L @ 3                   | anc  | met
768-2 0.3 10*9/L @ 3, 763-3 0.1 10*9/L @ 3                   | anc  | not-met
768-2 0.4 10*9/L @ 3, 763-3 0.1 10*9/L @ 4                   | anc  | unknown unusable
763-3 0.9 10*9/L @ 3                                         | anc  | unknown unusable
768-2 0.3 10*9/L @ 3, 6690-2 1.0 10*9/L @ 3, 770-8 60 % @ 3  | anc  | met
768-2 0.6 10*9/L @ 3, 751-8 0.4 10*9/L @ 3                   | anc  | not-met
30394-1 4 10*9/L @ 3                                         | anc  | needs-clinician judgement
30394-1 0.1 10*9/L @ 3                                       | anc  | needs-clinician judgement
30394-1 4 10*9/L @ 3, 751-8 0.6 10*9/L @ 9                   | anc  | met
30394-1 4 10*9/L @ 3, 751-8 0.6 10*9/L @ 40                  | anc  | needs-clinician judgement
30394-1 4 10*9/L @ 30, 751-8 0.6 10*9/L @ 40                 | anc  | needs-clinician stale
30394-1 4 10*9/L @ 30                                        | anc  | needs-clinician stale
30394-1 4 10*9/L @ 200                                       | anc  | unknown stale
34963-9 4 /uL @ 3                                            | anc  | unknown not-recorded
8117-4 10 % @ 3                                              | cd19 | unknown unusable
9558-8 100 /uL @ 3                                           | cd19 | unknown unusable
8119-0 10 % @ 3                                              | cd19 | unknown unusable
8117-4 5 % @ 3, 731-0 0.5 10*9/L @ 3                         | cd19 | met
8117-4 4 % @ 3, 731-0 0.5 10*9/L @ 3                         | cd19 | not-met
8117-4 5 % @ 3, 731-0 0.5 10*9/L @ 4                         | cd19 | unknown unusable
8117-4 5 % @ 3, 6690-2 2 10*9/L @ 3, 736-9 25 % @ 3          | cd19 | met
8117-4 90 % @ 3, 731-0 9 10*9/L @ 3                          | cd19 | needs-clinician unusable
9558-8 100 /uL @ 3, 8116-6 30 /uL @ 40                       | cd19 | needs-clinician stale
"""


@pytest.mark.parametrize(("results", "kind", "expected"), _rows(DERIVED))
def test_counts_are_worked_out_from_their_parts_and_direct_ones_go_first(results: str, kind: str, expected: str) -> None:
    """Case 16; R35, R36, and "Reading a result"."""
    told = []
    for one in results.split(","):
        code, value, unit, _, days = one.split()
        told.append(lab(code, Decimal(value), None if unit == "-" else unit, int(days)))

    assert briefly(KINDS[kind].answer(case_of(*told))) == expected


def test_derived_value_shows_what_it_was_worked_out_from() -> None:
    answer = ALC.answer(case_of(lab("6690-2", Decimal("2.0"), "10*9/L", 3), lab("736-9", 25, "%", 3)))

    assert [(item.role, item.original) for item in answer.evidence] == [
        (Role.DECIDES, "2.0 10*9/L x 25 %"),
        (Role.SUPPORTS, "2.0 10*9/L"),
        (Role.SUPPORTS, "25 %"),
    ]


def test_share_of_the_same_day_takes_the_whole_of_its_own_hour_and_measured_before_derived() -> None:
    """CD19 of 09:00 with lymphocytes of 09:00 and of 15:00; a date alone takes both, and they must agree."""
    percent = lab("8117-4", 5, "%", "2026-02-27T09:00:00Z")
    near, later = (
        lab("731-0", Decimal("0.4"), "10*9/L", "2026-02-27T09:00:00Z"),
        lab("731-0", 1, "10*9/L", "2026-02-27T15:00:00Z"),
    )
    derived = (lab("6690-2", 2, "10*9/L", "2026-02-27T15:00:00Z"), lab("736-9", 90, "%", "2026-02-27T15:00:00Z"))

    assert briefly(CD19.answer(case_of(percent, near, later))) == "not-met"
    assert briefly(CD19.answer(case_of(percent, later, *derived))) == "met"
    assert (
        briefly(CD19.answer(case_of(lab("8117-4", 5, "%", "2026-02"), lab("731-0", 1, "10*9/L", "2026-02"))))
        == "unknown unusable"
    )


def test_components_of_one_observation_are_one_sample_whatever_its_date() -> None:
    def part(code: str, value: object, unit: str) -> Json:
        coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
        return {"code": coded, "valueQuantity": {"value": value, "unit": unit}}

    panel = named("Blood count", {"component": [part("6690-2", 2, "10*9/L"), part("736-9", 25, "%")]}, "2026-03")

    assert briefly(ALC.answer(case_of(panel))) == "met"


@pytest.mark.parametrize(
    ("wbc", "expected"),
    [("<2.0", "not-met"), (">2.0", "met"), ("~2.0", "needs-clinician unusable"), ("1.5-2.5", "unknown unusable")],
)
def test_share_of_a_bounded_whole_is_bounded(wbc: str, expected: str) -> None:
    case = case_of(lab("6690-2", {"valueString": f"{wbc} 10*9/L"}, None, 3), lab("736-9", 25, "%", 3))

    assert briefly(ALC.answer(case)) == expected


def test_sum_of_bounded_parts_is_bounded() -> None:
    case = case_of(lab("768-2", {"valueString": "> 0.4 10*9/L"}, None, 3), lab("763-3", Decimal("0.1"), "10*9/L", 3))

    assert briefly(ANC.answer(case)) == "met"


def test_result_without_a_date_is_never_a_part() -> None:
    undated = {key: value for key, value in lab("736-9", 25, "%", 3).items() if key != "effectiveDateTime"}

    assert briefly(ALC.answer(case_of(undated, lab("6690-2", 2, "10*9/L", 3)))) == "unknown not-recorded"


# valueString | answer (case 11)
EJECTION = """
55-60 %   | met
≥55 %     | met
50-55 %   | unknown unusable
>=50 %    | unknown unusable
45-50 %   | not-met
<=55 %    | needs-clinician unusable
normal    | needs-clinician unstructured
Normal.   | needs-clinician unstructured
preserved | unknown unusable
"""


@pytest.mark.parametrize(("text", "expected"), _rows(EJECTION))
def test_ejection_fraction_as_people_write_it(text: str, expected: str) -> None:
    assert briefly(LVEF.answer(case_of(lab("10230-1", {"valueString": text}, None, 3)))) == expected


def test_number_that_decides_goes_before_a_newer_word() -> None:
    words, number = lab("10230-1", {"valueString": "normal"}, None, 3), lab("10230-1", 50, "%", 9)

    assert briefly(LVEF.answer(case_of(words, number))) == "not-met"
    assert briefly(LVEF.answer(case_of(words, number | {"effectiveDateTime": ago(100)}))) == "needs-clinician unstructured"


# codes with values, same day | answer: 8807-0 visual, 18047-1 biplane, 8811-2 MR, 10230-1 not said
METHODS = """
8807-0 60, 18047-1 50           | not-met
8807-0 50, 8811-2 60            | met
8807-0 50, 10230-1 60           | met
18047-1 60, 8811-2 50           | needs-clinician conflicting
18047-1 60, 8811-2 58, 8807-0 40 | met
"""


@pytest.mark.parametrize(("results", "expected"), _rows(METHODS))
def test_better_method_of_the_same_day_decides(results: str, expected: str) -> None:
    """R25."""
    told = [one.split() for one in results.split(",")]

    assert briefly(LVEF.answer(case_of(*(lab(code, int(value), "%", 3) for code, value in told)))) == expected


def test_later_day_goes_before_the_better_method() -> None:
    assert briefly(LVEF.answer(case_of(lab("18047-1", 60, "%", 4), lab("8807-0", 50, "%", 3)))) == "not-met"


def oxygen(code: str, told: object, unit: str | None, days: int | str) -> Json:
    return lab(code, told, unit, days)


OXYGEN: list[tuple[str, Json, str]] = [
    ("flow of 2 L (case 13)", lab("3151-8", 2, "L/min", 3), "needs-clinician judgement"),
    ("flow of 0", lab("3151-8", 0, "L/min", 3), "met"),
    ("flow of 2 L the day before", lab("3151-8", 2, "L/min", 4), "met"),
    ("flow above an unknown bound", lab("3151-8", {"valueString": "> 1 L/min"}, None, 3), "needs-clinician judgement"),
    ("concentration of 21 %", lab("3150-0", 21, "%", 3), "met"),
    ("concentration of 24 %", lab("3150-0", 24, "%", 3), "needs-clinician judgement"),
    ("fraction of 0.21", lab("3150-0", Decimal("0.21"), "1", 3), "met"),
    ("fraction of 0.40", lab("3150-0", Decimal("0.40"), "1", 3), "needs-clinician judgement"),
    ("nasal cannula", lab("3152-6", {"valueCodeableConcept": {"text": "Nasal cannula"}}, None, 3), "needs-clinician judgement"),
    ("room air", lab("3152-6", {"valueCodeableConcept": {"text": "Room air"}}, None, 3), "met"),
    ("device in words", lab("3152-6", {"valueString": "mask"}, None, 3), "needs-clinician judgement"),
    ("device as a number", lab("3152-6", 2, None, 3), "needs-clinician judgement"),
    ("device without words", lab("3152-6", {"valueCodeableConcept": {"coding": [{"code": "x"}]}}, None, 3), "met"),
    ("device as a time", lab("3152-6", {"valueTime": "10:00:00"}, None, 3), "needs-clinician judgement"),
    ("preliminary", lab("3151-8", 2, "L/min", 3, status="preliminary"), "met"),
    ("flow of some day of the month", lab("3151-8", 2, "L/min", "2026-02"), "met"),
    (
        "flow with an unknown comparator",
        lab("3151-8", {"valueQuantity": {"value": 2, "comparator": "ad"}}, None, 3),
        "needs-clinician judgement",
    ),
]


@pytest.mark.parametrize(("_name", "beside", "expected"), OXYGEN)
def test_oxygen_on_the_same_date_needs_a_clinician(_name: str, beside: Json, expected: str) -> None:
    """C7.12."""
    assert briefly(SPO2.answer(case_of(lab("59408-5", 97, "%", 3), beside))) == expected


def test_oxygen_counts_also_below_the_limit_and_in_a_component() -> None:
    component = [
        {"code": {"coding": [{"system": "http://loinc.org", "code": "3151-8"}]}, "valueQuantity": {"value": 3, "unit": "L/min"}}
    ]
    answer = SPO2.answer(case_of(lab("59408-5", 88, "%", "2026-03", component=component)))

    assert briefly(answer) == "needs-clinician judgement"
    assert "3 L/min" in str(answer.reason)


def test_warnings_are_shown_and_mentioned_and_never_change_the_answer() -> None:
    """C7.3, C7.4 [J]: both edges of 14 and of 7 days."""
    transfusion = {"resourceType": "Procedure", "status": "completed"}
    coded = {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "116863004"}]}}
    near, far = transfusion | coded | {"performedDateTime": ago(17)}, transfusion | coded | {"performedDateTime": ago(18)}
    count = lab("718-7", 90, "g/L", 3)

    shown, silent = HB.answer(case_of(count, near)), HB.answer(case_of(count, far))

    assert (briefly(shown), briefly(silent)) == ("met", "met")
    assert "within 14 days before" in str(shown.reason)
    assert [item.role for item in shown.evidence] == [Role.DECIDES, Role.SHOWN]
    assert len(silent.evidence) == 1
    assert len(HB.answer(case_of(near)).evidence) == 0


def order(drug: str, start: str, **more: Any) -> Json:
    return {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": drug},
        "effectiveDateTime": start,
    } | more


@pytest.mark.parametrize(("days", "mentioned"), [(3, True), (10, True), (11, False), (2, False)])
def test_growth_factor_within_seven_days_before_the_count_is_mentioned(days: int, mentioned: bool) -> None:
    answer = ANC.answer(case_of(lab("751-8", 1, "10*9/L", 3), order("filgrastim", ago(days))))

    assert ("filgrastim within 7 days before" in str(answer.reason)) is mentioned
    assert briefly(answer) == "met"


def test_last_dose_of_a_depleting_drug_is_shown_beside_a_low_b_cell_count() -> None:
    """Case 7: C7.2 after rituximab."""
    answer = CD19.answer(case_of(lab("8116-6", 0, "/uL", 3), order("rituximab", ago(60))))

    assert briefly(answer) == "not-met"
    assert "rituximab was last given 8 weeks ago" in str(answer.reason)
    assert len(CD19.answer(case_of(lab("8116-6", 0, "/uL", 3))).evidence) == 1


def test_refuted_or_undated_transfusion_is_not_mentioned() -> None:
    kind = LabLimit("hemoglobin", at_least="80 g/L", warn_value_sets=("pregnant",))
    refuted = condition("Z33.1", onsetDateTime=ago(4), verificationStatus={"coding": [{"code": "refuted"}]})

    assert "Note" not in str(kind.answer(case_of(lab("718-7", 90, "g/L", 3), refuted)).reason)


@pytest.mark.parametrize(
    "state", [LoadState.PARTIAL, LoadState.FAILED, LoadState.NOT_AUTHORISED, LoadState.RESTRICTED, LoadState.NOT_ASKED]
)
def test_no_answer_stands_while_a_newer_result_may_not_have_been_loaded(state: LoadState) -> None:
    states = {"Observation": state}
    answer = ALC.answer(case_of(lab("731-0", 1, "10*9/L", 3), states=states))

    assert briefly(answer) == "unknown not-loaded"
    assert [item.role for item in answer.evidence] == [Role.SHOWN]
    assert "is at least 0.5 10*9/L" in str(answer.reason)
    assert answer.next_step is not None
    assert briefly(ALC.answer(case_of(states=states))) == "unknown not-loaded"


def test_turning_points_name_every_day_on_which_the_answer_changes() -> None:
    """VER-16."""
    case = case_of(
        lab("731-0", 1, "10*9/L", 3),
        lab("731-0", Decimal("0.1"), "10*9/L", -40),
        lab("731-0", 2, "10*9/L", "2026-07"),
        {key: value for key, value in lab("731-0", 1, "10*9/L", 1).items() if key != "effectiveDateTime"},
    )

    check_turning_points(ALC, case, 500)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["0.1", "0.5", "1"]),
            st.sampled_from(["2026-02-27", "2026-02", "2026-03-20", "2026-05", "2025", "2026"]),
        ),
        max_size=4,
    )
)
def test_turning_points_are_complete_for_partial_and_future_dates(told: list[tuple[str, str]]) -> None:
    check_turning_points(ALC, case_of(*(lab("731-0", Decimal(value), "10*9/L", day) for value, day in told)), 400)


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "exactly one"),
    ({"at_least": "1 g/L", "below": "2 g/L"}, "exactly one"),
    ({"at_least": "much"}, "is no limit"),
    ({"at_least": "1 g/L", "fresh_days": 29, "stale_days": 28}, "fresh_days"),
    ({"at_least": "1 g/L", "fresh_days": -1}, "fresh_days"),
    ({"at_least": "1 g/L", "prefer": "best"}, "prefer"),
]


@pytest.mark.parametrize(("fields", "said"), BAD)
def test_limit_written_wrong_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LabLimit("hemoglobin", **fields)


# text | analyte | in its unit
WRITTEN = """
80 g/L     | hemoglobin | 80
8.0 g/dL   | hemoglobin | 80
0.5 10*9/L | alc        | 1/2
500 /uL    | alc        | 1/2
55 %       | lvef       | 55
55%        | lvef       | 55
80         | ana_titer  | 80
"""


@pytest.mark.parametrize(("text", "analyte", "expected"), _rows(WRITTEN))
def test_limit_is_converted_exactly(text: str, analyte: str, expected: str) -> None:
    assert str(Limit.parse(text).for_analyte(shipped().laboratory(analyte))) == expected


@pytest.mark.parametrize(("text", "said"), [("80", "needs a unit"), ("80 furlong", "does not become")])
def test_limit_in_a_unit_that_does_not_fit_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Limit.parse(text).for_analyte(shipped().laboratory("hemoglobin"))


def test_needs_and_words() -> None:
    assert ALC.needs().resource_types == ("Observation",)
    assert HB.needs().resource_types == (
        "Condition",
        "Encounter",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Procedure",
    )
    assert "the last absolute lymphocyte count is >= 0.5 10*9/L" in ALC.in_words()
    assert "better one" in LVEF.in_words()
    assert "on oxygen" in SPO2.in_words()


def test_answer_on_another_day_is_asked_of_the_same_facts() -> None:
    case = case_of(lab("731-0", 1, "10*9/L", 3))

    assert briefly(ALC.answer(case.on(date(2026, 3, 27)))) == "met"
    assert briefly(ALC.answer(case.on(date(2026, 3, 28)))) == "needs-clinician stale"
