"""Raw FHIR JSON to a PatientRecord: the way in.

Nothing raises on odd data: what cannot be read, or is left out, is an Issue.
Source: FHIR R4; DATA-21 to DATA-29, DATA-47, R33, R40.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, tzinfo

from msgspec import structs

from fhir_trial.records.absences import read_composition, read_list
from fhir_trial.records.completeness import Completeness, not_read
from fhir_trial.records.conditions import read_condition, read_encounter
from fhir_trial.records.consents import read_consent, read_subject
from fhir_trial.records.gathered import Gathered
from fhir_trial.records.medications import read_medication_use
from fhir_trial.records.model import Issue, Origin, Patient, PatientRecord
from fhir_trial.records.observations import read_observation
from fhir_trial.records.own_results import OwnMarks
from fhir_trial.records.page import Page, read_moment
from fhir_trial.records.patients import merged, read_patient
from fhir_trial.records.procedures import read_procedure
from fhir_trial.records.questionnaires import read_response
from fhir_trial.records.raw import Json, RawRecord
from fhir_trial.records.references import References
from fhir_trial.records.reports import read_diagnostic_report, read_document
from fhir_trial.records.statuses import judge

Reader = Callable[[Page, Gathered], None]

#: Encounters go first: Conditions take specialty and date from them.
_READERS: dict[str, Reader] = {
    "Encounter": read_encounter,
    "Observation": read_observation,
    "Condition": read_condition,
    "MedicationRequest": read_medication_use,
    "MedicationStatement": read_medication_use,
    "MedicationDispense": read_medication_use,
    "MedicationAdministration": read_medication_use,
    "Procedure": read_procedure,
    "DiagnosticReport": read_diagnostic_report,
    "DocumentReference": read_document,
    "Consent": read_consent,
    "ResearchSubject": read_subject,
    "QuestionnaireResponse": read_response,
    "List": read_list,
    "Composition": read_composition,
}
_SUBJECTS = {"Consent": "patient", "ResearchSubject": "individual"}
#: Read where another resource refers to them.
_REFERRED_TO = frozenset(
    {
        *("Medication", "Substance", "Specimen", "Practitioner", "PractitionerRole", "RelatedPerson", "Organization", "Location"),
        *("ResearchStudy", "Questionnaire", "Binary", "Device", "Patient"),
    }
)
#: Types whose facts have no room for "kept, decides nothing": they are left out when they may not be used.
_ALL_OR_NOTHING = frozenset({"Encounter", "ResearchSubject", "QuestionnaireResponse", "List", "Composition"})


def read_record(
    raw: RawRecord, zone: tzinfo, *, complete: bool = False, own: OwnMarks | None = None, today: date | None = None
) -> PatientRecord:
    """Everything of one patient, read.

    Args:
        raw: The resources as they came; at least one Patient.
        zone: The site's zone (R37).
        complete: Whether the source states that it holds the whole record (VER-05).
        own: How to recognise our own earlier results (R40); default: by the default base.
        today: Later dates are flagged as errors where a resource does not say when it was last updated.
    """
    return _Reading(raw, zone, own or OwnMarks(), today).record(complete)


class _Reading:
    """The reading of one patient."""

    def __init__(self, raw: RawRecord, zone: tzinfo, own: OwnMarks, today: date | None) -> None:
        self.raw = raw
        self.zone = zone
        self.own = own
        self.today = today
        self.issues: list[Issue] = list(raw.issues)
        self.references = References(raw)
        self.completeness = Completeness(raw.states, raw.default_state)
        self.into = Gathered()
        self.own_results = 0
        self.unread_types: Counter[str] = Counter()

    def record(self, complete: bool) -> PatientRecord:
        patient = self._patient()
        self.into.birth = patient.birth
        for resource in sorted(self.raw.resources, key=self._place):
            self._read(resource, patient)
        while self.references.unread:
            self._read(self.references.unread.pop(0), patient)
        self.issues += not_read(self.unread_types)
        into = self.into
        return PatientRecord(
            patient=patient,
            observations=tuple(into.observations),
            conditions=tuple(into.conditions),
            medications=tuple(into.medications),
            procedures=tuple(into.procedures),
            reports=tuple(into.reports),
            consents=tuple(into.consents),
            subjects=tuple(into.subjects),
            encounters=tuple(into.encounters),
            answers=tuple(into.answers),
            absences=tuple(into.absences),
            own_results=self.own_results,
            states=self.completeness.states(),
            default_state=self.completeness.default,
            complete=complete,
            issues=tuple(self.issues),
        )

    def _place(self, resource: Json) -> tuple[bool, str]:
        """Encounters first, then by name: a server returns the same record in an order of its own, and every word stays."""
        return resource.get("resourceType") != "Encounter", self.references.name(resource)

    def _patient(self) -> Patient:
        copies = []
        for resource in self.raw.patients:
            page = self._open(resource)
            self.completeness.read_labels(page)
            copies.append(read_patient(page))
        patient = merged(copies)
        patient = replace(patient, origin=structs.replace(patient.origin, reference=self.raw.reference))
        for element in sorted(patient.disagreements):
            text = f"Copies of the patient differ in {element}."
            self.issues.append(Issue("patient-copies-differ", "error", self.raw.reference, element, text))
        if patient.active is False:
            text = "This record is marked as no longer in active use: no answer rests on that, and none makes it eligible (R32)."
            self.issues.append(Issue("patient-inactive", "warning", self.raw.reference, "active", text))
        if patient.replaced_by is not None:
            text = "This record was replaced by another: its data are not used (R33)."
            self.issues.append(Issue("patient-replaced", "error", self.raw.reference, "link", text))
        return patient

    def _open(self, resource: Json) -> Page:
        meta = resource.get("meta")
        version, updated = None, None
        if isinstance(meta, dict):
            said = meta.get("versionId")
            version = said if isinstance(said, str) else None
            updated = read_moment(meta.get("lastUpdated"), self.zone)
        origin = Origin(self.references.name(resource), version, updated)
        return Page(resource, origin, self.issues, self.references, self.zone, self.today)

    def _read(self, resource: Json, patient: Patient) -> None:
        kind = resource.get("resourceType")
        if not isinstance(kind, str):
            self.issues.append(Issue("resource-not-understood", "error", None, "resourceType", "It does not say what it is."))
            return
        if kind == "OperationOutcome":
            self.completeness.read_outcome(self._open(resource))
            return
        reader = _READERS.get(kind)
        if reader is None:
            if kind not in _REFERRED_TO:
                self.unread_types[kind] += 1
            return
        page = self._open(resource)
        if self._may_be_read(page, kind, patient):
            reader(page, self.into)

    def _may_be_read(self, page: Page, kind: str, patient: Patient) -> bool:
        """Somebody else's, and what its status or an extension forbids, is reported.

        Ours are counted, without an issue: the same data give the same verdict after it was written.
        """
        if self.own.on(page.resource):
            self.own_results += 1
            return False
        if not judge(page, kind) or not self._is_about(page, kind, patient):
            return False
        self.completeness.read_labels(page)
        if page.modified(page.resource):
            page.unusable = "modifier-extension"
        return page.unusable is None or kind not in _ALL_OR_NOTHING

    def _is_about(self, page: Page, kind: str, patient: Patient) -> bool:
        """Whether its subject is this patient, who was not replaced (R33, DATA-47, VER-06)."""
        element = _SUBJECTS.get(kind, "subject")
        said = page.resource.get(element)
        literal = said.get("reference") if isinstance(said, dict) else None
        if not isinstance(literal, str):
            literal = page.reference(page.resource, element)
        if literal is None:
            page.note("subject-missing", "It names no patient; left out.", element)
            return False
        about = self.references.is_patient(literal)
        if about is not True:
            code, text = ("other-patient", "It is about somebody else; left out.")
            if about is None:
                code, text = ("subject-not-resolved", "Its subject leads to nothing in this source; left out.")
            page.note(code, text, element, "error")
            return False
        if patient.replaced_by is not None:
            page.note("patient-replaced", "Filed under a record that was replaced; left out.", element)
            return False
        return True
