"""A diagnosis, or a procedure, of a value set on record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from fhir_trial.criteria.answers import Answer, Evidence, Role, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.showing import dates_of, show_condition, still_active
from fhir_trial.facts.conditions import ConditionFact, sure_of
from fhir_trial.logic import Truth
from fhir_trial.times import add_days

_TYPES = ("Condition", "Encounter", "Procedure")


@dataclass(frozen=True, slots=True)
class OnRecord:
    """A condition of a value set is on record.

    As protocols put it: "Congestive heart failure", "history of malignancy within 5 years". Without a record the answer is
    unknown: nothing on file does not mean never had (DATA-56).

    Attributes:
        value_set: Name of the value set.
        named: What it is called in a sentence: "primary immune thrombocytopenia".
        counting_roles: Roles of its rows that count; any other role but "no" and "context" is left to a clinician.
        only_active: A condition that has ended does not count.
        within_days: Days back from S in which it began; None for ever.
    """

    value_set: str
    named: str
    counting_roles: tuple[str, ...] = ("yes",)
    only_active: bool = False
    within_days: int | None = None

    def needs(self) -> Needs:
        return Needs.of(*(Need(name, value_sets=(self.value_set,), decides_days=self.within_days) for name in _TYPES))

    def answer(self, case: Case) -> Answer:
        facts = [fact for fact in case.facts.conditions(self.value_set) if self._concerns(fact, case.as_of)]
        counting = [fact for fact in facts if fact.role in self.counting_roles]
        sure = [fact for fact in sure_of(counting) if self._in_window(fact, case.as_of) is Truth.TRUE]
        if sure:
            return met(say("{named} is on record.", named=self._capital()), _shown(sure, Role.DECIDES))
        open_ones = [fact for fact in facts if fact.counts != "refuted"]
        if open_ones:
            return needs_clinician(
                Why.UNSTRUCTURED if all(fact.counts == "unstructured" for fact in open_ones) else Why.JUDGEMENT,
                say("{named} is on record, but not for certain.", named=self._capital()),
                _shown(open_ones, Role.SUPPORTS),
                next_step=say("Decide whether the patient has {named}.", named=self.named),
            )
        refuted = [fact for fact in facts if fact.counts == "refuted"]
        if refuted and case.loaded(*_TYPES):
            return not_met(say("{named} is recorded as refuted.", named=self._capital()), _shown(refuted, Role.AGAINST))
        return unknown(
            case.absent(*_TYPES),
            say("No record of {named} was found; that does not rule it out.", named=self.named),
            _shown(refuted, Role.AGAINST),
            next_step=say("Ask whether the patient has {named}.", named=self.named),
        )

    def turning_points(self, case: Case) -> Iterable[date]:
        facts = case.facts.conditions(self.value_set)
        yield from dates_of(facts)
        for day in dates_of(facts):
            yield add_days(day, 1)
        if self.within_days is not None:
            for fact in facts:
                if fact.when is not None:
                    yield from (add_days(day, self.within_days + 1) for day in (fact.when.first, fact.when.last))

    def in_words(self) -> str:
        active = "active " if self.only_active else ""
        within = f", begun within {self.within_days} days" if self.within_days else ""
        return f"{active}{self.named} is on record (value set {self.value_set}{within})"

    def _concerns(self, fact: ConditionFact, as_of: date) -> bool:
        if fact.role in ("no", "context") or not fact.on_file(as_of) or self._in_window(fact, as_of) is Truth.FALSE:
            return False
        return not self.only_active or still_active(fact, as_of)

    def _in_window(self, fact: ConditionFact, as_of: date) -> Truth:
        if self.within_days is None:
            return Truth.TRUE
        if fact.when is None:
            return Truth.UNKNOWN
        return fact.when.within(add_days(as_of, -self.within_days), as_of)

    def _capital(self) -> str:
        return self.named[:1].upper() + self.named[1:]


def _shown(facts: Iterable[ConditionFact], role: Role) -> list[Evidence]:
    return [show_condition(fact, role) for fact in facts]
