"""ResearchStudy and ResearchSubject as we write them. Source: FHIR R4 ResearchStudy, ResearchSubject; WB-24, WB-27."""

from __future__ import annotations

from fhir_trial.transport import Json
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.writeback.codes import origin_tag
from fhir_trial.writeback.identifiers import study_system, subject_system


def research_study(trial: ResolvedTrial, base: str) -> Json:
    """The study, created once where the site allows it."""
    registry = [{"system": identifier.system, "value": identifier.value} for identifier in trial.trial.identifiers]
    identifiers: list[Json] = [{"use": "official", **registry[0]}, *registry[1:]] if registry else []
    study: Json = {
        "resourceType": "ResearchStudy",
        "identifier": [*identifiers, {"system": study_system(base), "value": trial.trial.id}],
        "title": trial.trial.title,
        "status": "active",
    }
    if trial.trial.condition is not None:
        system, code, display = trial.trial.condition
        study["condition"] = [{"coding": [{"system": system, "code": code, "display": display}]}]
    return study


def research_subject(base: str, value: str, status: str, study: str, patient: str) -> Json:
    """A patient's place on a study. No ``period``: that is participation, and begins with registration.

    Args:
        value: Of our identifier.
        study, patient: ``Type/id``.
    """
    return {
        "resourceType": "ResearchSubject",
        "meta": {"tag": [origin_tag(base)]},
        "identifier": [{"system": subject_system(base), "value": value}],
        "status": status,
        "study": {"reference": study},
        "individual": {"reference": patient},
    }
