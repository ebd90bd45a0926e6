"""Screening one patient for one trial: records, facts, criteria, verdict."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from fhir_trial.facts.oddities import medication_issues, result_issues
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.records.model import Issue, PatientRecord
from fhir_trial.records.own_results import OwnMarks
from fhir_trial.records.reading import read_record
from fhir_trial.screening.ports import AnswerBook, RawPatient
from fhir_trial.times import Span
from fhir_trial.trials.evaluation import Evaluation
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.verdict.overall import overall


def screen_patient(
    raw: RawPatient,
    trial: ResolvedTrial,
    *,
    as_of: date,
    first_dose: date | None = None,
    complete: bool = False,
    answers: AnswerBook | None = None,
) -> Verdict:
    """The verdict on one patient.

    Args:
        raw: The patient's resources as they came.
        trial: What to screen for, with the site's settings.
        as_of: S, a calendar date in the site's zone.
        first_dose: D, if planned.
        complete: The source holds the whole record (VER-05, R12, R16).
        answers: What people have answered.
    """
    record = read_record(raw, trial.zone, complete=complete, own=OwnMarks(trial.own_bases))
    return judge(record, trial, as_of=as_of, first_dose=first_dose, reference=raw.reference, answers=answers)


def judge(
    record: PatientRecord,
    trial: ResolvedTrial,
    *,
    as_of: date,
    first_dose: date | None,
    reference: str,
    answers: AnswerBook | None = None,
) -> Verdict:
    """The verdict on a record already read."""
    heard = _without_data(record) if record.patient.replaced_by else record
    facts = FactSheet(heard, trial.terminology, trial.zone)
    evaluation = Evaluation(trial, facts, as_of, first_dose, answers.about(reference, trial) if answers else None)
    conclusion, blockers, missing = overall(evaluation.answers, record.patient, as_of)
    return Verdict(
        patient=reference,
        trial=trial.trial.id,
        version=trial.trial.version,
        as_of=as_of,
        first_dose=first_dose,
        overall=conclusion,
        answers=evaluation.answers,
        blockers=blockers,
        missing=missing,
        not_evaluated=trial.trial.not_evaluated,
        settings=trial.settings,
        site=trial.site,
        data_cutoff=_newest(record, as_of),
        issues=(*record.issues, *_oddities(facts, trial)),
        ends=evaluation.ends,
        people=evaluation.adjudications,
    )


def _oddities(facts: FactSheet, trial: ResolvedTrial) -> Iterator[Issue]:
    """What this trial needs, is on file, and could not be used."""
    for analyte in dict.fromkeys(analyte for need in trial.needs.needs for analyte in need.laboratory):
        yield from result_issues(facts.results(analyte))
    if any(need.drug_classes for need in trial.needs.needs):
        yield from medication_issues(facts.medications.unidentified)


def _without_data(record: PatientRecord) -> PatientRecord:
    """A replaced record answers without what is filed under it (R33, Readings: Patient)."""
    return PatientRecord(patient=record.patient, states=record.states, default_state=record.default_state, issues=record.issues)


def _newest(record: PatientRecord, as_of: date) -> date | None:
    """The data cut-off: the date of the newest datum, at most ``as_of`` (VER-12)."""
    seen = (part for span in _dates(record) if span and (part := span.until(as_of)))
    return max((span.last for span in seen), default=None)


def _dates(record: PatientRecord) -> Iterator[Span | None]:
    for observation in record.observations:
        yield observation.effective
    for condition in record.conditions:
        yield condition.recorded or condition.onset
    for use in record.medications:
        yield use.start
        yield use.authored
    for procedure in record.procedures:
        yield procedure.performed
    for report in record.reports:
        yield report.effective
    for consent in record.consents:
        yield consent.dated
    for answer in record.answers:
        yield answer.authored
