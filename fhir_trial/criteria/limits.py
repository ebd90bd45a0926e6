"""Limits as trial files write them: "0.5 10*9/L", "8.0 g/dL", "55 %", "80"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

from fhir_trial.terminology import LabDefinition
from fhir_trial.terminology.units import conversion

_LIMIT: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?:\s+(?P<unit>\S.*)|(?P<close>%))?")


@dataclass(frozen=True, slots=True)
class Limit:
    """A number with its unit, exactly as written.

    Attributes:
        unit: UCUM, or a spelling that the analyte knows; None where the analyte has no unit.
    """

    value: Fraction
    unit: str | None
    text: str

    @staticmethod
    def parse(text: str) -> Limit:
        """The limit in a text such as "0.5 10*9/L".

        Raises:
            ValueError: The text is no number followed by a unit.
        """
        return _parse(text.strip())

    def for_analyte(self, definition: LabDefinition) -> Fraction:
        """The limit in the analyte's own unit.

        Raises:
            ValueError: The unit is missing, or does not become the analyte's.
        """
        if self.unit is None:
            if definition.unit is None or definition.kind in ("titre", "score", "presence"):
                return self.value
            raise ValueError(f"The limit {self.text!r} needs a unit: {definition.analyte} is measured in {definition.unit}.")
        known = conversion(self.unit, definition)
        if known is None:
            raise ValueError(f"The unit of the limit {self.text!r} does not become {definition.unit} for {definition.analyte}.")
        return known.apply(self.value)


@lru_cache(maxsize=512)
def _parse(text: str) -> Limit:
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no limit: write a number and its unit, such as '80 g/L'.")
    return Limit(Fraction(match["number"]), match["unit"] or match["close"], text)
