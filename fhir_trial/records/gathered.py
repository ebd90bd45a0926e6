"""What has been read so far of one patient."""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_trial.records.model import (
    AbsenceStatement,
    Condition,
    Consent,
    Encounter,
    MedicationUse,
    Observation,
    Procedure,
    QuestionnaireAnswer,
    Report,
    StudySubject,
)
from fhir_trial.times import Span


@dataclass(slots=True)
class Gathered:
    """Lists that become the record, and what one resource tells about another.

    Attributes:
        birth: For ages at onset.
        visits: Encounters by name, for the specialty and date of what was recorded in them.
    """

    birth: Span | None = None
    observations: list[Observation] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    medications: list[MedicationUse] = field(default_factory=list)
    procedures: list[Procedure] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    subjects: list[StudySubject] = field(default_factory=list)
    encounters: list[Encounter] = field(default_factory=list)
    answers: list[QuestionnaireAnswer] = field(default_factory=list)
    absences: list[AbsenceStatement] = field(default_factory=list)
    visits: dict[str, Encounter] = field(default_factory=dict)
