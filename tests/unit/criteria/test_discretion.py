"""Platelets with note N1: C7.5, R39. Cases 9 and 15."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_trial.criteria.answers import Role
from fhir_trial.criteria.discretion import LabWithDiscretion
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import SNOMED, ago, briefly, case_of, check_turning_points, clinical, condition, lab, verified

Json = dict[str, Any]

PLATELETS = LabWithDiscretion(
    analyte="platelets",
    at_least="75 10*9/L",
    supports="immune_thrombocytopenia",
    against="thrombocytopenia_other",
    bleeding="active_bleeding",
    called="platelet count",
    falling="hemoglobin",
    fall="20 g/L",
    warn_drugs=("tpo_agonist", "il11"),
    warn_value_sets=("transfusion",),
)

IMMUNE = condition("D69.3")
EVANS = condition("D69.41")
IMMUNE_SNOMED = condition("2897005", SNOMED)
UNSPECIFIED = condition("D69.6")
CONGENITAL = condition("D69.42")
CHEMOTHERAPY = condition("D61.810")
HEPARIN = condition("D75.822")
MENORRHAGIA = condition("N92.0", onsetDateTime=ago(5))
NOSEBLEED = condition("R04.0", onsetDateTime=ago(5))


def platelets(value: object = 40, days: int | str = 3, **more: Any) -> Json:
    return lab("777-3", value, "10*9/L", days, **more)


# value | unit | answer without any diagnosis
COUNTS = """
75     | 10*9/L  | met
75     | K/uL    | met
75000  | /uL     | met
74     | 10*9/L  | needs-clinician judgement
40     | 10*9/L  | needs-clinician judgement
150000 | K/uL    | needs-clinician unusable
"""


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("value", "unit", "expected"), _rows(COUNTS))
def test_number_alone_is_never_not_met(value: str, unit: str, expected: str) -> None:
    assert briefly(PLATELETS.answer(case_of(lab("777-3", int(value), unit, 3)))) == expected


# story, records, answer with 40 10*9/L
STORIES: list[tuple[str, list[Json], str]] = [
    ("immune, no bleeding (case 9)", [IMMUNE], "needs-clinician judgement"),
    ("Evans syndrome", [EVANS], "needs-clinician judgement"),
    ("immune by SNOMED", [IMMUNE_SNOMED], "needs-clinician judgement"),
    ("unspecified", [UNSPECIFIED], "needs-clinician judgement"),
    ("congenital", [CONGENITAL], "not-met"),
    ("chemotherapy", [CHEMOTHERAPY], "not-met"),
    ("heparin is for a clinician", [HEPARIN], "needs-clinician judgement"),
    ("both causes", [IMMUNE, CONGENITAL], "needs-clinician conflicting"),
    ("chemotherapy, resolved", [CHEMOTHERAPY | clinical("resolved")], "needs-clinician judgement"),
    ("chemotherapy, inactive is not resolved", [CHEMOTHERAPY | clinical("inactive")], "not-met"),
    ("chemotherapy, refuted", [CHEMOTHERAPY | verified("refuted")], "needs-clinician judgement"),
    ("chemotherapy, unconfirmed", [CHEMOTHERAPY | verified("provisional")], "needs-clinician judgement"),
    ("chemotherapy, ten years ago", [CHEMOTHERAPY | {"onsetDateTime": "2016-01-01"}], "not-met"),
    ("chemotherapy, next week", [CHEMOTHERAPY | {"onsetDateTime": ago(-7)}], "needs-clinician judgement"),
    ("menorrhagia (case 9)", [MENORRHAGIA], "not-met"),
    ("menorrhagia with immune cause", [IMMUNE, MENORRHAGIA], "not-met"),
    ("menorrhagia with both causes", [IMMUNE, CONGENITAL, MENORRHAGIA], "not-met"),
    ("menorrhagia 28 days ago", [MENORRHAGIA | {"onsetDateTime": ago(28)}], "not-met"),
    ("menorrhagia 29 days ago", [MENORRHAGIA | {"onsetDateTime": ago(29)}], "needs-clinician judgement"),
    ("menorrhagia today", [MENORRHAGIA | {"onsetDateTime": ago(0)}], "not-met"),
    ("menorrhagia, resolved", [MENORRHAGIA | clinical("resolved")], "needs-clinician judgement"),
    ("menorrhagia, inactive is not resolved", [MENORRHAGIA | clinical("inactive")], "not-met"),
    (
        "menorrhagia that ended",
        [{k: v for k, v in MENORRHAGIA.items() if k != "clinicalStatus"} | {"abatementDateTime": ago(1)}],
        "needs-clinician judgement",
    ),
    (
        "menorrhagia that will have ended tomorrow",
        [MENORRHAGIA | {"abatementDateTime": ago(-1)} | clinical("resolved")],
        "not-met",
    ),
    ("menorrhagia, unconfirmed", [MENORRHAGIA | verified("unconfirmed")], "needs-clinician judgement"),
    ("menorrhagia some day of this month", [MENORRHAGIA | {"onsetDateTime": "2026-03"}], "not-met"),
    ("menorrhagia some day of last month", [MENORRHAGIA | {"onsetDateTime": "2026-02"}], "needs-clinician judgement"),
    ("menorrhagia some day of January", [MENORRHAGIA | {"onsetDateTime": "2026-01"}], "needs-clinician judgement"),
    ("menorrhagia this year", [MENORRHAGIA | {"onsetDateTime": "2026"}], "needs-clinician judgement"),
    ("menorrhagia without a date", [{k: v for k, v in MENORRHAGIA.items() if k != "onsetDateTime"}], "needs-clinician judgement"),
    (
        "menorrhagia by date recorded",
        [{k: v for k, v in MENORRHAGIA.items() if k != "onsetDateTime"} | {"recordedDate": ago(9)}],
        "not-met",
    ),
    ("nosebleed is shown only", [NOSEBLEED], "needs-clinician judgement"),
]


@pytest.mark.parametrize(("_story", "records", "expected"), STORIES)
def test_below_the_limit_cause_and_bleeding_decide(_story: str, records: list[Json], expected: str) -> None:
    assert briefly(PLATELETS.answer(case_of(platelets(), *records))) == expected


@pytest.mark.parametrize("records", [[IMMUNE], [CONGENITAL], [MENORRHAGIA]])
def test_above_the_limit_none_of_it_matters(records: list[Json]) -> None:
    assert briefly(PLATELETS.answer(case_of(platelets(80), *records))) == "met"


CLUMPED: list[Json] = [
    {"note": [{"text": "Platelet clumps seen"}]},
    {"note": [{"text": "Pseudothrombocytopenia, aggregates"}]},
    {"note": [{"text": "血小板聚集"}]},
    {"interpretation": [{"text": "clumped"}]},
]


@pytest.mark.parametrize("more", CLUMPED)
def test_clumping_comment_goes_first(more: Json) -> None:
    """R39 and "A clumping comment goes first": also before active bleeding (case 9)."""
    answer = PLATELETS.answer(case_of(platelets(**more), MENORRHAGIA, CONGENITAL))

    assert briefly(answer) == "needs-clinician judgement"
    assert "clumped" in str(answer.reason)


@pytest.mark.parametrize(
    ("comment", "clumped"),
    [
        ("No platelet clumps seen", False),
        ("Smear read, no clumping.", False),
        ("Clumping: none", False),
        ("Platelet aggregates were not seen", False),
        ("未见血小板聚集", False),
        ("Count not reliable, platelet clumps", True),
        ("No accurate count because of clumping", True),
        ("无法准确计数，血小板聚集", True),
    ],
)
def test_a_comment_that_denies_clumps_is_no_clumping_comment(comment: str, clumped: bool) -> None:
    answer = PLATELETS.answer(case_of(platelets(note=[{"text": comment}]), MENORRHAGIA))

    assert briefly(answer) == ("needs-clinician judgement" if clumped else "not-met")


def test_comment_about_something_else_says_nothing() -> None:
    assert briefly(PLATELETS.answer(case_of(platelets(note=[{"text": "haemolysed"}]), MENORRHAGIA))) == "not-met"


@pytest.mark.parametrize(("days", "expected"), [(3, "needs-clinician judgement"), (4, "not-met"), ("2026-02", "not-met")])
def test_count_made_to_detect_clumping_on_the_same_day_goes_first_too(days: int | str, expected: str) -> None:
    answer = PLATELETS.answer(case_of(platelets(), lab("107193-5", 40, "10*9/L", days), MENORRHAGIA))

    assert briefly(answer) == expected


def test_clumping_in_a_component_of_the_same_observation() -> None:
    part = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "107193-5"}]},
        "valueQuantity": {"value": 40, "unit": "10*9/L"},
    }

    assert "clumped" in str(PLATELETS.answer(case_of(platelets(days="2026-03", component=[part]))).reason)


def test_three_facts_stand_side_by_side() -> None:
    answer = PLATELETS.answer(case_of(platelets(), IMMUNE, NOSEBLEED, CHEMOTHERAPY | clinical("resolved")))

    assert answer.evidence[0].role is Role.DECIDES
    assert {(item.role, item.original) for item in answer.evidence[1:]} == {
        (Role.SUPPORTS, "Immune thrombocytopenic purpura"),
        (Role.SHOWN, "Epistaxis"),
        (Role.SHOWN, "Antineoplastic chemotherapy induced pancytopenia"),
    }
    assert answer.next_step is not None
    assert "below 75 10*9/L" in str(answer.reason)


@pytest.mark.parametrize(("before", "after", "shown"), [(110, 90, True), (110, 91, False), (90, 110, False)])
def test_fall_of_haemoglobin_is_shown(before: int, after: int, shown: bool) -> None:
    answer = PLATELETS.answer(case_of(platelets(), lab("718-7", before, "g/L", 20), lab("718-7", after, "g/L", 2)))

    assert any("fell by" in (item.limit or "") for item in answer.evidence) is shown


def test_old_bounded_or_single_haemoglobin_shows_no_fall() -> None:
    old, bound = lab("718-7", 150, "g/L", 29), lab("718-7", {"valueString": "> 150 g/L"}, None, 9)
    answer = PLATELETS.answer(case_of(platelets(), old, bound, lab("718-7", 90, "g/L", 2)))

    assert not any("fell by" in (item.limit or "") for item in answer.evidence)


def test_transfusion_and_agonist_are_mentioned() -> None:
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "eltrombopag"},
        "effectiveDateTime": ago(4),
    }
    transfusion = {
        "resourceType": "Procedure",
        "status": "completed",
        "performedDateTime": ago(10),
        "code": {"coding": [{"system": SNOMED, "code": "116859006"}]},
    }
    answer = PLATELETS.answer(case_of(platelets(80), given, transfusion))

    assert briefly(answer) == "met"
    assert "eltrombopag within 7 days before" in str(answer.reason)
    assert "Transfusion of blood product (procedure) within 14 days before" in str(answer.reason)


@pytest.mark.parametrize(("days", "expected"), [(28, "not-met"), (29, "needs-clinician stale"), (181, "unknown stale")])
def test_stale_count_is_not_judged(days: int, expected: str) -> None:
    assert briefly(PLATELETS.answer(case_of(platelets(days=days), MENORRHAGIA))) == expected


@pytest.mark.parametrize(
    ("missing", "records", "expected"),
    [
        ("Observation", [MENORRHAGIA], "unknown not-loaded"),
        ("Condition", [MENORRHAGIA], "not-met"),
        ("Condition", [CONGENITAL], "unknown not-loaded"),
        ("Condition", [IMMUNE], "needs-clinician judgement"),
    ],
)
def test_what_was_not_loaded_could_overturn(missing: str, records: list[Json], expected: str) -> None:
    """Documented bleeding stands; another cause might be joined by an immune one."""
    assert briefly(PLATELETS.answer(case_of(platelets(), *records, states={missing: LoadState.PARTIAL}))) == expected


def test_turning_points_name_every_day_on_which_the_answer_changes() -> None:
    """VER-16: bleeding stops being active, comes in the future, or is known only by its month."""
    for onset in (ago(5), ago(-9), "2026-02", "2026-05", "2026"):
        case = case_of(
            platelets(), platelets(30, -20), MENORRHAGIA | {"onsetDateTime": onset}, CONGENITAL | {"onsetDateTime": ago(-15)}
        )
        check_turning_points(PLATELETS, case, 300)
        check_turning_points(PLATELETS, case_of(platelets(), platelets(30, -5), MENORRHAGIA | {"onsetDateTime": onset}), 300)
    undated = {key: value for key, value in MENORRHAGIA.items() if key != "onsetDateTime"}
    check_turning_points(PLATELETS, case_of(platelets(), undated), 300)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"falling": "hemoglobin"}, "belong together"),
        ({"falling": "hemoglobin", "fall": "much"}, "is no limit"),
        ({"bleeding_days": -1}, "bleeding_days"),
        ({"at_least": "many"}, "is no limit"),
        ({"fresh_days": 200}, "fresh_days"),
    ],
)
def test_kind_written_wrong_is_refused(more: Json, said: str) -> None:
    fields: Json = {"analyte": "platelets", "at_least": "75 10*9/L", "supports": "a", "against": "b", "bleeding": "c"} | more

    with pytest.raises(ValueError, match=said):
        LabWithDiscretion(**fields)


def test_without_a_falling_analyte_nothing_is_looked_for() -> None:
    plain = LabWithDiscretion("platelets", "75 10*9/L", "immune_thrombocytopenia", "thrombocytopenia_other", "active_bleeding")

    assert (
        briefly(plain.answer(case_of(platelets(), lab("718-7", 150, "g/L", 9), lab("718-7", 90, "g/L", 2))))
        == "needs-clinician judgement"
    )
    assert {need.resource_type for need in plain.needs().needs} == {"Condition", "Encounter", "Observation", "Procedure"}


def test_needs_and_words() -> None:
    assert ("hemoglobin",) in {need.laboratory for need in PLATELETS.needs().needs}
    assert "active bleeding (at most 28 days old)" in PLATELETS.in_words()


def test_a_bleeding_that_will_be_over_turns_the_answer_on_its_last_day() -> None:
    """R44: an end recorded for a later day is not evidence yet."""
    menorrhagia = condition("N92.0", onsetDateTime=ago(5), abatementDateTime=ago(-6), **clinical("resolved"))
    case = case_of(platelets(), menorrhagia)

    assert briefly(PLATELETS.answer(case)) == "not-met"
    check_turning_points(PLATELETS, case, 60)
