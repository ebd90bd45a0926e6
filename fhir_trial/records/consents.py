"""Consent and ResearchSubject: to which study, by whom, with what decision.

Source: FHIR R4 Consent, ResearchSubject; C9, R43.
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_trial.records.gathered import Gathered
from fhir_trial.records.model import Consent, StudySubject
from fhir_trial.records.page import Page, code_words
from fhir_trial.records.raw import Json
from fhir_trial.times import Span

#: v3 RoleCode, as relatives and guardians are coded in FHIR.
_ROLES = {
    "MTH": "mother",
    "NMTH": "mother",
    "ADOPTM": "mother",
    "STPMTH": "stepmother",
    "MTHFOST": "foster mother",
    "FTH": "father",
    "NFTH": "father",
    "ADOPTF": "father",
    "STPFTH": "stepfather",
    "FTHFOST": "foster father",
    "PRN": "parent",
    "NPRN": "parent",
    "ADOPTP": "parent",
    "STPPRN": "step-parent",
    "PRNFOST": "foster parent",
    "GUARD": "guardian",
    "POWATT": "power of attorney",
    "HPOWATT": "health care power of attorney",
    "DPOWATT": "durable power of attorney",
    "SELF": "self",
    "ONESELF": "self",
}


def read_consent(page: Page, into: Gathered) -> None:
    """A Consent. Nested provisions that say otherwise than the outer one make it unusable."""
    resource = page.resource
    provision = page.object(resource, "provision") or {}
    nested = list(_nested(page, provision))
    decision = page.string(provision, "type", "provision")
    if any(page.modified(one, "provision") for one in (provision, *nested)):
        page.unusable = "modifier-extension"
    elif any(one.get("type") not in (None, decision) for one in nested):
        page.note(
            "provisions-mixed", "Provisions inside the provision say otherwise than it does; not read.", "provision.provision"
        )
        page.unusable = page.unusable or "provisions-mixed"
    scope = page.concept(resource, "scope")
    verified = [page.boolean(item, "verified", "verification") for item in page.objects(resource, "verification")]
    into.consents.append(
        Consent(
            origin=page.origin,
            status=page.string(resource, "status"),
            scope=None if scope is None else next(code_words(scope), None),
            categories=page.concepts(resource, "category"),
            dated=page.event(resource, "dateTime"),
            studies=tuple(dict.fromkeys(_studies(page, [provision, *nested]))),
            decision=decision,
            performers=tuple(dict.fromkeys(_performers(page, provision))),
            verified=(True in verified) if any(one is not None for one in verified) else None,
            period_end=page.period(provision, "period", "provision")[1],
            unusable=page.unusable,
        )
    )


def _nested(page: Page, provision: Json) -> Iterator[Json]:
    waiting = list(page.objects(provision, "provision", "provision"))
    while waiting:
        inner = waiting.pop(0)
        yield inner
        waiting.extend(page.objects(inner, "provision", "provision"))


def _studies(page: Page, provisions: list[Json]) -> Iterator[str]:
    """Every word by which it may name a study."""
    resource = page.resource
    for item in page.one_or_more(resource, "identifier"):
        yield from _strings(page, item, "identifier", "value")
    yield from _named(page, page.object(resource, "sourceReference"), "sourceReference")
    yield from _strings(page, page.object(resource, "sourceAttachment") or {}, "sourceAttachment", "title", "url")
    for policy in page.objects(resource, "policy"):
        yield from _strings(page, policy, "policy", "uri", "authority")
    said = [page.concept(resource, "policyRule"), *page.concepts(resource, "category")]
    for provision in provisions:
        for data in page.objects(provision, "data", "provision"):
            yield from _named(page, page.object(data, "reference", "provision.data"), "provision.data.reference")
        said += page.concepts(provision, "code", "provision")
    for concept in said:
        if concept is not None:
            yield from (word for each in concept.codings if (word := each.code))
            yield from concept.texts()


def _strings(page: Page, node: Json, path: str, *keys: str) -> Iterator[str]:
    for key in keys:
        found = page.string(node, key, path)
        if found is not None:
            yield found


def _named(page: Page, told: Json | None, path: str) -> Iterator[str]:
    """Reference, display, logical identifier; of a study that is on file its identifiers and title too."""
    if told is None:
        return
    literal = page.string(told, "reference", path)
    if literal is not None:
        yield page.references.plain(literal)
    yield from _strings(page, told, path, "display")
    yield from _strings(page, page.object(told, "identifier", path) or {}, path, "value")
    study = page.find(literal)
    if study is not None:
        for item in page.one_or_more(study, "identifier", path):
            yield from _strings(page, item, path, "value")
        yield from _strings(page, study, path, "title")


def _performers(page: Page, provision: Json) -> Iterator[str]:
    for item in page.objects(page.resource, "performer"):
        yield from _who(page, item, "performer")
    for item in page.objects(page.resource, "verification"):
        yield from _who(page, page.object(item, "verifiedWith", "verification"), "verification.verifiedWith")
    for actor in page.objects(provision, "actor", "provision"):
        role = page.concept(actor, "role", "provision.actor")
        if role is not None:
            yield from (_ROLES.get(word, word).lower() for word in (*code_words(role), *role.texts()) if word)
        yield from _who(page, page.object(actor, "reference", "provision.actor"), "provision.actor.reference")


def _who(page: Page, told: Json | None, path: str) -> Iterator[str]:
    """The reference, and in lower case what it says of the person: "patient", "mother", "guardian"."""
    if told is None:
        return
    literal = page.string(told, "reference", path)
    if literal is not None:
        yield page.references.plain(literal)
        yield _sort_of_person(page, literal)
    yield from (text.lower() for text in _strings(page, told, path, "display"))
    found = page.find(literal)
    if found is not None and found.get("resourceType") == "RelatedPerson":
        for said in page.inside(found).concepts(found, "relationship", path):
            yield from (_ROLES.get(word, word).lower() for word in (*code_words(said), *said.texts()) if word)


def _sort_of_person(page: Page, literal: str) -> str:
    found = page.find(literal)
    kind = found.get("resourceType") if found is not None else literal.rpartition("/")[0].rpartition("/")[2]
    if literal.startswith("#") or not isinstance(kind, str):
        return str(kind).lower() if isinstance(kind, str) else "somebody"
    if kind == "Patient" or page.references.is_patient(literal):
        return "patient" if page.references.is_patient(literal) else "another patient"
    return kind.lower() or "somebody"


def read_subject(page: Page, into: Gathered) -> None:
    """R4 ``individual``; the study by reference, logical identifier and, if it is on file, its identifiers and title."""
    resource = page.resource
    told = page.object(resource, "study")
    literal = None if told is None else page.string(told, "reference", "study")
    start, end = _period(page)
    into.subjects.append(
        StudySubject(
            origin=page.origin,
            status=page.string(resource, "status"),
            study=None if literal is None else page.references.plain(literal),
            study_identifiers=tuple(dict.fromkeys(_named(page, told, "study"))),
            consent=next(iter(page.names(resource, "consent")), None),
            start=start,
            end=end,
        )
    )


def _period(page: Page) -> tuple[Span | None, Span | None]:
    return page.past_period(page.resource, "period")
