"""A patient's record as read: FHIR's own words, dates as spans, numbers as decimals, oddities as issues.

Nothing here is interpreted clinically; that is the business of ``facts``. Source: FHIR R4 resource definitions.

What a chart holds by the hundred is a frozen msgspec Struct: one is made four times, and copied thirty times, as fast
as a frozen dataclass. ``gc=False``: being frozen and made of frozen parts they can form no cycle, and the garbage collector need
not visit them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from fhir_trial.terminology.concepts import Concept
from fhir_trial.times import Span


class LoadState(StrEnum):
    """What became of the question "give me all resources of this type for this patient" (DATA-19)."""

    FETCHED = "fetched"
    NO_CLAIM = "no-claim"  # a file: holds what it holds, says nothing of the rest (R12)
    PARTIAL = "partial"
    FAILED = "failed"
    NOT_AUTHORISED = "not-authorised"
    RESTRICTED = "restricted"
    NOT_ASKED = "not-asked"

    @property
    def loaded(self) -> bool:
        return self in (LoadState.FETCHED, LoadState.NO_CLAIM)


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that could not be read, or is odd. Never a value of the patient in ``text``.

    Attributes:
        code: A constant word, such as "unit-not-understood".
        severity: "information", "warning" or "error".
        reference: The resource, or None.
        path: FHIR path of the element, or None.
    """

    code: str
    severity: str
    reference: str | None
    path: str | None
    text: str


class Origin(Struct, frozen=True, gc=False):
    """Where a fact comes from: ``Type/id`` (fullUrl where there is no id), ``meta.versionId``, ``meta.lastUpdated``."""

    reference: str
    version: str | None = None
    last_updated: datetime | None = None


class Quantity(Struct, frozen=True, gc=False):
    """Quantity: ``number`` is None when value is absent or no JSON number.

    Attributes:
        comparator: <, <=, >=, >, ad, or whatever was written; "?" where it cannot be read: then the number is not exact.
        unit: The code when system is UCUM, else the unit text.
        ucum: Whether ``unit`` was given as a UCUM code.
        text: As recorded, for people: "< 0.5 10*9/L".
    """

    number: Decimal | None
    comparator: str | None
    unit: str | None
    ucum: bool
    text: str


class QuantityRange(Struct, frozen=True, gc=False):
    """Range; an end that is missing is open."""

    low: Quantity | None
    high: Quantity | None
    text: str


class Ratio(Struct, frozen=True, gc=False):
    """Ratio, as titres are often written."""

    numerator: Quantity | None
    denominator: Quantity | None
    text: str


class OtherValue(Struct, frozen=True, gc=False):
    """SampledData, time, dateTime, Period: kept as text."""

    text: str


#: value[x]: str for valueString, int for valueInteger, bool for valueBoolean.
Value = Quantity | QuantityRange | Ratio | Concept | str | int | bool | OtherValue


class ReferenceRange(Struct, frozen=True, gc=False):
    """One entry of Observation.referenceRange.

    Attributes:
        kind: Code of ``type`` ("normal", "therapeutic" ...) or None.
        applies_to: Codes and words of ``appliesTo`` (sex, race), lower case.
        age_low, age_high: In years, as recorded with their unit.
    """

    low: Quantity | None
    high: Quantity | None
    kind: str | None
    applies_to: frozenset[str]
    age_low: Quantity | None
    age_high: Quantity | None
    text: str | None


class Observation(Struct, frozen=True, gc=False):
    """One measured thing. A component, or a contained member, is an Observation too, with its parent's origin, status and date.

    Attributes:
        effective: effective[x] (Period: its start), else specimen collection, else issued; see ``dated_by``.
        dated_by: "effective", "specimen", "issued" or None.
        absent_reason: Code of dataAbsentReason, or None.
        specimen: Words of the specimen, for text matching.
        method, body_site: Their words.
        performed: Whether a performer is named.
        unusable: Why the resource decides nothing although kept: "status-preliminary", "status-missing", "status-not-understood",
            "modifier-extension", or None.
        siblings: Other components of the same Observation, and the Observation itself where it has a value (oxygen beside
            saturation), without this one.
        members: Names of hasMember; those that are not on file otherwise are read as well.
        performers: Their displays, and the names of Organizations that they lead to, by which a site's table of limits knows its
            laboratories.
    """

    origin: Origin
    status: str | None
    code: Concept
    categories: frozenset[str]
    effective: Span | None
    dated_by: str | None
    issued: datetime | None
    value: Value | None
    absent_reason: str | None
    interpretation: tuple[Concept, ...]
    ranges: tuple[ReferenceRange, ...]
    notes: tuple[str, ...]
    specimen: str | None
    method: str | None
    body_site: str | None
    performed: bool
    unusable: str | None = None
    siblings: tuple[Observation, ...] = ()
    members: tuple[str, ...] = ()
    performers: tuple[str, ...] = ()


class Condition(Struct, frozen=True, gc=False):
    """A diagnosis, or a coded reason of an Encounter (``from_encounter``).

    Attributes:
        clinical: active, recurrence, relapse, inactive, remission, resolved or None.
        verification: confirmed, unconfirmed, provisional, differential, refuted, entered-in-error or None.
        categories: Codes: problem-list-item, encounter-diagnosis, health-concern.
        onset: onsetDateTime, onsetPeriod (its start), onsetAge (from birth), or None.
        ended: Whether any abatement[x] is recorded; ``abatement`` its span if it is a date.
        specialty: Words of the recording service, for "from rheumatology or nephrology".
    """

    origin: Origin
    code: Concept
    clinical: str | None
    verification: str | None
    categories: frozenset[str]
    onset: Span | None
    recorded: Span | None
    ended: bool
    abatement: Span | None
    specialty: str | None
    notes: tuple[str, ...]
    from_encounter: bool = False
    unusable: str | None = None


class MedicationKind(StrEnum):
    """How certain the use is (DATA-31): administration = given, dispense = supplied, request = ordered, statement = reported."""

    REQUEST = "MedicationRequest"
    STATEMENT = "MedicationStatement"
    DISPENSE = "MedicationDispense"
    ADMINISTRATION = "MedicationAdministration"


class Timing(Struct, frozen=True, gc=False):
    """Timing.repeat and Timing.code.

    Attributes:
        frequency, period, period_unit: "frequency times per period period_unit".
        frequency_max, period_max: The upper ends, or None.
        days_of_week, times_of_day, when: Counts of the lists.
        bounds: Start and end of boundsPeriod, else None.
        bounds_days: Days of boundsDuration, or None.
        code: Timing.code ("BID") upper case, or its words.
        events: Number of Timing.event dates.
    """

    frequency: Decimal | None = None
    frequency_max: Decimal | None = None
    period: Decimal | None = None
    period_max: Decimal | None = None
    period_unit: str | None = None
    days_of_week: int = 0
    times_of_day: int = 0
    when: int = 0
    bounds_start: Span | None = None
    bounds_end: Span | None = None
    bounds_days: Decimal | None = None
    code: str | None = None
    events: int = 0


class Dosage(Struct, frozen=True, gc=False):
    """One dosage instruction. ``dose`` is doseQuantity or doseRange of the first doseAndRate (ordered before calculated)."""

    text: str | None
    as_needed: bool
    route: Concept | None
    dose: Quantity | QuantityRange | None
    rate: str | None
    timing: Timing | None
    sequence: int | None = None


class Medication(Struct, frozen=True, gc=False):
    """The drug named: its code, or its resolved Medication's code, ingredients and form.

    Attributes:
        code: CodeableConcept of the drug; display-only for an unresolved reference.
        ingredients: Concepts of Medication.ingredient.
        form: Words of Medication.form.
        resolved: False for a reference that could not be followed (DATA-33).
    """

    code: Concept
    ingredients: tuple[Concept, ...]
    form: Concept | None
    resolved: bool


class MedicationUse(Struct, frozen=True, gc=False):
    """One MedicationRequest, -Statement, -Dispense or -Administration.

    Attributes:
        period: effectivePeriod / effectiveDateTime / occurrence of statement and administration: (start, end), each may be None.
        authored: authoredOn (request), whenHandedOver or whenPrepared (dispense), dateAsserted (statement).
        supply_days: Days of supply, from dispense.daysSupply or dispenseRequest.expectedSupplyDuration, with repeats.
        validity: dispenseRequest.validityPeriod (start, end).
        quantity: Amount dispensed.
        status_reason, reason: Their concepts.
        identifiers: "system|value" of the record, and of what it is based on, to find the same order twice (DATA-36).
        based_on: References to the order (dispense.authorizingPrescription, administration.request, statement.basedOn).
        prior: priorPrescription reference.
    """

    origin: Origin
    kind: MedicationKind
    status: str | None
    intent: str | None
    do_not_perform: bool
    medication: Medication
    authored: Span | None
    start: Span | None
    end: Span | None
    dosages: tuple[Dosage, ...]
    supply_days: Decimal | None
    validity_end: Span | None
    quantity: Quantity | None
    categories: frozenset[str]
    status_reason: tuple[Concept, ...]
    reason: tuple[Concept, ...]
    notes: tuple[str, ...]
    identifiers: frozenset[str]
    based_on: tuple[str, ...]
    prior: str | None
    reported: bool
    unusable: str | None = None


@dataclass(frozen=True, slots=True)
class Procedure:
    """Something done: completed, in progress or stopped; what was not done is left out."""

    origin: Origin
    status: str | None
    code: Concept
    performed: Span | None
    notes: tuple[str, ...]
    unusable: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A DiagnosticReport or DocumentReference: what it is about, when, and its words.

    Attributes:
        text: Conclusion, coded conclusions' words, notes and decoded text/plain or text/html content; never the narrative div.
        conclusions: Coded conclusions.
        unread: Whether it holds content that is not read (PDF, image, external URL).
    """

    origin: Origin
    kind: str
    status: str | None
    code: Concept
    categories: tuple[Concept, ...]
    effective: Span | None
    issued: datetime | None
    text: str
    conclusions: tuple[Concept, ...]
    results: tuple[str, ...]
    unread: bool
    unusable: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """A Consent, or the consent-like content of another resource.

    Attributes:
        scope: Code of scope ("research").
        studies: Identifiers (without system), references, codes and words by which it may name a study: its identifier, source,
            policy, category, provision.data and provision.code; of a study on file its identifiers and title too.
        decision: "permit", "deny" or None (provision.type).
        performers: Who gave it: references and roles, lower case words such as "patient", "guardian", "parent", "mother".
        period_end: End of provision.period.
    """

    origin: Origin
    status: str | None
    scope: str | None
    categories: tuple[Concept, ...]
    dated: Span | None
    studies: tuple[str, ...]
    decision: str | None
    performers: tuple[str, ...]
    verified: bool | None
    period_end: Span | None
    unusable: str | None = None


@dataclass(frozen=True, slots=True)
class StudySubject:
    """A ResearchSubject: which study, in which state, with which consent."""

    origin: Origin
    status: str | None
    study: str | None
    study_identifiers: tuple[str, ...]
    consent: str | None
    start: Span | None
    end: Span | None


class Encounter(Struct, frozen=True, gc=False):
    """A visit or stay.

    Attributes:
        specialty: Words of its service, type, participants and provider.
    """

    origin: Origin
    status: str | None
    start: Span | None
    end: Span | None
    specialty: str | None


@dataclass(frozen=True, slots=True)
class QuestionnaireAnswer:
    """One answered item of a QuestionnaireResponse that may carry a score."""

    origin: Origin
    questionnaire: str | None
    link_id: str | None
    text: str | None
    code: Concept | None
    value: Value
    authored: Span | None
    status: str | None
    performed: bool


@dataclass(frozen=True, slots=True)
class Patient:
    """Patient.

    Attributes:
        gender: male, female, other, unknown or None.
        birth_sex: "male", "female", "unknown" or None, from the US Core birthsex or sex extension, or patient-birthSex.
        deceased: deceasedBoolean true, or a deceasedDateTime (its span in ``deceased_on``).
        active: Patient.active, None when absent.
        replaced_by: Reference of the record that replaces this one (link type replaced-by), or None.
        disagreements: Elements in which merged copies of the Patient differ: "birthDate", "sex" (VER-07).
        unusable: "modifier-extension": birth and sex are then left out, since they may mean something else (DATA-22).
        unread: Of "deceased" and "active", those that are there and cannot be read.
    """

    origin: Origin
    birth: Span | None
    gender: str | None
    birth_sex: str | None
    deceased: bool
    deceased_on: Span | None
    active: bool | None
    replaced_by: str | None
    disagreements: frozenset[str]
    unusable: str | None = None
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AbsenceStatement:
    """Somebody stated that there is nothing: an empty List or section, reason nilknown, or a "no known ..." code (DATA-38, R12).

    Attributes:
        about: "medication", "condition", "allergy", or None where neither code nor words tell.
        code: What is empty, or the "no known ..." concept itself.
    """

    origin: Origin
    about: str | None
    dated: Span | None
    code: Concept


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """Everything read of one patient. Own earlier results are left out and counted in ``own_results`` (VER-17)."""

    patient: Patient
    observations: tuple[Observation, ...] = ()
    conditions: tuple[Condition, ...] = ()
    medications: tuple[MedicationUse, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    reports: tuple[Report, ...] = ()
    consents: tuple[Consent, ...] = ()
    subjects: tuple[StudySubject, ...] = ()
    encounters: tuple[Encounter, ...] = ()
    answers: tuple[QuestionnaireAnswer, ...] = ()
    absences: tuple[AbsenceStatement, ...] = ()
    own_results: int = 0
    states: Mapping[str, LoadState] = field(default_factory=dict)
    default_state: LoadState = LoadState.NO_CLAIM
    complete: bool = False
    issues: tuple[Issue, ...] = ()

    def state(self, resource_type: str) -> LoadState:
        return self.states.get(resource_type, self.default_state)
