"""A drug or drug class given in the past, whatever came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from fhir_trial.criteria.answers import Answer, Evidence, Role, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.facts.medications import Given
from fhir_trial.records.model import MedicationKind
from fhir_trial.times import FAR_PAST, add_days

_TYPES = tuple(kind.value for kind in MedicationKind)


@dataclass(frozen=True, slots=True)
class TreatedWith:
    """A drug of one of the classes was given or ordered within a window.

    As protocols put it: "Previous treatment with rituximab", "no B-cell depletion within 6 months". Nothing on file is not
    "never taken".

    Attributes:
        drugs: Drug classes or ingredients of the medication table.
        named: What they are called in a sentence.
        within_days: Days back from S; None for ever.
    """

    drugs: tuple[str, ...]
    named: str
    within_days: int | None = None

    def needs(self) -> Needs:
        return Needs.of(*(Need(name, drug_classes=self.drugs, decides_days=self.within_days) for name in _TYPES))

    def answer(self, case: Case) -> Answer:
        first = FAR_PAST if self.within_days is None else add_days(case.as_of, -self.within_days)
        given = [one for name in self.drugs for one in case.facts.medications.given(name, first, case.as_of)]
        certain = [one for one in given if one.certain]
        if certain:
            return met(say("Treatment with {named} is on record.", named=self.named), _shown(certain, Role.DECIDES))
        unidentified = [drug.label for drug in case.facts.medications.unidentified if drug.could_be_of(self.drugs)]
        if given or unidentified:
            return needs_clinician(
                Why.UNUSABLE,
                say("A record leaves open whether {named} was given in time.", named=self.named),
                _shown(given, Role.UNUSABLE),
                next_step=say("Look up whether the patient had {named}, and when.", named=self.named),
            )
        if case.facts.record.complete and case.loaded(*_TYPES):
            return not_met(say("The whole record is on file and holds no {named}.", named=self.named))
        return unknown(
            case.absent(*_TYPES),
            say("No record of {named} was found; that does not rule it out.", named=self.named),
            next_step=say("Ask whether the patient had {named}.", named=self.named),
        )

    def turning_points(self, case: Case) -> Iterable[date]:
        for name in self.drugs:
            for course in case.facts.medications.of(name):
                for span in (course.start, course.end):
                    if span is not None:
                        yield from (span.first, add_days(span.last, 1))
                        if self.within_days is not None:
                            yield from (add_days(day, self.within_days + 1) for day in (span.first, span.last))

    def in_words(self) -> str:
        within = f" within {self.within_days} days before screening" if self.within_days else ""
        return f"treated with {self.named}{within}"


def _shown(given: Iterable[Given], role: Role) -> list[Evidence]:
    return [Evidence(one.course.use.origin, role, one.day, one.course.ingredient.name) for one in given]
