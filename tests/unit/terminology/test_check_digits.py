"""Check digits of LOINC (mod 10) and SNOMED CT (Verhoeff)."""

from __future__ import annotations

import pytest

from fhir_trial.terminology.check_digits import loinc_check_digit_is_right, snomed_check_digit_is_right


@pytest.mark.parametrize("code", ["718-7", "2160-0", "98979-8", "3150-0", "102097-3", "6690-2"])
def test_known_loinc_codes_are_right(code: str) -> None:
    assert loinc_check_digit_is_right(code)


@pytest.mark.parametrize("code", ["718-8", "2160-1", "178-7", "3150-", "718", "", "718-77", "abc-1"])
def test_a_mistyped_loinc_code_is_noticed(code: str) -> None:
    assert not loinc_check_digit_is_right(code)


@pytest.mark.parametrize("code", ["55464009", "26643006", "308751000119106", "22298006", "404684003"])
def test_known_snomed_codes_are_right(code: str) -> None:
    assert snomed_check_digit_is_right(code)


@pytest.mark.parametrize("code", ["55464008", "54564009", "26643060", "12345", "", "5546400x", "1" * 19])
def test_a_mistyped_snomed_code_is_noticed(code: str) -> None:
    assert not snomed_check_digit_is_right(code)
