"""The URLs by which FHIR names the extensions and small code systems that tell a reader how to take an element.

Source: FHIR R4 extensibility registry, THO, US Core, IPS.
"""

from __future__ import annotations

from typing import Final

DATA_ABSENT_REASON: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
CONDITION_ASSERTED_DATE: Final = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
US_CORE_BIRTH_SEX: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
US_CORE_SEX: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex"
PATIENT_BIRTH_SEX: Final = "http://hl7.org/fhir/StructureDefinition/patient-birthSex"

#: Systems whose every code means "there is no value" (DATA-25).
NO_VALUE_SYSTEMS: Final = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/data-absent-reason",
        "http://hl7.org/fhir/data-absent-reason",
        "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
        "http://hl7.org/fhir/v3/NullFlavor",
        "urn:oid:2.16.840.1.113883.5.1008",
    }
)
