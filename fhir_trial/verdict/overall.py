"""From answers to one verdict: R2, R21, R32, VER-07, VER-15."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from fhir_trial.criteria.answers import Answer, Outcome
from fhir_trial.records.model import Patient
from fhir_trial.trials.model import Criterion, CriterionType, Stage
from fhir_trial.verdict.model import Overall

DECEASED = "deceased"

Answered = Sequence[tuple[Criterion, Answer]]


def overall(answers: Answered, patient: Patient, as_of: date) -> tuple[Overall, tuple[str, ...], tuple[str, ...]]:
    """The overall answer, what blocks, and what is missing.

    Any criterion that does not permit makes the patient not eligible, in either stage; every prescreening criterion permitting
    makes potentially eligible; otherwise indeterminate. Enrolment questions never keep a patient off the list (R2).
    """
    counted = [(criterion, answer) for criterion, answer in answers if criterion.counts]
    if patient.replaced_by is not None:  # Readings, Patient: answered without its data, indeterminate
        return Overall.INDETERMINATE, (), _missing(counted)
    blockers = tuple(criterion.id for criterion, answer in counted if forbids(criterion, answer.outcome))
    if is_deceased(patient, as_of):
        blockers = (DECEASED, *blockers)  # R32
    if blockers:
        return Overall.NOT_ELIGIBLE, blockers, ()
    missing = _missing(counted)
    if missing or patient.active is False or patient.disagreements or patient.unread:  # R32, VER-07
        return Overall.INDETERMINATE, (), missing
    return Overall.POTENTIALLY_ELIGIBLE, (), ()


def is_deceased(patient: Patient, as_of: date) -> bool:
    """Whether the patient had died by ``as_of``; a date of death after it is ignored (Readings, Patient)."""
    if not patient.deceased:
        return False
    return patient.deceased_on is None or patient.deceased_on.first <= as_of


def forbids(criterion: Criterion, outcome: Outcome) -> bool:
    """Whether an answer to a criterion keeps the patient off the trial."""
    return outcome is (Outcome.NOT_MET if criterion.type is CriterionType.INCLUSION else Outcome.MET)


def is_missing(criterion: Criterion, outcome: Outcome) -> bool:
    """Whether it is to be settled before anybody is asked, and is not; what is settled at enrolment keeps nobody off (R2)."""
    return criterion.stage is Stage.PRESCREENING and outcome.undecided


def _missing(counted: Answered) -> tuple[str, ...]:
    return tuple(criterion.id for criterion, answer in counted if is_missing(criterion, answer.outcome))
