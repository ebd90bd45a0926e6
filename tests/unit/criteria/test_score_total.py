"""C5: a recorded SLEDAI-2K total of at least 6 within 30 days, and everything that only asks for one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_trial.criteria.answers import Role
from fhir_trial.criteria.score_total import ScoreTotal
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import (
    Json,
    ago,
    briefly,
    case_of,
    check_turning_points,
    clinical,
    condition,
    form,
    lab,
    named,
    report,
)

C5 = ScoreTotal("sledai-2k", "SLEDAI-2K", at_least=6, days=30, disease="sle")
POSITIVE_DNA = lab("31348-6", {"valueString": "positive"}, None, 3)
PROTEINURIA = lab("2889-4", 0.6, "g/(24.h)", 3)
LOW_WBC = lab("6690-2", 2.0, "10*3/uL", 3)


def total(points: object, days: int | str, text: str = "SLEDAI-2K", /, **more: object) -> Json:
    return named(text, {"valueInteger": points}, days, performer=[{"display": "Dr. A"}], **more)


def answered(*resources: Json) -> str:
    return briefly(C5.answer(case_of(*resources)))


#  what is on file                                                       answer
CASES = [
    ([], "unknown not-recorded"),
    ([total(6, 0)], "met"),
    ([total(5, 0)], "not-met"),
    ([total(6, 30)], "met"),  # both ends included
    ([total(6, 31)], "needs-clinician stale"),
    ([total(5, 31)], "needs-clinician stale"),
    ([total(6, 3000)], "needs-clinician stale"),  # at any age
    ([total(6, -1)], "unknown not-recorded"),  # R44
    ([total(8, 20), total(4, 3)], "not-met"),  # R24: the latest
    ([total(4, 20), total(8, 3)], "met"),
    ([total(8, 3), total(2, 1, status="preliminary")], "met"),  # the latest valid one
    ([total(8, 3, status="preliminary")], "unknown unusable"),
    ([total(8, 3, modifierExtension=[{"url": "x:y", "valueBoolean": True}])], "unknown unusable"),
    ([total(106, 3)], "needs-clinician unusable"),  # R8: not passed over
    ([total(8, 5), total(106, 3)], "needs-clinician unusable"),
    ([named("SLEDAI-2K", {"valueString": ">=6"}, 3)], "met"),
    ([named("SLEDAI-2K", {"valueString": "<6"}, 3)], "not-met"),
    ([named("SLEDAI-2K", {"valueString": "<10"}, 3)], "unknown unusable"),
    ([named("SLEDAI-2K", {"valueString": "high"}, 3)], "unknown unusable"),
    ([named("SLEDAI-2K", {"valueBoolean": True}, 3)], "unknown unusable"),
    ([named("SLEDAI-2K", {}, 3, component=[{"code": {"text": "Rash"}, "valueInteger": 2}])], "needs-clinician judgement"),
    ([named("SLEDAI-2K", {}, 3, component=[{"code": {"text": "Total score"}, "valueInteger": 7}])], "met"),
    ([form([("SLEDAI-2K", {"valueDecimal": 7})])], "met"),
    ([total(8, 3, "SELENA-SLEDAI")], "needs-clinician judgement"),
    ([total(2, 3, "SLEDAI")], "needs-clinician judgement"),  # no version named
    ([total(2, 3, "modified SLEDAI-2K")], "needs-clinician judgement"),
    ([total(8, 3), total(2, 1, "SELENA-SLEDAI")], "met"),  # a valid total goes before other versions
    ([total(8, 40), total(2, 1, "SELENA-SLEDAI")], "needs-clinician stale"),
    ([form([("Total score", {"valueInteger": 7})])], "met"),
    ([form([("Rash", {"valueBoolean": True})])], "needs-clinician judgement"),  # items only
    ([report("SLEDAI-2K: 8")], "needs-clinician unstructured"),
    ([report("SLEDAI-2K: 8", 31)], "needs-clinician stale"),
    ([report("SLEDAI-2K: 8"), total(2, 1)], "not-met"),
    ([report("SELENA-SLEDAI: 8")], "needs-clinician judgement"),
    ([report("SLEDAI-2K not done")], "unknown not-recorded"),
    ([PROTEINURIA, POSITIVE_DNA], "needs-clinician judgement"),  # 6 points: likely
    ([PROTEINURIA, LOW_WBC], "unknown not-recorded"),  # 5 points say nothing
    ([PROTEINURIA, LOW_WBC, total(8, 3, status="preliminary")], "unknown unusable"),
]


@pytest.mark.parametrize(("resources", "answer"), CASES)
def test_what_is_on_file_gives_the_answer(resources: list[Json], answer: str) -> None:
    assert answered(*resources) == answer


@pytest.mark.parametrize(("resources", "answer"), CASES)
def test_every_undecided_answer_says_what_to_do_next(resources: list[Json], answer: str) -> None:
    found = C5.answer(case_of(*resources))

    assert (found.next_step is None) is (found.why is None)
    assert str(found.reason)


#  totals of one day                                                     answer
@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        (total(8, "2026-03-01"), total(2, "2026-03-01"), "needs-clinician conflicting"),  # nothing orders them
        (total(8, "2026-03-01"), total(9, "2026-03-01"), "met"),
        (
            total(8, "2026-03-01", issued="2026-03-01T10:00:00Z"),
            total(2, "2026-03-01", issued="2026-03-01T11:00:00Z"),
            "not-met",
        ),
        (total(8, "2026-03-01T12:00:00Z"), total(2, "2026-03-01T09:00:00Z"), "met"),
    ],
)
def test_the_later_of_the_day_wins_and_else_a_clinician_r31(first: Json, second: Json, answer: str) -> None:
    assert answered(first, second) == answer


#  a partial date and another                                            answer
@pytest.mark.parametrize(
    ("resources", "answer"),
    [
        ([total(8, "2026")], "unknown unusable"),  # straddles the 30 days
        ([total(8, "2025")], "needs-clinician stale"),
        ([total(8, "2026-03")], "met"),  # cut at the day of asking
        ([total(8, "2026-02"), total(9, 1)], "met"),
        ([total(2, "2026-03"), total(9, 1)], "unknown unusable"),  # either may be the latest
        ([total(8, "2026-03"), total(9, 1)], "met"),  # both agree
    ],
)
def test_what_a_partial_date_leaves_open_is_unknown_r30(resources: list[Json], answer: str) -> None:
    assert answered(*resources) == answer


def test_a_total_without_a_date_decides_nothing() -> None:
    undated = {key: value for key, value in total(8, 1).items() if key != "effectiveDateTime"}

    assert answered(undated) == "unknown unusable"


def test_a_total_nobody_signed_is_accepted_and_noted_r24() -> None:
    unsigned = named("SLEDAI-2K", {"valueInteger": 8}, 2)

    assert "Who scored it is not recorded." in str(C5.answer(case_of(unsigned)).reason)
    assert "Who scored" not in str(C5.answer(case_of(total(8, 2))).reason)


def test_the_reason_names_total_date_age_and_days() -> None:
    reason = str(C5.answer(case_of(total(8, 31))).reason)

    assert reason == "The last SLEDAI-2K total, 8 on 2026-01-30, is 31 days old; 30 days decide."


def test_the_lower_bound_is_shown_as_a_table() -> None:
    answer = C5.answer(case_of(PROTEINURIA, POSITIVE_DNA, condition("R56.9", onsetDateTime=ago(3))))

    assert "up to 6 points (proteinuria 4, increased DNA binding 2), attribution not checked" in str(answer.reason)
    assert [(row.role, (row.limit or "").split(",")[0]) for row in answer.evidence] == [
        (Role.SUPPORTS, "Proteinuria"),
        (Role.SUPPORTS, "Increased DNA binding"),
        (Role.SHOWN, ""),  # the coded seizure: a hint
    ]
    assert answer.facts.bounds.low == 6


def test_a_recorded_decision_shows_the_total_alone() -> None:
    (row,) = C5.answer(case_of(total(8, 3))).evidence

    assert (row.role, row.value, row.limit, row.original) == (Role.DECIDES, Fraction(8), ">= 6", "8")


def test_a_disease_in_remission_is_shown_beside_the_answer() -> None:
    answer = C5.answer(case_of(total(8, 3), condition("M32.9", **clinical("remission"))))

    assert [(row.role, row.original) for row in answer.evidence][1:] == [
        (Role.SHOWN, "Systemic lupus erythematosus, unspecified (remission)")
    ]


def test_without_a_disease_nothing_is_shown() -> None:
    lone = ScoreTotal("sledai-2k", "SLEDAI-2K", 6, 30)

    assert len(lone.answer(case_of(total(8, 3), condition("M32.9", **clinical("remission")))).evidence) == 1
    assert "Condition" not in lone.needs().resource_types


#  not loaded          on file                              answer
@pytest.mark.parametrize(
    ("missing", "resources", "answer"),
    [
        ("Observation", [total(8, 3)], "unknown not-loaded"),  # a newer one may exist
        ("QuestionnaireResponse", [total(2, 3)], "unknown not-loaded"),
        ("Observation", [total(8, 40)], "unknown not-loaded"),
        ("DocumentReference", [total(8, 3)], "met"),  # no document goes before a structured total
        ("Observation", [], "unknown not-loaded"),
        ("DiagnosticReport", [], "unknown not-loaded"),
        ("Observation", [PROTEINURIA, POSITIVE_DNA], "needs-clinician judgement"),  # points found stay found
    ],
)
def test_what_was_not_loaded_may_overturn_the_answer(missing: str, resources: list[Json], answer: str) -> None:
    assert briefly(C5.answer(case_of(*resources, states={missing: LoadState.FAILED}))) == answer


def test_it_needs_every_type_in_which_a_total_may_stand() -> None:
    assert C5.needs().resource_types == (
        "Condition",
        "DiagnosticReport",
        "DocumentReference",
        "Observation",
        "QuestionnaireResponse",
    )
    assert "SLEDAI-2K total, at most 30 days old, is 6 or more" in C5.in_words()


def test_a_limit_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        ScoreTotal("sledai-2k", "SLEDAI-2K", -1, 30)


WHEN = st.one_of(st.integers(-60, 60).map(ago), st.sampled_from(["2026", "2026-02", "2026-03", "2026-04", "2025-12"]))
ON_FILE = st.lists(
    st.one_of(
        st.builds(total, st.sampled_from([2, 5, 6, 9]), WHEN),
        st.builds(lambda when: lab("6690-2", 2.0, "10*3/uL", when), WHEN),
        st.builds(lambda when: lab("2889-4", 0.6, "g/(24.h)", when), WHEN),
        st.builds(lambda when: lab("31348-6", {"valueString": "positive"}, None, when), WHEN),
        st.builds(lambda when: report("SLEDAI-2K: 8", when), WHEN),
        st.builds(lambda when: total(8, when, "SLEDAI"), WHEN),
    ),
    max_size=5,
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(ON_FILE)
def test_turning_points_are_complete(resources: list[Json]) -> None:
    check_turning_points(C5, case_of(*resources), days=420)
