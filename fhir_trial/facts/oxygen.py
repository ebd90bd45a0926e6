"""Whether oxygen was given when a saturation was measured.

Rule: C7.12 and clinical rulings, "C7.11, C7.12": in the same Observation, or on the same calendar date.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from fhir_trial.facts.results import LabResult
from fhir_trial.logic import Truth
from fhir_trial.times import Span

_AIR_PER_CENT: Final = Fraction(21)
_HUNDRED: Final = Fraction(100)
_NO_DEVICE: Final = frozenset({
    "room air", "ambient air", "air", "ra", "none", "no", "no oxygen", "no o2", "none (room air)", "room air (ra)", "off",
    "空气", "室内空气", "未吸氧", "无",
})  # fmt: skip
_PARTS: Final = frozenset({"flow", "inspired_concentration", "device"})


def oxygen_beside(result: LabResult, results: Iterable[LabResult]) -> tuple[LabResult, ...]:
    """What says that oxygen was, or may have been, given with ``result``: flow above 0, concentration above 21 %, a device.

    Args:
        results: All results of the saturation's analyte, those of role "context" among them.
    """
    beside = (other for other in results if other.part in _PARTS and other.problem in (None, "text") and _together(result, other))
    return tuple(other for other in beside if _gives_oxygen(other))


def _together(result: LabResult, other: LabResult) -> bool:
    if result.observation.origin.reference == other.observation.origin.reference:
        return True
    return _day(result.span) is not None and _day(result.span) == _day(other.span)


def _day(span: Span | None) -> object:
    return span.first if span is not None and span.exact else None


def _gives_oxygen(other: LabResult) -> bool:
    if other.possible is None:
        return other.original.strip().casefold() not in _NO_DEVICE and other.original.strip() != ""
    if other.part == "device":
        return True
    possible, limit = other.possible, Fraction(0)
    if other.part == "inspired_concentration":
        limit = _AIR_PER_CENT
        if (possible.high or possible.low or limit) <= 1:  # FiO2 as a fraction
            possible = possible.times(_HUNDRED)
    return possible.above(limit) is not Truth.FALSE
