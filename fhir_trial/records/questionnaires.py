"""QuestionnaireResponse: every answered item, flattened.

Source: FHIR R4 QuestionnaireResponse; C2 and C5 take scores and statements from it.
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_trial.records.gathered import Gathered
from fhir_trial.records.model import QuestionnaireAnswer
from fhir_trial.records.page import Page
from fhir_trial.records.raw import Json
from fhir_trial.records.values import read_value
from fhir_trial.terminology.concepts import Concept


def read_response(page: Page, into: Gathered) -> None:
    """Every answer that has a value."""
    resource = page.resource
    questionnaire = page.string(resource, "questionnaire")
    asked = _asked(page, questionnaire)
    authored = page.event(resource, "authored")
    status = page.string(resource, "status")
    performed = resource.get("author") is not None or resource.get("source") is not None
    for item in _items(page, resource):
        link = page.string(item, "linkId", "item")
        code, words = asked.get(link or "", (None, None))
        text = page.string(item, "text", "item") or words
        for answer in page.objects(item, "answer", "item"):
            value, _ = read_value(page, answer, "item.answer")
            if value is not None:
                into.answers.append(
                    QuestionnaireAnswer(page.origin, questionnaire, link, text, code, value, authored, status, performed)
                )


def _items(page: Page, root: Json) -> Iterator[Json]:
    """Depth first, in the order of the form. What has a modifierExtension is left out, with all below it."""
    waiting = page.objects(root, "item")[::-1]
    while waiting:
        item = waiting.pop()
        if page.modified(item, "item"):
            continue
        yield item
        below = list(page.objects(item, "item", "item"))
        for answer in page.objects(item, "answer", "item") if "answer" in item else ():
            below += page.objects(answer, "item", "item.answer")
        waiting.extend(reversed(below))


def _asked(page: Page, questionnaire: str | None) -> dict[str, tuple[Concept | None, str | None]]:
    """(code, words) of each question by linkId, where the Questionnaire itself is on file."""
    form = page.find(questionnaire.split("|", maxsplit=1)[0] if questionnaire is not None else None)
    if form is None:
        return {}
    there = page.inside(form)
    found: dict[str, tuple[Concept | None, str | None]] = {}
    for item in _items(there, form):
        link = there.string(item, "linkId", "Questionnaire.item")
        codings = [
            one
            for raw in there.objects(item, "code", "Questionnaire.item")
            if (one := there.read_coding(raw, "Questionnaire.item")) is not None
        ]
        if link is not None:
            found[link] = (Concept(tuple(codings)) if codings else None, there.string(item, "text", "Questionnaire.item"))
    return found
