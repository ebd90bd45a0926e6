"""C7.7: eGFR of at least 30 mL/min/1.73 m2, reported or computed by the formula for the age."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_trial.criteria.answers import Role
from fhir_trial.criteria.egfr import Egfr
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import Json, ago, briefly, case_of, check_turning_points, condition, lab, named, patient

INDEXED = "mL/min/{1.73_m2}"
C77 = Egfr(
    "egfr",
    "creatinine",
    "height",
    f"30 {INDEXED}",
    fresh_days=28,
    stale_days=180,
    cystatin="cystatin_c",
    kidney_failure="kidney_failure",
)
GIRL = patient(birthDate="2014-03-02")  # 12 on the day
BOY = patient(birthDate="2014-03-02", gender="male")
BIRTH_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
CONFLICT = patient(gender="male", extension=[{"url": BIRTH_SEX, "valueCode": "F"}])


def reported(value: object, days: int | str, code: str = "98979-8", unit: str | None = INDEXED, **more: object) -> Json:
    return lab(code, {"valueString": value} if isinstance(value, str) else value, unit, days, **more)


def creatinine(value: float, days: int | str, unit: str = "mg/dL", **more: object) -> Json:
    return lab("2160-0", value, unit, days, **more)


def height(cm: float, days: int | str) -> Json:
    return lab("8302-2", cm, "cm", days)


def answered(*resources: Json, who: Json | None = None) -> str:
    return briefly(C77.answer(case_of(*resources, who=who)))


#  reported rate and creatinine of a woman of 35                            answer
ADULT = [
    ([], "unknown not-recorded"),
    ([reported(30, 0)], "met"),  # equal to the limit
    ([reported(29.9, 0)], "not-met"),
    ([reported(95, 28)], "met"),
    ([reported(95, 29)], "needs-clinician stale"),
    ([reported(95, 180)], "needs-clinician stale"),
    ([reported(95, 181)], "unknown stale"),
    ([reported(95, -1)], "unknown not-recorded"),  # R44
    ([reported(">60", 3)], "met"),  # R9: the code fixes the unit of a bound
    ([reported(">90", 3)], "met"),
    ([reported("<15", 3)], "not-met"),
    ([reported("<60", 3)], "unknown unusable"),
    ([reported("<60", 3), creatinine(0.8, 3)], "met"),  # computed where the reported one leaves it open
    ([reported("<=30", 3)], "needs-clinician unusable"),  # R7
    ([reported("~30", 3)], "needs-clinician unusable"),
    ([reported(95, 3, unit="mL/min")], "unknown unusable"),  # not indexed
    ([reported(95, 3, unit=None)], "unknown unusable"),  # a value without unit stays unusable
    ([reported(95, 3, unit="mL/min"), creatinine(0.8, 3)], "met"),
    ([reported(95, 3, unit="mL/min"), reported(40, 40)], "needs-clinician stale"),  # the latest valid one
    ([reported(900, 3)], "needs-clinician unusable"),  # R8
    ([reported(95, 3, status="preliminary")], "unknown unusable"),
    ([reported(95, 10), reported(20, 3)], "not-met"),  # the latest
    ([reported(95, 10), creatinine(4.0, 1)], "met"),  # R27: inside its band beside a newer creatinine
    ([reported(95, 29), creatinine(4.0, 1)], "not-met"),  # outside it a fresh computed one decides
    ([reported(20, 181), creatinine(0.8, 1)], "met"),
    ([creatinine(2.0, 0)], "met"),  # 32.8
    ([creatinine(2.4, 0)], "not-met"),  # 26.4
    ([creatinine(61.9, 0, "umol/L")], "met"),  # 0.7 mg/dL
    ([creatinine(0.7, 28)], "met"),
    ([creatinine(0.7, 29)], "needs-clinician stale"),
    ([creatinine(0.7, 180)], "needs-clinician stale"),
    ([creatinine(0.7, 181)], "unknown stale"),
    ([creatinine(0.7, 181), reported(95, 170)], "needs-clinician stale"),
    ([creatinine(60, 2)], "needs-clinician unusable"),  # R8: umol/L sent as mg/dL
    ([lab("2160-0", {"valueString": "haemolysed"}, None, 2)], "unknown unusable"),
    ([lab("2160-0", {"valueString": "<0.5 mg/dL"}, None, 2)], "met"),  # the rate is above that of 0.5
    ([lab("2160-0", {"valueString": "<9 mg/dL"}, None, 2)], "unknown unusable"),
    ([lab("2160-0", {"valueString": "~2.4 mg/dL"}, None, 2)], "not-met"),
    ([named("Creatinine", {"valueQuantity": {"value": 0.7, "unit": "mg/dL"}}, 2)], "met"),
]


@pytest.mark.parametrize(("resources", "answer"), ADULT)
def test_an_adult(resources: list[Json], answer: str) -> None:
    assert answered(*resources) == answer


@pytest.mark.parametrize(("resources", "answer"), ADULT)
def test_every_undecided_answer_says_what_to_do_next(resources: list[Json], answer: str) -> None:
    found = C77.answer(case_of(*resources))

    assert (found.next_step is None) is (found.why is None)
    assert str(found.reason)


#  a child of 12                                                          answer
CHILD = [
    ([creatinine(1.0, 3), height(150, 3)], "met"),
    ([creatinine(4.0, 3), height(150, 3)], "not-met"),
    ([creatinine(1.9, 3), height(150, 3)], "needs-clinician judgement"),  # Schwartz 32.6, U25 28.5
    ([creatinine(1.0, 3), height(150, 90)], "met"),
    ([creatinine(1.0, 3), height(150, 91)], "unknown stale"),
    ([creatinine(1.0, 3)], "unknown not-recorded"),  # needs a height
    ([reported(95, 3)], "unknown unusable"),  # CKD-EPI says nothing of a child
    ([reported(95, 3, code="33914-3")], "unknown unusable"),  # nor does MDRD
    ([reported(95, 3), creatinine(4.0, 3), height(150, 3)], "not-met"),
    ([reported(20, 3), creatinine(1.0, 3), height(150, 3)], "met"),
    ([reported(95, 3, code="50384-7")], "met"),  # Schwartz, reported
    ([reported(95, 3, code="69405-9")], "met"),  # no formula named
    ([reported(95, 3, code="69405-9", method={"text": "CKD-EPI 2021"})], "unknown unusable"),
    ([reported(95, 40, code="50384-7"), creatinine(1.0, 3)], "needs-clinician stale"),  # nothing computes: the stale one speaks
    (
        [creatinine(1.0, 3), height(150, 3), lab("33863-2", 4.0, "mg/L", 3)],
        "needs-clinician judgement",
    ),  # cystatin C on the other side
    ([creatinine(1.0, 3), height(150, 3), lab("33863-2", 4.0, "mg/L", 29)], "met"),  # too old
    ([creatinine(1.0, 3), height(150, 3), lab("33863-2", 1.3, "mg/L", 3)], "met"),
    ([creatinine(1.0, 3), height(150, "2025")], "unknown stale"),  # a height perhaps too old
    ([creatinine(1.0, 3), height(150, "2026"), height(140, 500)], "met"),
    ([lab("2160-0", {"valueString": ">=2.065 mg/dL"}, None, 3), height(150, 3)], "needs-clinician unusable"),  # R7: 30 at most
]


@pytest.mark.parametrize(("resources", "answer"), CHILD)
def test_a_child(resources: list[Json], answer: str) -> None:
    assert answered(*resources, who=GIRL) == answer


def test_the_sex_matters_to_the_second_opinion() -> None:
    near = [creatinine(1.9, 3), height(150, 3)]

    assert answered(*near, who=BOY) == "met"  # U25 of a boy is 30.8
    assert answered(*near, who=patient(birthDate="2014-03-02", gender="unknown")) == "needs-clinician judgement"


def test_up_to_25_a_height_brings_a_second_opinion_to_an_adult() -> None:
    """CKD-EPI 2021 of a woman of 24 with 2.2 mg/dL is 31; CKiD U25 with 150 cm is 28."""
    young = patient(birthDate="2001-06-01")

    assert answered(creatinine(2.2, 3), who=young) == "met"
    assert answered(creatinine(2.2, 3), height(150, 3), who=young) == "needs-clinician judgement"


#  birth date     answer, with creatinine 2.0 and CKD-EPI reported 95
@pytest.mark.parametrize(
    ("birth", "answer"),
    [
        ("2008-02-27", "met"),  # 18 on the day of the result
        ("2008-02-28", "unknown unusable"),  # the day before: a child
        ("2008", "unknown unusable"),  # R30
        (None, "met"),  # nothing says it is a child
    ],
)
def test_an_adults_formula_counts_from_18_on_the_day_of_the_result(birth: str | None, answer: str) -> None:
    who = {key: value for key, value in patient(birthDate=birth).items() if value is not None}

    assert answered(reported(95, 3), who=who) == answer


#  sex                                                          creatinine  answer
@pytest.mark.parametrize(
    ("who", "value", "answer"),
    [
        (patient(gender="unknown"), 0.7, "met"),  # R29: both formulas agree
        (patient(gender="unknown"), 9.0, "not-met"),
        (patient(gender="unknown"), 2.2, "needs-clinician judgement"),  # 29.3 and 39.1
        (CONFLICT, 0.7, "met"),  # R28 with R29
        (CONFLICT, 2.2, "needs-clinician conflicting"),
    ],
)
def test_an_open_sex_is_decided_where_both_formulas_agree(who: Json, value: float, answer: str) -> None:
    assert answered(creatinine(value, 3), who=who) == answer


#  who                                                     answer
@pytest.mark.parametrize(
    ("who", "value", "answer"),
    [
        ({key: value for key, value in patient().items() if key != "birthDate"}, 0.7, "unknown unusable"),
        (patient(birthDate="2025-06-01"), 0.3, "unknown unusable"),  # under one year no formula holds
        (patient(birthDate="1986"), 0.7, "met"),  # every birthday of the year agrees
        (patient(birthDate="1990"), 2.15, "unknown unusable"),  # R30: they do not
        (patient(birthDate="2008"), 1.6, "unknown not-recorded"),  # perhaps a child, and no height
    ],
)
def test_the_age_must_be_known_as_far_as_it_matters(who: Json, value: float, answer: str) -> None:
    assert answered(creatinine(value, 3), who=who) == answer


def test_a_birth_date_between_two_formulas_that_disagree_is_open_r30() -> None:
    """17 or 18: CKD-EPI of a woman is 31 or more, Schwartz with 130 cm is 24."""
    assert answered(creatinine(2.2, 3), height(130, 3), who=patient(birthDate="2008")) == "unknown unusable"


def test_birth_dates_that_disagree_make_a_computed_rate_conflicting_ver_07() -> None:
    case = case_of(creatinine(0.7, 3))
    case.facts.__dict__["person"] = replace(case.facts.person, births_disagree=True)

    assert briefly(C77.answer(case)) == "needs-clinician conflicting"


#  creatinine before and after, days apart                                     answer
RISES = [
    ([creatinine(1.0, 10), creatinine(1.51, 3)], "needs-clinician judgement"),
    ([creatinine(1.0, 10), creatinine(1.5, 3)], "met"),  # more than half
    ([creatinine(1.0, 11), creatinine(1.6, 3)], "met"),  # eight days
    ([creatinine(1.0, 35), creatinine(1.6, 28)], "needs-clinician judgement"),  # the later one lies in the band
    ([creatinine(1.0, 36), creatinine(1.6, 29), creatinine(1.0, 3)], "met"),
    ([creatinine(1.0, 10), creatinine(1.6, 9), creatinine(1.0, 3)], "needs-clinician judgement"),  # between any two
    ([creatinine(1.6, 10), creatinine(1.0, 3)], "met"),  # a fall
    ([reported(95, 2), creatinine(1.0, 10), creatinine(1.6, 3)], "needs-clinician judgement"),  # R27: no eGFR is usable
    ([creatinine(1.0, f"{ago(3)}T08:00:00Z"), creatinine(1.6, f"{ago(3)}T20:00:00Z")], "needs-clinician judgement"),
    ([creatinine(1.6, f"{ago(3)}T08:00:00Z"), creatinine(1.0, f"{ago(3)}T20:00:00Z")], "met"),
    (
        [creatinine(1.0, 3, issued=f"{ago(3)}T08:00:00Z"), creatinine(1.6, 3, issued=f"{ago(3)}T20:00:00Z")],
        "needs-clinician judgement",
    ),
    ([creatinine(1.0, 3), creatinine(1.6, 3)], "met"),  # nothing says which came first
    ([lab("2160-0", {"valueString": ">0.5 mg/dL"}, None, 10), creatinine(1.6, 3)], "met"),  # perhaps no rise at all
]


@pytest.mark.parametrize(("resources", "answer"), RISES)
def test_creatinine_on_the_rise_makes_no_rate_usable(resources: list[Json], answer: str) -> None:
    assert answered(*resources) == answer


#  results that nothing orders, or of partial dates                       answer
@pytest.mark.parametrize(
    ("resources", "answer"),
    [
        ([reported(95, 3), reported(20, 3)], "needs-clinician conflicting"),  # R31
        ([reported(95, 3), reported(90, 3)], "met"),
        ([creatinine(0.7, 3), creatinine(4.0, 3)], "needs-clinician conflicting"),
        ([reported(95, "2026-02")], "unknown unusable"),  # 2 to 29 days old
        ([reported(95, "2026-03")], "met"),
        ([reported(95, "2026-02"), creatinine(0.7, 2)], "met"),  # fresh or not, the answer is the same
        ([reported(20, "2026-02"), creatinine(0.7, 2)], "unknown unusable"),
        ([creatinine(0.7, "2026-02")], "unknown unusable"),
        ([creatinine(0.7, "2025-12")], "needs-clinician stale"),
    ],
)
def test_what_dates_leave_open(resources: list[Json], answer: str) -> None:
    assert answered(*resources) == answer


def test_the_reason_names_value_unit_date_and_limit() -> None:
    answer = C77.answer(case_of(reported(29, 3)))

    assert str(answer.reason) == f"The reported eGFR was 29 {INDEXED} on 2026-02-27, below 30 {INDEXED}."
    assert (answer.evidence[0].role, answer.evidence[0].value, answer.evidence[0].limit) == (
        Role.DECIDES,
        Fraction(29),
        f">= 30 {INDEXED}",
    )


def test_a_computed_rate_that_disagrees_is_shown_beside_the_reported_one_r27() -> None:
    rows = C77.answer(case_of(reported(95, 10), creatinine(4.0, 1))).evidence

    assert [(row.role, row.original, row.value) for row in rows][1:] == [
        (Role.SHOWN, "4.0 mg/dL", 4),
        (Role.SHOWN, "CKD-EPI 2021 (female)", "14.3"),
    ]


def test_the_lowest_rate_of_the_band_is_shown() -> None:
    rows = C77.answer(case_of(reported(95, 3), reported(33, 20), reported(20, 40))).evidence

    assert [(row.role, row.value) for row in rows] == [(Role.DECIDES, Fraction(95)), (Role.SHOWN, Fraction(33))]


def test_a_rate_is_not_rounded_across_its_limit_for_display() -> None:
    answer = C77.answer(case_of(creatinine(2.0652, 3), height(150, 3), who=patient(birthDate="2009-06-01", gender="male")))

    assert "bedside Schwartz 29.997" in str(answer.reason)


def test_a_rate_of_the_limit_but_for_the_ninth_decimal_is_called_just_below() -> None:
    answer = C77.answer(case_of(creatinine(2.06500000001, 3), height(150, 3), who=patient(birthDate="2009-06-01", gender="male")))

    assert "bedside Schwartz just below 30" in str(answer.reason)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("<0.5 mg/dL", "(female) from 125."),
        (">9 mg/dL", "(female) up to 5."),
        ("~0.7 mg/dL", "(female) about 115."),
        ("0.7-0.9 mg/dL", "(female) 85.5 to 115."),
    ],
)
def test_an_interval_is_told_as_one(value: str, words: str) -> None:
    assert words in str(C77.answer(case_of(lab("2160-0", {"valueString": value}, None, 3))).reason)


def test_implausible_creatinine_is_shown_in_both_readings_r8() -> None:
    assert "could be 60 umol/L" in str(C77.answer(case_of(creatinine(60, 2))).reason)


def test_kidney_failure_is_shown_beside_the_answer() -> None:
    answer = C77.answer(case_of(reported(95, 3), condition("N18.4")))

    assert [row.role for row in answer.evidence] == [Role.DECIDES, Role.SHOWN]


def test_nothing_beyond_the_analytes_is_needed() -> None:
    bare = Egfr("egfr", "creatinine", "height", f"30 {INDEXED}", 28, 180)

    assert bare.needs().resource_types == ("Observation",)
    assert briefly(bare.answer(case_of(creatinine(1.0, 3), height(150, 3), condition("N18.4"), who=GIRL))) == "met"
    assert C77.needs().resource_types == ("Condition", "Observation")
    assert "CKD-EPI 2021 from 18 years" in C77.in_words()


#  on file                                                   answer while observations were not loaded whole
@pytest.mark.parametrize(
    ("resources", "answer"),
    [
        ([], "unknown not-loaded"),
        ([reported(95, 3)], "unknown not-loaded"),
        ([creatinine(0.7, 3)], "unknown not-loaded"),
        ([reported(95, 40)], "unknown not-loaded"),
        ([creatinine(1.0, 10), creatinine(1.6, 3)], "needs-clinician judgement"),  # a rise found stays found
    ],
)
def test_newer_results_may_exist_where_not_all_were_loaded(resources: list[Json], answer: str) -> None:
    assert briefly(C77.answer(case_of(*resources, states={"Observation": LoadState.PARTIAL}))) == answer


def test_a_limit_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError):
        Egfr("egfr", "creatinine", "height", "thirty", 28, 180)
    with pytest.raises(ValueError, match="cannot be more"):
        Egfr("egfr", "creatinine", "height", f"30 {INDEXED}", 181, 180)


WHEN = st.one_of(st.integers(-120, 200).map(ago), st.sampled_from(["2026", "2026-02", "2026-03", "2026-05", "2025-10"]))
ON_FILE = st.lists(
    st.one_of(
        st.builds(reported, st.sampled_from([20, 95, "<60"]), WHEN),
        st.builds(reported, st.sampled_from([20, 95]), WHEN, st.just("50384-7")),
        st.builds(creatinine, st.sampled_from([0.7, 1.9, 4.0]), WHEN),
        st.builds(height, st.just(150), WHEN),
        st.builds(lambda when: lab("33863-2", 1.3, "mg/L", when), WHEN),
    ),
    max_size=4,
)
WHO = st.sampled_from([None, GIRL, patient(birthDate="2008"), patient(birthDate="2008-04"), patient(gender="unknown")])


@settings(max_examples=12, deadline=None, derandomize=True)
@given(ON_FILE, WHO)
def test_turning_points_are_complete(resources: list[Json], who: Json | None) -> None:
    check_turning_points(C77, case_of(*resources, who=who), days=400)
