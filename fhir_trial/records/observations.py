"""Observation: components and contained members become Observations of their own.

Source: FHIR R4 Observation; DATA-57, DATA-58, DATA-62, DATA-63, DATA-64, DATA-65.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from fhir_trial.records.gathered import Gathered
from fhir_trial.records.model import Observation
from fhir_trial.records.page import NOTHING, Page, categories, words
from fhir_trial.records.raw import Json
from fhir_trial.records.statuses import judge
from fhir_trial.records.values import read_reference_ranges, read_value
from fhir_trial.times import FAR_PAST, Span


@dataclass(frozen=True, slots=True)
class Setting:
    """What a contained Observation takes from its container where it says nothing itself."""

    status: str | None = None
    effective: Span | None = None
    dated_by: str | None = None
    issued: datetime | None = None
    unusable: str | None = None


_ALONE = Setting()


def read_observation(page: Page, into: Gathered) -> None:
    """The Observation, its components and its contained members."""
    whole = _read_with_components(page, into, _ALONE)
    if "hasMember" in page.resource:
        read_members(page, into, "hasMember", _setting_of(whole))


def _read_with_components(page: Page, into: Gathered, setting: Setting) -> Observation:
    whole = _read(page, setting)
    if "component" in page.resource:
        parts = list(_components(page, whole))
        family = (*(() if whole.value is None else (whole,)), *parts)
        whole = replace(whole, siblings=tuple(parts))
        into.observations.append(whole)
        into.observations.extend(replace(part, siblings=tuple([one for one in family if one is not part])) for part in parts)
    else:
        into.observations.append(whole)
    return whole


def _setting_of(whole: Observation) -> Setting:
    return Setting(whole.status, whole.effective, whole.dated_by, whole.issued, whole.unusable)


def _read(page: Page, setting: Setting) -> Observation:
    resource = page.resource
    if page.unusable is None:
        page.unusable = setting.unusable
    code = page.concept(resource, "code")
    if code is None:
        page.note("code-missing", "Nothing says what was observed.", "code")
    value, absent = read_value(page, resource)
    issued = page.moment(resource, "issued") or setting.issued
    effective, dated_by = _dated(page, setting)
    return Observation(
        origin=page.origin,
        status=page.string(resource, "status") or setting.status,
        code=code or NOTHING,
        categories=categories(page.concepts(resource, "category")) if "category" in resource else frozenset(),
        effective=effective,
        dated_by=dated_by,
        issued=issued,
        value=value,
        absent_reason=absent,
        interpretation=page.concepts(resource, "interpretation") if "interpretation" in resource else (),
        ranges=read_reference_ranges(page, resource) if "referenceRange" in resource else (),
        notes=page.notes(resource) if "note" in resource else (),
        specimen=_specimen(page) if "specimen" in resource else None,
        method=words(page.concept(resource, "method")) if "method" in resource else None,
        body_site=words(page.concept(resource, "bodySite")) if "bodySite" in resource else None,
        performed="performer" in resource and _performed(page),
        unusable=page.unusable,
        members=page.names(resource, "hasMember") if "hasMember" in resource else (),
        performers=tuple(_performers(page)) if "performer" in resource else (),
    )


def _components(page: Page, whole: Observation) -> Iterator[Observation]:
    for item in page.objects(page.resource, "component"):
        code = page.concept(item, "code", "component")
        value, absent = read_value(page, item, "component")
        modified = page.modified(item, "component")
        if code is None:
            page.note("code-missing", "Nothing says what the component is.", "component.code")
        yield replace(
            whole,
            code=code or NOTHING,
            value=value,
            absent_reason=absent,
            interpretation=page.concepts(item, "interpretation", "component"),
            ranges=read_reference_ranges(page, item, "component"),
            unusable=whole.unusable or ("modifier-extension" if modified else None),
            members=(),
        )


def _performed(page: Page) -> bool:
    named = page.objects(page.resource, "performer")
    return any(item.get("reference") or item.get("display") or item.get("identifier") for item in named)


def _performers(page: Page) -> Iterator[str]:
    for item in page.objects(page.resource, "performer"):
        if (name := page.string(item, "display", "performer")) is not None:
            yield name
        found = page.find(page.string(item, "reference", "performer"))
        is_known = found is not None and found.get("resourceType") == "Organization"
        if found is not None and is_known and (name := page.inside(found).string(found, "name", "performer")) is not None:
            yield name


# dates


def _dated(page: Page, setting: Setting) -> tuple[Span | None, str | None]:
    """effective[x], else specimen collection, else issued (DATA-64); else what the container says."""
    resource = page.resource
    found = _effective(page)
    if found is not None:
        return found, "effective"
    found = _collected(page) if "specimen" in resource else None
    if found is not None:
        page.note(
            "dated-by-specimen", "No effective date; dated by the collection of its specimen.", "effective[x]", "information"
        )
        return found, "specimen"
    if setting.effective is not None:
        return setting.effective, setting.dated_by
    found = page.event(resource, "issued")
    if found is not None:
        page.note("dated-by-issued", "No effective date; dated by its issue.", "effective[x]", "information")
        return found, "issued"
    page.note("date-missing", "No date at all.", "effective[x]")
    return None, None


def _effective(page: Page) -> Span | None:
    resource = page.resource
    if "effectiveDateTime" in resource:
        return page.event(resource, "effectiveDateTime")
    if "effectivePeriod" in resource:
        return start_of(page, resource, "effectivePeriod")
    if "effectiveInstant" in resource:
        return page.event(resource, "effectiveInstant")
    timing = page.object(resource, "effectiveTiming")
    if timing is None:
        return None
    events = timing.get("event")
    if isinstance(events, list) and events:
        return page.event({"event": events[0]}, "event", "effectiveTiming")
    repeat = page.object(timing, "repeat", "effectiveTiming")
    return None if repeat is None else start_of(page, repeat, "boundsPeriod", "effectiveTiming.repeat")


def start_of(page: Page, node: Json, key: str, path: str = "") -> Span | None:
    """The start of a Period; without one, any day up to its end."""
    start, end = page.past_period(node, key, path)
    if start is not None or end is None:
        return start
    return Span(FAR_PAST, end.last, None, end.text)


# specimen


def _specimen(page: Page) -> str | None:
    said = page.object(page.resource, "specimen")
    if said is None:
        return None
    found = page.find(page.string(said, "reference", "specimen"))
    kind = None if found is None else words(page.inside(found).concept(found, "type", "specimen"))
    return kind or page.string(said, "display", "specimen")


def _collected(page: Page) -> Span | None:
    found = page.find(page.reference(page.resource, "specimen"))
    collection = None if found is None else page.object(found, "collection", "specimen")
    if collection is None:
        return None
    if "collectedDateTime" in collection:
        return page.event(collection, "collectedDateTime", "specimen.collection")
    return start_of(page, collection, "collectedPeriod", "specimen.collection")


# members


def read_members(page: Page, into: Gathered, key: str, setting: Setting) -> None:
    """Reads the contained Observations that ``key`` names, and has the others read if they are not on file otherwise."""
    met: set[int] = {id(page.resource)}
    waiting = [(page, key, setting)]
    while waiting:
        holder, element, around = waiting.pop()
        for found in _contained_members(holder, element):
            inner = holder.inside(found)
            if id(found) not in met and _may_be_read(inner):
                whole = _read_with_components(inner, into, around)
                waiting.append((inner, "hasMember", _setting_of(whole)))
            met.add(id(found))


def _contained_members(page: Page, key: str) -> Iterator[Json]:
    for item in page.objects(page.resource, key):
        literal = page.string(item, "reference", key)
        if literal is not None and literal.startswith("#"):
            found = page.contained(literal[1:])
        else:
            found = None if literal is None else page.references.follow(literal)
        if found is None:
            page.note("member-not-on-file", "A member or result that this source does not hold.", key)
        elif literal is not None and literal.startswith("#"):
            yield found


def _may_be_read(page: Page) -> bool:
    if page.resource.get("resourceType") != "Observation":
        page.note("member-not-read", "A contained member that is no Observation.", "contained", "information")
        return False
    subject = page.reference(page.resource, "subject", "contained")
    if subject is not None and not subject.startswith("#") and page.references.is_patient(subject) is not True:
        page.note("other-patient", "A contained member about somebody else; left out.", "contained.subject")
        return False
    if page.modified(page.resource, "contained"):
        page.unusable = "modifier-extension"
    return page.resource.get("status") is None or judge(page, "Observation")
