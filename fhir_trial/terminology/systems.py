"""The URIs by which FHIR names code systems, and the other ways records spell them.

Source: FHIR R4, "Using Codes", external code systems; THO for the object identifiers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC: Final = "http://www.whocc.no/atc"
ICD10CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
ICD10PCS: Final = "http://www.cms.gov/Medicare/Coding/ICD10"
ICD9CM: Final = "http://hl7.org/fhir/sid/icd-9-cm"
CPT: Final = "http://www.ama-assn.org/go/cpt"
NDC: Final = "http://hl7.org/fhir/sid/ndc"
UCUM: Final = "http://unitsofmeasure.org"
INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
V2_ABNORMAL_FLAGS: Final = "http://terminology.hl7.org/CodeSystem/v2-0078"
ROUTE: Final = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"
TIMING: Final = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
STATUS_REASON: Final = "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason"
ABSENT_UNKNOWN: Final = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"

_STANDARD_WORDS: Final = ("loinc", "snomed", "rxnorm")
ICD_SYSTEMS: Final = frozenset({ICD10CM, ICD10, ICD10PCS, ICD9CM})

_ALIASES: Final = {
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
    "http://www.whocc.no/atc_ddd_index": ATC,
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.3": ICD10,
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": ICD10,  # Germany's extends WHO's, as China's does
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": ICD10,
    "http://fhir.de/CodeSystem/bfarm/atc": ATC,
    "urn:oid:2.16.840.1.113883.6.4": ICD10PCS,
    "http://hl7.org/fhir/sid/icd-10-pcs": ICD10PCS,
    "urn:oid:2.16.840.1.113883.6.103": ICD9CM,
    "urn:oid:2.16.840.1.113883.6.42": ICD9CM,
    "http://terminology.hl7.org/CodeSystem/icd9cm": ICD9CM,
    "http://hl7.org/fhir/sid/icd-9": ICD9CM,
    "urn:oid:2.16.840.1.113883.6.12": CPT,
    "urn:oid:2.16.840.1.113883.6.69": NDC,
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
    "urn:oid:2.16.840.1.113883.5.83": INTERPRETATION,
    "http://hl7.org/fhir/v3/ObservationInterpretation": INTERPRETATION,
    "http://hl7.org/fhir/v2/0078": V2_ABNORMAL_FLAGS,
    "urn:oid:2.16.840.1.113883.12.78": V2_ABNORMAL_FLAGS,
    "http://hl7.org/fhir/v3/RouteOfAdministration": ROUTE,
    "urn:oid:2.16.840.1.113883.5.112": ROUTE,
    "http://hl7.org/fhir/v3/GTSAbbreviation": TIMING,
    "urn:oid:2.16.840.1.113883.5.1022": TIMING,
}


@lru_cache(maxsize=4096)
def normalise_system(raw: str) -> str:
    """The system's FHIR URI: blanks inside dropped, OIDs resolved, no slash at the end.

    Nothing else is repaired: a system misspelt otherwise stays as it is and is not recognised (R34).
    """
    squeezed = "".join(raw.split()).rstrip("/")
    bare = squeezed.removeprefix("urn:oid:")
    if bare and bare[0].isdigit() and f"urn:oid:{bare}" in _ALIASES:
        return _ALIASES[f"urn:oid:{bare}"]
    return _ALIASES.get(squeezed, squeezed)


@lru_cache(maxsize=4096)
def claims_a_standard(system: str) -> bool:
    """Whether a system says it is LOINC, SNOMED CT or RxNorm: a misspelt one claims it too, though it is not recognised (R34)."""
    folded = system.casefold()
    return any(word in folded for word in _STANDARD_WORDS)
