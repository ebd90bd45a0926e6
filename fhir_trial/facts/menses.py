"""What a record says of menarche and menses.

Rules: C8.1, R4. A date of the last menstrual period is menses on record; a status may say that they have not begun or are over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from fhir_trial.facts.results import LabResult
from fhir_trial.records.model import Observation, OtherValue, Quantity
from fhir_trial.terminology.concepts import Concept
from fhir_trial.terminology.phrases import Phrases
from fhir_trial.times import Span

#: Parts of an analyte in mappings/facts/laboratory.yaml.
_PARTS: Final = frozenset({"menstrual_status", "last_menstruation"})


class MensesSay(StrEnum):
    """What one record says."""

    YES = "yes"
    NOT_YET = "not-yet"  # or that nothing is known
    OVER = "over"


@dataclass(frozen=True, slots=True)
class MensesRecord:
    """One record, with the date it was made; one without a date decides nothing."""

    observation: Observation
    span: Span
    says: MensesSay
    original: str

    def on_file(self, as_of: date) -> bool:
        """Whether it is not dated after ``as_of`` (R44)."""
        return self.span.first <= as_of


def find_menses(results: Iterable[LabResult], observations: Iterable[Observation], topic: Phrases) -> tuple[MensesRecord, ...]:
    """Records of menarche, menstrual status and last menstrual period.

    Args:
        results: Of the analyte that these are parts of.
        observations: Searched for uncoded ones by their words ("menarche"), as R34 allows.
    """
    coded = [result.observation for result in results if result.part in _PARTS]
    named = [
        observation
        for observation in observations
        if not observation.code.codings and any(topic.say("title", text) for text in observation.code.texts())
    ]
    return tuple(record for observation in (*coded, *named) if (record := _read(observation, topic)) is not None)


def _read(observation: Observation, topic: Phrases) -> MensesRecord | None:
    texts = tuple(_texts(observation))
    if observation.unusable is not None or observation.effective is None or not texts:
        return None
    return MensesRecord(observation, observation.effective, _says(texts, topic), texts[0])


def _texts(observation: Observation) -> Iterator[str]:
    match observation.value:
        case Quantity() | OtherValue() as value:
            yield value.text
        case Concept() as value:
            yield from value.texts()
        case str() as value if value.strip():
            yield value
        case bool() as value:
            yield "yes" if value else "no"
        case int() as value:
            yield str(value)
        case _:
            return


def _says(texts: tuple[str, ...], topic: Phrases) -> MensesSay:
    if any(topic.are("none", text) for text in texts):
        return MensesSay.NOT_YET
    return MensesSay.OVER if any(topic.are("after", text) for text in texts) else MensesSay.YES
