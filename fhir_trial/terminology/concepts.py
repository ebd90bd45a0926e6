"""Codings and concepts: what a record says, before anybody understands it.

Source: FHIR R4 datatypes Coding and CodeableConcept.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from fhir_trial.terminology.systems import claims_a_standard, normalise_system


class Coding(Struct, frozen=True, gc=False):
    """One code in one system. `system` is normalised when read (`coding()`), "" when absent."""

    system: str
    code: str
    display: str | None = None


class Concept(Struct, frozen=True, gc=False):
    """A CodeableConcept: the same thing said by several codings and, perhaps, in words."""

    codings: tuple[Coding, ...] = ()
    text: str | None = None

    def texts(self) -> Iterator[str]:
        """The words of the concept: its text first, then the display of each coding."""
        if self.text:
            yield self.text
        for coding in self.codings:
            if coding.display:
                yield coding.display

    def claims_a_standard(self) -> bool:
        """Whether any coding says it is LOINC, SNOMED CT or RxNorm: then words are not consulted (R34)."""
        return any(map(claims_a_standard, [coding.system for coding in self.codings]))


def coding(system: str | None, code: str, display: str | None = None) -> Coding:
    """A coding whose system is normalised and whose code has no blanks around it."""
    return Coding(normalise_system(system or ""), code.strip(), display)
