"""FHIR's required codes and reference targets for what we write, and the URIs of our own codes.

The model library accepts any code, and its own lists are cut short: these are the sets that decide.
Source: FHIR R4 value sets research-study-status, research-subject-status, observation-status, identifier-use;
StructureDefinitions ResearchStudy, ResearchSubject, Observation.
"""

from __future__ import annotations

from typing import Final

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
    "identifier.use": frozenset({"usual", "official", "temp", "secondary", "old"}),
}

REFERENCE_TARGETS: Final[dict[str, frozenset[str]]] = {
    "ResearchSubject.study": frozenset({"ResearchStudy"}),
    "ResearchSubject.individual": frozenset({"Patient"}),
    "Observation.subject": frozenset({"Patient"}),
    "Observation.derivedFrom": frozenset(
        {"DocumentReference", "ImagingStudy", "Media", "QuestionnaireResponse", "Observation", "MolecularSequence"}
    ),
}
#: Extension -> types that its valueReference may name; None: any.
EXTENSION_TARGETS: Final[dict[str, frozenset[str] | None]] = {
    "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy": frozenset({"ResearchStudy"}),
    "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo": None,
    "http://hl7.org/fhir/StructureDefinition/observation-replaces": frozenset({"Observation"}),
}
RESEARCH_STUDY_EXTENSION, SUPPORTING_INFO_EXTENSION, REPLACES_EXTENSION = EXTENSION_TARGETS

OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
DATA_ABSENT_REASON: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

#: What the machine itself may put into ResearchSubject.status; every other status is a person's.
FLAGGED: Final = "potential-candidate"
TAKEN_BACK: Final = "ineligible"


def origin_tag(base: str) -> dict[str, str]:
    """The tag that marks a computed result (R40)."""
    return {"system": f"{base}/CodeSystem/origin", "code": "computed"}


def screening_system(base: str) -> str:
    """Code system of the Observation's code and of its components' codes."""
    return f"{base}/CodeSystem/screening"
