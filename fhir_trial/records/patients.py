"""Patient: birth, sex, death, replacement; several copies of one patient merged (VER-07).

Source: FHIR R4 Patient; US Core birthsex and sex extensions; DATA-40, DATA-41, DATA-42, DATA-45, R28.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_trial.records.model import Patient
from fhir_trial.records.page import Page
from fhir_trial.records.raw import Json
from fhir_trial.records.urls import PATIENT_BIRTH_SEX, US_CORE_BIRTH_SEX, US_CORE_SEX
from fhir_trial.times import Span

_GENDERS = frozenset({"male", "female", "other", "unknown"})
_SEX_EXTENSIONS = frozenset({US_CORE_BIRTH_SEX, US_CORE_SEX, PATIENT_BIRTH_SEX})
#: The codes that the three extensions are bound to: v3 AdministrativeGender, and (us-core-sex) two of SNOMED CT.
_SEX_CODES = {"M": "male", "F": "female", "male": "male", "female": "female", "248153007": "male", "248152002": "female"}
_SEXES = ("male", "female")


def read_patient(page: Page) -> Patient:
    """One copy. What carries a modifierExtension keeps neither birth nor sex (DATA-22)."""
    resource = page.resource
    unusable = "modifier-extension" if page.modified(resource) else None
    deceased, deceased_on = _deceased(page)
    birth_sex, disagree = _birth_sex(page)
    active = page.boolean(resource, "active")
    return Patient(
        origin=page.origin,
        birth=None if unusable else page.span(resource, "birthDate"),
        gender=None if unusable else _gender(page),
        birth_sex=None if unusable else birth_sex,
        deceased=deceased,
        deceased_on=deceased_on,
        active=active,
        replaced_by=_replaced_by(page),
        disagreements=frozenset({"sex"}) if disagree else frozenset(),
        unusable=unusable,
        unread=_unread(page, deceased=deceased, active=active),
    )


def _unread(page: Page, *, deceased: bool, active: bool | None) -> frozenset[str]:
    """What says something of life or use, and cannot be read: it must not pass for "alive" and "in use"."""
    resource = page.resource
    said = [key for key in ("deceasedBoolean", "deceasedDateTime", "_deceasedBoolean", "_deceasedDateTime") if resource.get(key)]
    unread = {"deceased"} if said and not deceased else set()
    if active is None and resource.get("active", resource.get("_active")) is not None:
        unread.add("active")
    for element in sorted(unread):
        page.note("not-understood", "It is there and cannot be read: a person must look.", element, "error")
    return frozenset(unread)


def merged(copies: Sequence[Patient]) -> Patient:
    """The newest copy (the last), completed by the older ones; what contradicts stands in ``disagreements``."""
    newest = copies[-1]
    if len(copies) == 1:
        return newest
    births = [copy.birth for copy in copies if copy.birth is not None]
    sexes = {sex for copy in copies for sex in (copy.gender,) if sex in _SEXES}
    birth_sexes = {sex for copy in copies for sex in (copy.birth_sex,) if sex in _SEXES}
    disagreements = set().union(*(copy.disagreements for copy in copies))
    if any(not _agree(one, other) for one in births for other in births):
        disagreements.add("birthDate")
    if len(sexes) > 1 or len(birth_sexes) > 1:
        disagreements.add("sex")
    backwards = copies[::-1]
    return Patient(
        origin=newest.origin,
        birth=min(reversed(births), key=_width, default=None),
        gender=next((c.gender for c in backwards if c.gender in _SEXES), next((c.gender for c in backwards if c.gender), None)),
        birth_sex=next((c.birth_sex for c in backwards if c.birth_sex in _SEXES), newest.birth_sex),
        deceased=any(copy.deceased for copy in copies),
        deceased_on=next((c.deceased_on for c in backwards if c.deceased_on is not None), None),
        active=next((c.active for c in backwards if c.active is not None), None),
        replaced_by=next((c.replaced_by for c in backwards if c.replaced_by is not None), None),
        disagreements=frozenset(disagreements),
        unusable=next((c.unusable for c in backwards if c.unusable is not None), None),
        unread=frozenset().union(*(copy.unread for copy in copies)),
    )


def _agree(one: Span, other: Span) -> bool:
    """A partial birth date agrees with every date inside it."""
    return (one.first <= other.first and other.last <= one.last) or (other.first <= one.first and one.last <= other.last)


def _width(birth: Span) -> int:
    return birth.last.toordinal() - birth.first.toordinal()


def _gender(page: Page) -> str | None:
    gender = page.string(page.resource, "gender")
    if gender is None or gender in _GENDERS:
        return gender
    page.note("code-not-understood", "None of the codes that gender may have.", "gender")
    return None


def _birth_sex(page: Page) -> tuple[str | None, bool]:
    """(sex, whether two extensions contradict each other)."""
    said = [_said(page, item) for url, item in page.extensions(page.resource) if url in _SEX_EXTENSIONS]
    known = {sex for sex in said if sex in _SEXES}
    if len(known) == 1:
        return known.pop(), False
    return (None if not said else "unknown"), len(known) > 1


def _said(page: Page, extension: Json) -> str:
    code = page.string(extension, "valueCode", "extension")
    if code is None:
        coding = page.object(extension, "valueCoding", "extension") or {}
        code = page.string(coding, "code", "extension.valueCoding")
    if code is None:
        said = page.concept(extension, "valueCodeableConcept", "extension")
        code = said.codings[0].code if said is not None and said.codings else None
    return _SEX_CODES.get(code or "", "unknown")


def _deceased(page: Page) -> tuple[bool, Span | None]:
    """An unreadable date of death is still a death."""
    resource = page.resource
    if page.string(resource, "deceasedDateTime") is not None:
        return True, page.span(resource, "deceasedDateTime")
    return page.boolean(resource, "deceasedBoolean") is True, None


def _replaced_by(page: Page) -> str | None:
    for link in page.objects(page.resource, "link"):
        if link.get("type") == "replaced-by":
            return page.reference(link, "other", "link") or "unknown"
    return None
