"""Units of laboratory data: every row of the trap table, exactly (DATA-61, R8, R9)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fhir_trial.terminology import Terminology
from fhir_trial.terminology.units import between, convert, factor, tidy

# analyte | value and unit as written | value in the canonical unit ("-": no such number)
TRAPS = """
alc                | 0.5 10*3/uL              | 0.5
alc                | 0.5 10*9/L               | 0.5
alc                | 0.5 10^3/uL              | 0.5
alc                | 0.5 10^9/L               | 0.5
alc                | 0.5 K/uL                 | 0.5
anc                | 0.5 G/L                  | 0.5
anc                | 0.5 G/l                  | 0.5
anc                | 0.5 g/L                  | -
platelets          | 75 K/mcL                 | 75
platelets          | 75 thou/uL               | 75
platelets          | 75 x10E3/uL              | 75
platelets          | 75 x10(9)/L              | 75
platelets          | 75 10e9/L                | 75
platelets          | 75000 cells/uL           | 75
platelets          | 75 Thousand/uL           | 75
platelets          | 75 ×10^9/L               | 75
platelets          | 75 × 10⁹ / L             | 75
platelets          | 75 10³/µL                | 75
platelets          | 75 THOUSAND/UL           | 75
alc                | 500 /uL                  | 0.5
alc                | 1500 /mm3                | 1.5
alc                | 500 {cells}/uL           | 0.5
alc                | 500 cells/mm3            | 0.5
alc                | 500 10*6/L               | 0.5
alc                | 500 个/μL                | 0.5
alc                | 0.5 10*12/L              | 500
cd19               | 25 10*6/L                | 25
cd19               | 25 cells/uL              | 25
cd19               | 25 /uL                   | 25
cd19               | 0.12 10*9/L              | 120
cd19               | 0.12 K/uL                | 120
hemoglobin         | 0.1 K/uL                 | -
hemoglobin         | 8 g/dL                   | 80
hemoglobin         | 8.0 G/DL                 | 80
hemoglobin         | 80 g/L                   | 80
hemoglobin         | 5 mmol/L                 | 80.57
hemoglobin         | 8 Mg/dL                  | -
hemoglobin         | 0.08 kg/L                | 80
ast                | 120 U/L                  | 120
ast                | 120 IU/L                 | 120
alt                | 120 [IU]/L               | 120
ast                | 2 ukat/L                 | 120
ast                | 2000 nkat/L              | 120
ast                | 40 mg/L                  | -
creatinine         | 88.4 umol/L              | 1
creatinine         | 88.4 µmol/L              | 1
creatinine         | 88.4 μmol/L              | 1
creatinine         | 1 mg/dL                  | 1
creatinine         | 0.0884 mmol/L            | 1
bilirubin_total    | 1 mg/dL                  | 17.104
bilirubin_total    | 17 umol/L                | 17
egfr               | 30 mL/min/{1.73_m2}      | 30
egfr               | 30 mL/min/{1.73m2}       | 30
egfr               | 30 mL/min/1.73.m2        | 30
egfr               | 30 mL/min/1.73m2         | 30
egfr               | 30 mL/min/1.73 m²        | 30
egfr               | 30 mL/(min·1.73m²)       | 30
egfr               | 30 mL/min/1.73 m*2       | 30
egfr               | 30 mL/min per 1.73 m2    | 30
egfr               | 30 ML/MIN/1.73M2         | 30
egfr               | 30 ML/min                | -
egfr               | 30 mL/min                | -
egfr               | 30 L/h                   | -
ana_titer          | 160 {titer}              | 160
anti_dsdna_qn      | 30 IU/mL                 | 30
anti_dsdna_qn      | 30 [iU]/mL               | 30
anti_dsdna_qn      | 30 k[IU]/L               | 30
anti_dsdna_qn      | 30 U/mL                  | -
anti_dsdna_qn      | 30 ug/mL                 | -
hcg_serum          | 5 m[IU]/mL               | 5
hcg_serum          | 5 ng/mL                  | -
hcg_urine          | 5 [IU]/L                 | 5
spo2               | 97 % sat                 | 97
lvef               | 55 %                     | 55
spo2               | 60 mm[Hg]                | -
spo2               | 12 kPa                   | -
c3                 | 90 mg/dL                 | 0.9
crp                | 1 mg/dL                  | 10
cystatin_c         | 1.3 ug/mL                | 1.3
upcr               | 0.5 mg/mg                | 500
upcr               | 500 mg/g{creat}          | 500
upcr               | 100 mg/mmol              | 884
urine_protein_24h  | 500 mg/(24.h)            | 0.5
urine_protein_24h  | 0.5 g/(24.h)             | 0.5
urine_protein_24h  | 0.5 g/d                  | 0.5
urine_protein_24h  | 500 mg/{24_h}            | 0.5
urine_protein_24h  | 500 mg                   | -
urine_rbc          | 6 /HPF                   | 6
urine_rbc          | 6 /uL                    | -
weight             | 100 [lb_av]              | 45.359237
height             | 60 [in_i]                | 152.4
height             | 1.5 m                    | 150
temperature        | 100.4 [degF]             | 38
temperature        | 38.0 Cel                 | 38
ecg                | 0.44 s                   | 440
igg                | 700 mg/dL                | 7
hemoglobin         | 8 potatoes               | -
hemoglobin         | 8 mol/L/s                | -
"""


@pytest.mark.parametrize("line", TRAPS.strip().splitlines())
def test_a_value_as_written_becomes_exactly_this_in_the_canonical_unit(terminology: Terminology, line: str) -> None:
    analyte, written, expected = (cell.strip() for cell in line.split("|"))
    value, unit = written.split(" ", 1)

    converted = convert(Fraction(value), unit, terminology.laboratory(analyte))

    assert converted == (None if expected == "-" else Fraction(expected))


def test_thousands_and_giga_are_the_same_number_to_the_last_digit(terminology: Terminology) -> None:
    """In binary floating point 1 10*3/uL is 0.9999999999999999 10*9/L, and a value at the limit would be rejected."""
    definition = terminology.laboratory("alc")

    assert factor("10*3/uL", definition) == factor("10*9/L", definition) == 1


def test_ucum_answers_exactly_for_units_no_table_knows(terminology: Terminology) -> None:
    assert factor("10*12/L", terminology.laboratory("wbc")) == 1000
    assert factor("dg/dL", terminology.laboratory("hemoglobin")) == 1
    assert factor("km", terminology.laboratory("height")) == 100_000


def test_fahrenheit_is_no_mere_factor(terminology: Terminology) -> None:
    assert factor("[degF]", terminology.laboratory("temperature")) is None


@pytest.mark.parametrize("analyte", ["hemoglobin", "creatinine", "platelets", "c3"])
def test_arbitrary_units_never_become_mass_or_count(terminology: Terminology, analyte: str) -> None:
    assert factor("[IU]/mL", terminology.laboratory(analyte)) is None


#  value's unit   range's unit   factor
SAME = """
   U/mL           U/mL           1
   RU/ml          RU/mL          1
   IU/mL          k[IU]/L        1
   U/mL           IU/mL          -
   [IU]/mL        [IU]/L         1000
"""


@pytest.mark.parametrize("line", SAME.strip().splitlines())
def test_an_antibody_meets_only_a_range_in_its_own_unit(terminology: Terminology, line: str) -> None:
    unit, other, expected = line.split()

    ratio = between(unit, other, terminology.laboratory("anti_dsdna_qn"))

    assert ratio == (None if expected == "-" else Fraction(expected))


def test_a_range_in_another_unit_of_the_analyte_is_converted(terminology: Terminology) -> None:
    assert between("g/dL", "g/L", terminology.laboratory("hemoglobin")) == 10


def test_a_unit_is_tidied_without_losing_its_power_of_ten() -> None:
    assert tidy("× 10⁹ / L") == "x10^9/L"
    assert tidy("µmol／L") == "umol/L"


#  analyte     inside        outside
PLAUSIBLE = """
   alc         0      200    200.1
   cd19        0      5000   5001
   hemoglobin  20     250    19.9
   lvef        5      90     91
   creatinine  0.1    25     25.1
   bilirubin_total 1  1000   0.9
   spo2        40     100    101
   c3          0.02   4      4.1
"""


@pytest.mark.parametrize("line", PLAUSIBLE.strip().splitlines())
def test_the_ends_of_the_plausible_range_belong_to_it_r8(terminology: Terminology, line: str) -> None:
    analyte, low, high, outside = line.split()
    definition = terminology.laboratory(analyte)

    assert definition.is_plausible(Fraction(low))
    assert definition.is_plausible(Fraction(high))
    assert not definition.is_plausible(Fraction(outside))
