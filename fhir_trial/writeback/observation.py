"""The eligibility Observation: one per patient, trial version and run (WB-28).

``preliminary`` and without performer, since nobody has vouched for it; the software is the device. No ``focus`` (readers would
take it to be about something else) and no ``interpretation`` ("POS" would read as a positive test).
Source: FHIR R4 Observation; extensions workflow-researchStudy, workflow-supportingInfo, observation-replaces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from fhir_trial.criteria.answers import Answer, Outcome, Why
from fhir_trial.transport import Json
from fhir_trial.trials.model import Criterion
from fhir_trial.verdict.model import Overall, Verdict
from fhir_trial.writeback.codes import (
    DATA_ABSENT_REASON,
    OBSERVATION_CATEGORY,
    REPLACES_EXTENSION,
    RESEARCH_STUDY_EXTENSION,
    SUPPORTING_INFO_EXTENSION,
    Release,
    origin_tag,
    reference_targets,
    screening_system,
)
from fhir_trial.writeback.identifiers import run_system
from fhir_trial.writeback.persons_words import neutral

_LOCAL = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_TITLES = {
    Overall.POTENTIALLY_ELIGIBLE: "Potentially eligible",
    Overall.NOT_ELIGIBLE: "Not eligible",
    Overall.INDETERMINATE: "Indeterminate",
}
_CODE_DISPLAY = "Clinical trial pre-screening"
_ACCESS_REFUSED = ("type-not-authorised", "type-restricted")


@dataclass(frozen=True, slots=True)
class Run:
    """What a result needs beside the verdict.

    Attributes:
        base: Of our identifier and code systems.
        identifier: Identifier value of this run.
        study: ``ResearchStudy/id``.
        study_name: Registry number, for people: "NCT06789107".
        replaces: ``Observation/id`` of the earlier result, or None.
        software: Name and version.
        now: When it is issued, aware.
    """

    base: str
    identifier: str
    study: str
    study_name: str
    replaces: str | None
    software: str
    now: datetime


def eligibility_observation(verdict: Verdict, run: Run, release: Release = Release.R4) -> Json:
    """The verdict as an Observation; R5 differs in the types that derivedFrom may name."""
    base = run.base
    derived, supporting = _evidence(verdict, release)
    extensions: list[Json] = [{"url": RESEARCH_STUDY_EXTENSION, "valueReference": {"reference": run.study}}]
    extensions += [{"url": SUPPORTING_INFO_EXTENSION, "valueReference": {"reference": reference}} for reference in supporting]
    if run.replaces is not None:
        extensions.append({"url": REPLACES_EXTENSION, "valueReference": {"reference": run.replaces}})
    observation: Json = {
        "resourceType": "Observation",
        "meta": {"tag": [origin_tag(base)]},
        "extension": extensions,
        "identifier": [{"system": run_system(base), "value": run.identifier}],
        "status": "preliminary",
        "category": [{"coding": [{"system": OBSERVATION_CATEGORY, "code": "survey"}], "text": "Trial pre-screening"}],
        "code": {
            "coding": [{"system": screening_system(base), "code": "eligibility-screening", "display": _CODE_DISPLAY}],
            "text": f"Pre-screening for {run.study_name} (computed, not confirmed)",
        },
        "subject": {"reference": verdict.patient},
        "effectiveDateTime": (verdict.data_cutoff or verdict.as_of).isoformat(),
        "issued": run.now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "valueCodeableConcept": {
            "coding": [{"system": f"{base}/CodeSystem/screening-result", "code": str(verdict.overall)}],
            "text": _summary(verdict),
        },
        "note": [{"text": f"Not evaluated: {text}"} for text in verdict.not_evaluated],
        "method": {"coding": [{"system": f"{base}/CodeSystem/criteria-version", "code": f"{run.study_name}-{verdict.version}"}]},
        "device": {"display": run.software},
        "derivedFrom": [{"reference": reference} for reference in derived],
        "component": [_component(criterion, answer, verdict, base) for criterion, answer in verdict.answers],
    }
    return {key: value for key, value in observation.items() if value != []}


def _summary(verdict: Verdict) -> str:
    counts = Counter(answer.outcome for _, answer in verdict.answers)
    return (
        f"{_TITLES[verdict.overall]}: {counts[Outcome.MET]} met, {counts[Outcome.NOT_MET]} not met, "
        f"{counts[Outcome.NEEDS_CLINICIAN]} need a clinician, {counts[Outcome.UNKNOWN]} without data, "
        f"{counts[Outcome.NOT_APPLICABLE]} not applicable"
    )


def _component(criterion: Criterion, answer: Answer, verdict: Verdict, base: str) -> Json:
    component: Json = {
        "code": {
            "coding": [{"system": screening_system(base), "code": f"criterion-{criterion.id}"}],
            "text": criterion.title or criterion.text,
        }
    }
    reason = neutral(answer.reason, verdict)
    match answer.outcome:
        case Outcome.MET | Outcome.NOT_MET:
            component["valueCodeableConcept"] = _result(answer, base, f"{str(answer.outcome).replace('-', ' ')}: {reason}")
        case Outcome.NEEDS_CLINICIAN:
            component["valueCodeableConcept"] = _result(answer, base, reason)
        case Outcome.NOT_APPLICABLE:
            component["dataAbsentReason"] = {"coding": [_absent("not-applicable")], "text": reason}
        case Outcome.UNKNOWN:
            why = answer.why or Why.NOT_RECORDED
            component["dataAbsentReason"] = {
                "coding": [_absent(_absence(why, criterion, verdict)), {"system": f"{base}/CodeSystem/why", "code": str(why)}],
                "text": f"{str(why).replace('-', ' ')}: {reason}",
            }
    return component


def _result(answer: Answer, base: str, text: str) -> Json:
    return {"coding": [{"system": f"{base}/CodeSystem/criterion-result", "code": str(answer.outcome)}], "text": text}


def _absent(code: str) -> Json:
    return {"system": DATA_ABSENT_REASON, "code": code}


def _absence(why: Why, criterion: Criterion, verdict: Verdict) -> str:
    """``masked`` where access was refused, ``error`` where a value could not be read, else ``unknown``.

    Never not-performed: nothing on file does not mean never measured.
    """
    if why is Why.UNUSABLE:
        return "error"
    refused = {issue.path for issue in verdict.issues if issue.code in _ACCESS_REFUSED}
    if why is Why.NOT_LOADED and refused & set(criterion.rule.needs().resource_types):
        return "masked"
    return "unknown"


def _evidence(verdict: Verdict, release: Release) -> tuple[list[str], list[str]]:
    """References for derivedFrom, which FHIR keeps for a few types, and for supportingInfo: all others."""
    references = dict.fromkeys(reference for _, answer in verdict.answers for reference in _references(answer))
    allowed = reference_targets(release)["Observation.derivedFrom"]
    derived = [reference for reference in references if reference.split("/", maxsplit=1)[0] in allowed]
    return derived, [reference for reference in references if reference not in derived]


def is_local(reference: str) -> bool:
    """Whether evidence is a resource of the server, and not the patient, who is the subject anyway."""
    return _LOCAL.fullmatch(reference) is not None and not reference.startswith("Patient/")


def _references(answer: Answer) -> Iterator[str]:
    for item in answer.evidence:
        reference = item.origin.reference
        if is_local(reference):
            yield reference
    for _, part in answer.parts:
        yield from _references(part)
