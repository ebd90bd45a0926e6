"""C8.1: whom the pregnancy test and contraception concern. R3, R4, R28, R30, R44, VER-07."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from fhir_trial.criteria.case import Case
from fhir_trial.criteria.childbearing import ChildbearingPotential
from fhir_trial.criteria.kind import Kind
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import (
    SNOMED,
    Json,
    ago,
    briefly,
    case_of,
    check_turning_points,
    clinical,
    condition,
    lab,
    named,
    patient,
    verified,
)

KIND = ChildbearingPotential("not_childbearing_potential", review=("menopause", "sterilisation"), menses="pregnancy_status")

HYSTERECTOMY: Json = {
    "resourceType": "Procedure",
    "status": "completed",
    "code": {"coding": [{"system": SNOMED, "code": "116140006"}]},
    "performedDateTime": "2015-06-01",
}
BIRTH_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"


def birth_sex(code: str) -> Json:
    return {"extension": [{"url": BIRTH_SEX, "valueCode": code}]}


def lmp(days: int | str = 10, **more: object) -> Json:
    return lab("8665-2", {"valueDateTime": "2026-02-20"}, None, days, **more)


def menstrual(text: str, days: int | str = 10) -> Json:
    return lab("3146-8", {"valueCodeableConcept": {"text": text}}, None, days)


# gender, birth sex extension -> answer, at 30 years
SEXES = """
    female   -    met
    male     -    not-applicable
    male     F    needs-clinician conflicting
    female   M    needs-clinician conflicting
    other    F    met
    unknown  M    not-applicable
    other    -    needs-clinician judgement
    unknown  -    needs-clinician judgement
    -        F    met
    -        -    unknown not-recorded
    -        UNK  unknown not-recorded
    female   UNK  met
"""


@pytest.mark.parametrize("row", [line.split(maxsplit=2) for line in SEXES.strip().splitlines()], ids=" ".join)
def test_birth_sex_goes_before_gender(row: list[str]) -> None:
    """R28, C8.1."""
    gender, extension, expected = row
    who = patient(birthDate="1996-01-01", **(birth_sex(extension) if extension != "-" else {}))
    who["gender"] = gender
    if gender == "-":
        del who["gender"]

    answer = KIND.answer(case_of(who=who))

    assert briefly(answer) == expected
    assert answer.outcome.undecided == (answer.next_step is not None)


# S is 2026-03-02. birth date, what is on record -> answer
AGES = """
    2017-03-03  nothing       not-applicable
    2017-03-03  menses        met
    2017-03-03  premenarche   not-applicable
    2017-03-02  nothing       unknown not-recorded
    2017-03-02  menses        met
    2017-03-02  menarche      met
    2017-03-02  premenarche   unknown not-recorded
    2017-03-02  late-menses   unknown not-recorded
    2014-03-03  nothing       unknown not-recorded
    2014-03-03  menses        met
    2014-03-02  nothing       met
    2014-03-02  premenarche   met
    1966-03-03  nothing       met
    1966-03-02  nothing       not-applicable
    1990-01-01  hysterectomy  not-applicable
    1990-01-01  no-uterus     not-applicable
    1990-01-01  words         not-applicable
    1990-01-01  unsure        needs-clinician judgement
    1990-01-01  refuted       met
    1990-01-01  planned       met
    1990-01-01  menopause     needs-clinician judgement
    1990-01-01  past-meno     needs-clinician judgement
    1990-01-01  said-over     needs-clinician judgement
    1990-01-01  tubes         needs-clinician judgement
    1990-01-01  not-meno      met
    1966-03-02  menopause     not-applicable
    1966-03-02  unsure        not-applicable
    1990-01-01  cervix        met
    2017        nothing       unknown unusable
    2017-03     nothing       unknown unusable
    2017-03     menses        met
    2015        nothing       unknown not-recorded
    2016        nothing       unknown not-recorded
    2014        nothing       unknown unusable
    2014        menses        met
    1966        nothing       unknown unusable
    1966        menopause     unknown unusable
    1965        menopause     not-applicable
    -           nothing       unknown not-recorded
    -           hysterectomy  not-applicable
"""
RECORDS: dict[str, list[Json]] = {
    "nothing": [],
    "menses": [lmp()],
    "menarche": [named("Age at menarche", {"valueQuantity": {"value": 9, "unit": "a"}}, 100)],
    "premenarche": [menstrual("Premenarchal")],
    "late-menses": [lmp(-1)],
    "hysterectomy": [HYSTERECTOMY],
    "no-uterus": [condition("Z90.710", onsetDateTime=None, **clinical("inactive"))],
    "words": [HYSTERECTOMY | {"code": {"text": "Total abdominal hysterectomy"}}],
    "unsure": [condition("Z90.710", **verified("provisional"))],
    "refuted": [condition("Z90.710", **verified("refuted"))],
    "planned": [HYSTERECTOMY | {"performedDateTime": ago(-1)}],
    "menopause": [condition("N95.1")],
    "past-meno": [condition("N95.1", **clinical("resolved"))],
    "not-meno": [condition("N95.1", **verified("refuted"))],
    "said-over": [menstrual("Postmenopausal")],
    "tubes": [condition("Z98.51")],
    "cervix": [condition("Z90.712")],
}


def told(birth: str, what: str, **more: object) -> Case:
    who = patient(birthDate=birth)
    if birth == "-":
        del who["birthDate"]
    resources = [{key: value for key, value in one.items() if value is not None} for one in RECORDS[what]]
    return case_of(*resources, who=who, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", [line.split(maxsplit=2) for line in AGES.strip().splitlines()], ids=" ".join)
def test_age_and_record_say_whether_it_applies(row: list[str]) -> None:
    """C8.1, R3, R4, R30."""
    birth, what, expected = row

    answer = KIND.answer(told(birth, what))

    assert briefly(answer) == expected
    assert answer.outcome.undecided == (answer.next_step is not None)


def test_a_young_girl_is_presumed_before_menarche_and_an_older_one_is_asked() -> None:
    assert "before menarche presumed" in str(KIND.answer(told("2018-01-01", "nothing")).reason)
    assert str(KIND.answer(told("2015-01-01", "nothing")).next_step) == "Ask whether menarche has occurred, and record it."


def test_what_is_weighed_is_shown() -> None:
    answer = KIND.answer(told("1990-01-01", "menopause"))

    assert "Menopausal and female climacteric states (active)" in str(answer.reason)
    assert {evidence.origin.reference for evidence in answer.evidence} == {"Patient/p1", "Condition/r1"}


def with_disagreements(case: Case, *what: str) -> Case:
    record = case.facts.record
    case.facts.record = replace(record, patient=replace(record.patient, disagreements=frozenset(what)))
    return case


def test_copies_that_disagree_leave_what_rests_on_them_conflicting() -> None:
    """VER-07: only what rests on them."""
    assert briefly(KIND.answer(with_disagreements(told("1990-01-01", "nothing"), "birthDate"))) == "needs-clinician conflicting"
    assert briefly(KIND.answer(with_disagreements(told("1990-01-01", "nothing"), "sex"))) == "needs-clinician conflicting"
    assert briefly(KIND.answer(with_disagreements(told("1990-01-01", "hysterectomy"), "birthDate"))) == "not-applicable"


# type not loaded, birth date, record -> answer
NOT_LOADED = """
    Condition    1990-01-01  nothing       unknown not-loaded
    Procedure    1990-01-01  nothing       unknown not-loaded
    Procedure    1990-01-01  no-uterus     not-applicable
    Condition    1966-01-01  nothing       not-applicable
    Condition    1990-01-01  menopause     needs-clinician judgement
    Observation  2018-01-01  nothing       unknown not-loaded
    Observation  2015-01-01  nothing       unknown not-loaded
"""


@pytest.mark.parametrize("row", [line.split(maxsplit=3) for line in NOT_LOADED.strip().splitlines()], ids=" ".join)
def test_what_was_not_loaded_could_overturn_a_presumption(row: list[str]) -> None:
    resource_type, birth, what, expected = row

    assert briefly(KIND.answer(told(birth, what, states={resource_type: LoadState.FAILED}))) == expected


def test_menses_without_date_or_value_and_preliminary_ones_are_no_record() -> None:
    undated = lmp()
    del undated["effectiveDateTime"]
    case = case_of(undated, lab("8665-2", {"dataAbsentReason": {"text": "unknown"}}, None, 5), lmp(status="preliminary"),
                   who=patient(birthDate="2016-01-01"))  # fmt: skip

    assert briefly(KIND.answer(case)) == "unknown not-recorded"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueString": "yes, 2025-06"}, "met"),
        ({"valueString": "not yet"}, "unknown not-recorded"),
        ({"valueString": " "}, "unknown not-recorded"),
        ({"valueBoolean": True}, "met"),
        ({"valueBoolean": False}, "unknown not-recorded"),
        ({"valueInteger": 10}, "met"),
        ({"valueCodeableConcept": {"text": "10 years"}}, "met"),
    ],
)
def test_menarche_in_words(value: Json, expected: str) -> None:
    """R4."""
    assert briefly(KIND.answer(case_of(named("Menarche", value, 20), who=patient(birthDate="2016-01-01")))) == expected


def test_without_an_analyte_menses_are_not_looked_for() -> None:
    kind = ChildbearingPotential("not_childbearing_potential")

    assert briefly(kind.answer(told("2016-01-01", "menses"))) == "unknown not-recorded"


@pytest.mark.parametrize(
    ("birth", "what"),
    [("2017-06-15", "nothing"), ("2017", "nothing"), ("2014-06", "nothing"), ("1966", "menopause"), ("1990-01-01", "planned"),
     ("2016-01-01", "late-menses"), ("2020-02-29", "nothing")],
)  # fmt: skip
def test_every_change_of_the_answer_is_a_turning_point(birth: str, what: str) -> None:
    """VER-16."""
    check_turning_points(KIND, told(birth, what, on=date(2025, 9, 1)), 800)


def test_ages_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        ChildbearingPotential("not_childbearing_potential", presumed_none_below=13)


def test_the_rule_is_told_in_words_and_says_what_it_needs() -> None:
    assert "presumed from 12) to 59 years" in KIND.in_words()
    assert KIND.needs().resource_types == ("Condition", "Observation", "Patient", "Procedure")
    assert ChildbearingPotential("none").needs().needs[1].laboratory == ()
    assert list(KIND.turning_points(told("-", "nothing"))) == []
    assert isinstance(KIND, Kind)
