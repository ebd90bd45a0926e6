"""Measured values: Quantity, Range, Ratio, value[x], reference ranges. Numbers keep their digits; nothing is converted here.

Source: FHIR R4 datatypes, Observation.value[x], Observation.referenceRange.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from fhir_trial.quantities import write_number
from fhir_trial.records.model import OtherValue, Quantity, QuantityRange, Ratio, ReferenceRange, Value
from fhir_trial.records.page import Page, code_words
from fhir_trial.records.raw import Json
from fhir_trial.records.urls import NO_VALUE_SYSTEMS
from fhir_trial.terminology.concepts import Concept
from fhir_trial.terminology.systems import UCUM, normalise_system

#: Stands for a comparator that is there and cannot be read: no number beside it may be taken as exact.
UNREADABLE_COMPARATOR = "?"
#: Words that say that there is no value (DATA-25).
_NO_VALUE_WORDS = frozenset(
    {"unknown", "not known", "n/a", "na", "not done", "not performed", "not available", "none recorded", "未知", "未查"}
)


def read_quantity(page: Page, node: Json, key: str, path: str = "") -> Quantity | None:
    """A Quantity, SimpleQuantity, Age or Duration; None when it is absent or no object."""
    value = node.get(key)
    if isinstance(value, dict):
        return _quantity(page, value, f"{path}.{key}" if path else key)
    if value is not None:
        page.odd(path, key, "an object")
    return None


def _quantity(page: Page, value: Json, path: str) -> Quantity:
    number = page.number(value, "value", path)
    comparator = value.get("comparator")
    if comparator is not None and not isinstance(comparator, str):
        page.odd(path, "comparator", "a code")
        comparator = UNREADABLE_COMPARATOR
    try:
        unit, ucum, shown = _unit(value.get("unit"), value.get("system"), value.get("code"))
    except TypeError:  # what is no string is an issue, and read as absent
        unit, ucum, shown = _unit(*[page.string(value, key, path) for key in ("unit", "system", "code")])
    return Quantity(number, comparator or None, unit, ucum, _as_recorded(comparator, number, value, shown))


@lru_cache(maxsize=4096)
def _unit(unit: object, system: object, code: object) -> tuple[str | None, bool, str | None]:
    """(unit, whether it is a UCUM code, unit for people).

    Raises:
        TypeError: One of them is no string.
    """
    if not all(part is None or isinstance(part, str) for part in (unit, system, code)):
        raise TypeError
    text, plain = (part.strip() or None if isinstance(part, str) else None for part in (unit, code))
    ucum = plain is not None and isinstance(system, str) and normalise_system(system) == UCUM
    return plain if ucum else text or plain, ucum, text or plain


def _as_recorded(comparator: str | None, number: Decimal | None, value: Json, unit: str | None) -> str:
    if number is not None:
        shown = write_number(number)
    else:
        raw = value.get("value")
        shown = raw if isinstance(raw, str) else ""
    shown = f"{comparator} {shown}" if comparator else shown
    return f"{shown} {unit}" if unit else shown


def read_range(page: Page, node: Json, key: str, path: str = "") -> QuantityRange | None:
    """A Range; an end that is missing is open."""
    value = page.object(node, key, path)
    if value is None:
        return None
    where = f"{path}.{key}" if path else key
    low, high = read_quantity(page, value, "low", where), read_quantity(page, value, "high", where)
    return QuantityRange(low, high, f"{low.text if low else ''} - {high.text if high else ''}".strip())


def read_ratio(page: Page, node: Json, key: str, path: str = "") -> Ratio | None:
    """A Ratio, as titres are often written."""
    value = page.object(node, key, path)
    if value is None:
        return None
    where = f"{path}.{key}" if path else key
    over, under = read_quantity(page, value, "numerator", where), read_quantity(page, value, "denominator", where)
    return Ratio(over, under, f"{over.text if over else ''} : {under.text if under else ''}".strip())


def read_value(page: Page, node: Json, path: str = "") -> tuple[Value | None, str | None]:
    """(value[x], why it is absent): the second is a data-absent-reason code, or None.

    More than one value[x], or a value beside a reason for its absence, contradicts itself and is no value.
    """
    keys = [key for key in node if key[:5] == "value" and node[key] is not None]
    reason = page.concept(node, "dataAbsentReason", path) if "dataAbsentReason" in node else None
    absent = None if reason is None else next(code_words(reason), "unknown")
    if not keys:
        return None, absent or _primitive_absent(page, node, path)
    if len(keys) > 1 or absent is not None:
        page.note(
            "value-contradictory",
            "More than one value, or a value and a reason for its absence; not read.",
            f"{path}.value[x]".lstrip("."),
        )
        return None, absent
    key = keys[0]
    reader = _READERS.get(key)
    if reader is None:
        page.note("value-type-not-read", "A type of value that is not read.", f"{path}.{key}".lstrip("."))
        return None, None
    value = reader(page, node, key, path)
    said = _says_nothing(value)
    if said is not None:
        return None, said
    raw = node[key]
    return value, page.absent_reason(raw, path) if isinstance(raw, dict) and "extension" in raw else None


def _says_nothing(value: Value | None) -> str | None:
    """The reason that a value gives for not being one: a null flavour, or the word "unknown"."""
    if isinstance(value, Concept):
        nulls = [each.code for each in value.codings if each.system in NO_VALUE_SYSTEMS]
        if nulls and len(nulls) == len(value.codings):
            return nulls[0]
        return value.text if not value.codings and value.text and value.text.lower() in _NO_VALUE_WORDS else None
    return "unknown" if isinstance(value, str) and value.lower() in _NO_VALUE_WORDS else None


def _primitive_absent(page: Page, node: Json, path: str) -> str | None:
    """The reason in the extension of an absent primitive: ``_valueString`` and its like."""
    for key in node:
        if key[:6] == "_value":
            return page.absent_reason(page.object(node, key, path), path)
    return None


def _integer(page: Page, node: Json, key: str, path: str) -> int | None:
    number = page.number(node, key, path)
    if number is None:
        return None
    if number != number.to_integral_value():
        page.odd(path, key, "a whole number")
        return None
    return int(number)


def _decimal(page: Page, node: Json, key: str, path: str) -> Quantity | None:
    number = page.number(node, key, path)
    return None if number is None else Quantity(number, None, None, False, write_number(number))


def _coding(page: Page, node: Json, key: str, path: str) -> Concept | None:
    value = page.object(node, key, path)
    found = None if value is None else page.read_coding(value, f"{path}.{key}" if path else key)
    return None if found is None else Concept((found,))


def _text_only(page: Page, node: Json, key: str, path: str) -> OtherValue | None:
    text = page.string(node, key, path)
    return None if text is None else OtherValue(text)


def _period(page: Page, node: Json, key: str, path: str) -> OtherValue | None:
    start, end = page.period(node, key, path)
    if start is None and end is None:
        return None
    return OtherValue(f"{start.text if start else ''} - {end.text if end else ''}".strip())


def _sampled(page: Page, node: Json, key: str, path: str) -> OtherValue | None:
    value = page.object(node, key, path)
    return None if value is None else OtherValue(page.string(value, "data", f"{path}.{key}" if path else key) or "")


_READERS: dict[str, Callable[[Page, Json, str, str], Value | None]] = {
    "valueQuantity": read_quantity,
    "valueCodeableConcept": Page.concept,
    "valueString": Page.string,
    "valueBoolean": Page.boolean,
    "valueInteger": _integer,
    "valueDecimal": _decimal,
    "valueRange": read_range,
    "valueRatio": read_ratio,
    "valueCoding": _coding,
    "valueSampledData": _sampled,
    "valueTime": _text_only,
    "valueDate": _text_only,
    "valueDateTime": _text_only,
    "valueUri": _text_only,
    "valuePeriod": _period,
}


def read_reference_ranges(page: Page, node: Json, path: str = "") -> tuple[ReferenceRange, ...]:
    """Every entry, but those with an unknown modifierExtension."""
    where = f"{path}.referenceRange" if path else "referenceRange"
    return tuple(
        [
            _reference_range(page, item, where)
            for item in page.objects(node, "referenceRange", path)
            if not page.modified(item, where)
        ]
    )


def _reference_range(page: Page, item: Json, path: str) -> ReferenceRange:
    kind = page.concept(item, "type", path) if "type" in item else None
    age = page.object(item, "age", path) if "age" in item else None
    return ReferenceRange(
        low=read_quantity(page, item, "low", path),
        high=read_quantity(page, item, "high", path),
        kind=None if kind is None else next(code_words(kind), None),
        applies_to=_applies_to(page, item, path) if "appliesTo" in item else frozenset(),
        age_low=None if age is None else read_quantity(page, age, "low", f"{path}.age"),
        age_high=None if age is None else read_quantity(page, age, "high", f"{path}.age"),
        text=page.string(item, "text", path),
    )


def _applies_to(page: Page, item: Json, path: str) -> frozenset[str]:
    said = page.concepts(item, "appliesTo", path)
    codes = [each.code for concept in said for each in concept.codings]
    return frozenset(word.lower() for word in (*codes, *(text for concept in said for text in concept.texts())) if word)
