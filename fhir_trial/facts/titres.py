"""Titres as laboratories write them: the denominator of the highest dilution that still reacts.

Rules: clinical units, section 2; R23. A titre is reciprocal: larger is stronger. Source: FHIR R4 Ratio, Quantity.comparator.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from html import unescape
from typing import Final

from fhir_trial.quantities import Possible
from fhir_trial.records.model import Ratio

#: "≥", "=>" and words to FHIR's comparators; "~" is not FHIR's, but people's.
_COMPARATORS: Final = {
    "≥": ">=", "=>": ">=", "at least ": ">=", "≤": "<=", "=<": "<=", "≦": "<=", "≧": ">=", "less than ": "<", "below ": "<",
    "greater than ": ">", "more than ": ">", "over ": ">", "≈": "~", "ca. ": "~", "about ": "~",
}  # fmt: skip
_WRITTEN: Final = re.compile("|".join(re.escape(written) for written in _COMPARATORS), re.IGNORECASE)
_SIGN: Final = r"(?P<sign>>=|<=|>|<|~)?\s*"
_NUMBER: Final = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_TITRE: Final = re.compile(rf"{_SIGN}(?<![\d./:])1\s*[:/]\s*(?P<inner>>=|<=|>|<|~)?\s*(?P<number>{_NUMBER})(?![\d.:/]|,\d)")
_SPREAD: Final = re.compile(
    rf"(?<![\d./:])1\s*[:/]\s*(?P<low>{_NUMBER})\s*(?:-|–|—|to|~)\s*(?:1\s*[:/]\s*)?(?P<high>{_NUMBER})(?![\d.:/]|,\d)"
)
_BARE: Final = re.compile(rf"{_SIGN}(?P<number>\d+(?:\.\d+)?)\s*(?:\{{?tit(?:er|re)\}}?)?", re.IGNORECASE)
_NORMAL_IN_PASSING: Final = re.compile(r"[(\[,;]?\s*(?:\b(?:ref(?:erence)?|normal|cut-?off)\b|参考).*$", re.IGNORECASE)
_NEGATIVE_AT: Final = re.compile(
    r"(?:\b(?:neg(?:ative)?|non-?reactive|not (?:detected|reactive|positive))\b|[阴陰]性).*?(?:\bat\b|@)[^:/\d]*$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Titre:
    """A titre read from words.

    Attributes:
        possible: What the denominator can be.
        rest: The words beside it, for a finding ("positive").
    """

    possible: Possible
    rest: str


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """The text with its comparators in FHIR's spelling, without full-width letters or HTML entities."""
    narrow = unicodedata.normalize("NFKC", unescape(text)).replace("∶", ":").strip()  # the ratio sign of Chinese reports
    return _WRITTEN.sub(lambda match: _COMPARATORS[match[0].casefold()], narrow)


@lru_cache(maxsize=4096)
def read_titre(text: str, *, bare: bool = True) -> Titre | None:
    """The titre in a text, the highest where there are several; None when it has none.

    Args:
        text: "1:160 homogeneous", ">=1:1280", "neg (<1:80)", "1:80 - 1:160", full width too.
        bare: Whether a number alone is a titre ("160"), as under a titre's own code.
    """
    said = plain(text)
    if bare and (alone := _BARE.fullmatch(said)):
        return _titre(alone["sign"], alone["number"], "")
    said = _NORMAL_IN_PASSING.sub("", said)
    spread = _SPREAD.search(said)
    if spread is not None:
        return Titre(Possible.between(_denominator(spread["low"]), _denominator(spread["high"])), _without(said, spread))
    found = [titre for match in _TITRE.finditer(said) if (titre := _one(said, match)) is not None]
    return max(found, key=_strength, default=None)


def titre_of_ratio(ratio: Ratio) -> Possible | None:
    """1/160, the form of HL7's examples, or 160/1; a comparator on the small side inverts its meaning."""
    if ratio.numerator is None or ratio.denominator is None:
        return None
    above, below = (ratio.numerator.number, ratio.numerator.comparator), (ratio.denominator.number, ratio.denominator.comparator)
    (small, on_small), (large, on_large) = sorted((above, below), key=lambda part: part[0] or 0)
    if small is None or large is None or small <= 0 or (on_small and on_large):
        return None
    return Possible.compared(_inverted(on_small) if on_small else on_large, Fraction(large) / Fraction(small))


def is_decimal_titre(possible: Possible) -> bool:
    """0.0125 for 1:80: a number below one where a denominator belongs (clinical units, section 2: needs clinician)."""
    return possible.high is not None and 0 < possible.high < 1


def _one(said: str, match: re.Match[str]) -> Titre | None:
    sign = match["sign"] or match["inner"]
    if sign is None and _NEGATIVE_AT.search(said[: match.start()]):
        sign = "<"  # R23: "negative at 1:n" means below n
    return _titre(sign, match["number"], _without(said, match))


def _titre(sign: str | None, number: str, rest: str) -> Titre | None:
    possible = Possible.compared(sign, _denominator(number))
    return None if possible is None else Titre(possible, rest)


def _denominator(number: str) -> Fraction:
    return Fraction(number.replace(",", ""))


def _without(said: str, match: re.Match[str]) -> str:
    return (said[: match.start()] + " " + said[match.end() :]).strip(" ()[],;:-")


def _strength(titre: Titre) -> Fraction:
    return titre.possible.low or Fraction(0)


def _inverted(comparator: str) -> str:
    return comparator.replace("<", "\0").replace(">", "<").replace("\0", ">")
