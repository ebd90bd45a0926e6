"""What makes somebody worth screening for a trial: any diagnosis of its disease, whatever its status.

It only chooses whom to look at: whoever shows no sign is *not looked at*, which is no answer to any criterion (R12).
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_trial.terminology import Coding, Concept, ValueSet

#: Rows of a value set that say what is not the disease, or surrounds it.
_NOT_THE_DISEASE = frozenset({"no", "context", "not applicable"})


@dataclass(frozen=True, slots=True)
class CandidateRule:
    """As the trial file says it.

    Attributes:
        value_sets: Names of the sets whose diagnoses are signs.
        words: Whether words alone, where nothing is coded, are a sign too.
        misses: Whom this does not see, in a sentence.
    """

    value_sets: tuple[str, ...]
    words: bool
    misses: str


@dataclass(frozen=True, slots=True)
class Signs:
    """A rule with its value sets."""

    value_sets: tuple[ValueSet, ...]
    words: bool
    misses: str

    def include(self, concept: Concept) -> bool:
        """Whether a diagnosis is a sign: any of its codings, else its words."""
        if any(self.include_code(code) for code in concept.codings):
            return True
        return self.words and any(self._is_said(value_set, concept) for value_set in self.value_sets)

    def include_code(self, code: Coding) -> bool:
        """Whether one coding is."""
        return any(
            member is not None and member.role not in _NOT_THE_DISEASE
            for member in (value_set.find_coding(code) for value_set in self.value_sets)
        )

    def _is_said(self, value_set: ValueSet, concept: Concept) -> bool:
        member = value_set.find_text(concept)
        return member is not None and member.role not in _NOT_THE_DISEASE
