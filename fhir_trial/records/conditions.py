"""Conditions, and what an Encounter gives as its reason or diagnosis.

Source: FHIR R4 Condition, Encounter; DATA-50 to DATA-56; criteria.md C2.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from fhir_trial.records.absences import states_absence
from fhir_trial.records.gathered import Gathered
from fhir_trial.records.model import Condition, Encounter, Quantity
from fhir_trial.records.observations import start_of
from fhir_trial.records.page import NOTHING, Page, categories, words
from fhir_trial.records.raw import Json
from fhir_trial.records.urls import CONDITION_ASSERTED_DATE
from fhir_trial.records.values import read_quantity, read_range
from fhir_trial.terminology.concepts import Concept
from fhir_trial.times import FAR_PAST, Span, add_months

_CLINICAL = frozenset({"active", "recurrence", "relapse", "inactive", "remission", "resolved"})
_VERIFICATION = frozenset({"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"})
_ABATEMENTS = ("abatementDateTime", "abatementPeriod", "abatementAge", "abatementRange", "abatementString", "abatementBoolean")
_MONTHS = {"a": 12, "year": 12, "years": 12, "yr": 12, "mo": 1, "month": 1, "months": 1}
_DAYS = {"wk": 7, "week": 7, "weeks": 7, "d": 1, "day": 1, "days": 1}
#: An encounter that took place, or is taking place.
_HELD = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished", None})


def read_condition(page: Page, into: Gathered) -> None:
    """A Condition, or the statement that there is none."""
    resource = page.resource
    verification = page.code(resource, "verificationStatus", _VERIFICATION)
    if verification == "entered-in-error":
        page.note("status-left-out", "Entered in error: not data.", "verificationStatus", "information")
        return
    if verification is None and resource.get("verificationStatus") is not None:
        page.unusable = page.unusable or "status-not-understood"
    code = page.concept(resource, "code")
    if code is None:
        page.note("code-missing", "Nothing says what the condition is.", "code")
    visit = into.visits.get(page.references.plain(page.reference(resource, "encounter") or ""))
    recorded = page.event(resource, "recordedDate") or _asserted(page) or (visit.start if visit else None)
    if code is not None and states_absence(page, code, recorded, "condition", into):
        return
    into.conditions.append(
        Condition(
            origin=page.origin,
            code=code or NOTHING,
            clinical=page.code(resource, "clinicalStatus", _CLINICAL),
            verification=verification,
            categories=categories(page.concepts(resource, "category")) if "category" in resource else frozenset(),
            onset=_onset(page, into.birth),
            recorded=recorded,
            ended=_ended(resource),
            abatement=_abatement(page),
            specialty=_specialty(page, visit),
            notes=(*page.notes(resource), *_onset_words(page)),
            unusable=page.unusable,
        )
    )


def _asserted(page: Page) -> Span | None:
    """The date of assertion that US Core adds; it is when someone said so, as recordedDate is."""
    for url, item in page.extensions(page.resource) if "extension" in page.resource else ():
        if url == CONDITION_ASSERTED_DATE:
            return page.event(item, "valueDateTime", "extension")
    return None


# onset and end


def _onset(page: Page, birth: Span | None) -> Span | None:
    resource = page.resource
    if "onsetDateTime" in resource:
        return page.event(resource, "onsetDateTime")
    if "onsetPeriod" in resource:
        return start_of(page, resource, "onsetPeriod")
    if "onsetAge" in resource:
        age = read_quantity(page, resource, "onsetAge")
        return _at_age(page, birth, age, age)
    if "onsetRange" in resource:
        ages = read_range(page, resource, "onsetRange")
        return None if ages is None else _at_age(page, birth, ages.low, ages.high)
    return None


def _onset_words(page: Page) -> tuple[str, ...]:
    found = page.string(page.resource, "onsetString") if "onsetString" in page.resource else None
    return () if found is None else (found,)


def _at_age(page: Page, birth: Span | None, low: Quantity | None, high: Quantity | None) -> Span | None:
    """From the day on which the younger age was completed to the last day before the older one is exceeded."""
    first = None if birth is None or low is None else _aged(birth.first, low, 0)
    beyond = None if birth is None or high is None else _aged(birth.last, high, 1)
    if first is None and beyond is None:
        page.note("age-not-understood", "An age at onset without readable number, unit or birth date.", "onset[x]")
        return None
    text = " - ".join(dict.fromkeys(age.text for age in (low, high) if age is not None))
    return Span(first or FAR_PAST, (beyond or date.max) - timedelta(days=1), None, text)


def _aged(born: date, age: Quantity, more: int) -> date | None:
    """The day on which ``age`` + ``more`` of its units is completed."""
    if age.number is None or not 0 <= age.number <= Decimal(150 * 366):
        return None
    count, unit = int(age.number) + more, (age.unit or "").lower()
    if unit in _MONTHS:
        return add_months(born, count * _MONTHS[unit])
    return None if unit not in _DAYS else born + timedelta(days=count * _DAYS[unit])


def _ended(resource: Json) -> bool:
    return any(resource.get(key) is not None and resource[key] is not False for key in _ABATEMENTS)


def _abatement(page: Page) -> Span | None:
    if "abatementDateTime" in page.resource:
        return page.span(page.resource, "abatementDateTime")
    return page.period(page.resource, "abatementPeriod")[1] if "abatementPeriod" in page.resource else None


# who recorded it


def _specialty(page: Page, visit: Encounter | None) -> str | None:
    found = [specialty_of(page, page.object(page.resource, key)) for key in ("recorder", "asserter") if key in page.resource]
    return joined(found if visit is None else [visit.specialty, *found])


def specialty_of(page: Page, who: Json | None) -> str | None:
    """The words of a PractitionerRole's specialty and code, and the display of the reference."""
    if who is None:
        return None
    role = page.find(page.string(who, "reference"))
    said = [page.string(who, "display")]
    if role is not None and role.get("resourceType") == "PractitionerRole":
        there = page.inside(role)
        said += [words(one) for key in ("specialty", "code") for one in there.concepts(role, key, "PractitionerRole")]
        said.append(there.string(there.object(role, "organization", "PractitionerRole") or {}, "display", "PractitionerRole"))
    return joined(said)


def joined(said: list[str | None]) -> str | None:
    """Without blanks and repeats."""
    return "; ".join(dict.fromkeys(one for one in said if one)) or None


# encounters


def read_encounter(page: Page, into: Gathered) -> None:
    """An Encounter, and what it gives as its reason or diagnosis as Conditions ``from_encounter``."""
    resource = page.resource
    status = page.string(resource, "status")
    start, end = page.past_period(resource, "period")
    visit = Encounter(page.origin, status, start, end, _service(page))
    into.encounters.append(visit)
    into.visits[page.origin.reference] = visit
    if status not in _HELD:
        return
    for code in page.concepts(resource, "reasonCode"):
        _add_reason(page, into, visit, code)
    named = [(item, "reasonReference") for item in page.objects(resource, "reasonReference")]
    for item in page.objects(resource, "diagnosis"):
        told = page.object(item, "condition", "diagnosis")
        if told is not None and not page.modified(item, "diagnosis"):
            named.append((told, "diagnosis.condition"))
    for item, path in named:
        _add_named(page, into, visit, item, path)


def _service(page: Page) -> str | None:
    resource = page.resource
    said = [words(page.concept(resource, "serviceType"))] if "serviceType" in resource else []
    said += [words(one) for one in page.concepts(resource, "type")]
    said += [specialty_of(page, page.object(item, "individual", "participant")) for item in page.objects(resource, "participant")]
    said.append(page.string(page.object(resource, "serviceProvider") or {}, "display", "serviceProvider"))
    return joined(said)


def _add_named(page: Page, into: Gathered, visit: Encounter, item: Json, path: str) -> None:
    """A Condition that is on file is read there, and not a second time here; one that cannot be found is its display."""
    literal = page.string(item, "reference", path)
    if literal is not None and literal.startswith("#"):
        found = page.contained(literal[1:])
        if found is not None and found.get("resourceType") == "Condition":
            _add_contained(page.inside(found), into, visit)
            return
    elif literal is not None and page.references.follow(literal) is not None:
        return
    page.note("reference-not-resolved", "A diagnosis that leads to nothing in this source.", path)
    display = page.string(item, "display", path)
    if display is not None:
        _add_reason(page, into, visit, Concept((), display))


def _add_contained(page: Page, into: Gathered, visit: Encounter) -> None:
    verification = page.code(page.resource, "verificationStatus", _VERIFICATION, "contained")
    if verification == "entered-in-error":
        page.note("status-left-out", "Entered in error: not data.", "contained.verificationStatus", "information")
        return
    not_understood = verification is None and page.resource.get("verificationStatus") is not None
    page.unusable = "status-not-understood" if not_understood else None
    if page.modified(page.resource, "contained"):
        page.unusable = "modifier-extension"
    _add_reason(page, into, visit, page.concept(page.resource, "code", "contained") or NOTHING, verification)


def _add_reason(page: Page, into: Gathered, visit: Encounter, code: Concept, verification: str | None = None) -> None:
    into.conditions.append(
        Condition(
            origin=page.origin,
            code=code,
            clinical=None,
            verification=verification,
            categories=frozenset({"encounter-diagnosis"}),
            onset=None,
            recorded=visit.start,
            ended=False,
            abatement=None,
            specialty=visit.specialty,
            notes=(),
            from_encounter=True,
            unusable=page.unusable,
        )
    )
