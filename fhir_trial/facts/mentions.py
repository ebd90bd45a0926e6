"""Words about a disease in notes and reports, where nothing is coded: enough to ask a person, never to decide.

Which words they are, and which look alike and are not (lupus vulgaris, lupus anticoagulant), stands with the value set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from fhir_trial.records.model import Origin, PatientRecord
from fhir_trial.terminology.value_sets import ValueSet
from fhir_trial.times import Span

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|[\n;；。！]+")


@dataclass(frozen=True, slots=True)
class Mention:
    """A sentence that names the disease.

    Attributes:
        role: Of the value set's text rule.
        words: The sentence alone, as written.
    """

    origin: Origin
    when: Span | None
    role: str
    words: str


def find_mentions(record: PatientRecord, value_set: ValueSet) -> tuple[Mention, ...]:
    """The first such sentence of each report, document and condition's note, oldest first; denials too, for a person to read."""
    found = (_first(origin, when, text, value_set) for origin, when, text in _texts(record))
    return tuple(sorted((mention for mention in found if mention is not None), key=_age))


def _first(origin: Origin, when: Span | None, text: str, value_set: ValueSet) -> Mention | None:
    for sentence in _SENTENCE_END.split(text):
        member = value_set.in_text(sentence)
        if member is not None:
            return Mention(origin, when, member.role, sentence.strip())
    return None


def _age(mention: Mention) -> tuple[date, str]:
    return mention.when.last if mention.when else date.min, mention.origin.reference


def _texts(record: PatientRecord) -> Iterator[tuple[Origin, Span | None, str]]:
    for report in record.reports:
        if report.unusable is None and report.status != "entered-in-error" and report.text:
            yield report.origin, report.effective, report.text
    for condition in record.conditions:
        if condition.verification not in ("entered-in-error", "refuted"):
            yield from ((condition.origin, condition.onset or condition.recorded, note) for note in condition.notes)
