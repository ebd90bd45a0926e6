"""C4, treatment resistance: the evidence ladder, both readings, and every ruling on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from fhir_trial.criteria.answers import Answer, Evidence, Outcome, Role, Why, met, needs_clinician, say
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.treatment_failure import InadequateResponse
from fhir_trial.criteria.treatment_levels import TreatmentClass
from fhir_trial.records.model import LoadState, Origin
from fhir_trial.times import Span
from tests.unit.medication_records import Json, S, case_of, days, dosage, medication

C4 = InadequateResponse(
    classes=(
        TreatmentClass("C4.ocs", "oral_corticosteroid", "oral corticosteroids", weeks_before_a_switch=4, counts_once=True),
        TreatmentClass("C4.am", "antimalarial", "antimalarials"),
        TreatmentClass("C4.is", "conventional_immunosuppressant", "immunosuppressants"),
        TreatmentClass("C4.bio", "biologic", "biologics"),
    ),
    must_include=("conventional_immunosuppressant", "biologic"),
    ineffective=("reason_ineffective",),
    intolerance=("reason_intolerance",),
    other_reasons=("reason_pregnancy", "reason_refusal", "reason_nonadherence", "reason_other"),
    activity=("C5",),
)
SNOMED = "http://snomed.info/sct"
INEFFECTIVE: Json = {"statusReason": {"coding": [{"system": SNOMED, "code": "182841002"}]}}
INTOLERANT: Json = {
    "statusReason": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason", "code": "sintol"}]
    }
}


def always(_: date) -> bool:
    return True


def answer(*resources: Json, rule: InadequateResponse = C4, **more: Any) -> Answer:
    return rule.answer(case_of(*resources, **more))


def said(found: Answer) -> str:
    return f"{found.outcome} {found.why}" if found.why else str(found.outcome)


def took(drug: str, weeks: int = 20, *, until: date = date(2026, 1, 5), **more: Any) -> Json:
    """An order of so many weeks that ended on a day."""
    more = {"status": "completed", "dose": "10 mg"} | more
    return medication("order", drug, (until - timedelta(days=7 * weeks)).isoformat(), end=until.isoformat(), **more)


def failed(drug: str, **more: Any) -> Json:
    return took(drug, status="stopped", **(INEFFECTIVE | more))


def levels(found: Answer) -> list[int]:
    return [one.level for one in found.facts]


# --- readings A and B (cases 6) -------------------------------------------------------------------------------------

CASES = """
    # failed drugs                        reading  answer
    prednisone 5, hcq 200, mmf 500           A     met
    prednisone 5, hcq 200, mmf 500           B     met
    prednisone 5, mmf 500, cyc 50            A     needs-clinician judgement
    prednisone 5, mmf 500, cyc 50            B     met
    mmf 500, mpa 360, prednisone 5           B     unknown not-recorded
    mmf 500, mpa 360, cyc 50                 A     unknown not-recorded
    prednisone 5, methylprednisolone 4, mmf 500  B unknown not-recorded
    prednisone 5, hcq 200                    A     unknown not-recorded
    rituximab, belimumab, mmf 500            B     met
    rituximab, belimumab, mmf 500            A     needs-clinician judgement
    prednisone 5, hcq 200, rituximab         A     met
    prednisone 5, hcq 200, tofacitinib       A     unknown not-recorded
"""


def rows() -> list[tuple[list[str], str, str]]:
    found = []
    for line in CASES.strip().splitlines()[1:]:
        reading = " A " if " A " in line else " B "
        drugs, _, expected = line.partition(reading)
        found.append(([drug.strip() for drug in drugs.split(",")], reading.strip(), expected.strip()))
    return found


@pytest.mark.parametrize(("drugs", "reading", "expected"), rows())
def test_how_failed_treatments_are_counted(drugs: list[str], reading: Any, expected: str) -> None:
    """C4 "Counting"; the same moiety and all steroids count once; JAK inhibitors are none of the classes."""
    assert said(answer(*(failed(drug) for drug in drugs), rule=replace(C4, reading=reading))) == expected


def test_reading_b_needs_an_immunosuppressant_or_biologic() -> None:
    chloroquine: Json = {
        "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "2393"}]}
    }
    third = medication("order", chloroquine, "2025-01-01", status="stopped", **INEFFECTIVE)

    assert said(answer(failed("prednisone 5"), failed("hcq 200"), third, rule=replace(C4, reading="B"))) == "unknown not-recorded"


def test_both_readings_are_quoted_where_they_differ() -> None:
    """R16."""
    found = answer(failed("prednisone 5"), failed("mmf 500"), failed("cyc 50"))

    assert str(found.reason).startswith("The text may mean 3 classes, which is not fulfilled, or 3 drugs, which is likely")
    assert found.next_step is not None


# --- the ladder -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "level"),
    [
        (INEFFECTIVE, 4),
        ({"statusReason": {"coding": [{"system": SNOMED, "code": "58848006"}]}}, 4),
        ({"statusReason": {"coding": [{"system": SNOMED, "code": "266721009"}]}}, 4),
        ({"statusReason": {"text": "lack of efficacy"}}, 4),
        ({"note": [{"text": "Stopped: ineffective."}]}, 4),
        ({"note": [{"text": "no response after six months"}]}, 4),
        ({"note": [{"text": "Imuran failed"}]}, 4),  # R18: brand names in text
        ({"note": [{"text": "started after methotrexate failed"}]}, 1),  # of another drug
        ({"reasonCode": [{"text": "hydroxychloroquine failed"}]}, 1),  # a reason for ordering does not count
        ({"note": [{"text": "well tolerated"}]}, 1),
        (INTOLERANT, 1),
        ({}, 1),
    ],
)
def test_level_4_is_a_clinicians_word(more: Json, level: int) -> None:
    """R18."""
    found = answer(took("azathioprine 50", **more))

    assert levels(found) == [0, 0, level, 0]
    assert dict(found.parts)["C4.is"].outcome is (
        Outcome.MET if level == 4 else Outcome.NEEDS_CLINICIAN if more is INTOLERANT else Outcome.UNKNOWN
    )


def test_the_reason_may_stand_in_any_record_of_the_same_order_but_not_in_one_of_the_future() -> None:
    ordered = took("azathioprine 50")
    link: Json = {"basedOn": [{"reference": f"MedicationRequest/{ordered['id']}"}], "statusReason": [{"text": "ineffective"}]}
    report = medication("report", "azathioprine 50", "2025-09-01", status="stopped", dateAsserted="2026-03-01", **link)
    later = medication("report", "azathioprine 50", "2025-09-01", status="stopped", dateAsserted="2026-03-03", **link)

    assert levels(answer(ordered, report)) == [0, 0, 4, 0]
    assert levels(answer(ordered, later)) == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("drug", "exposed", "active", "level"),
    [
        ("azathioprine 50", 12, always, 2),
        ("azathioprine 50", 11, always, 1),
        ("azathioprine 50", 12, None, 1),
        ("prednisone 5", 12, always, 2),
        ("prednisone 5", 11, always, 1),  # R17: the four weeks of steroids belong to level 3 only
    ],
)
def test_level_2_is_twelve_weeks_and_active_disease(
    drug: str, exposed: int, active: Callable[[date], bool] | None, level: int
) -> None:
    assert max(levels(answer(took(drug, exposed), activity=active))) == level


def test_an_active_order_without_end_runs_to_screening() -> None:
    day = date(2025, 12, 8)  # twelve weeks before S

    assert levels(answer(medication("order", "hcq 200", day.isoformat()), activity=always)) == [0, 2, 0, 0]
    assert levels(answer(medication("order", "hcq 200", "2025-12-09"), activity=always)) == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("resources", "level"),
    [
        ([medication("order", "hcq 200", "2025-01-01", status="stopped")], 1),  # ended nobody knows when
        (
            [
                medication("order", "hcq 200", "2025-01-01", status="stopped"),
                medication("order", "hcq 200", "2025-06-01", status="stopped"),
            ],
            2,
        ),
        (
            [
                medication(
                    "order", "hcq 200", "2025-01-01", status="completed", dispenseRequest={"expectedSupplyDuration": days(90)}
                )
            ],
            2,
        ),
        ([medication("order", "hcq 200", "2025-01-01", end="2027-01-01", status="stopped")], 1),
        ([medication("report", "hcq 200", "2025-01-01", end="2025-03-26", status="completed")], 2),
        ([medication("report", "hcq 200", "2025-01-01", end="2025-03-25", status="completed")], 1),
        ([medication("report", "hcq 200", "2025", end="2025-12-31", status="completed")], 1),  # it may have begun in December
        ([medication("report", "hcq 200", "2025", end="2026-03-02", status="active")], 1),
        ([medication("report", "hcq 200", None)], 1),
        ([medication("given", "hcq 200", "2025-01-01"), medication("given", "hcq 200", "2025-06-01")], 2),
        ([medication("order", "hcq 200", "2025-01-01", status="on-hold")], 1),
        ([medication("order", "hcq 200", "2025-01-01", end="2026-12-31")], 2),
    ],
)
def test_exposure_runs_from_first_start_to_last_end(resources: list[Json], level: int) -> None:
    assert levels(answer(*resources, activity=always)) == [0, level, 0, 0]


@pytest.mark.parametrize(
    ("resource", "exposed"),
    [
        (medication("report", "hcq 200", "2025-01-01", status="not-taken"), False),
        (medication("order", "hcq 200", "2025-01-01", status="cancelled"), False),
        (medication("order", "hcq 200", "2026-03-03"), False),
        (medication("report", "hcq 200", "2026-03-03", dateAsserted="2026-03-01"), False),
        (medication("supply", "hcq 200", "2025-01-01"), True),
        (medication("order", "tacrolimus ointment", "2025-01-01"), False),
        (medication("order", "methylprednisolone iv", "2025-01-01"), False),
        (medication("order", "cyc iv", "2025-01-01"), True),
        (medication("order", "tofacitinib", "2025-01-01"), False),
    ],
)
def test_what_is_an_exposure(resource: Json, exposed: bool) -> None:
    assert max(levels(answer(resource))) == int(exposed)


def test_an_iv_pulse_is_no_oral_steroid_and_is_shown() -> None:
    found = answer(medication("given", "methylprednisolone iv", "2025-01-01"))

    assert "not counted, by another route: Methylprednisolone 1000 MG Injection" in str(found.reason)
    assert found.evidence[0].limit == "by another route: not counted"


@pytest.mark.parametrize(
    ("first", "weeks", "second", "level"),
    [
        ("hcq 200", 12, "mmf 500", 3),  # a higher class
        ("hcq 200", 11, "mmf 500", 1),
        ("azathioprine 50", 12, "mmf 500", 3),  # the same class
        ("rituximab", 12, "mmf 500", 1),  # a lower class
        ("prednisone 5", 4, "mmf 500", 3),
        ("prednisone 5", 3, "mmf 500", 1),
    ],
)
def test_level_3_is_exposure_and_then_a_switch_while_the_disease_is_active(
    first: str, weeks: int, second: str, level: int
) -> None:
    switch = date(2025, 6, 1)
    before = took(first, weeks, until=switch)
    after = medication("order", second, switch.isoformat(), status="stopped")
    index = {"hcq 200": 1, "azathioprine 50": 2, "rituximab": 3, "prednisone 5": 0}[first]

    assert levels(answer(before, after, activity=lambda day: day == switch))[index] == level
    assert levels(answer(before, after))[index] == 1  # no activity on record


def test_level_3_is_also_a_higher_dose() -> None:
    low, high = (
        took("mmf 500", 12, until=date(2025, 6, 1)),
        medication("order", "mmf 500", "2025-06-01", "20 mg", status="stopped"),
    )
    steps = [dosage("20 mg")]

    assert levels(answer(low, high, activity=lambda day: day == date(2025, 6, 1))) == [0, 0, 3, 0]
    assert levels(answer(high, took("mmf 500", 12, dosages=steps), activity=lambda day: day == date(2025, 6, 1))) == [0, 0, 1, 0]


def test_an_older_total_counts_on_its_own_day() -> None:
    """By the ladder: SLEDAI >= 6 at or after the exposure. C5 names an old total as evidence, and was met on its day."""
    total = date(2025, 11, 1)

    def other(case: Case, _: str) -> Answer:
        evidence = [
            Evidence(Origin("Observation/o1"), Role.STALE, Span.of(total)),
            Evidence(Origin("Observation/o2"), Role.SHOWN),
        ]
        if case.as_of == total:
            return met(say("8"), evidence)
        return needs_clinician(Why.STALE, say("old"), evidence)

    def level(resource: Json) -> int:
        return levels(C4.answer(replace(case_of(resource), answer_to=other)))[1]

    assert level(took("hcq 200", 12, until=total)) == 2
    assert level(took("hcq 200", 12, until=total + timedelta(days=1))) == 1  # the total came before the exposure was long enough


# --- answers --------------------------------------------------------------------------------------------------------

THREE = ("prednisone 5", "hcq 200", "mmf 500")


def test_three_probable_classes_ask_a_clinician_and_a_lower_bar_takes_them() -> None:
    probable = [took(drug) for drug in THREE]

    for level, expected in ((4, "needs-clinician judgement"), (3, "needs-clinician judgement"), (2, "met"), (1, "met")):
        assert said(answer(*probable, rule=replace(C4, level=level), activity=always)) == expected
    assert said(answer(*probable)) == "unknown not-recorded"
    assert said(answer(*probable, rule=replace(C4, level=1))) == "met"
    assert said(answer(*probable[1:], took("cyc 50"), rule=replace(C4, level=1))) == "needs-clinician judgement"  # B only


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (INTOLERANT, "needs-clinician judgement"),
        ({"note": [{"text": "not tolerated: nausea"}]}, "needs-clinician judgement"),
        ({"statusReason": {"coding": [{"system": SNOMED, "code": "407563006"}]}}, "needs-clinician judgement"),
        ({"statusReason": {"coding": [{"system": SNOMED, "code": "105480006"}]}}, "unknown not-recorded"),  # refusal
        ({"statusReason": {"text": "pregnancy"}}, "unknown not-recorded"),
    ],
)
def test_r15_a_class_that_was_not_tolerated_and_is_needed_asks_a_clinician(reason: Json, expected: str) -> None:
    third = took("mmf 500", status="stopped", **reason)

    assert said(answer(failed("prednisone 5"), failed("hcq 200"), third)) == expected
    assert said(answer(failed("prednisone 5"), failed("hcq 200"), third, activity=always)) == expected
    assert said(answer(failed("prednisone 5"), third)) == "unknown not-recorded"


def test_a_drug_of_doubtful_class_or_route_is_not_counted() -> None:
    """everolimus: a clinician decides; tacrolimus without route or form: unknown (R38)."""
    doubtful, routeless = failed("everolimus", dosages=[dosage("1 mg", route={"text": "oral"})]), failed("tacrolimus")

    assert said(answer(failed("prednisone 5"), failed("hcq 200"), doubtful)) == "needs-clinician judgement"
    assert said(answer(failed("prednisone 5"), failed("hcq 200"), routeless)) == "unknown not-recorded"


def test_only_a_complete_history_with_too_few_treatments_is_not_met() -> None:
    """R16: completeness is stated by site or source; a pull of every type is not such a statement."""
    two = [took("prednisone 5"), took("mmf 500")]
    unresolved = medication("order", {"medicationReference": {"display": "study drug"}}, "2025-01-01", status="stopped")

    assert said(answer(*two, complete=True)) == "not-met"
    assert said(answer(complete=True)) == "not-met"
    assert said(answer(*two)) == "unknown not-recorded"
    assert said(answer(*two, took("cyc 50"), complete=True)) == "unknown not-recorded"  # three drugs
    assert said(answer(took("prednisone 5"), took("methylprednisolone 4"), took("mmf 500"), complete=True)) == "not-met"
    assert said(answer(*two, unresolved, complete=True)) == "unknown not-recorded"
    assert said(answer(*two, unresolved | {"authoredOn": "2026-03-03"}, complete=True)) == "not-met"
    assert said(answer(*two, complete=True, states={"MedicationDispense": LoadState.FAILED})) == "unknown not-loaded"
    whole = dict.fromkeys(
        ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"), LoadState.FETCHED
    )
    assert said(answer(*two, states=whole)) == "unknown not-recorded"


def test_the_parts_show_each_class_with_its_level() -> None:
    found = answer(failed("prednisone 5"), took("hcq 200"), complete=True, activity=always)

    assert [(part, said(one)) for part, one in found.parts] == [
        ("C4.ocs", "met"),
        ("C4.am", "needs-clinician judgement"),
        ("C4.is", "not-met"),
        ("C4.bio", "not-met"),
    ]
    assert str(dict(found.parts)["C4.am"].reason) == (
        "antimalarials: exposure, and the disease was active at or after it (level 2)."
    )
    unknown_part = dict(answer(took("hcq 200")).parts)["C4.am"]
    assert said(unknown_part) == "unknown not-recorded"
    assert unknown_part.next_step is not None


def test_what_is_known_stays_met_when_something_was_not_loaded() -> None:
    states = {"MedicationStatement": LoadState.FAILED}

    assert said(answer(*(failed(drug) for drug in THREE), states=states)) == "met"
    assert said(answer(failed("prednisone 5"), states=states)) == "unknown not-loaded"


def test_evidence_names_what_a_clinician_said_and_the_ends_of_each_exposure() -> None:
    middle = [took("hcq 200", 2, until=date(2025, month, 20)) for month in (3, 6, 9)]
    found = answer(failed("mmf 500"), *middle)

    assert [(item.origin.reference.split("/")[1], item.role) for item in found.evidence] == [
        (middle[0]["id"], "shown"),
        (middle[2]["id"], "shown"),
        (found.evidence[2].origin.reference.split("/")[1], "decides"),
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"level": 0}, "level must be"),
        ({"level": 5}, "level must be"),
        ({"at_least": 0}, "at_least must be 1 to 4"),
        ({"at_least": 5}, "at_least must be 1 to 4"),
        ({"must_include": ("biologics",)}, "not listed: biologics"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(C4, **change)


def test_weeks_must_be_positive() -> None:
    with pytest.raises(ValueError, match="weeks must be 1 or more"):
        TreatmentClass("p", "antimalarial", "antimalarials", weeks=0)


def test_it_says_itself_in_words_and_what_it_needs() -> None:
    assert C4.in_words() == (
        "inadequate response (evidence level 4 or more) to at least 3 classes of: "
        "oral corticosteroids, antimalarials, immunosuppressants, biologics"
    )
    assert "3 drugs of" in replace(C4, reading="B").in_words()
    assert len(C4.needs().needs) == 4


def test_turning_points_hold_every_day_on_which_the_answer_changes() -> None:
    resources = [
        medication("order", "hcq 200", "2026-01-15"),
        medication("order", "prednisone 5", "2026-02-01"),
        medication("report", "mmf 500", "2026-02", status="active"),
        medication("report", "rituximab", "2026-04-10", end="2026-09-01", status="active", dateAsserted="2026-02-01"),
        failed("cyc 50", until=date(2026, 5, 1)),
        medication("order", {"medicationReference": {"display": "study drug"}}, "2026-08-01", status="stopped"),
        medication("order", {"medicationReference": {"display": "study drug"}}, None, status="stopped"),
    ]
    rule = replace(C4, level=2)
    whole = [rule, replace(rule, reading="B"), replace(rule, level=1), C4]
    for one in whole:
        case = case_of(*resources, complete=True, activity=lambda day: day >= date(2026, 3, 15))
        case = replace(case, turning_points_of=lambda *_: (date(2026, 3, 15),))
        turning = set(one.turning_points(case))
        before = one.answer(case).outcome
        for later in range(1, 300):
            day = S + timedelta(days=later)
            now = one.answer(case.on(day)).outcome
            assert now is before or day in turning, (one.reading, one.level, day)
            before = now
