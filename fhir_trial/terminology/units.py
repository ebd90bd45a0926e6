"""Units as laboratories write them, and their exact factors.

The analyte's own table comes first, case and all, because the same letters mean different things: `K/uL` is thousands per
microlitre for a cell count and kelvin per microlitre for UCUM; `G/L` is giga or gauss. Only then UCUM, within one dimension.
Mass and moles meet only through the analyte's table; arbitrary units ([IU]) and indexed ones (per 1.73 m2) never convert.

Source: UCUM 2.1; clinical rules in mappings/facts/laboratory.yaml.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from fhir_trial.terminology.laboratory import LabDefinition

_SUPERSCRIPTS: Final = str.maketrans({"⁹": "^9", "³": "^3", "⁶": "^6", "²": "^2", "⁻": "-", "¹": "1"})
_LOOKALIKES: Final = str.maketrans({"μ": "u", "×": "x", "✕": "x", "╳": "x", "＊": "*", "∕": "/", "⁄": "/", "−": "-", "·": "."})
# Mega is no unit of a laboratory, and nobody can tell Mg from a slip for mg.
_MEGA: Final = re.compile(r"M(?:g|mol|eq|l|L)")
_INDEXED: Final = re.compile(r"1\.73")
_ARBITRARY: Final = re.compile(r"\[(?!in_|lb_|ft_|oz_|deg|HPF|LPF)[^\]]*\]|%|\{", re.IGNORECASE)


_NO_OFFSET: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Conversion:
    """canonical value = value * factor + offset, exactly."""

    factor: Fraction
    offset: Fraction = _NO_OFFSET

    @property
    def changes_nothing(self) -> bool:
        """Whether the unit is the canonical one, perhaps in another spelling."""
        return self.factor == 1 and not self.offset

    def apply(self, value: Fraction) -> Fraction:
        if self.factor != 1:
            value = value * self.factor
        return value + self.offset if self.offset else value


@lru_cache(maxsize=4096)
def tidy(unit: str) -> str:
    """The unit without blanks, superscripts or lookalike letters: "× 10⁹ / L" is "x10^9/L", "µmol/L" is "umol/L"."""
    spelled_out = unit.translate(_SUPERSCRIPTS)
    folded = unicodedata.normalize("NFKC", spelled_out).translate(_LOOKALIKES)
    return "".join(folded.split())


def factor(unit: str, definition: LabDefinition) -> Fraction | None:
    """By what to multiply a value in `unit` to have it in the analyte's canonical unit; None when there is no such number."""
    found = conversion(unit, definition)
    return found.factor if found is not None and not found.offset else None


def convert(value: Fraction, unit: str, definition: LabDefinition) -> Fraction | None:
    """The value in the analyte's canonical unit, scales with another zero (Fahrenheit) included."""
    found = conversion(unit, definition)
    return None if found is None else found.apply(value)


def conversion(unit: str, definition: LabDefinition) -> Conversion | None:
    """How a unit becomes the canonical one: the analyte's table, then the table whatever the case, then UCUM."""
    spelled = _spelling(unit, definition)
    if spelled is None and _MEGA.match(tidy(unit)):
        return None
    if spelled is not None:
        return Conversion(definition.units[spelled], definition.offsets.get(spelled, _NO_OFFSET))
    if not definition.open_units or definition.unit is None:
        return None
    ratio = _ucum_ratio(tidy(unit), definition.unit)
    return None if ratio is None else Conversion(ratio)


def between(unit: str, other: str, definition: LabDefinition) -> Fraction | None:
    """By what to multiply a value in `unit` to have it in `other`, as for a range sent in another unit than its value.

    Two spellings of the same unit are 1, also for assays whose units convert into nothing.
    """
    if tidy(unit) == tidy(other):
        return Fraction(1)
    first, second = factor(unit, definition), factor(other, definition)
    if first is not None and second is not None:
        return first / second
    if _alike(tidy(unit)) == _alike(tidy(other)):
        return Fraction(1)
    return None


def _spelling(unit: str, definition: LabDefinition) -> str | None:
    if unit in definition.units:
        return unit
    tidied = tidy(unit)
    if tidied in definition.units:
        return tidied
    if _MEGA.match(tidied):
        return None
    folded = tidied.casefold()
    same = [known for known in definition.units if known.casefold() == folded and known not in definition.strict_case]
    factors = {(definition.units[known], definition.offsets.get(known)) for known in same}
    return same[0] if len(factors) == 1 else None


def _alike(unit: str) -> str:
    """One spelling of the arbitrary units that a value and its own range may write differently."""
    folded = unit.casefold().replace("[", "").replace("]", "").replace("mcl", "ul")
    return re.sub(r"k(?:iu|u)/l$", lambda match: match[0][1:-1] + "ml", folded)


@lru_cache(maxsize=1024)
def _ucum_ratio(unit: str, canonical: str) -> Fraction | None:
    """The exact ratio by UCUM, None when either is no UCUM unit, the dimensions differ, or a unit is arbitrary or indexed."""
    if any(_INDEXED.search(text) or _ARBITRARY.search(text) for text in (unit, canonical)):
        return None
    measured, wanted = _ucum(unit), _ucum(canonical)
    if measured is None or wanted is None or not measured.is_compatible_with(wanted):
        return None
    ratio = float((measured / wanted).to_base_units().magnitude)
    return _exact(ratio)


def _ucum(unit: str) -> Any:
    """One of the unit as a pint quantity, None when UCUM has no such unit or its scale starts elsewhere (Fahrenheit)."""
    from pint.errors import PintError
    from ucumvert.parser import InvalidUcumError

    try:
        return 1.0 * _registry().from_ucum(unit)
    except (InvalidUcumError, PintError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
        return None


def _exact(ratio: float) -> Fraction | None:
    """Binary floating point back to the short decimal it stood for: 0.9999999999999999 to 1, 25.000000000000004 to 25.

    What is no short decimal (1/24) has no exact answer here and gives None.
    """
    decimal = Fraction(f"{ratio:.9g}")
    return decimal if decimal > 0 and abs(float(decimal) - ratio) <= 1e-12 * ratio else None


@lru_cache(maxsize=1)
def _registry() -> Any:
    from ucumvert import PintUcumRegistry  # a second to import: only for units no table knows

    return PintUcumRegistry()
