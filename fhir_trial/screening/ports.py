"""What the use cases need from outside: patients to read, and what people have answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fhir_trial.criteria.needs import Needs
from fhir_trial.records.model import Issue, LoadState
from fhir_trial.trials.adjudication import Adjudicators
from fhir_trial.trials.model import ResolvedTrial

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RawPatient:
    """One patient's resources as they came, numbers as int or Decimal.

    Attributes:
        reference: ``Patient/id``, or the fullUrl where the Patient has no id; output is in this order (VER-08).
        patients: Copies of the Patient resource, newest last; more than one when several sources were merged (VER-07).
        resources: The other resources of the patient, de-duplicated, and what they refer to (Medication, Specimen ...).
        by_reference: Every way in which a resource of the source may be named -> resource: "Type/id", fullUrl, "urn:uuid:..".
        names: ``id()`` of a resource without an id -> its fullUrl.
        states: For each FHIR type, what became of the question; a type not named has ``default_state``.
    """

    reference: str
    patients: Sequence[Json]
    resources: Sequence[Json]
    by_reference: Mapping[str, Json] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    states: Mapping[str, LoadState] = field(default_factory=dict)
    default_state: LoadState = LoadState.NO_CLAIM
    issues: Sequence[Issue] = ()


class PatientSource(Protocol):
    """Patients, one at a time."""

    def patients(self, needs: Needs) -> Iterator[RawPatient]:
        """Each patient once, in the order of the reference."""
        ...


class AnswerBook(Protocol):
    """What people have answered, by patient and trial."""

    def about(self, patient: str, trial: ResolvedTrial) -> Adjudicators:
        """For each criterion that somebody answered for this patient and this version of the trial, what becomes of it.

        Args:
            patient: As a verdict names it: ``Patient/id``, or the fullUrl.
        """
        ...
