"""Where a patient stands on a trial by the FHIR server's account: what a person is shown before they decide (WB-14, DATA-60)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from fhir_trial.errors import ConflictError
from fhir_trial.transport import FhirServer, Json
from fhir_trial.trials.model import Identifier, ResolvedTrial
from fhir_trial.writeback.codes import FLAGGED
from fhir_trial.writeback.decisions import version_of
from fhir_trial.writeback.enrolment import enrolment_of, patient_of
from fhir_trial.writeback.identifiers import runs_begin, study_identifier, study_system, subject_value
from fhir_trial.writeback.lookup import ELSEWHERE, Lookup, is_error, run_of
from fhir_trial.writeback.settings import WriteSettings

#: What a subject says whose enrolment cannot be read.
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class HeldSubject:
    """The ResearchSubject as it stands on the server.

    Attributes:
        reference: ``ResearchSubject/id``.
        version: None where the server names none; nobody can then decide on it.
        enrolment: R4 status, or R5 subjectState; None when it says none that we can read.
        others: What further subjects of the patient and study say that are not ours, ``UNREADABLE`` among them; sorted.
    """

    reference: str
    version: str | None
    enrolment: str | None
    others: tuple[str, ...] = ()

    @property
    def against(self) -> tuple[str, ...]:
        """What others say that this one does not."""
        return said_against(self.enrolment, self.others)


def said_against(enrolment: str | None, others: Iterable[str]) -> tuple[str, ...]:
    """What others say that ours does not. A mere flag says nothing yet."""
    return tuple(other for other in others if other not in (FLAGGED, enrolment))


def tidy_up(against: Iterable[str]) -> str:
    """Why nobody decides beside another's subject, and what is to be done."""
    return (
        f"Another subject of this patient is on the study (status {', '.join(against)}): tidy up in the EHR, so that one is "
        "left. Then look again; if the other one is left, take over what it says."
    )


def own_names(settings: WriteSettings, trial: ResolvedTrial, patient: str, episode: int) -> list[str]:
    """The identifier values of our subjects of the patient on the trial, one an episode, up to this one."""
    name = study_identifier(trial).value
    return [subject_value(settings.tenant, name, patient, number) for number in range(1, episode + 1)]


def said_by_others(lookup: Lookup, subjects: Iterable[Json], names: Iterable[str], besides: str | None = None) -> tuple[str, ...]:
    """The enrolments of the subjects that carry none of our names, sorted.

    Args:
        besides: Id of a subject that is left out, whoever wrote it.
    """
    theirs = (each for each in subjects if each["id"] != besides and not any(lookup.is_named(each, name) for name in names))
    return tuple(sorted(enrolment_of(each) or UNREADABLE for each in theirs))


def last_result_day(lookup: Lookup, settings: WriteSettings, trial: ResolvedTrial, patient: str) -> date | None:
    """The newest day of the data that a result of ours rests on; None where no result is there."""
    study = study_on_server(lookup, trial, settings.bases)
    if study is None:
        return None
    begin = runs_begin(settings.tenant, study_identifier(trial).value, patient)
    ours = (
        each
        for each in lookup.results_of(patient, f"ResearchStudy/{study['id']}")
        if not is_error(each) and (run_of(each, settings.bases) or "").startswith(begin)
    )
    return max((day for each in ours if (day := _day(each.get("effectiveDateTime"))) is not None), default=None)


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


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
    names = own_names(settings, trial, patient, episode)
    there = lookup.subjects_of(patient, f"ResearchStudy/{study['id']}")
    ours = [each for each in there if lookup.is_named(each, names[-1])]
    found = ours or ([] if episode > 1 else there)
    if len(found) > 1:
        raise ConflictError("Several ResearchSubjects of this patient are on the server: tidy up there, then look again.")
    if not found:
        return None
    if lookup.is_elsewhere(patient_of(found[0])):
        raise ConflictError(ELSEWHERE)
    others = said_by_others(lookup, there, names, besides=found[0]["id"])
    return HeldSubject(f"ResearchSubject/{found[0]['id']}", version_of(found[0]), enrolment_of(found[0]), others)
