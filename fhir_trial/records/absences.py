"""Stated absence: an empty List or Composition section with reason nilknown, or a "no known ..." code or phrase.

Nothing else states absence: unavailable, notasked, withheld, notstarted and a missing section do not (DATA-38, DATA-56, R12).
Source: FHIR R4 list-empty-reason; IPS absent and unknown data.
"""

from __future__ import annotations

from fhir_trial.records.gathered import Gathered
from fhir_trial.records.model import AbsenceStatement
from fhir_trial.records.page import NOTHING, Page, code_words
from fhir_trial.records.raw import Json
from fhir_trial.terminology.concepts import Concept
from fhir_trial.terminology.systems import ABSENT_UNKNOWN
from fhir_trial.times import Span

_NIL_KNOWN = "nilknown"
_ABOUT = (
    ("medication", ("medication", "medicine", "drug", "用药", "药物")),
    ("allergy", ("allerg",)),
    ("condition", ("problem", "condition", "diagnos", "诊断")),
)
_PHRASES = {
    "medication": frozenset(
        {
            "no known medications",
            "no known medication",
            "no current medications",
            "no current medication",
            "not on any medications",
            "no medications",
        }
    ),
    "condition": frozenset(
        {"no known problems", "no known conditions", "no current problems", "no known problem", "no problems"}
    ),
}


def states_absence(page: Page, code: Concept, dated: Span | None, about: str, into: Gathered) -> bool:
    """Whether a concept stands for "none", or for "not known whether any", rather than for a thing; the first is gathered."""
    if not code.codings and code.text is None:
        return False
    for each in code.codings:
        if each.system == ABSENT_UNKNOWN:
            if each.code.startswith("no-known"):
                _add(page, into, about, dated, code)
            else:
                page.note("nothing-known", "The code says that nothing is known; it states no absence.", "code", "information")
            return True
    if not any(text.strip().rstrip(".").lower() in _PHRASES[about] for text in code.texts()):
        return False
    _add(page, into, about, dated, code)
    return True


def read_list(page: Page, into: Gathered) -> None:
    """A List matters only for being empty."""
    resource = page.resource
    if page.string(resource, "mode") == "changes":
        page.note("list-not-read", "A list of changes states nothing about the whole.", "mode", "information")
        return
    _read_empty(page, resource, "date", into, "")


def read_composition(page: Page, into: Gathered) -> None:
    """So do the sections of an IPS."""
    waiting = list(page.objects(page.resource, "section"))
    while waiting:
        section = waiting.pop()
        _read_empty(page, section, "date", into, "section")
        waiting.extend(page.objects(section, "section", "section"))


def _read_empty(page: Page, node: Json, date_key: str, into: Gathered, path: str) -> None:
    reason = page.concept(node, "emptyReason", path)
    if reason is None or _NIL_KNOWN not in code_words(reason):
        return
    if node.get("entry"):
        page.note("list-contradictory", "Said to be empty, yet it has entries; not read.", f"{path}.emptyReason".lstrip("."))
        return
    code = page.concept(node, "code", path) or NOTHING
    title = page.string(node, "title", path)
    dated = page.event(node, date_key, path) or page.event(page.resource, "date")
    _add(page, into, _about(code, title), dated, code if title is None or code.text else Concept(code.codings, title))


def _about(code: Concept, title: str | None) -> str | None:
    said = " ".join([title or "", *code.texts()]).lower()
    return next((about for about, signs in _ABOUT if any(sign in said for sign in signs)), None)


def _add(page: Page, into: Gathered, about: str | None, dated: Span | None, code: Concept) -> None:
    if page.unusable is not None:
        page.note("absence-not-used", "A statement of absence that may not be used.", None, "information")
        return
    into.absences.append(AbsenceStatement(page.origin, about, dated, code))
