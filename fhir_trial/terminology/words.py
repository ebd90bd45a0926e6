"""Words and flags that stand for a meaning: positive, above, oral, twice a day.

Codes are looked up first; words only where no coding is recognised. Words match as a whole, never as a part of a sentence, so
"negative control OK" and "not positive" mean nothing here.

Source: mappings/concept_maps/*.yaml; HL7 v3-ObservationInterpretation, v3-RouteOfAdministration, v3-GTSAbbreviation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from fhir_trial.terminology.concepts import Coding, Concept


@dataclass(frozen=True, slots=True)
class WordMap:
    """Codes and words to one meaning each.

    Attributes:
        codes: (system, code) to meaning; a system "" is a code that came without one.
        words: Whole texts, case and width folded, to meaning.
        patterns: Regular expressions that must match the whole text, in order.
    """

    name: str
    codes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

    def of_coding(self, coding: Coding) -> str | None:
        return self.codes.get((coding.system, coding.code))

    def of_text(self, text: str) -> str | None:
        folded = fold(text)
        known = self.words.get(folded)
        if known is not None:
            return known
        return next((meaning for pattern, meaning in self.patterns if pattern.fullmatch(folded)), None)

    def of(self, concept: Concept) -> str | None:
        """By code, else by words."""
        return next(iter(self.all_of(concept)), None)

    def all_of(self, concept: Concept) -> tuple[str, ...]:
        """Every different meaning, in the order found; by words only when no coding is recognised."""
        coded = dict.fromkeys(meaning for coding in concept.codings if (meaning := self.of_coding(coding)) is not None)
        if coded:
            return tuple(coded)
        return tuple(dict.fromkeys(meaning for text in concept.texts() if (meaning := self.of_text(text)) is not None))

    def extended(self, words: Mapping[str, str], codes: Mapping[tuple[str, str], str]) -> WordMap:
        """The same map with a site's own words and codes, which win."""
        folded = {fold(word): meaning for word, meaning in words.items()}
        return WordMap(self.name, {**self.codes, **codes}, {**self.words, **folded}, self.patterns)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """The text without width, case, outer blanks or a closing full stop."""
    narrow = unicodedata.normalize("NFKC", text).replace("−", "-").casefold()
    return " ".join(narrow.split()).rstrip(".。")
