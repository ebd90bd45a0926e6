"""Dosage and Timing as recorded. What is unreadable in a timing takes the whole timing with it: half a schedule is a wrong dose.

Source: FHIR R4 Dosage, Timing.
"""

from __future__ import annotations

from decimal import Decimal

from fhir_trial.records.model import Dosage, Quantity, QuantityRange, Timing
from fhir_trial.records.page import Page, words
from fhir_trial.records.raw import Json
from fhir_trial.records.values import read_quantity, read_range, read_ratio
from fhir_trial.terminology.concepts import Concept

_DAYS_IN = {
    **dict.fromkeys(("d", "day", "days"), Decimal(1)),
    **dict.fromkeys(("wk", "week", "weeks"), Decimal(7)),
    **dict.fromkeys(("mo", "month", "months"), Decimal(30)),
    **dict.fromkeys(("a", "year", "years"), Decimal(365)),
    **dict.fromkeys(("h", "hour", "hours"), Decimal(1) / Decimal(24)),
}


def days(duration: Quantity | None) -> Decimal | None:
    """A Duration in days; a month as 30, a year as 365 days. A comparator, or another unit, leaves it unknown."""
    if duration is None or duration.number is None or duration.comparator is not None:
        return None
    factor = _DAYS_IN.get((duration.unit or "").lower())
    return None if factor is None else duration.number * factor


def read_dosages(page: Page, key: str) -> tuple[Dosage, ...]:
    """Every dosage, in the order recorded; one with an unknown modifierExtension keeps only its text."""
    return tuple([_read(page, item, key) for item in page.one_or_more(page.resource, key)])


def _read(page: Page, item: Json, path: str) -> Dosage:
    if page.modified(item, path):
        return Dosage(page.string(item, "text", path), False, None, None, None, None)
    rated = _rated(page, item, path)
    sequence = page.number(item, "sequence", path)
    return Dosage(
        text=_text(page, item, path),
        as_needed=_as_needed(page, item, path),
        route=page.concept(item, "route", path),
        dose=_dose(page, rated, path),
        rate=_rate(page, rated, path),
        timing=_timing(page, item, path),
        sequence=None if sequence is None else int(sequence),
    )


def _text(page: Page, item: Json, path: str) -> str | None:
    said = [page.string(item, "text", path), *(words(one) for one in page.concepts(item, "additionalInstruction", path))]
    said.append(page.string(item, "patientInstruction", path))
    return "; ".join(dict.fromkeys(one for one in said if one)) or None


def _as_needed(page: Page, item: Json, path: str) -> bool:
    """Anything but a plain "false" makes the dose one that may or may not be taken."""
    return page.boolean(item, "asNeededBoolean", path) is True or any(
        item.get(key) is not None and item[key] is not False for key in ("asNeededBoolean", "asNeededCodeableConcept")
    )


def _rated(page: Page, item: Json, path: str) -> Json:
    """The doseAndRate that was ordered, else one without type, else the first; else the dosage itself (administrations)."""
    entries = page.objects(item, "doseAndRate", path)
    kinds = [page.concept(entry, "type", f"{path}.doseAndRate") for entry in entries]
    for entry, kind in zip(entries, kinds, strict=True):
        if kind is not None and any(each.code == "ordered" for each in kind.codings):
            return entry
    for entry, kind in zip(entries, kinds, strict=True):
        if kind is None:
            return entry
    return entries[0] if entries else item


def _dose(page: Page, rated: Json, path: str) -> Quantity | QuantityRange | None:
    where = f"{path}.doseAndRate"
    if "doseRange" in rated:
        return read_range(page, rated, "doseRange", where)
    return read_quantity(page, rated, "dose" if "dose" in rated else "doseQuantity", where)


def _rate(page: Page, rated: Json, path: str) -> str | None:
    where = f"{path}.doseAndRate"
    rate = (
        read_quantity(page, rated, "rateQuantity", where)
        or read_ratio(page, rated, "rateRatio", where)
        or read_range(page, rated, "rateRange", where)
    )
    return None if rate is None else rate.text


def _timing(page: Page, item: Json, path: str) -> Timing | None:
    timing = page.object(item, "timing", path)
    if timing is None:
        return None
    before = len(page.issues)
    found = _read_timing(page, timing, f"{path}.timing")
    return None if page.modified(timing, f"{path}.timing") or len(page.issues) > before else found


def _read_timing(page: Page, timing: Json, path: str) -> Timing:
    repeat = page.object(timing, "repeat", path) or {}
    where = f"{path}.repeat"
    start, end = page.period(repeat, "boundsPeriod", where)
    return Timing(
        frequency=page.number(repeat, "frequency", where),
        frequency_max=page.number(repeat, "frequencyMax", where),
        period=page.number(repeat, "period", where),
        period_max=page.number(repeat, "periodMax", where),
        period_unit=page.string(repeat, "periodUnit", where),
        days_of_week=page.count(repeat, "dayOfWeek", where),
        times_of_day=page.count(repeat, "timeOfDay", where),
        when=page.count(repeat, "when", where),
        bounds_start=start,
        bounds_end=end,
        bounds_days=days(read_quantity(page, repeat, "boundsDuration", where)),
        code=_code(page.concept(timing, "code", path)),
        events=page.count(timing, "event", path),
    )


def _code(said: Concept | None) -> str | None:
    """The code upper case ("BID"), or its words."""
    if said is None:
        return None
    return next((each.code.upper() for each in said.codings if each.code), words(said))
