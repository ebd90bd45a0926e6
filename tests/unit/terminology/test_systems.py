"""Code systems as records spell them (R34)."""

from __future__ import annotations

import pytest

from fhir_trial.terminology import Coding, Concept, coding, normalise_system

# as sent                                        read as
TABLE = """
   http://loinc.org                              http://loinc.org
   http://loinc.org/                             http://loinc.org
   urn:oid:2.16.840.1.113883.6.1                 http://loinc.org
   2.16.840.1.113883.6.96                        http://snomed.info/sct
   urn:oid:2.16.840.1.113883.6.88                http://www.nlm.nih.gov/research/umls/rxnorm
   urn:oid:2.16.840.1.113883.6.73                http://www.whocc.no/atc
   urn:oid:2.16.840.1.113883.6.90                http://hl7.org/fhir/sid/icd-10-cm
   urn:oid:2.16.840.1.113883.6.103               http://hl7.org/fhir/sid/icd-9-cm
   http://loinc.com                              http://loinc.com
   https://loinc.org                             https://loinc.org
   LOINC                                         LOINC
"""


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_a_system_is_read_by_its_uri_or_oid_and_never_guessed(line: str) -> None:
    sent, read = line.split()

    assert normalise_system(sent) == read


@pytest.mark.parametrize("sent", [" http://loinc.org", "http://loinc.org ", "http:// loinc.org", "http://loinc.org\t"])
def test_blanks_inside_a_system_are_dropped_r34(sent: str) -> None:
    assert normalise_system(sent) == "http://loinc.org"


def test_only_loinc_snomed_and_rxnorm_forbid_reading_the_words_r34() -> None:
    claiming = Concept((coding("http://loinc.org", "99999-9"),), "haemoglobin")
    local = Concept((Coding("http://ehr.example.invalid/codes", "HB"),), "haemoglobin")

    assert claiming.claims_a_standard()
    assert not local.claims_a_standard()


@pytest.mark.parametrize("system", ["http://loinc.com", "https://loinc.org", "LOINC", "http://snomed.info", "RxNorm"])
def test_a_misspelt_standard_is_not_recognised_and_still_forbids_reading_the_words_r34(system: str) -> None:
    misspelt = Concept((coding(system, "718-7", "Hemoglobin"),), "haemoglobin")

    assert misspelt.codings[0].system == system
    assert misspelt.claims_a_standard()


def test_a_concept_says_its_text_before_its_displays() -> None:
    concept = Concept((Coding("", "1", "second"), Coding("", "2")), "first")

    assert list(concept.texts()) == ["first", "second"]
