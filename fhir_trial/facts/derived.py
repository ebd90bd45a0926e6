"""Counts worked out from their parts, for laboratories that send a percentage or a differential.

A derived value is a candidate at its date, behind a direct one of that day (clinical rulings, "Reading a result"; R35).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from msgspec.structs import replace

from fhir_trial.facts.results import NO_RANGES, LabResult
from fhir_trial.quantities import Possible
from fhir_trial.terminology import LabDefinition, Terminology
from fhir_trial.times import Span

_DERIVED_PREFERENCE: Final = 4
_PERCENT: Final = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class Share:
    """``analyte`` = ``whole`` x its percentage, both of the same time, or at least of the same day.

    Attributes:
        factor: From the whole's unit into the analyte's.
        same_day: Whether the same calendar day is enough (CD19: the two samples need not be one).
    """

    analyte: str
    whole: str
    factor: Fraction
    same_day: bool = False


#: Physiology, not a trial's: lymphocytes are a percentage of white cells, CD19 cells one of lymphocytes (10*9/L to /uL: x 1000).
SHARES: Final = (
    Share("alc", "wbc", Fraction(1)),
    Share("anc", "wbc", Fraction(1)),
    Share("cd19", "alc", Fraction(1000), same_day=True),
)
#: Neutrophils are segmented ones and bands; the segmented alone are at least that many (R35).
_NEUTROPHILS: Final = "anc"


def add_derived(results: Mapping[str, Sequence[LabResult]], terminology: Terminology) -> dict[str, list[LabResult]]:
    """The results with derived ones beside them; a share of a derived whole is derived too."""
    known = {analyte: list(found) for analyte, found in results.items()}
    if _NEUTROPHILS in known:
        known[_NEUTROPHILS].extend(_neutrophils(known[_NEUTROPHILS]))
    for share in SHARES:
        if share.analyte in known:
            definition = terminology.laboratory(share.analyte)
            known[share.analyte].extend(_shares(share, known[share.analyte], known.get(share.whole, ()), definition))
    return known


def _shares(
    share: Share, parts: Iterable[LabResult], wholes: Sequence[LabResult], definition: LabDefinition
) -> Iterator[LabResult]:
    usable = [whole for whole in wholes if whole.usable and whole.speaks and whole.part is None]
    for percent in parts:
        if percent.part != "percent" or not percent.usable:
            continue
        for whole in _beside(percent, usable, same_day=share.same_day):
            yield _product(share, percent, whole, definition)


def _beside(part: LabResult, wholes: Iterable[LabResult], *, same_day: bool) -> list[LabResult]:
    """The wholes that the part is a share of: of the same time before the same day, measured before worked out."""
    near = [whole for whole in wholes if _same_time(part, whole)]
    if not near and same_day:
        near = [whole for whole in wholes if _same_day(part.span, whole.span)]
    return [whole for whole in near if whole.role != "derived"] or near


def _product(share: Share, percent: LabResult, whole: LabResult, definition: LabDefinition) -> LabResult:
    possible = _times(_number(percent), _number(whole)).times(share.factor * _PERCENT)
    product = _made(percent, possible, (whole, percent), f"{whole.original} x {percent.original}", definition.unit or "")
    outside = possible.reaches_outside(definition.plausible_low, definition.plausible_high)
    return replace(product, problem="implausible") if outside else product


def _neutrophils(results: Iterable[LabResult]) -> Iterator[LabResult]:
    usable = [result for result in results if result.usable]
    bands = [result for result in usable if result.part == "bands"]
    for segs in usable:
        if segs.part != "segs":
            continue
        partners = [band for band in bands if _same_time(segs, band)]
        for band in partners:
            total = _plus(_number(segs), _number(band))
            yield _made(segs, total, (segs, band), f"{segs.original} + {band.original}", segs.unit)
        if not partners:
            low = _number(segs).low
            at_least = Possible(low or Fraction(0), None, _number(segs).low_open)
            yield replace(_made(segs, at_least, (segs,), f"segmented {segs.original}", segs.unit), part="segs")


def _made(part: LabResult, possible: Possible, sources: tuple[LabResult, ...], original: str, unit: str) -> LabResult:
    return replace(
        part, role="derived", part=None, preference=_DERIVED_PREFERENCE, possible=possible, derived_from=sources,
        original=original, unit=unit, flag=None, finding=None, own_ranges=NO_RANGES, method=None,
    )  # fmt: skip


def _same_time(one: LabResult, other: LabResult) -> bool:
    """Components of one Observation, or the same effective time to the precision that both give."""
    if one.observation.origin.reference == other.observation.origin.reference:
        return True
    return _same_day(one.span, other.span) and _instant(one) == _instant(other)


def _instant(result: LabResult) -> datetime | None:
    return None if result.span is None else result.span.instant


def _same_day(one: Span | None, other: Span | None) -> bool:
    return one is not None and other is not None and one.exact and other.exact and one.first == other.first


def _number(result: LabResult) -> Possible:
    """The number of a usable result; nothing is known of a finding in words."""
    return result.possible or Possible(Fraction(0), None)


def _times(one: Possible, other: Possible) -> Possible:
    """The product of two numbers that are never negative."""
    low = (one.low or Fraction(0)) * (other.low or Fraction(0))
    high = None if one.high is None or other.high is None else one.high * other.high
    return _joined(low, high, one, other)


def _plus(one: Possible, other: Possible) -> Possible:
    low = (one.low or Fraction(0)) + (other.low or Fraction(0))
    high = None if one.high is None or other.high is None else one.high + other.high
    return _joined(low, high, one, other)


def _joined(low: Fraction, high: Fraction | None, one: Possible, other: Possible) -> Possible:
    low_open, high_open = one.low_open or other.low_open, one.high_open or other.high_open
    return Possible(low, high, low_open, high_open, one.approximate or other.approximate)
