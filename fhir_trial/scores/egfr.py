"""Estimated glomerular filtration rate, mL/min/1.73 m2, from creatinine or cystatin C.

Sources: CKD-EPI 2021, Inker, N Engl J Med 2021;385:1737. Bedside Schwartz, J Am Soc Nephrol 2009;20:629. CKiD U25, Pierce, Kidney
Int 2021;99:948. Vectors: mappings/sources/egfr_vectors.csv. CKD-EPI 2009 and MDRD are recognised by their codes, never computed.

Powers have no exact decimal: they are worked out to 40 digits, far beyond any limit's, and never rounded before a comparison.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Final

from fhir_trial.facts.person import Sex
from fhir_trial.quantities import Number

_DIGITS: Final = Context(prec=40)


def ckd_epi_2021(creatinine: Number, age: Number, sex: Sex) -> Decimal:
    """From 18 years on.

    Args:
        creatinine: mg/dL, above zero.
        age: Completed years.
        sex: As fitted.
    """
    female = sex is Sex.FEMALE
    with localcontext(_DIGITS):
        kappa, alpha = (Decimal("0.7"), Decimal("-0.241")) if female else (Decimal("0.9"), Decimal("-0.302"))
        ratio = _decimal(creatinine) / kappa
        below = min(ratio, Decimal(1)) ** alpha
        above = max(ratio, Decimal(1)) ** Decimal("-1.200")
        rate = Decimal(142) * below * above * Decimal("0.9938") ** _decimal(age)
        return rate * Decimal("1.012") if female else rate


def schwartz_bedside(creatinine: Number, height: Number) -> Decimal:
    """For 1 to 17 years: creatinine in mg/dL, height in cm."""
    with localcontext(_DIGITS):
        return Decimal("0.413") * _decimal(height) / _decimal(creatinine)


def u25_creatinine(creatinine: Number, height: Number, age: Number, sex: Sex) -> Decimal:
    """CKiD U25 for 1 to 25 years.

    Args:
        creatinine: mg/dL, above zero.
        height: cm.
        age: Years with decimals.
        sex: As fitted.
    """
    with localcontext(_DIGITS):
        years = _decimal(age)
        if sex is Sex.MALE:
            k = _steps(years, (12, "39.0", "1.008", 12), (18, "39.0", "1.045", 12), "50.8")
        else:
            k = _steps(years, (12, "36.1", "1.008", 12), (18, "36.1", "1.023", 12), "41.4")
        return k * (_decimal(height) / 100) / _decimal(creatinine)


def u25_cystatin(cystatin: Number, age: Number, sex: Sex) -> Decimal:
    """CKiD U25 for 1 to 25 years: cystatin C in mg/L (IFCC), age in years with decimals."""
    with localcontext(_DIGITS):
        years = _decimal(age)
        if sex is Sex.MALE:
            k = _steps(years, (15, "87.2", "1.011", 15), (18, "87.2", "0.960", 15), "77.1")
        else:
            k = _steps(years, (12, "79.9", "1.004", 12), (18, "79.9", "0.974", 12), "68.3")
        return k / _decimal(cystatin)


#: Below this age, at first, factor ** (age - start).
_Step = tuple[int, str, str, int]


def _steps(age: Decimal, first: _Step, second: _Step, afterwards: str) -> Decimal:
    """K of the U25 equations: two growth curves, then a constant."""
    for below, at_start, growth, start in (first, second):
        if age < below:
            return Decimal(at_start) * Decimal(growth) ** (age - start)
    return Decimal(afterwards)


def _decimal(number: Number) -> Decimal:
    if isinstance(number, Fraction):
        return Decimal(number.numerator) / Decimal(number.denominator)
    return Decimal(number)
