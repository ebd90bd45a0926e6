"""What a measured value can be: a set of possible values, in exact numbers.

A result with a comparator, a range or a titre is not one number but an interval; a sentence about it is UNKNOWN only when the
interval straddles the limit. Source: FHIR R4 Quantity.comparator, Range, Ratio.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction

from msgspec import Struct

from fhir_trial.logic import Truth

Number = Fraction | Decimal | int


class Possible(Struct, frozen=True, gc=False):
    """An interval of exact numbers; None is unbounded.

    Attributes:
        low, high: The ends.
        low_open, high_open: Whether the end itself is impossible ("> 5", "< 5").
        approximate: "~5": near, on either side.
    """

    low: Fraction | None
    high: Fraction | None
    low_open: bool = False
    high_open: bool = False
    approximate: bool = False

    @staticmethod
    def exactly(value: Number) -> Possible:
        number = Fraction(value)
        return Possible(number, number)

    @staticmethod
    def between(low: Number | None, high: Number | None) -> Possible:
        """Both ends included."""
        return Possible(None if low is None else Fraction(low), None if high is None else Fraction(high))

    @staticmethod
    def compared(comparator: str | None, value: Number) -> Possible | None:
        """A FHIR comparator (<, <=, >=, >, ad) or "~" with its number; None for a comparator that we do not know."""
        number = Fraction(value)
        match comparator:
            case None | "" | "=":
                return Possible(number, number)
            case "<":
                return Possible(None, number, high_open=True)
            case "<=":
                return Possible(None, number)
            case ">":
                return Possible(number, None, low_open=True)
            case ">=":
                return Possible(number, None)
            case "~":
                return Possible(number, number, approximate=True)
            case _:
                return None

    @property
    def single(self) -> Fraction | None:
        """The number, when there is only one."""
        return self.low if self.low is not None and self.low == self.high and not self.approximate else None

    def times(self, factor: Fraction) -> Possible:
        """In another unit; ``factor`` is positive."""
        return self.map(lambda number: number * factor)

    def map(self, convert: Callable[[Fraction], Fraction]) -> Possible:
        """With both ends converted; ``convert`` keeps their order."""
        low = None if self.low is None else convert(self.low)
        # Nearly always the value is one number, and Fractions are slow.
        high = low if self.high is self.low else None if self.high is None else convert(self.high)
        return Possible(low, high, self.low_open, self.high_open, self.approximate)

    def at_least(self, limit: Fraction) -> Truth:
        """Whether every (TRUE) or no (FALSE) possible value is >= limit."""
        if self.approximate and self.low == limit:
            return Truth.UNKNOWN
        if self.low is not None and self.low >= limit:
            return Truth.TRUE
        if self.high is not None and (self.high < limit or (self.high == limit and self.high_open)):
            return Truth.FALSE
        return Truth.UNKNOWN

    def above(self, limit: Fraction) -> Truth:
        """Whether every or no possible value is > limit."""
        if self.approximate and self.low == limit:
            return Truth.UNKNOWN
        if self.low is not None and (self.low > limit or (self.low == limit and self.low_open)):
            return Truth.TRUE
        if self.high is not None and self.high <= limit:
            return Truth.FALSE
        return Truth.UNKNOWN

    def at_most(self, limit: Fraction) -> Truth:
        return ~self.above(limit)

    def below(self, limit: Fraction) -> Truth:
        return ~self.at_least(limit)

    def touches(self, limit: Fraction) -> bool:
        """Whether an end of the interval is the limit itself: "<= 0.5" or "~0.5" against 0.5 (R7)."""
        return self.single is None and limit in (self.low, self.high)

    def reaches_outside(self, low: Fraction | None, high: Fraction | None) -> bool:
        """Whether no possible value is plausible, that is, lies in [low, high]."""
        too_low = low is not None and self.high is not None and self.high < low
        too_high = high is not None and self.low is not None and self.low > high
        return too_low or too_high


def read_decimal(raw: object) -> Decimal | None:
    """A JSON number as it stands, with its digits; None for a string (R34), NaN or anything else."""
    match raw:
        case Decimal():
            number = raw
        case bool():
            return None
        case int():
            return Decimal(raw)
        case float():
            number = Decimal(repr(raw))
        case _:
            return None
    return number if number.is_finite() else None


_EXACT = Context(prec=60)
_ROUNDED = Context(prec=12)


def write_number(number: Number) -> str:
    """A decimal string: exact where the number has one, else to twelve significant digits."""
    if isinstance(number, Decimal):
        return format(number, "f")
    fraction = Fraction(number)
    over, under = Decimal(fraction.numerator), Decimal(fraction.denominator)
    quotient = _EXACT.divide(over, under)
    if Fraction(quotient) != fraction:
        quotient = _ROUNDED.divide(over, under)
    return format(quotient.normalize(_EXACT), "f")
