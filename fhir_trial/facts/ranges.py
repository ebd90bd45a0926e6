"""Which reference ranges of a result apply to this patient, in the result's own unit.

Rules: clinical units, section 5; DATA-65. The range belongs to that laboratory, kit and date: another result's is never used.
Source: FHIR R4 Observation.referenceRange.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from fhir_trial.facts.results import NormalRange
from fhir_trial.facts.titres import plain, read_titre
from fhir_trial.records.model import Patient, Quantity, ReferenceRange
from fhir_trial.times import Span, add_days, add_months, birthday

#: A range's number and its unit (None: not said) to the number in the value's unit; None where they do not meet.
Converter = Callable[[Fraction, str | None], Fraction | None]

_NUMBER: Final = r"\d+(?:\.\d+)?"
_BETWEEN: Final = re.compile(rf"\(?\[?\s*(?P<low>{_NUMBER})\s*(?:-|–|—|to|~|至)\s*(?P<high>{_NUMBER})\s*\)?\]?\s*(?P<unit>\S.*)?")
_UP_TO: Final = re.compile(rf"(?P<sign><=|<|up to|0\s*-)\s*(?P<high>{_NUMBER})\s*(?P<unit>\S.*)?", re.IGNORECASE)
_FROM: Final = re.compile(rf"(?P<sign>>=|>)\s*(?P<low>{_NUMBER})\s*(?P<unit>\S.*)?")
_OR_LESS: Final = re.compile(rf"(?P<high>{_NUMBER})\s*(?P<unit>\S*?)\s*(?:以下|or less)")
_SEXES: Final = {
    "male": "male", "m": "male", "men": "male", "man": "male", "boy": "male", "boys": "male", "男": "male", "男性": "male",
    "female": "female", "f": "female", "women": "female", "woman": "female", "girl": "female", "girls": "female", "女": "female",
    "女性": "female",
}  # fmt: skip
_MOST_YEARS: Final = 200


@dataclass(frozen=True, slots=True)
class WhoseRange:
    """The person whom a range must fit: sex "male" or "female", else None; birth, if it is on file to the day."""

    sex: str | None
    born: date | None

    @staticmethod
    def of(patient: Patient) -> WhoseRange:
        """Birth sex before gender; the two in conflict say nothing (R28)."""
        said = {word for word in (patient.birth_sex, patient.gender) if word in ("male", "female")}
        birth = patient.birth
        return WhoseRange(said.pop() if len(said) == 1 else None, birth.first if birth is not None and birth.exact else None)


def normal_ranges(
    ranges: Iterable[ReferenceRange],
    whose: WhoseRange,
    on: Span | None,
    convert: Converter,
    says_negative: Callable[[str], bool],
) -> tuple[NormalRange, ...]:
    """Those of type normal, or of none, that fit the patient's sex and age on the day of the result, each different one once.

    Args:
        on: The result's date; what it leaves open does not shut a range out.
        convert: To the unit of the result.
        says_negative: Whether a text means a negative finding.
    """
    normal = (entry for entry in ranges if entry.kind in (None, "normal"))
    fitting = (entry for entry in normal if _fits_sex(entry, whose) and _fits_age(entry, whose, on))
    read = [found for entry in fitting if (found := _read(entry, convert, says_negative)) is not None]
    return tuple(read) if len(read) < 2 else tuple(dict.fromkeys(read))


def _fits_sex(entry: ReferenceRange, whose: WhoseRange) -> bool:
    named = {_SEXES[word] for word in entry.applies_to if word in _SEXES}
    return not named or whose.sex is None or whose.sex in named


def _fits_age(entry: ReferenceRange, whose: WhoseRange, on: Span | None) -> bool:
    if whose.born is None or on is None:
        return True
    old_enough = _reaches(whose.born, entry.age_low, 0)
    too_old = _reaches(whose.born, entry.age_high, 1)
    return (old_enough is None or old_enough <= on.last) and (too_old is None or on.first < too_old)


def _reaches(born: date, age: Quantity | None, more: int) -> date | None:
    """The day on which someone completes ``age`` and ``more`` of its unit; None where nothing readable is demanded."""
    if age is None or age.number is None:
        return None
    count = int(age.number) + more
    match (age.unit or "a").casefold().rstrip("s"):
        case "a" | "yr" | "y" | "year":
            return birthday(born, min(count, _MOST_YEARS)) if count >= 0 else None
        case "mo" | "month":
            return add_months(born, count)
        case "wk" | "week":
            return add_days(born, 7 * count)
        case "d" | "day":
            return add_days(born, count)
        case _:
            return None


def _read(entry: ReferenceRange, convert: Converter, says_negative: Callable[[str], bool]) -> NormalRange | None:
    if entry.low is not None or entry.high is not None:
        return _numbers(entry, convert)
    return _words(entry.text, convert, says_negative) if entry.text else None


def _numbers(entry: ReferenceRange, convert: Converter) -> NormalRange | None:
    ends = list(_converted((entry.low, entry.high), convert))
    if any(given and end is None for given, end in ends):
        return None
    text = entry.text or _written(entry.low, entry.high)
    high_open = entry.high is not None and entry.high.comparator == "<"
    return _sound(ends[0][1], ends[1][1], text, high_open=high_open)


def _converted(ends: tuple[Quantity | None, ...], convert: Converter) -> Iterator[tuple[bool, Fraction | None]]:
    """Whether the end is given, and what it is in the value's unit."""
    for end in ends:
        number = None if end is None or end.number is None else convert(Fraction(end.number), end.unit)
        yield end is not None, number


def _written(low: Quantity | None, high: Quantity | None) -> str:
    if low is None:
        return f"up to {high.text}" if high is not None else ""
    return f"{low.text} to {high.text}" if high is not None else f"from {low.text}"


def _words(text: str, convert: Converter, says_negative: Callable[[str], bool]) -> NormalRange | None:
    if says_negative(text.strip()):
        return NormalRange(None, None, True, text)
    said = plain(text)
    titre = read_titre(said, bare=False)
    if titre is not None:
        bound = titre.possible
        return None if bound.high is None else NormalRange(None, bound.high, True, text, bound.high_open)
    for pattern in (_BETWEEN, _UP_TO, _FROM, _OR_LESS):
        match = pattern.fullmatch(said)
        if match is not None:
            return _parsed(match.groupdict(), convert, text)
    return None


def _parsed(parts: dict[str, str | None], convert: Converter, text: str) -> NormalRange | None:
    unit = parts.get("unit") or None
    low, high = (None if parts.get(end) is None else convert(Fraction(parts[end] or ""), unit) for end in ("low", "high"))
    if (parts.get("low") and low is None) or (parts.get("high") and high is None):
        return None
    return _sound(low, high, text, high_open=parts.get("sign") == "<")


def _sound(low: Fraction | None, high: Fraction | None, text: str, *, high_open: bool) -> NormalRange | None:
    """An upper limit of 0, or below the lower one, is an error of the sender: then there is no range."""
    if high is not None and (high <= 0 or (low is not None and low > high)):
        return None
    return NormalRange(low, high, False, text, high_open)
