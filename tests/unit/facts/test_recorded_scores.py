"""Totals of a score that somebody wrote down."""

from __future__ import annotations

import pytest

from fhir_trial.facts.recorded_scores import RecordedTotal, find_totals, version_named
from fhir_trial.quantities import Possible
from fhir_trial.terminology.scores import ScoreDefinition
from tests.unit.criteria.stories import LOINC, Json, case_of, form, lab, named, report, shipped

SLEDAI = shipped().score("sledai-2k")
EULAR = shipped().score("eular-acr-2019")


def found(*resources: Json, score: ScoreDefinition = SLEDAI) -> tuple[RecordedTotal, ...]:
    return find_totals(case_of(*resources).facts.record, score)


#  name                                     exact version, other version, or not named
@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("SLEDAI-2K", True),
        ("SLEDAI 2K total", True),
        ("SLEDAI2K", True),
        ("SLEDAI-2000", True),
        ("sledai 2000", True),
        ("SLEDAI", False),
        ("SELENA-SLEDAI", False),
        ("SELENA SLEDAI-2K", False),
        ("modified SLEDAI-2K", False),
        ("clinical SLEDAI-2K", False),
        ("cSLEDAI-2K", False),
        ("MEX-SLEDAI", False),
        ("SLEDAI_2K", True),
        ("SLEDAI-2K评分", True),
        ("狼疮疾病活动指数2000", True),
        ("狼疮疾病活动指数", False),
        ("SLEDAI-2KG", False),
        ("BILAG", None),
    ],
)
def test_which_version_is_named(text: str, exact: bool | None) -> None:
    assert version_named(text, SLEDAI) is exact


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("2019 EULAR/ACR criteria", True),
        ("ACR/EULAR 2019", True),
        ("2010 ACR/EULAR criteria", False),
        ("EULAR/ACR criteria for rheumatoid arthritis", False),
        ("Sjögren's syndrome by ACR/EULAR", False),
        ("EULAR/ACR: antiphospholipid antibodies 2, total 14", True),
        ("ACR/EULAR 2023 criteria for antiphospholipid syndrome", False),
        ("SLICC 2012", None),
    ],
)
def test_the_societies_classified_other_diseases_too(text: str, exact: bool | None) -> None:
    assert version_named(text, EULAR) is exact


def number(value: int) -> Possible:
    return Possible.exactly(value)


#  value[x]                                                       total              problem
VALUES = [
    ({"valueInteger": 8}, number(8), None),
    ({"valueQuantity": {"value": 8, "unit": "{score}"}}, number(8), None),
    ({"valueQuantity": {"value": 8, "comparator": ">="}}, Possible.compared(">=", 8), None),
    ({"valueString": "8"}, number(8), None),
    ({"valueString": "≥8"}, Possible.compared(">=", 8), None),
    ({"valueString": "about eight"}, None, "no-value"),
    ({"valueQuantity": {"value": "8"}}, None, "no-value"),  # R34: a string where a number belongs
    ({"valueInteger": 106}, number(106), "implausible"),
    ({"valueInteger": 105}, number(105), None),
    ({"valuePeriod": {"start": "2026-01-01"}}, None, "no-value"),
    ({}, None, "no-value"),
]


@pytest.mark.parametrize(("value", "total", "problem"), VALUES)
def test_the_number_of_an_observation(value: Json, total: Possible | None, problem: str | None) -> None:
    (only,) = found(named("SLEDAI-2K", value, 1))

    assert (only.possible, only.problem, only.source, only.items) == (total, problem, "Observation", False)


def test_a_local_code_names_it_too() -> None:
    local = named("Activity score", {"valueInteger": 4}, 1, code={"coding": [{"system": "urn:local", "code": "SLEDAI-2K"}]})

    assert len(found(local)) == 1


def test_words_under_a_code_that_claims_loinc_are_not_read_r34() -> None:
    assert found(lab("8302-2", 8, None, 1, code={"coding": [{"system": LOINC, "code": "8302-2"}], "text": "SLEDAI-2K"})) == ()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"status": "preliminary"}, "not-final"),
        ({"modifierExtension": [{"url": "http://example.org/x", "valueBoolean": True}]}, "modifier"),
        ({"effectiveDateTime": None}, "no-date"),
    ],
)
def test_a_total_that_decides_nothing_says_why(more: Json, problem: str) -> None:
    resource = {key: value for key, value in (named("SLEDAI-2K", {"valueInteger": 8}, 1) | more).items() if value is not None}

    assert [total.problem for total in found(resource)] == [problem]


@pytest.mark.parametrize("name", ["SLEDAI-2K: arthritis", "SLEDAI-2K - Low complement", "SLEDAI 2K fever score"])
def test_one_item_of_the_score_is_no_total(name: str) -> None:
    """C5 "only items": needs clinician, never a total of four points."""
    (only,) = found(named(name, {"valueInteger": 4}, 1))

    assert (only.items, only.possible, only.problem) == (True, None, "no-value")


def test_an_item_that_is_present_does_not_say_that_the_criteria_are_fulfilled() -> None:
    (only,) = found(named("EULAR/ACR 2019: joint involvement", {"valueBoolean": True}, 1), score=EULAR)

    assert (only.items, only.fulfilled) == (True, None)


@pytest.mark.parametrize("name", ["SLEDAI-2K total (24 items, rash included)", "SLEDAI-2K obs"])
def test_a_total_is_a_total_whatever_else_its_name_says(name: str) -> None:
    assert [total.possible for total in found(named(name, {"valueInteger": 4}, 1))] == [number(4)]


def test_a_panel_without_a_total_holds_items() -> None:
    panel = named("SLEDAI-2K", {}, 1, component=[{"code": {"text": "Rash"}, "valueBoolean": True}])

    assert [total.items for total in found(panel)] == [True]


#  item of the form                     total
@pytest.mark.parametrize(
    ("item", "questionnaire", "value"),
    [
        ("SLEDAI-2K", "http://example.org/Questionnaire/visit", 7),
        ("Total score", "http://example.org/Questionnaire/sledai-2k", 7),
        ("Sum", "http://example.org/Questionnaire/sledai-2k", 7),
    ],
)
def test_a_total_in_a_form(item: str, questionnaire: str, value: int) -> None:
    (only,) = found(form([("Rash", {"valueBoolean": True}), (item, {"valueInteger": value})], questionnaire=questionnaire))

    assert (only.possible, only.exact_version, only.structured, only.problem) == (number(value), True, True, None)


def test_a_form_of_another_instrument_holds_none() -> None:
    assert found(form([("Total score", {"valueInteger": 7})], questionnaire="http://example.org/Questionnaire/phq-9")) == ()


def test_a_form_with_items_alone_says_so() -> None:
    (only,) = found(form([("Rash", {"valueBoolean": True}), ("Fever", {"valueBoolean": False})]))

    assert (only.items, only.possible, only.problem) == (True, None, "no-value")


def test_an_unfinished_form_is_not_read() -> None:
    assert found(form([("Total score", {"valueInteger": 7})], status="in-progress")) == ()


#  sentence                                                             number, or None
SENTENCES = [
    ("SLEDAI-2K: 8", number(8)),
    ("SLEDAI-2K total score of 12.", number(12)),
    ("SLEDAI 2000 = 6, stable", number(6)),
    ("SLEDAI-2K on 2026-01-02 was 8", number(8)),
    ("SLEDAI-2K 8/105", number(8)),
    ("SLEDAI-2K 8/12/2025", None),  # a date
    ("SLEDAI-2K: 8-10", None),
    ("SLEDAI-2K >= 6", Possible.compared(">=", 6)),
    ("SLEDAI-2K was not assessed, 12 joints tender", None),
    ("SLEDAI-2K: 20 mg prednisone", None),
    ("SLEDAI-2K not done", None),
    ("SLEDAI-2K of 6 or more is required for inclusion", None),
    ("SLEDAI-2K评分：8分。", number(8)),
    ("SLEDAI-2K总分为12分", number(12)),
    ("SLEDAI-2K 12岁", None),  # an age
]


@pytest.mark.parametrize(("sentence", "total"), SENTENCES)
def test_the_number_in_a_text(sentence: str, total: Possible | None) -> None:
    totals = found(report(f"Seen today. {sentence}\nPlan: continue."))

    assert [one.possible for one in totals] == ([] if total is None else [total])
    assert all(not one.structured for one in totals)


def test_a_report_that_is_not_final_is_not_read_for_totals() -> None:
    assert found(report("SLEDAI-2K: 8", status="preliminary")) == ()


#  words                                                                  fulfilled
STATEMENTS = [
    ("Meets the 2019 EULAR/ACR criteria.", [True]),
    ("2019 EULAR/ACR classification criteria fulfilled", [True]),
    ("Does not meet the 2019 EULAR/ACR criteria.", [False]),
    ("2019 EULAR/ACR criteria are not fulfilled", [False]),
    ("Possibly meets the EULAR/ACR criteria.", []),
    ("Unclear whether EULAR/ACR criteria are met", []),
    ("EULAR/ACR criteria were discussed.", []),
    ("She doesn't meet the EULAR/ACR criteria.", [False]),
    ("符合2019年EULAR/ACR分类标准", [True]),
    ("不符合2019年EULAR/ACR分类标准", [False]),
    ("是否符合EULAR/ACR分类标准", []),
    ("Meets ACR/EULAR criteria for rheumatoid arthritis.", [True]),  # another score: see exact_version
]


@pytest.mark.parametrize(("words", "fulfilled"), STATEMENTS)
def test_a_statement_in_a_text(words: str, fulfilled: list[bool]) -> None:
    assert [one.fulfilled for one in found(report(words), score=EULAR)] == fulfilled


def test_a_statement_on_another_disease_is_of_another_version() -> None:
    assert [one.exact_version for one in found(report("Meets ACR/EULAR criteria for rheumatoid arthritis."), score=EULAR)] == [
        False
    ]


#  value[x]                                       fulfilled
@pytest.mark.parametrize(
    ("value", "fulfilled"),
    [
        ({"valueBoolean": True}, True),
        ({"valueBoolean": False}, False),
        ({"valueString": "yes"}, True),
        ({"valueString": "no"}, False),
        ({"valueCodeableConcept": {"text": "Criteria fulfilled"}}, True),
        ({"valueCodeableConcept": {"coding": [{"code": "x"}]}}, None),
    ],
)
def test_a_statement_in_an_observation(value: Json, fulfilled: bool | None) -> None:
    (only,) = found(named("EULAR/ACR 2019 criteria", value, 1), score=EULAR)

    assert (only.fulfilled, only.problem) == (fulfilled, None if fulfilled is not None else "no-value")


def test_oldest_first_then_by_issue_r31() -> None:
    day = "2026-02-01"
    late = named("SLEDAI-2K", {"valueInteger": 2}, day, issued="2026-02-01T18:00:00Z")
    early = named("SLEDAI-2K", {"valueInteger": 1}, day, issued="2026-02-01T08:00:00Z")
    totals = found(late, early, named("SLEDAI-2K", {"valueInteger": 0}, "2025-02-01"))

    assert [one.possible for one in totals] == [number(0), number(1), number(2)]


def test_a_score_without_a_name_has_no_totals() -> None:
    assert found(named("x", {"valueInteger": 1}, 1), score=ScoreDefinition("x", (), "none")) == ()


def test_a_score_without_other_versions_is_found_in_a_text() -> None:
    lone = ScoreDefinition("das28", (), "none", names=r"\bDAS28\b")

    assert [one.possible for one in found(report("DAS28: 3"), score=lone)] == [number(3)]
