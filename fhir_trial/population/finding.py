"""Who shows a sign: the diagnoses of a population against what each trial says makes a candidate.

Lines are looked at only where raw bytes cannot rule them out: a type stands in a line as it is, in its quotes, unless something
in that line is escaped. What a line says is then decided by the decoded JSON alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final

from fhir_trial.population.blocks import BrokenFileError, blocks, lines_of
from fhir_trial.population.folder import Part
from fhir_trial.population.heads import diagnosis_of
from fhir_trial.terminology import Concept
from fhir_trial.trials.candidates import Signs

_NEEDLE: Final = b'"Condition"'
_ESCAPED: Final = b"\\u"


def find_signs(part: Part, trials: Sequence[Signs | None]) -> dict[str, int]:
    """The patients of a part who show a sign: ``Patient/id`` -> for each trial, its bit: 1 for the first, 2, 4 ...

    A file that breaks off is read as far as it goes; ``gather`` tells of it.

    Args:
        trials: The signs of each trial; None for one that looks at everybody.
    """
    masks = _Masks(trials)
    signs: dict[str, int] = {}
    with suppress(BrokenFileError):
        for _, block in blocks(part):
            for line in filter(_may_hold, lines_of(block)) if _may_hold(block) else ():
                diagnosis = diagnosis_of(line)
                if diagnosis is not None and diagnosis.patient is not None and (mask := masks.of(diagnosis.concept)):
                    signs[diagnosis.patient] = signs.get(diagnosis.patient, 0) | mask
    return signs


def _may_hold(raw: bytes) -> bool:
    return _NEEDLE in raw or _ESCAPED in raw


class _Masks:
    """The bits of the trials for which a diagnosis is a sign; kept, since few diagnoses are written over and over."""

    def __init__(self, trials: Sequence[Signs | None]) -> None:
        self._trials = [(1 << nth, signs) for nth, signs in enumerate(trials) if signs is not None]
        self.of = lru_cache(maxsize=16_384)(self._ask)

    def _ask(self, concept: Concept) -> int:
        return sum(bit for bit, signs in self._trials if signs.include(concept))
