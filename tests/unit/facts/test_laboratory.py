"""Observations become results: values, units, flags, codes. DATA-57 to DATA-66, R7 to R9, R34."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_trial.criteria.lab_words import in_numbers
from fhir_trial.facts.laboratory import LabResult, is_valid, results_until
from fhir_trial.facts.values import other_readings
from tests.unit.criteria.stories import LOINC, TODAY, case_of, lab, named, shipped

Json = dict[str, Any]


def results(analyte: str, *resources: Json) -> tuple[LabResult, ...]:
    return case_of(*resources).facts.results(analyte)


def only(analyte: str, *resources: Json) -> LabResult:
    (result,) = results(analyte, *resources)
    return result


# analyte | code | value | unit | in the analyte's unit
UNITS = """
alc             | 731-0   | 0.5   | 10*9/L          | 0.5 10*9/L
alc             | 731-0   | 0.5   | 10*3/uL         | 0.5 10*9/L
alc             | 731-0   | 0.5   | 10^3/uL         | 0.5 10*9/L
alc             | 731-0   | 0.5   | 10^9/L          | 0.5 10*9/L
alc             | 731-0   | 0.5   | K/uL            | 0.5 10*9/L
alc             | 731-0   | 0.5   | G/L             | 0.5 10*9/L
alc             | 731-0   | 0.5   | x10E3/uL        | 0.5 10*9/L
alc             | 731-0   | 500   | /uL             | 0.5 10*9/L
alc             | 731-0   | 500   | /mm3            | 0.5 10*9/L
alc             | 731-0   | 500   | cells/uL        | 0.5 10*9/L
alc             | 731-0   | 500   | 10*6/L          | 0.5 10*9/L
anc             | 751-8   | 1500  | {cells}/uL      | 1.5 10*9/L
cd19            | 8116-6  | 25    | /uL             | 25 /uL
cd19            | 8116-6  | 25    | 10*6/L          | 25 /uL
cd19            | 8116-6  | 0.025 | 10*9/L          | 25 /uL
cd19            | 8116-6  | 0.025 | 10*3/uL         | 25 /uL
platelets       | 777-3   | 75    | K/uL            | 75 10*9/L
platelets       | 777-3   | 75000 | /mm3            | 75 10*9/L
platelets       | 777-3   | 2000  | K/uL            | 2000 10*9/L
hemoglobin      | 718-7   | 8.0   | g/dL            | 80 g/L
hemoglobin      | 718-7   | 80    | g/L             | 80 g/L
hemoglobin      | 59260-0 | 5     | mmol/L          | 80.57 g/L
ast             | 1920-8  | 40    | U/L             | 40 U/L
ast             | 1920-8  | 40    | [IU]/L          | 40 U/L
ast             | 1920-8  | 40    | IU/L            | 40 U/L
ast             | 1920-8  | 1     | ukat/L          | 60 U/L
alt             | 1742-6  | 1000  | nkat/L          | 60 U/L
bilirubin_total | 1975-2  | 1     | mg/dL           | 17.104 umol/L
bilirubin_total | 14631-6 | 17    | umol/L          | 17 umol/L
lvef            | 10230-1 | 55    | %               | 55 %
lvef            | 10230-1 | 0.55  | 1               | 55 %
lvef            | 10230-1 | 0.55  | -               | 55 %
lvef            | 10230-1 | 55    | -               | 55 %
spo2            | 59408-5 | 97    | %               | 97 %
spo2            | 2708-6  | 0.97  | 1               | 97 %
spo2            | 2708-6  | 0.97  | -               | 97 %
spo2            | 2708-6  | 97    | -               | 97 %
spo2            | 2708-6  | 1     | -               | 100 %
temperature     | 8310-5  | 100.4 | [degF]          | 38 Cel
ana_titer       | 5048-4  | 160   | {titer}         | 160
ana_titer       | 5048-4  | 160   | -               | 160
ana_units       | 5047-6  | 30    | [IU]/mL         | 30 [IU]/mL
anti_dsdna_qn   | 5130-0  | 30    | IU/mL           | 30 IU/mL
anti_dsdna_qn   | 5130-0  | 1     | {index}         | 1 {index}
"""


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("analyte", "code", "value", "unit", "expected"), _rows(UNITS))
def test_every_unit_becomes_the_analytes_own_exactly(analyte: str, code: str, value: str, unit: str, expected: str) -> None:
    result = only(analyte, lab(code, Decimal(value), None if unit == "-" else unit, 3))

    assert result.problem is None
    assert result.possible is not None
    assert f"{in_numbers(result.possible)} {result.unit}".strip() == expected


# code | value | unit | what is wrong
PROBLEMS = """
731-0   | 0.5   | -       | unit-missing
731-0   | 0.5   | g/L     | unit-not-understood
731-0   | 1500  | 10*9/L  | implausible
718-7   | 8.2   | g/L     | implausible
718-7   | 82    | g/dL    | implausible
777-3   | 150000 | K/uL   | implausible
777-3   | 2001  | K/uL    | implausible
10230-1 | 0.6   | %       | implausible
10230-1 | 55    | 1       | implausible
2708-6  | 97    | mm[Hg]  | unit-not-understood
1975-2  | 300   | mg/dL   | implausible
5048-4  | 160   | [IU]/mL | unit-not-understood
5048-4  | 0.0125 | {titer} | implausible
8116-6  | 25    | -       | unit-missing
"""


@pytest.mark.parametrize(("code", "value", "unit", "problem"), _rows(PROBLEMS))
def test_unreadable_or_implausible_number_is_never_repaired(code: str, value: str, unit: str, problem: str) -> None:
    """R8, R9."""
    found = case_of(lab(code, Decimal(value), None if unit == "-" else unit, 3)).facts
    analyte = {"731-0": "alc", "718-7": "hemoglobin", "777-3": "platelets", "10230-1": "lvef", "2708-6": "spo2"} | {
        "1975-2": "bilirubin_total",
        "5048-4": "ana_titer",
        "8116-6": "cd19",
    }

    (result,) = found.results(analyte[code])

    assert result.problem == problem
    assert is_valid(result) is (problem == "implausible")


# code | valueString | what it can be
STRINGS = """
alc     | 731-0   | 0.5 10*9/L    | 0.5 10*9/L
alc     | 731-0   | <0.5 10*9/L   | < 0.5 10*9/L
alc     | 731-0   | ≤ 0.5 10^9/L  | <= 0.5 10*9/L
alc     | 731-0   | ~0.5 10*9/L   | about 0.5 10*9/L
alc     | 731-0   | 500/uL        | 0.5 10*9/L
alc     | 731-0   | 0.5 - 0.7 10*9/L | 0.5 to 0.7 10*9/L
alc     | 731-0   | 0.5           | unit-missing
alc     | 731-0   | 0,5 10*9/L    | text
alc     | 731-0   | about half    | text
alc     | 731-0   | 0.5 of normal | unit-not-understood
alc     | 731-0   | 1:160         | unit-not-understood
lvef    | 10230-1 | 55-60 %       | 55 to 60 %
lvef    | 10230-1 | 55 % - 60 %   | 55 to 60 %
lvef    | 10230-1 | 55–60%        | 55 to 60 %
lvef    | 10230-1 | 60-55 %       | text
lvef    | 10230-1 | 55-55 %       | 55 %
lvef    | 10230-1 | ≥50 %         | >= 50 %
lvef    | 10230-1 | >=50%         | >= 50 %
lvef    | 10230-1 | 0.6           | 60 %
lvef    | 10230-1 | <0.5          | < 50 %
lvef    | 10230-1 | 55-60         | 55 to 60 %
lvef    | 10230-1 | normal        | text
egfr    | 98979-8 | >60           | > 60 mL/min/{1.73_m2}
egfr    | 98979-8 | &gt;90        | > 90 mL/min/{1.73_m2}
egfr    | 98979-8 | 60            | unit-missing
ana_titer | 5048-4 | 1:160 homogeneous | 160
ana_presence | 8061-4 | Positive 1:160 | 160
anti_dsdna_qn | 5130-0 | > 400 IU/mL | > 400 IU/mL
anti_dsdna_qn | 5130-0 | <10        | < 10
anti_dsdna_qn | 5130-0 | 1:80       | 80
"""


@pytest.mark.parametrize(("analyte", "code", "text", "expected"), _rows(STRINGS))
def test_numbers_in_words_are_read_strictly_or_not_at_all(analyte: str, code: str, text: str, expected: str) -> None:
    """R34, DATA-58."""
    result = only(analyte, lab(code, {"valueString": text}, None, 3))

    if result.problem is None:
        assert result.possible is not None
        assert f"{in_numbers(result.possible)} {result.unit}".strip() == expected
    else:
        assert result.problem == expected


def value(**more: Any) -> Json:
    return more


OTHER_VALUES: list[tuple[str, str, Json, str | None, str | None, str | None]] = [
    # Each: analyte, code, value, number, finding, problem.
    ("ana_titer", "5048-4", value(valueInteger=160), "160", None, None),
    ("ana_titer", "5048-4", value(valueRatio={"numerator": {"value": 1}, "denominator": {"value": 160}}), "160", None, None),
    ("ana_titer", "5048-4", value(valueRatio={"numerator": {"value": 1}}), None, None, "text"),
    ("alc", "731-0", value(valueRatio={"numerator": {"value": 1}, "denominator": {"value": 160}}), None, None, "text"),
    ("ana_titer", "5048-4", value(valueCodeableConcept={"text": "1:320 speckled"}), "320", None, None),
    ("ana_titer", "5048-4", value(valueCodeableConcept={"text": "1:320", "coding": [{"code": "x"}]}), "320", None, None),
    ("ana_presence", "8061-4", value(valueBoolean=True), None, "positive", None),
    ("ana_presence", "8061-4", value(valueBoolean=False), None, "negative", None),
    ("alc", "731-0", value(valueBoolean=True), None, None, "text"),
    (
        "ana_presence",
        "8061-4",
        value(valueCodeableConcept={"coding": [{"system": "http://snomed.info/sct", "code": "10828004"}]}),
        None,
        "positive",
        None,
    ),
    ("ana_presence", "8061-4", value(valueCodeableConcept={"text": "Positive"}), None, "positive", None),
    ("ana_presence", "8061-4", value(valueCodeableConcept={"text": "see comment"}), None, None, "text"),
    (
        "ana_presence",
        "8061-4",
        value(valueCodeableConcept={"coding": [{"system": "urn:local", "code": "77"}]}),
        None,
        None,
        "text",
    ),
    ("ana_presence", "8061-4", value(valueString="2+"), None, "positive", None),
    ("ana_presence", "8061-4", value(valueInteger=3), "3", None, None),
    ("ana_presence", "8061-4", value(valueString="弱阳性"), None, "weak", None),
    ("anti_dsdna_qn", "5130-0", value(valueQuantity={"value": 160, "unit": "{titer}"}), "160", None, None),
    (
        "lvef",
        "10230-1",
        value(valueRange={"low": {"value": 55, "unit": "%"}, "high": {"value": 60, "unit": "%"}}),
        "55 to 60",
        None,
        None,
    ),
    ("lvef", "10230-1", value(valueRange={"low": {"value": 55, "unit": "%"}}), ">= 55", None, None),
    ("lvef", "10230-1", value(valueRange={"high": {"value": 50, "unit": "%"}}), "<= 50", None, None),
    (
        "lvef",
        "10230-1",
        value(valueRange={"low": {"value": 55, "unit": "%"}, "high": {"value": 60, "unit": "1"}}),
        None,
        None,
        "text",
    ),
    ("lvef", "10230-1", value(valueRange={}), None, None, "text"),
    ("alc", "731-0", value(valueQuantity={"value": "0.5", "unit": "10*9/L"}), None, None, "not-a-number"),
    ("alc", "731-0", value(valueQuantity={"value": 1, "comparator": "ad", "unit": "10*9/L"}), None, None, "text"),
    ("alc", "731-0", value(valueTime="10:00:00"), None, None, "text"),
    ("alc", "731-0", value(dataAbsentReason={"coding": [{"code": "error"}]}), None, None, "no-value"),
]


@pytest.mark.parametrize(("analyte", "code", "told", "number", "finding", "problem"), OTHER_VALUES)
def test_every_kind_of_value_is_read_or_named_unreadable(
    analyte: str, code: str, told: Json, number: str | None, finding: str | None, problem: str | None
) -> None:
    result = only(analyte, lab(code, told, None, 3))

    assert (None if result.possible is None else in_numbers(result.possible)) == number
    assert result.finding == finding
    assert result.problem == problem


def test_preliminary_modified_and_undated_results_are_kept_with_the_word_for_it() -> None:
    modified = {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    found = results(
        "alc",
        lab("731-0", 1, "10*9/L", 3, status="preliminary"),
        lab("731-0", 1, "10*9/L", 2, **modified),
        {key: value for key, value in lab("731-0", 1, "10*9/L", 1).items() if key != "effectiveDateTime"},
    )

    assert sorted(result.problem or "" for result in found) == ["modifier", "no-date", "not-final"]
    assert not any(is_valid(result) for result in found)


def test_result_of_the_future_is_on_file_and_never_evidence() -> None:
    """R44."""
    found = results("alc", lab("731-0", 1, "10*9/L", -1), lab("731-0", 1, "10*9/L", 0))

    assert len(found) == 2
    assert len(results_until(found, TODAY)) == 1


def test_known_wrong_code_spoils_a_general_one_beside_it() -> None:
    """A saturation post exercise also carries the code of the vital-signs profile."""
    both = {"code": {"coding": [{"system": LOINC, "code": "2708-6"}, {"system": LOINC, "code": "59412-7"}]}}

    result = only("spo2", lab("2708-6", 88, "%", 3) | both)

    assert result.problem == "rejected"
    assert not is_valid(result)


def test_context_and_proxy_codes_measure_something_else() -> None:
    (flow,) = results("spo2", lab("3151-8", 2, "L/min", 3))
    (cd20,) = results("cd19", lab("9558-8", 100, "/uL", 3))

    assert (flow.role, flow.part, flow.speaks) == ("context", "flow", False)
    assert (cd20.role, cd20.part, is_valid(cd20)) == ("proxy", "cd20", False)


# value | analyte found by the name "ANA"
FAMILY: list[tuple[Json, str]] = [
    ({"valueString": "1:160"}, "ana_titer"),
    ({"valueString": "Positive"}, "ana_presence"),
    ({"valueQuantity": {"value": 30, "unit": "U/mL"}}, "ana_units"),
    ({"valueQuantity": {"value": 160, "unit": "{titer}"}}, "ana_titer"),
    ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 80}}}, "ana_titer"),
]


@pytest.mark.parametrize(("told", "analyte"), FAMILY)
def test_antibody_known_by_name_is_told_apart_by_its_value(told: Json, analyte: str) -> None:
    assert only(analyte, named("ANA", told, 3)).role == "text"


def test_analyte_known_by_its_chinese_name_is_found() -> None:
    assert only("hemoglobin", named("血红蛋白", {"valueQuantity": {"value": 80, "unit": "g/L"}}, 3)).usable


def test_observation_of_nothing_we_know_gives_no_result() -> None:
    assert not case_of(named("Shoe size", {"valueInteger": 41}, 3)).facts.results("alc")


def flags(*words: str) -> Json:
    return {
        "interpretation": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": word}]}
            for word in words
        ]
    }


# flags | meaning
FLAGS = """
H      | above
HH     | above
L      | below
N      | within
A      | abnormal
A L    | below
A H    | above
POS    | positive
POS WR | weak
NEG    | negative
ND     | negative
E      | indeterminate
IND    | indeterminate
N POS  | indeterminate
NEG H  | indeterminate
S      | -
"""


@pytest.mark.parametrize(("codes", "expected"), _rows(FLAGS))
def test_flags_mean_one_thing_and_contradictory_ones_are_doubtful(codes: str, expected: str) -> None:
    """Clinical units, section 4."""
    result = only("anti_dsdna_qn", lab("5130-0", 30, "IU/mL", 3, **flags(*codes.split())))

    assert (result.flag or "-") == expected


# code | value | unit | what it could be
READINGS = """
718-7   | 8.2    | g/L    | 8.2 g/dL = 82 g/L, 8.2 mmol/L = 132.135 g/L
718-7   | 82     | g/dL   | 82 g/L
731-0   | 1500   | 10*9/L | 1500 /uL = 1.5 10*9/L
10230-1 | 0.6    | %      | 0.6 as a fraction = 60 %
5048-4  | 0.0125 | {titer} | 1:80
777-3   | 99999999 | K/uL | -
"""


@pytest.mark.parametrize(("code", "number", "unit", "expected"), _rows(READINGS))
def test_other_reading_of_an_implausible_number_is_shown(code: str, number: str, unit: str, expected: str) -> None:
    """R8."""
    case = case_of(lab(code, Decimal(number), unit, 3))
    analytes = ("hemoglobin", "alc", "lvef", "ana_titer", "platelets")
    (result,) = [one for analyte in analytes for one in case.facts.results(analyte)]

    readings = other_readings(result.observation.value, shipped().laboratory(result.analyte))

    assert (", ".join(readings) or "-") == expected


def test_value_that_is_no_number_has_no_other_reading() -> None:
    definition = shipped().laboratory("hemoglobin")
    unitless = only("hemoglobin", lab("718-7", 82, None, 3)).observation.value

    assert other_readings("high", definition) == ()
    assert other_readings(unitless, definition) == ("82 g/L",)
    assert other_readings(only("hemoglobin", lab("718-7", 82, "furlong", 3)).observation.value, definition) == ("82 g/L",)
