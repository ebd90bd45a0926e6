"""Which element of which type says whose record a resource belongs to. Source: FHIR R4, Compartment Patient."""

from __future__ import annotations

from typing import Any

_SUBJECT = """
    AdverseEvent Basic CarePlan CareTeam ChargeItem ClinicalImpression Communication CommunicationRequest Composition Condition
    DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference Encounter Flag Goal GuidanceResponse
    ImagingStudy Invoice List Media MedicationAdministration MedicationDispense MedicationRequest MedicationStatement Observation
    Procedure QuestionnaireResponse RequestGroup RiskAssessment ServiceRequest Specimen
"""
_PATIENT = """
    AllergyIntolerance BodyStructure Claim ClaimResponse Consent CoverageEligibilityRequest CoverageEligibilityResponse
    DetectedIssue Device EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Immunization ImmunizationEvaluation
    ImmunizationRecommendation MolecularSequence NutritionOrder RelatedPerson SupplyDelivery VisionPrescription
"""
#: Type -> the element that names the patient.
PATIENT_LINK: dict[str, str] = {
    **dict.fromkeys(_SUBJECT.split(), "subject"),
    **dict.fromkeys(_PATIENT.split(), "patient"),
    "Coverage": "beneficiary",
    "ResearchSubject": "individual",
    "Task": "for",
}
#: Types of no patient that a patient's resources may refer to; they come along with whoever refers to them.
SHARED_TYPES = frozenset(
    "Medication Substance Practitioner PractitionerRole Organization Location HealthcareService ResearchStudy".split()  # noqa: SIM905
)
#: Types whose resource may belong to nobody: a device on a shelf, a claim form of a payer.
MAY_LACK_PATIENT = frozenset({"Basic", "Device", "List", "Task", "SupplyDelivery", "Media", "Composition", "Invoice"})
#: No criterion asks for them by name, and they alone state that nothing is taken or known (DATA-38).
STATE_ABSENCE = frozenset({"Composition", "List"})
KNOWN_TYPES = frozenset(PATIENT_LINK) | SHARED_TYPES | {"Patient"}


def patient_link(resource: dict[str, Any]) -> str | None:
    """The literal reference to the patient, or None (identifier or display alone resolve to nobody, DATA-23)."""
    element = resource.get(PATIENT_LINK.get(resource["resourceType"], ""))
    if isinstance(element, list):
        element = element[0] if element else None
    reference = element.get("reference") if isinstance(element, dict) else None
    return reference.strip() or None if isinstance(reference, str) else None


def without_version(reference: str) -> str:
    """A reference to the resource, whatever its version."""
    return reference.split("/_history/", 1)[0]


def last_two(reference: str) -> str:
    """``Type/id`` at the end of a reference: "https://ehr.example.invalid/fhir/Patient/p1" -> "Patient/p1"."""
    return "/".join(without_version(reference).rstrip("/").split("/")[-2:])
