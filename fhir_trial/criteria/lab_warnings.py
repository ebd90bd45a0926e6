"""What may have raised a count for a while: growth factors, transfusions. Shown, and never changing an answer [J].

Rules: C7.3 to C7.5; clinical criteria, "CD19 after B-cell depletion".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fhir_trial.criteria.answers import Answer, Evidence, Role, say, with_evidence
from fhir_trial.criteria.case import Case
from fhir_trial.facts.laboratory import LabResult
from fhir_trial.logic import Truth
from fhir_trial.times import Span, add_days


@dataclass(frozen=True, slots=True)
class Warnings:
    """What to look for before a result.

    Attributes:
        drugs: Drug classes or ingredients, in use within ``drug_days`` before the result.
        value_sets: Procedures or conditions, within ``value_set_days`` before the result.
        last_given: Drug classes or ingredients whose last use at any time is shown.
    """

    drugs: tuple[str, ...] = ()
    drug_days: int = 7
    value_sets: tuple[str, ...] = ()
    value_set_days: int = 14
    last_given: tuple[str, ...] = ()

    def beside(self, case: Case, answer: Answer) -> Answer:
        """The answer with its warnings shown and mentioned; the outcome stays."""
        span = answer.facts.span if isinstance(answer.facts, LabResult) else None
        if span is None:
            return answer
        found = list(dict.fromkeys((*self._drugs(case, span), *self._records(case, span), *self._last(case))))
        if not found:
            return answer
        told = say("{said} Note: {notes}.", said=answer.reason, notes="; ".join(words for words, _ in found))
        return with_evidence(replace(answer, reason=told), (item for _, item in found))

    def _drugs(self, case: Case, span: Span) -> Iterator[tuple[str, Evidence]]:
        for name in self.drugs:
            first, last = add_days(span.first, -self.drug_days), min(span.last, case.as_of)
            for given in case.facts.medications.given(name, first, last):
                drug = given.course.ingredient.name
                words = f"{drug} within {self.drug_days} days before"
                yield words, Evidence(given.course.use.origin, Role.SHOWN, given.day, given.course.label, drug)

    def _records(self, case: Case, span: Span) -> Iterator[tuple[str, Evidence]]:
        first, last = add_days(span.first, -self.value_set_days), min(span.last, case.as_of)
        for name in self.value_sets:
            for fact in case.facts.conditions(name):
                near = fact.when is not None and fact.counts != "refuted" and fact.when.within(first, last) is not Truth.FALSE
                if near:
                    words = f"{fact.display} within {self.value_set_days} days before"
                    yield words, Evidence(fact.origin, Role.SHOWN, fact.when, fact.display)

    def _last(self, case: Case) -> Iterator[tuple[str, Evidence]]:
        given = case.facts.medications.last_given(self.last_given, case.as_of) if self.last_given else None
        if given is not None:
            drug = given.course.ingredient.name
            weeks = (case.as_of - given.day.last).days // 7
            shown = Evidence(given.course.use.origin, Role.SHOWN, given.day, given.course.label, drug)
            yield f"{drug} was last given {weeks} weeks ago", shown
