"""How a laboratory result is put before a person: in a sentence, and as evidence (VER-10, VER-12)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from fhir_trial.criteria.answers import Evidence, Role, readable
from fhir_trial.facts.laboratory import LabResult
from fhir_trial.quantities import Possible, write_number

_PROBLEMS = {
    "no-value": "it has no value",
    "not-final": "it is not final",
    "modifier": "it carries a modifier that is not understood",
    "unit-missing": "its unit is missing",
    "unit-not-understood": "its unit is not understood",
    "implausible": "it is implausible in its unit",
    "not-a-number": "its value is no number",
    "text": "its text is not read as a value",
    "no-date": "it has no date",
    "rejected": "its code is not one that counts",
}


def measured(result: LabResult) -> str:
    """The value for a sentence: "31 /uL", "1:160", "55 to 60 %", "positive"; the calculation of a derived one behind it."""
    if result.possible is None:
        return result.finding or result.original or "without a value"
    if result.is_titre:
        return as_titre(result.possible)
    said = f"{in_numbers(result.possible)} {result.unit}".rstrip()
    return f"{said} ({result.original})" if result.derived_from else said


def dated(result: LabResult) -> str:
    """Its date as recorded, the day of a date-time."""
    return "an unknown date" if result.span is None else readable(result.span)


def problem(result: LabResult) -> str:
    """Why it cannot be used, to follow "because"."""
    if result.part in ("percent", "cd20", "cd20_percent", "segs", "bands") and result.problem is None:
        return "it measures only a part or a relative"
    return _PROBLEMS.get(result.problem or "", "nothing says what it means")


def evidence(result: LabResult, role: Role, limit: str | None = None) -> Iterator[Evidence]:
    """The result; behind a derived one also what it was worked out from."""
    value: Fraction | str | None = result.finding
    if result.possible is not None:
        value = result.possible.single if result.possible.single is not None else in_numbers(result.possible)
    unit = result.unit or None if result.possible is not None else None
    yield Evidence(result.observation.origin, role, result.span, result.original or None, value, unit, limit)
    for source in result.derived_from:
        yield from evidence(source, Role.SUPPORTS if role is Role.DECIDES else role)


def in_numbers(possible: Possible) -> str:
    """The possible values: "0.5", "< 10", "55 to 60", "about 0.5"."""
    low, high = possible.low, possible.high
    if possible.single is not None:
        return write_number(possible.single)
    if possible.approximate and low is not None:
        return f"about {write_number(low)}"
    if low is None:
        return "any value" if high is None else f"{'<' if possible.high_open else '<='} {write_number(high)}"
    if high is None:
        return f"{'>' if possible.low_open else '>='} {write_number(low)}"
    return f"{write_number(low)} to {write_number(high)}"


def as_titre(possible: Possible) -> str:
    """The titre as laboratories write it: "1:160", ">= 1:1280", "1:80 to 1:160"."""
    low, high = possible.low, possible.high
    if possible.single is not None:
        return f"1:{write_number(possible.single)}"
    if low is not None and high is not None and not possible.approximate:
        return f"1:{write_number(low)} to 1:{write_number(high)}"
    sign, _, number = in_numbers(possible).rpartition(" ")
    return f"{sign} 1:{number}"


def lowered(sentence: object) -> str:
    """A sentence to follow "or"."""
    said = str(sentence)
    return said[:1].lower() + said[1:]


def with_article(name: str) -> str:
    """The name with its article: "a CD19+ B cell count", "an absolute neutrophil count"."""
    spelled = len(name.split(maxsplit=1)[0]) > 1 and name[:2].isupper()
    vowel = name[:1] in "AEFHILMNORSX" if spelled else name[:1].lower() in "aeiou"
    return f"{'an' if vowel else 'a'} {name}"
