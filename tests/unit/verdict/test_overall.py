"""From answers to one verdict: R2, R21, R32, VER-07, VER-15."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date
from typing import Any, cast

import pytest

from fhir_trial.criteria.answers import Answer, Outcome, Why, say
from fhir_trial.criteria.kind import Kind
from fhir_trial.records.model import Origin, Patient
from fhir_trial.times import read_span
from fhir_trial.trials.model import Criterion, CriterionType, Stage
from fhir_trial.verdict.model import Overall, Verdict
from fhir_trial.verdict.overall import overall

AS_OF = date(2026, 3, 2)
PATIENT = Patient(Origin("Patient/p1"), None, "female", None, False, None, None, None, frozenset())
WHY = {Outcome.UNKNOWN: Why.NOT_RECORDED, Outcome.NEEDS_CLINICIAN: Why.JUDGEMENT}


def asked(name: str, outcome: Outcome, **more: Any) -> tuple[Criterion, Answer]:
    fields: dict[str, Any] = {"type": CriterionType.INCLUSION, "stage": Stage.PRESCREENING} | more
    criterion = Criterion(id=name, text="T", source="S", title="T", rule=cast(Kind, None), **fields)
    return criterion, Answer(outcome, say("So."), WHY.get(outcome))


MET, NOT, UNK, ASK, NA = (
    Outcome.MET,
    Outcome.NOT_MET,
    Outcome.UNKNOWN,
    Outcome.NEEDS_CLINICIAN,
    Outcome.NOT_APPLICABLE,
)


@pytest.mark.parametrize(
    ("outcomes", "conclusion", "blockers", "missing"),
    [
        ([MET, MET], Overall.POTENTIALLY_ELIGIBLE, (), ()),
        ([MET, NA], Overall.POTENTIALLY_ELIGIBLE, (), ()),
        ([MET, UNK], Overall.INDETERMINATE, (), ("C2",)),
        ([ASK, UNK], Overall.INDETERMINATE, (), ("C1", "C2")),
        ([NOT, UNK], Overall.NOT_ELIGIBLE, ("C1",), ()),
        ([NOT, NOT], Overall.NOT_ELIGIBLE, ("C1", "C2"), ()),
    ],
)
def test_one_criterion_not_met_is_enough_and_one_undecided_leaves_it_open(
    outcomes: list[Outcome], conclusion: Overall, blockers: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    answers = [asked(f"C{index}", outcome) for index, outcome in enumerate(outcomes, 1)]

    assert overall(answers, PATIENT, AS_OF) == (conclusion, blockers, missing)


def test_enrolment_questions_never_keep_a_patient_off_the_list_but_a_refusal_does() -> None:
    """R2."""
    consent = {"stage": Stage.ENROLMENT}

    assert overall([asked("C1", MET), asked("C9", ASK, **consent)], PATIENT, AS_OF)[0] is Overall.POTENTIALLY_ELIGIBLE
    assert overall([asked("C1", MET), asked("C9", NOT, **consent)], PATIENT, AS_OF) == (Overall.NOT_ELIGIBLE, ("C9",), ())


def test_an_atom_that_does_not_count_neither_blocks_nor_is_missing() -> None:
    """R21: C3.x not-met alone never makes a patient not eligible."""
    answers = [asked("C3", MET), asked("C3.1", NOT, counts=False), asked("C3.2", UNK, counts=False)]

    assert overall(answers, PATIENT, AS_OF) == (Overall.POTENTIALLY_ELIGIBLE, (), ())


@pytest.mark.parametrize(
    ("outcome", "conclusion"),
    [
        (MET, Overall.NOT_ELIGIBLE),
        (NOT, Overall.POTENTIALLY_ELIGIBLE),
        (UNK, Overall.INDETERMINATE),
        (NA, Overall.POTENTIALLY_ELIGIBLE),
    ],
)
def test_an_exclusion_permits_when_not_met(outcome: Outcome, conclusion: Overall) -> None:
    assert overall([asked("E1", outcome, type=CriterionType.EXCLUSION)], PATIENT, AS_OF)[0] is conclusion


@pytest.mark.parametrize(
    ("died", "conclusion", "blockers"),
    [
        (None, Overall.NOT_ELIGIBLE, ("deceased",)),
        ("2026-03-02", Overall.NOT_ELIGIBLE, ("deceased",)),
        ("2026", Overall.NOT_ELIGIBLE, ("deceased",)),
        ("2026-03-03", Overall.POTENTIALLY_ELIGIBLE, ()),  # a death after as_of is ignored
    ],
)
def test_the_deceased_are_not_eligible(died: str | None, conclusion: Overall, blockers: tuple[str, ...]) -> None:
    """R32, DATA-40."""
    patient = replace(PATIENT, deceased=True, deceased_on=read_span(died, UTC))

    assert overall([asked("C1", MET)], patient, AS_OF) == (conclusion, blockers, ())


def test_death_is_named_before_other_blockers() -> None:
    assert overall([asked("C1", NOT)], replace(PATIENT, deceased=True), AS_OF)[1] == ("deceased", "C1")


@pytest.mark.parametrize(
    "patient",
    [
        replace(PATIENT, active=False),
        replace(PATIENT, disagreements=frozenset({"sex"})),
        replace(PATIENT, unread=frozenset({"deceased"})),
    ],
)
def test_an_inactive_or_contradictory_record_is_indeterminate_unless_a_criterion_is_not_met(patient: Patient) -> None:
    """R32, VER-07."""
    assert overall([asked("C1", MET)], patient, AS_OF) == (Overall.INDETERMINATE, (), ())
    assert overall([asked("C1", NOT)], patient, AS_OF) == (Overall.NOT_ELIGIBLE, ("C1",), ())


def test_a_replaced_record_is_indeterminate_whatever_it_holds() -> None:
    patient = replace(PATIENT, replaced_by="Patient/p2", deceased=True)

    assert overall([asked("C1", NOT), asked("C2", UNK)], patient, AS_OF) == (Overall.INDETERMINATE, (), ("C2",))


def test_an_answer_is_found_by_its_criterion() -> None:
    answers = (asked("C1", MET), asked("C2", NOT))
    verdict = Verdict(
        "Patient/p1",
        "t",
        "1",
        AS_OF,
        None,
        Overall.NOT_ELIGIBLE,
        answers,
        ("C2",),
        (),
        (),
        {},
        None,
        None,
        (),
        lambda name: {(): AS_OF},
    )

    assert verdict.answer("C2") is answers[1][1]
    assert verdict.holds_until("C2") == AS_OF
    with pytest.raises(KeyError):
        verdict.answer("C3")
