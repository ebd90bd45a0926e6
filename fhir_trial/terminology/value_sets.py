"""Value sets: is this concept one of those, and in which role?

Source: mappings/sources/conditions.csv, mappings/value_sets/*.yaml. ICD codes match without their dot, in any case, and the
most specific row wins; SNOMED CT codes match exactly, for want of a hierarchy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from fhir_trial.terminology.concepts import Coding, Concept
from fhir_trial.terminology.systems import ICD10, ICD10CM, ICD_SYSTEMS

# A Chinese or German hospital extends a WHO code of three or four characters; a longer code of ICD-10-CM is its own.
_LONGEST_WHO_CODE = 4
# The dot, blanks, and the marks of cause and manifestation that WHO's users write behind a code.
_MARKS = str.maketrans("", "", ". +*†!#")


@dataclass(frozen=True, slots=True)
class Member:
    """One row. `match` is exact or prefix; `minus` names codes a prefix does not cover; `role` is the row's own word.

    Roles: yes, no, review, blocks, context, flag, hint, weak, supports note, not applicable, ...
    """

    system: str
    code: str
    display: str | None = None
    role: str = "yes"
    match: str = "exact"
    minus: tuple[str, ...] = ()
    note: str | None = None
    text: bool = False


@dataclass(frozen=True, slots=True)
class TextRule:
    """Words that stand for a member where nothing is coded. Both patterns are regular expressions, case ignored."""

    pattern: str
    role: str
    unless: str | None = None
    display: str | None = None


@dataclass(frozen=True)
class ValueSet:
    """A named set of members, found by code or, where nothing is coded, by words."""

    name: str
    members: tuple[Member, ...] = ()
    text_rules: tuple[TextRule, ...] = ()
    unless: str | None = None

    @cached_property
    def member(self) -> Callable[[Concept], Member | None]:
        """Of a concept, by code, else by words. Kept, since every value set is asked about every condition of a chart."""
        return lru_cache(maxsize=4096)(lambda concept: self.find(concept) or self.find_text(concept))

    def find(self, concept: Concept) -> Member | None:
        """The row for the first coding that has one; roles such as "no" are rows too, so look at `role`."""
        for coding in concept.codings:
            member = self.find_coding(coding)
            if member is not None:
                return member
        return None

    def find_coding(self, coding: Coding) -> Member | None:
        """The most specific row for one coding."""
        return self._look_up(coding.system, coding.code)

    def find_text(self, concept: Concept) -> Member | None:
        """By words, only where no coding claims LOINC, SNOMED CT or RxNorm and none is a member (R34)."""
        if concept.claims_a_standard() or self.find(concept) is not None:
            return None
        return next((found for text in concept.texts() if (found := self.in_text(text)) is not None), None)

    def in_text(self, text: str) -> Member | None:
        """The first text rule that applies to a sentence, or None."""
        if self._unless is not None and self._unless.search(text):
            return None
        for pattern, unless, rule in self._rules:
            if pattern.search(text) and not (unless is not None and unless.search(text)):
                return Member("", "", rule.display or text, rule.role, text=True)
        return None

    def extended(self, members: Iterable[Member]) -> ValueSet:
        """The same set with a site's own rows in front."""
        return ValueSet(self.name, (*members, *self.members), self.text_rules, self.unless)

    @cached_property
    def _rules(self) -> tuple[tuple[re.Pattern[str], re.Pattern[str] | None, TextRule], ...]:
        return tuple((_pattern(rule.pattern), _pattern(rule.unless) if rule.unless else None, rule) for rule in self.text_rules)

    @cached_property
    def _unless(self) -> re.Pattern[str] | None:
        return _pattern(self.unless) if self.unless else None

    @cached_property
    def _exact(self) -> dict[tuple[str, str], Member]:
        rows: dict[tuple[str, str], Member] = {}
        for member in self.members:
            rows.setdefault((member.system, _plain(member.system, member.code)), member)
        return rows

    @cached_property
    def _prefixes(self) -> tuple[tuple[str, str, Member], ...]:
        rows = [(m.system, _plain(m.system, m.code), m) for m in self.members if m.match == "prefix"]
        return tuple(sorted(rows, key=lambda row: -len(row[1])))

    @cached_property
    def _look_up(self) -> Callable[[str, str], Member | None]:
        return lru_cache(maxsize=4096)(self._search)

    def _search(self, system: str, raw: str) -> Member | None:
        code = _plain(system, raw)
        found = self._in_system(system, code)
        if found is None and system == ICD10:
            return self._of_the_clinical_modification(code)
        return found

    def _in_system(self, system: str, code: str) -> Member | None:
        exact = self._exact.get((system, code))
        if exact is not None:
            return exact
        for row_system, prefix, member in self._prefixes:
            if row_system == system and code.startswith(prefix) and not _taken_out(code, member):
                return member
        return None

    def _of_the_clinical_modification(self, code: str) -> Member | None:
        """A WHO code under a concept for which only ICD-10-CM rows are known, extended or not.

        The other way round would be wrong: where WHO keeps one code for bleeding varices, say, the US divides it into with and
        without bleeding.
        """
        found = self._in_system(ICD10CM, code)
        if found is not None:
            return found
        for length in range(len(code) - 1, 2, -1):
            exact = self._exact.get((ICD10CM, code[:length]))
            if exact is not None and length <= _LONGEST_WHO_CODE:
                return exact
        return None


def _plain(system: str, code: str) -> str:
    return code.translate(_MARKS).upper() if system in ICD_SYSTEMS else code


def _taken_out(code: str, member: Member) -> bool:
    return any(code.startswith(_plain(member.system, less)) for less in member.minus)


def _pattern(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)
