"""What a value[x] says: a number in the analyte's unit, a titre, a finding in words; else why it cannot be read.

Rules: DATA-58 to DATA-61, R8, R9, R34; clinical units, sections 1 to 3. Nothing is repaired, nothing guessed.
Source: FHIR R4 Observation.value[x].
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from fhir_trial.facts.titres import is_decimal_titre, plain, read_titre, titre_of_ratio
from fhir_trial.quantities import Possible
from fhir_trial.records.model import Observation, OtherValue, Quantity, QuantityRange, Ratio, Value
from fhir_trial.terminology import Concept, LabCode, LabDefinition, Terminology
from fhir_trial.terminology.units import between, conversion, tidy

_NUMBER: Final = r"\d+(?:\.\d+)?"
_UNIT: Final = r"(?P<unit>\s+\S.*|[^\d\s.,].*)?"  # a unit that begins with a digit, 10*9/L, stands apart
_STRICT: Final = re.compile(rf"(?P<sign>>=|<=|>|<|~)?\s*(?P<low>{_NUMBER}){_UNIT}")
_INTERVAL: Final = re.compile(rf"(?P<low>{_NUMBER})\s*%?\s*(?:-|–|—|to)\s*(?P<high>{_NUMBER}){_UNIT}")
_UNITLESS: Final = frozenset({"titre", "presence", "score", "narrative"})
_HUNDRED: Final = Fraction(100)
#: What a share of cells is counted in, whatever the analyte's own unit.
_SHARE: Final = LabDefinition(
    "share", "quantity", "%", {"%": Fraction(1), "percent": Fraction(1), "1": _HUNDRED},
    plausible_low=Fraction(0), plausible_high=_HUNDRED,
)  # fmt: skip
#: Parts that are read as they stand: oxygen flow in L/min, inspired oxygen in %.
_RAW_PARTS: Final = frozenset({"flow", "inspired_concentration", "device"})


class Reading(Struct, frozen=True, gc=False):
    """What was read.

    Attributes:
        possible, unit: The number, in the analyte's unit; as recorded where that is missing or the assay's own.
        finding: positive, negative, weak, indeterminate, invalid.
        problem: A constant word (LabResult.problem), or None.
        is_titre: The number is a titre's denominator.
        recorded_unit: The unit as recorded, which a range without one shares.
    """

    possible: Possible | None = None
    unit: str = ""
    finding: str | None = None
    problem: str | None = None
    original: str = ""
    is_titre: bool = False
    recorded_unit: str | None = None


def read_value(observation: Observation, code: LabCode | None, definition: LabDefinition, terminology: Terminology) -> Reading:
    """The value of an observation, under one of its codes (None: it was recognised by name)."""
    value = observation.value
    if value is None:
        return Reading(problem="no-value", original=observation.absent_reason or "")
    if code is not None and code.part in _RAW_PARTS:
        return _raw(value)
    reader = _Reader(_measured_in(code, definition), terminology, code is not None and code.fixes_unit)
    return reader.read(value)


def converter_for(reading: Reading, definition: LabDefinition) -> Callable[[Fraction, str | None], Fraction | None]:
    """How a reference range's number becomes comparable with the value: a missing unit is the value's."""

    def convert(number: Fraction, unit: str | None) -> Fraction | None:
        if reading.is_titre or (unit is None and reading.recorded_unit is None):
            return number
        if reading.recorded_unit is None:
            return None  # R9: comparable only while both lack a unit
        if definition.own_units:
            factor = Fraction(1) if unit is None else between(unit, reading.recorded_unit, definition)
            return None if factor is None else number * factor
        known = conversion(unit or reading.recorded_unit, definition)
        return None if known is None else known.apply(number)

    return convert


def other_readings(result_value: Value | None, definition: LabDefinition) -> tuple[str, ...]:
    """What an implausible number would be in the analyte's other units, where that is plausible (R8): shown, never used."""
    if not isinstance(result_value, Quantity) or result_value.number is None:
        return ()
    number = Fraction(result_value.number)
    if definition.kind == "titre" and number:
        return (f"1:{_short(1 / number)}",)
    seen: dict[Fraction, str] = {}
    for spelling, factor in definition.units.items():
        seen.setdefault(factor, spelling)
    if definition.percent_or_fraction:
        seen.setdefault(_HUNDRED, "1")
    own = _factor_of(result_value.unit, definition)
    return tuple(
        _as_if_in(result_value.number, spelling, factor, definition)
        for factor, spelling in seen.items()
        if factor != own and definition.is_plausible(number * factor)
    )


def _as_if_in(number: Decimal, spelling: str, factor: Fraction, definition: LabDefinition) -> str:
    said = f"{number} {'as a fraction' if spelling == '1' else spelling}"
    return said if factor == 1 else f"{said} = {_short(Fraction(number) * factor)} {definition.unit}"


class _Reader(Struct, frozen=True, gc=False):
    """Reads values of one analyte."""

    definition: LabDefinition
    terminology: Terminology
    unit_fixed: bool

    @property
    def knows_titres(self) -> bool:
        return self.definition.kind in ("titre", "presence") or self.definition.own_units

    def read(self, value: Value) -> Reading:
        match value:
            case bool():
                return self._yes_or_no(value)
            case int():
                return self._number(Possible.exactly(value), None, str(value))
            case Quantity():
                return self._quantity(value)
            case QuantityRange():
                return self._range(value)
            case Ratio():
                return self._ratio(value)
            case Concept():
                return self._concept(value)
            case str():
                return self._text(value)
            case OtherValue():
                return Reading(problem="text", original=value.text)
            case _:
                assert_never(value)

    def _ratio(self, value: Ratio) -> Reading:
        possible = titre_of_ratio(value)
        if possible is None or not self.knows_titres:
            return Reading(problem="text", original=value.text)
        return self._titre(possible, None, value.text)

    def _yes_or_no(self, value: bool) -> Reading:
        original = "true" if value else "false"
        if self.definition.kind != "presence":
            return Reading(problem="text", original=original)
        return Reading(finding="positive" if value else "negative", original=original)

    def _quantity(self, value: Quantity) -> Reading:
        if value.number is None:
            return Reading(problem="not-a-number", original=value.text)  # R34: a JSON string where a number belongs
        number = Fraction(*value.number.as_integer_ratio())  # twice as quick as Fraction(number)
        possible = Possible(number, number) if value.comparator is None else Possible.compared(value.comparator, number)
        if possible is None:
            return Reading(problem="text", original=value.text)
        return self._number(possible, value.unit, value.text)

    def _range(self, value: QuantityRange) -> Reading:
        ends = [end for end in (value.low, value.high) if end is not None and end.number is not None]
        units = {tidy(end.unit or "") for end in ends if end.unit}
        if not ends or len(units) > 1:
            return Reading(problem="text", original=value.text)
        possible = Possible.between(value.low.number if value.low else None, value.high.number if value.high else None)
        return self._number(possible, next((end.unit for end in ends if end.unit), None), value.text)

    def _concept(self, value: Concept) -> Reading:
        texts = tuple(value.texts())
        original = next(iter(texts), "") or next((coding.code for coding in value.codings), "")
        finding = self.terminology.qualitative(value)
        read = [self._text(text) for text in texts]
        best = next((reading for reading in read if reading.possible is not None), None)
        if best is not None:
            return replace(best, finding=best.finding or finding, original=original)
        finding = finding or next((reading.finding for reading in read if reading.finding), None)
        return Reading(finding=finding, problem=None if finding else "text", original=original)

    def _text(self, text: str) -> Reading:
        titre = read_titre(text, bare=self.definition.kind == "titre")
        finding = self.terminology.qualitative(text)
        if titre is not None and self.knows_titres:
            return self._titre(titre.possible, finding or self.terminology.qualitative(titre.rest), text)
        if finding is not None:
            return Reading(finding=finding, original=text)
        said = plain(text)
        match = _INTERVAL.fullmatch(said) or _STRICT.fullmatch(said)
        if match is None:
            return Reading(problem="text", original=text)
        parts = match.groupdict()
        possible = _possible(parts)
        unit = (parts["unit"] or "").strip() or ("%" if "%" in said else None)
        return Reading(problem="text", original=text) if possible is None else self._number(possible, unit, text)

    def _titre(self, possible: Possible, finding: str | None, original: str) -> Reading:
        problem = "implausible" if is_decimal_titre(possible) else None
        return Reading(possible, "", finding, problem, original, is_titre=True)

    def _number(self, possible: Possible, unit: str | None, original: str) -> Reading:
        unit = unit if unit and unit.strip() else None
        definition = self.definition
        if definition.own_units:
            if unit is not None and tidy(unit) in _TITRE_UNITS:
                return self._titre(possible, None, original)
            return Reading(possible, unit or "", original=original, recorded_unit=unit)
        if definition.kind in _UNITLESS or definition.unit is None:
            return self._unitless(possible, unit, original)
        if definition.percent_or_fraction and unit in (None, "1"):
            # R9: a fraction or a percentage is unmistakable; a number above one without a unit is per cent.
            share = unit == "1" or (possible.high or possible.low or _HUNDRED) <= 1
            return self._plausible(possible.times(_HUNDRED if share else Fraction(1)), unit, original)
        if unit is None:
            if possible.single is None and (definition.fixed_unit or self.unit_fixed):
                return self._plausible(possible, unit, original)  # R9: ">60" under a code that fixes the unit
            return Reading(possible, "", problem="unit-missing", original=original)
        known = conversion(unit, definition)
        if known is None:
            return Reading(problem="unit-not-understood", original=original, recorded_unit=unit)
        if not known.changes_nothing:
            possible = possible.map(known.apply)
        return self._plausible(possible, unit, original)

    def _unitless(self, possible: Possible, unit: str | None, original: str) -> Reading:
        if unit is not None and conversion(unit, self.definition) is None:
            return Reading(problem="unit-not-understood", original=original)
        if self.definition.kind == "titre":
            return self._titre(possible, None, original)
        return Reading(possible, "", original=original)

    def _plausible(self, possible: Possible, unit: str | None, original: str) -> Reading:
        definition = self.definition
        outside = possible.reaches_outside(definition.plausible_low, definition.plausible_high)
        problem = "implausible" if outside else None
        return Reading(possible, definition.unit or "", None, problem, original, recorded_unit=unit)


_TITRE_UNITS: Final = frozenset({"{titer}", "{titre}", "titer", "titre"})


def _possible(parts: dict[str, str | None]) -> Possible | None:
    low = Fraction(parts["low"] or "")
    high = parts.get("high")
    if high is None:
        return Possible.compared(parts["sign"], low)
    return Possible.between(low, Fraction(high)) if low <= Fraction(high) else None


def _measured_in(code: LabCode | None, definition: LabDefinition) -> LabDefinition:
    return _SHARE if code is not None and code.part in ("percent", "cd20_percent") else definition


def _raw(value: Value) -> Reading:
    match value:
        case Quantity() if value.number is not None:
            possible = Possible.compared(value.comparator, value.number)
            return Reading(possible, value.unit or "", problem=None if possible else "text", original=value.text)
        case Concept():
            return Reading(problem="text", original=next(iter(value.texts()), ""))
        case str():
            return Reading(problem="text", original=value)
        case _:
            return Reading(problem="text", original=getattr(value, "text", str(value)))


def _factor_of(unit: str | None, definition: LabDefinition) -> Fraction | None:
    if unit is None:
        return None
    known = conversion(unit, definition)
    return None if known is None else known.factor


def _short(number: Fraction) -> str:
    return f"{number.numerator}" if number.denominator == 1 else f"{float(number):.6g}"
