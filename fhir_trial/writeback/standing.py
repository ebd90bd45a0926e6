"""Where a patient stands on a trial by the FHIR server's account: what a person is shown before they decide (WB-14, DATA-60)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_trial.errors import ConflictError
from fhir_trial.transport import FhirServer, Json
from fhir_trial.trials.model import Identifier, ResolvedTrial
from fhir_trial.writeback.decisions import version_of
from fhir_trial.writeback.enrolment import enrolment_of, patient_of
from fhir_trial.writeback.identifiers import study_identifier, study_system, subject_value
from fhir_trial.writeback.lookup import ELSEWHERE, Lookup
from fhir_trial.writeback.settings import WriteSettings


@dataclass(frozen=True, slots=True)
class HeldSubject:
    """The ResearchSubject as it stands on the server.

    Attributes:
        reference: ``ResearchSubject/id``.
        version: None where the server names none; nobody can then decide on it.
        enrolment: R4 status, or R5 subjectState; None when it says none that we can read.
    """

    reference: str
    version: str | None
    enrolment: str | None


def study_on_server(lookup: Lookup, trial: ResolvedTrial, bases: Iterable[str]) -> Json | None:
    """The trial's ResearchStudy; None when it is not there, or there twice (WB-27)."""
    own = [Identifier(study_system(base), trial.trial.id) for base in bases]
    studies = lookup.studies([*trial.trial.identifiers, *trial.trial.former_identifiers, *own])
    return studies[0] if len(studies) == 1 else None


def held_subject(
    server: FhirServer, settings: WriteSettings, trial: ResolvedTrial, patient: str, episode: int
) -> HeldSubject | None:
    """The patient's subject on the trial: ours of this episode, else the only one there is, whoever wrote it.

    Args:
        patient: ``Patient/id``.

    Raises:
        ConflictError: Several, none of them ours: a person must tidy up in the EHR. Or its patient has another server's address.
        ServerError: The server failed.
    """
    lookup = Lookup(server, settings.bases)
    study = study_on_server(lookup, trial, settings.bases)
    if study is None:
        return None
    value = subject_value(settings.tenant, study_identifier(trial).value, patient, episode)
    there = lookup.subjects_of(patient, f"ResearchStudy/{study['id']}")
    ours = [each for each in there if lookup.is_named(each, value)]
    found = ours or ([] if episode > 1 else there)
    if len(found) > 1:
        raise ConflictError("Several ResearchSubjects of this patient are on the server: tidy up there, then look again.")
    if found and lookup.is_elsewhere(patient_of(found[0])):
        raise ConflictError(ELSEWHERE)
    return HeldSubject(f"ResearchSubject/{found[0]['id']}", version_of(found[0]), enrolment_of(found[0])) if found else None
