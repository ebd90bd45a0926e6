"""The few members of a line that say what it is and whose: decoded without the rest, which is checked to be JSON and dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from fhir_trial.sources.documents import Entry
from fhir_trial.sources.grouping import made_up_name
from fhir_trial.sources.patient_links import PATIENT_LINK, SHARED_TYPES, last_two, patient_link, without_version
from fhir_trial.terminology import Coding, Concept, coding
from fhir_trial.transport import decode_json

#: Of a line that is no resource; no type is called so, not even one of no letters.
NO_TYPE: Final = "(none)"


class _Reference(msgspec.Struct, gc=False):
    reference: str | None = None


class Sketch(msgspec.Struct, gc=False):
    """A line as it is decoded first, without asking what its type makes of it."""

    resourceType: str = NO_TYPE  # noqa: N815  # FHIR's own spelling
    id: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None
    individual: _Reference | None = None
    beneficiary: _Reference | None = None
    for_: _Reference | None = msgspec.field(default=None, name="for")


class _Coding(msgspec.Struct, gc=False, frozen=True):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class _Concept(msgspec.Struct, gc=False, frozen=True):
    coding: tuple[_Coding, ...] = ()
    text: str | None = None


class _Diagnosis(msgspec.Struct, gc=False):
    resourceType: str = NO_TYPE  # noqa: N815  # FHIR's own spelling
    subject: _Reference | None = None
    code: _Concept | None = None


class Head(msgspec.Struct, gc=False, frozen=True):
    """What a line is.

    Attributes:
        kind: resourceType; NO_TYPE for a line that is no resource.
        patient: ``Patient/id`` of the record that it belongs to, or what a Patient without an id is called; None where it belongs
            to nobody, or names nobody of this export.
        name: ``Type/id``; None without an id.
    """

    kind: str
    patient: str | None
    name: str | None


class Diagnosis(msgspec.Struct, gc=False, frozen=True):
    """A Condition: whose, and of what."""

    patient: str | None
    concept: Concept


_HEADS: Final = msgspec.json.Decoder(Sketch)
_DIAGNOSES: Final = msgspec.json.Decoder(_Diagnosis)
_ELEMENTS: Final = {kind: "for_" if element == "for" else element for kind, element in PATIENT_LINK.items()}


def head_of(line: bytes) -> Head:
    """What a line is, and whose.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        found = _HEADS.decode(line)
    except (msgspec.ValidationError, RecursionError):  # JSON of another shape: a list for an object, a number for a word
        return _by_hand(decode_json(line))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("not JSON") from None
    if not _is_text(line):
        raise ValueError("not JSON")
    if found.resourceType == "Patient" and not found.id:
        return _by_hand(decode_json(line))
    element = _ELEMENTS.get(found.resourceType)
    reference = getattr(found, element) if element is not None else None
    return _head(found.resourceType, found.id, reference.reference if reference is not None else None)


def sketches_of(block: bytes, lines: Sequence[bytes]) -> list[Sketch] | None:
    """All lines of a block in one go, in a third of the time; None where one may not be a JSON object of the usual shape.

    Lines that begin and end with a brace are an object each if there are as many objects as lines: an object goes on neither
    between ``}`` and ``{``, nor over the end of a line in a string.
    """
    if {line[:1] for line in lines} != {b"{"} or {line[-1:] for line in lines} != {b"}"}:
        return None
    try:
        found = _HEADS.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if len(found) == len(lines) and _is_text(block) else None


def whose(sketch: Sketch) -> str | None:
    """``Patient/id`` of the record that it belongs to; None for nobody's, and for a Patient without an id."""
    if sketch.resourceType == "Patient":
        return f"Patient/{sketch.id}" if sketch.id else None
    element = _ELEMENTS.get(sketch.resourceType)
    reference = getattr(sketch, element) if element is not None else None
    return _patient(reference.reference) if reference is not None else None


def diagnosis_of(line: bytes) -> Diagnosis | None:
    """The diagnosis of a line; None when it is no Condition, or is not JSON."""
    try:
        found = _DIAGNOSES.decode(line)
    except (msgspec.ValidationError, RecursionError):
        return _diagnosis_by_hand(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if found.resourceType != "Condition" or not _is_text(line):
        return None
    link = found.subject.reference if found.subject is not None else None
    return Diagnosis(_patient(link), _concept(found.code) if found.code is not None else Concept())


def _is_text(line: bytes) -> bool:
    """Whether its bytes are UTF-8, which narrow decoding does not look at in what it drops."""
    if line.isascii():
        return True
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _by_hand(value: Any) -> Head:
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        return Head(NO_TYPE, None, None)
    identity = value.get("id")
    identity = identity if isinstance(identity, str) and identity else None
    if value["resourceType"] == "Patient" and identity is None:
        return Head("Patient", made_up_name(Entry(value, None, "")), None)
    return _head(value["resourceType"], identity, patient_link(value))


def _head(kind: str, identity: str | None, link: str | None) -> Head:
    name = f"{kind}/{identity}" if identity else None
    if kind == "Patient":
        return Head(kind, name, name)
    return Head(kind, _patient(link) if kind not in SHARED_TYPES else None, name)


def _patient(link: str | None) -> str | None:
    """``Patient/id`` of a reference in an export, where a name has no other base than that of its own server."""
    if link is None:
        return None
    link = link.strip()
    if link.startswith("Patient/") and "/_history/" not in link:  # nearly all
        return link
    link = without_version(link)
    if link.startswith("urn:uuid:"):
        return f"Patient/{link.removeprefix('urn:uuid:')}"
    if link.startswith(("http://", "https://")):
        link = last_two(link)
    return link if link.startswith("Patient/") else None


def _concept(found: _Concept) -> Concept:
    return Concept(tuple(_coding(each) for each in found.coding if each.code is not None), found.text)


def _coding(found: _Coding) -> Coding:
    return coding(found.system, found.code or "", found.display)


def _diagnosis_by_hand(line: bytes) -> Diagnosis | None:
    from fhir_trial.sources.candidates import concept_of

    try:
        value = decode_json(line)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.get("resourceType") != "Condition":
        return None
    return Diagnosis(_patient(patient_link(value)), concept_of(value.get("code")))
