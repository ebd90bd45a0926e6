"""Phrases by which free text is recognised: what names a chest CT, what calls an ECG normal, who signs for a child.

Each topic of mappings/facts/phrases.json has meanings, and each meaning regular expressions; case and width are ignored.
Only a few topics are read from text at all, each because a ruling says so (R25, R26, C7.6b, C7.11, C9).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from fhir_trial.terminology.folder import mappings_folder

PHRASES: Final = Path("facts") / "phrases.json"

#: A clause ends at a full stop or comma, and before a word that turns the sentence.
_CLAUSE: Final = re.compile(r"[.;,!?\n。、]+(?!\d)|(?=\b(?:but|however|although|though|except)\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases of one topic: a pattern for each meaning."""

    topic: str
    patterns: Mapping[str, re.Pattern[str]]

    def say(self, meaning: str, text: str) -> bool:
        """Whether the meaning stands anywhere in the text."""
        return self.patterns[meaning].search(_narrow(text)) is not None

    def are(self, meaning: str, text: str) -> bool:
        """Whether the whole text, but for blanks and a full stop, has the meaning."""
        return self.patterns[meaning].fullmatch(_narrow(text).strip().rstrip(".。!")) is not None

    def call_normal(self, *pieces: str) -> bool:
        """Whether a report's pieces say "normal" of the whole, and nothing in them says otherwise.

        Meanings used: ``normal_alone`` (a whole piece), ``normal``, ``never_normal``, ``abnormal``; and ``negation``, which takes
        an ``abnormal`` of the same clause back ("no ST elevation").
        """
        alone = any(self.are("normal_alone", piece) for piece in pieces)
        if not alone and not any(self.say("normal", clause) for piece in pieces for clause in clauses_of(piece)):
            return False
        if any(self.say("never_normal", piece) for piece in pieces):
            return False
        clauses = (clause for piece in pieces for clause in clauses_of(piece))
        return not any(self.say("abnormal", clause) and not self.say("negation", clause) for clause in clauses)


def clauses_of(text: str) -> tuple[str, ...]:
    """The text cut where a sentence turns or ends, so that a "no" reaches no further than its own clause."""
    return tuple(clause.strip() for clause in _CLAUSE.split(_narrow(text)) if clause and clause.strip())


@lru_cache(maxsize=8)
def load_phrases(folder: Path | None = None) -> Mapping[str, Phrases]:
    """The shipped phrases by topic.

    Args:
        folder: A mappings folder; by default the one of this checkout or package.

    Raises:
        FileNotFoundError: The folder holds no phrases.
        msgspec.ValidationError: They do not have the expected shape.
    """
    content = ((folder or mappings_folder()) / PHRASES).read_bytes()
    topics = msgspec.json.decode(content, type=dict[str, dict[str, list[str]]])
    return {topic: Phrases(topic, {meaning: _any_of(found) for meaning, found in said.items()}) for topic, said in topics.items()}


def phrases(topic: str) -> Phrases:
    """The phrases of one topic.

    Raises:
        KeyError: No such topic.
    """
    return load_phrases()[topic]


def _any_of(expressions: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{each})" for each in expressions), re.IGNORECASE)


def _narrow(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
