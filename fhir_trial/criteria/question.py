"""A question that only the person can answer.

Rules: C8.3, R2. Codes may support an answer and never give it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from fhir_trial.criteria.answers import Answer, Role, Why, needs_clinician, say
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.showing import show_condition


@dataclass(frozen=True, slots=True)
class Question:
    """Somebody has to ask.

    As protocols put it: "agree to use effective contraception during the study and for 1 year after infusion".

    Attributes:
        ask: The question, as put to the person.
        supporting: Value sets whose conditions and procedures are shown beside it.
    """

    ask: str
    supporting: tuple[str, ...] = ()

    def needs(self) -> Needs:
        if not self.supporting:
            return Needs()
        return Needs.of(*(Need(kind, value_sets=self.supporting) for kind in ("Condition", "Procedure")))

    def answer(self, case: Case) -> Answer:
        """Always needs a clinician."""
        evidence = tuple(
            show_condition(fact, Role.SUPPORTS)
            for value_set in self.supporting
            for fact in case.facts.conditions(value_set)
            if fact.on_file(case.as_of) and fact.counts not in ("refuted", "unusable")
        )
        return needs_clinician(
            Why.JUDGEMENT,
            say("Only the person can say: {ask}", ask=self.ask),
            evidence,
            next_step=say("Ask: {ask}", ask=self.ask),
        )

    def turning_points(self, case: Case) -> Iterable[date]:
        return ()

    def in_words(self) -> str:
        return f"to be asked of the person: {self.ask}"
