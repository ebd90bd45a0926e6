"""FHIR's required codes and reference targets for what we write, and the URIs of our own codes.

The model library accepts any code, and its own lists are cut short: these are the sets that decide.
Source: FHIR R4 value sets research-study-status, research-subject-status, observation-status, identifier-use;
StructureDefinitions ResearchStudy, ResearchSubject, Observation, Provenance, DocumentReference; the same of R5 where they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Release(StrEnum):
    """The FHIR release that a server speaks; the resources differ (WB-25)."""

    R4 = "R4"
    R5 = "R5"


def release_of(fhir_version: str | None) -> Release | None:
    """By CapabilityStatement.fhirVersion; None for a release that we do not write."""
    return {"4": Release.R4, "5": Release.R5}.get((fhir_version or "").split(".")[0])


REQUIRED_CODES: Final[dict[str, frozenset[str]]] = {
    "ResearchStudy.status": frozenset(
        {
            "active",
            "administratively-completed",
            "approved",
            "closed-to-accrual",
            "closed-to-accrual-and-intervention",
            "completed",
            "disapproved",
            "in-review",
            "temporarily-closed-to-accrual",
            "temporarily-closed-to-accrual-and-intervention",
            "withdrawn",
        }
    ),
    "ResearchSubject.status": frozenset(
        {
            "candidate",
            "eligible",
            "follow-up",
            "ineligible",
            "not-registered",
            "off-study",
            "on-study",
            "on-study-intervention",
            "on-study-observation",
            "pending-on-study",
            "potential-candidate",
            "screening",
            "withdrawn",
        }
    ),
    "Observation.status": frozenset(
        {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"}
    ),
    "DocumentReference.status": frozenset({"current", "superseded", "entered-in-error"}),
    "identifier.use": frozenset({"usual", "official", "temp", "secondary", "old"}),
}
#: What R5 says otherwise: status is the publication's, the enrolment stands in progress.
_REQUIRED_CODES_R5: Final[dict[str, frozenset[str]]] = {
    "ResearchStudy.status": frozenset({"draft", "active", "retired", "unknown"}),
    "ResearchSubject.status": frozenset({"draft", "active", "retired", "unknown"}),
}
ENTITY_ROLES: Final[Mapping[Release, frozenset[str]]] = {
    Release.R4: frozenset({"derivation", "revision", "quotation", "source", "removal"}),
    Release.R5: frozenset({"revision", "quotation", "source", "instantiates", "removal"}),
}
#: Types that we write, per release the same.
WRITTEN_TYPES: Final = frozenset({"ResearchStudy", "ResearchSubject", "Observation", "Provenance", "DocumentReference"})

REFERENCE_TARGETS: Final[dict[str, frozenset[str]]] = {
    "ResearchSubject.study": frozenset({"ResearchStudy"}),
    "ResearchSubject.individual": frozenset({"Patient"}),
    "Observation.subject": frozenset({"Patient"}),
    "Observation.derivedFrom": frozenset(
        {"DocumentReference", "ImagingStudy", "Media", "QuestionnaireResponse", "Observation", "MolecularSequence"}
    ),
    "Provenance.target": frozenset({"Observation"}),
    "DocumentReference.subject": frozenset({"Patient"}),
}
_REFERENCE_TARGETS_R5: Final[dict[str, frozenset[str]]] = {
    "ResearchSubject.subject": frozenset({"Patient"}),
    "Observation.derivedFrom": frozenset(
        {
            "DocumentReference",
            "GenomicStudy",
            "ImagingSelection",
            "ImagingStudy",
            "MolecularSequence",
            "Observation",
            "QuestionnaireResponse",
        }
    ),
}


def required_codes(release: Release) -> Mapping[str, frozenset[str]]:
    """Path -> codes."""
    return REQUIRED_CODES if release is Release.R4 else REQUIRED_CODES | _REQUIRED_CODES_R5


def reference_targets(release: Release) -> Mapping[str, frozenset[str]]:
    """Path -> types that it may name."""
    return REFERENCE_TARGETS if release is Release.R4 else REFERENCE_TARGETS | _REFERENCE_TARGETS_R5


#: Extension -> types that its valueReference may name; None: any.
EXTENSION_TARGETS: Final[dict[str, frozenset[str] | None]] = {
    "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy": frozenset({"ResearchStudy"}),
    "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo": None,
    "http://hl7.org/fhir/StructureDefinition/observation-replaces": frozenset({"Observation"}),
}
RESEARCH_STUDY_EXTENSION, SUPPORTING_INFO_EXTENSION, REPLACES_EXTENSION = EXTENSION_TARGETS

OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
DATA_ABSENT_REASON: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
SUBJECT_STATE: Final = "http://terminology.hl7.org/CodeSystem/research-subject-state"
SUBJECT_STATE_TYPE: Final = "http://terminology.hl7.org/CodeSystem/research-subject-state-type"
DATA_OPERATION: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
PARTICIPANT_TYPE: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
LOINC: Final = "http://loinc.org"

#: What the machine itself may put into ResearchSubject.status; every other status is a person's.
FLAGGED: Final = "potential-candidate"
TAKEN_BACK: Final = "ineligible"


def origin_tag(base: str) -> dict[str, str]:
    """The tag that marks a computed result (R40)."""
    return {"system": f"{base}/CodeSystem/origin", "code": "computed"}


def screening_system(base: str) -> str:
    """Code system of the Observation's code and of its components' codes."""
    return f"{base}/CodeSystem/screening"
