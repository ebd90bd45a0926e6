"""A laboratory result, vital sign or other measured value as a fact: what it can be, in the analyte's own unit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Final

from msgspec import Struct

from fhir_trial.quantities import Possible
from fhir_trial.records.model import Observation
from fhir_trial.times import Span

_SPEAKING = frozenset({"accept", "accept_low", "text", "derived"})
_NEVER = datetime.min.replace(tzinfo=UTC)


class NormalRange(Struct, frozen=True, gc=False):
    """A reference range of the same result that applies to this patient, in the analyte's unit.

    Attributes:
        low, high: None is unbounded: without ``high`` there is no upper limit of normal.
        says_negative: The range is the word "negative", or a titre bound, rather than numbers.
        text: As recorded.
        high_open: The upper end itself is outside, as in "<1:80".
    """

    low: Fraction | None
    high: Fraction | None
    says_negative: bool
    text: str
    high_open: bool = False


class Ranges:
    """The reference ranges of one result, worked out when first asked for.

    Only the few results that decide are asked: reading every range took a fifth of a screening.
    """

    __slots__ = ("_found", "_work_out")

    def __init__(self, work_out: Callable[[], tuple[NormalRange, ...]]) -> None:
        self._work_out = work_out
        self._found: tuple[NormalRange, ...] | None = None

    @property
    def found(self) -> tuple[NormalRange, ...]:
        if self._found is None:
            self._found = self._work_out()
        return self._found


NO_RANGES: Final = Ranges(tuple)


class LabResult(Struct, frozen=True, gc=False):
    """One result of one analyte.

    Attributes:
        analyte: Name in mappings/facts/laboratory.yaml.
        role, part, preference: Of its code (see LabCode); role "text" when only its name was recognised.
        observation: As recorded.
        span: Its date; a result without any readable date has none and decides nothing.
        possible: What its number can be, in ``unit``; None if it has no readable number.
        finding: The word it says: positive, negative, weak, indeterminate, invalid; None if none.
        flag: Its interpretation: above, below, within, abnormal, positive, negative, weak, indeterminate; None if none.
        own_ranges: What ``ranges`` are read from.
        problem: Why the number cannot be used, a constant word: "no-value", "not-final", "modifier", "unit-missing",
            "unit-not-understood", "implausible", "not-a-number", "text", "no-date", "rejected" (its code is known as not to be
            used); None if usable.
        derived_from: The results that a derived one was worked out from.
        original: As recorded, with unit: "8.0 g/dL".
        unit: The analyte's canonical UCUM unit, "" for a titre, score or index; as recorded where it is the assay's own.
        method: How it was measured, of its code (LabCode.method).
        is_titre: Its number is a titre's denominator, whatever its code.
    """

    analyte: str
    role: str
    part: str | None
    preference: int
    observation: Observation
    span: Span | None
    possible: Possible | None
    finding: str | None
    flag: str | None
    own_ranges: Ranges
    problem: str | None
    original: str
    unit: str
    code: str | None = None
    derived_from: tuple[LabResult, ...] = ()
    method: str | None = None
    is_titre: bool = False

    @property
    def ranges(self) -> tuple[NormalRange, ...]:
        """The reference ranges that apply; more than one only if nothing tells them apart."""
        return self.own_ranges.found

    @property
    def usable(self) -> bool:
        return self.problem is None

    @property
    def speaks(self) -> bool:
        """Whether its code measures the analyte itself; a context, proxy or flag code does not, nor a percentage."""
        return self.role in _SPEAKING

    @property
    def day(self) -> date:
        """The last day that it may be of, for sorting."""
        return self.span.last if self.span else date.min

    @property
    def order(self) -> tuple[date, datetime, datetime]:
        """R31: date; then ``issued``; then ``meta.lastUpdated``. A time of day orders only results that both have one."""
        return self.day, self.observation.issued or _NEVER, self.observation.origin.last_updated or _NEVER
