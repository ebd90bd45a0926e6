"""A verdict as a row: what was answered and why, structured; sentences are made when somebody reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date

import msgspec

from fhir_trial.facts.person import read_person
from fhir_trial.people.digests import evidence_digest
from fhir_trial.records.model import PatientRecord
from fhir_trial.verdict.model import Verdict

_ENCODER = msgspec.json.Encoder()


class Answered(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One criterion.

    Attributes:
        outcome: Value of ``criteria.answers.Outcome``.
        why: Value of ``criteria.answers.Why`` where it is undecided.
        evidence: ``evidence_digest`` of the answer.
    """

    criterion: str
    outcome: str
    why: str | None
    evidence: str


class Row(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One patient and trial.

    Attributes:
        overall: Value of ``verdict.model.Overall``.
        youngest, oldest: Completed years on the screening date; None if no birth date is readable.
        sex: "female", "male", or None.
        people: Criteria that a person's answer counts for.
        inputs: ``screening.inputs.inputs_digest`` of what was read: equal for equal data.
    """

    patient: str
    trial: str
    version: str
    overall: str
    answers: tuple[Answered, ...]
    blockers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    youngest: int | None = None
    oldest: int | None = None
    sex: str | None = None
    data_cutoff: date | None = None
    inputs: str = ""
    people: tuple[str, ...] = ()


def row_of(verdict: Verdict, record: PatientRecord, inputs: str = "") -> Row:
    """The row of a verdict on a record, made of these inputs."""
    person = read_person(record.patient)
    age = person.age_on(verdict.as_of)
    return Row(
        patient=verdict.patient,
        trial=verdict.trial,
        version=verdict.version,
        overall=verdict.overall.value,
        answers=tuple(
            Answered(criterion.id, answer.outcome.value, answer.why.value if answer.why else None, evidence_digest(answer))
            for criterion, answer in verdict.answers
        ),
        blockers=verdict.blockers,
        missing=verdict.missing,
        youngest=age.youngest if age else None,
        oldest=age.oldest if age else None,
        sex=person.sex.value if person.sex else None,
        data_cutoff=verdict.data_cutoff,
        inputs=inputs,
        people=tuple(sorted(name for name, found in verdict.people.items() if not found.expired)),
    )


def digest_of(rows: Iterable[Row]) -> str:
    """``rows-`` and 64 hex digits over every answer and its evidence, of rows in their order: equal for equal results."""
    hashed = hashlib.sha256()
    for row in rows:
        hashed.update(_ENCODER.encode(msgspec.structs.replace(row, inputs="")))
        hashed.update(b"\n")
    return "rows-" + hashed.hexdigest()
