"""Analytes by their names in words, where nothing is coded.

Source: mappings/facts/laboratory.yaml (names); clinical units, section 7: whole words, specimen checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fhir_trial.terminology.concepts import Concept

_URINE: Final = re.compile(r"\burin(?:e|ary|alysis)\b|\bur\b|\buhcg\b|尿(?!素|酸)", re.IGNORECASE)
_OTHER_FLUID: Final = re.compile(
    r"\bcsf\b|cerebrospinal|\bspinal fluid\b|pleural|ascit|peritoneal|synovial|joint fluid|pericardial fluid|\bbal\b|lavage"
    r"|\bstool\b|f[a]?ecal|sputum|saliva|bone marrow|dialysate|body fluid|脑脊液|腦脊液|胸水|胸腔积液|腹水|关节液|骨髓|粪|痰",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class LabName:
    """A name of one analyte, or of a family that only the kind of the value tells apart.

    Attributes:
        pattern, unless: Regular expressions, case ignored.
        specimen: blood (urine and other fluids excluded), urine (must be said), or any.
    """

    pattern: str
    analytes: tuple[str, ...]
    unless: str | None = None
    specimen: str = "blood"


class NameIndex:
    """All names, asked text by text."""

    def __init__(self, names: Iterable[LabName]) -> None:
        self.names = tuple(names)
        self._compiled: tuple[tuple[re.Pattern[str], re.Pattern[str] | None, LabName], ...] | None = None
        self.find = lru_cache(maxsize=8192)(self._find)

    def _find(self, concept: Concept, specimen: str | None) -> tuple[str, ...]:
        """The analytes that the concept's words name, told by the specimen's words too."""
        for text in concept.texts():
            found = [name for pattern, unless, name in self._patterns() if _fits(text, specimen, pattern, unless, name)]
            if found:
                return tuple(dict.fromkeys(analyte for name in found for analyte in name.analytes))
        return ()

    def _patterns(self) -> tuple[tuple[re.Pattern[str], re.Pattern[str] | None, LabName], ...]:
        if self._compiled is None:
            self._compiled = tuple(
                (_compiled(name.pattern), _compiled(name.unless) if name.unless else None, name) for name in self.names
            )
        return self._compiled


def _fits(text: str, specimen: str | None, pattern: re.Pattern[str], unless: re.Pattern[str] | None, name: LabName) -> bool:
    if not pattern.search(text) or (unless is not None and unless.search(text)):
        return False
    if name.specimen == "any":
        return True
    said = f"{text} | {specimen or ''}"
    if _OTHER_FLUID.search(said):
        return False
    return bool(_URINE.search(said)) == (name.specimen == "urine")


def _compiled(expression: str) -> re.Pattern[str]:
    """Of whole words of Latin letters: a Chinese character beside "ALT" makes no longer word of it (血清ALT)."""
    return re.compile(expression, re.IGNORECASE | re.ASCII)
