"""Who shows a sign: the diagnoses of a population against what each trial says makes a candidate.

Lines are looked at only where raw bytes cannot rule them out: a type stands in a line as it is, in its quotes, unless something
in that line is escaped. What a line says is then decided by the decoded JSON alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Final

from fhir_trial.population.blocks import BrokenFileError, blocks, lines_of
from fhir_trial.population.folder import Part
from fhir_trial.population.heads import diagnosis_of
from fhir_trial.terminology import Concept
from fhir_trial.trials.candidates import Signs as TrialSigns

DIAGNOSIS: Final = "Condition"
_NEEDLE: Final = f'"{DIAGNOSIS}"'.encode()
_ESCAPED: Final = b"\\u"
_LOOK: Final = 64 * 1024

#: ``Patient/id`` -> for each trial of which a sign is shown, its bit: 1 for the first, 2, 4 ...
Signs = dict[str, int]


def find_signs(part: Part, masks: Masks) -> Signs:
    """The patients of a part who show a sign.

    A file that breaks off is read as far as it goes; ``gather`` tells of it.
    """
    signs: Signs = {}
    with suppress(BrokenFileError):
        for _, block in blocks(part):
            for line in filter(_may_hold, lines_of(block)) if _may_hold(block) else ():
                masks.look(line, signs)
    return signs


def shows_diagnoses(part: Part) -> bool:
    """Whether a look at its beginning, and where it can be had at its middle and end, meets a diagnosis or cannot rule one out.

    Files of an export hold one type each, as a rule; where this errs, ``gather`` meets the diagnoses.
    """
    with suppress(BrokenFileError):
        return any(_may_hold(block) for piece in _pieces(part) for _, block in islice(blocks(piece, _LOOK), 1))
    return True


def merge_signs(found: Signs, more: Signs) -> None:
    """Adds signs of another part."""
    for patient, mask in more.items():
        found[patient] = found.get(patient, 0) | mask


class Masks:
    """The bits of the trials for which a diagnosis is a sign; kept, since few diagnoses are written over and over.

    Args:
        trials: The signs of each trial; None for one that looks at everybody.
    """

    def __init__(self, trials: Sequence[TrialSigns | None]) -> None:
        self._trials = [(1 << nth, signs) for nth, signs in enumerate(trials) if signs is not None]
        self._of = lru_cache(maxsize=16_384)(self._ask)

    def look(self, line: bytes, signs: Signs) -> None:
        """Adds whoever shows a sign in this line."""
        diagnosis = diagnosis_of(line)
        if diagnosis is not None and diagnosis.patient is not None and (mask := self._of(diagnosis.concept)):
            signs[diagnosis.patient] = signs.get(diagnosis.patient, 0) | mask

    def _ask(self, concept: Concept) -> int:
        return sum(bit for bit, signs in self._trials if signs.include(concept))


def _may_hold(raw: bytes) -> bool:
    return _NEEDLE in raw or _ESCAPED in raw


def _pieces(part: Part) -> tuple[Part, ...]:
    stop = part.stop if part.stop is not None else part.file.size
    if part.file.is_gzip or stop - part.start <= 3 * _LOOK:
        return (part,)
    return (part, replace(part, start=(part.start + stop) // 2), replace(part, start=stop - _LOOK))
