"""Whether a participant is of childbearing potential: met says that what hangs on it applies (R3).

Rules: C8.1, R3, R4, R28, R30, VER-07. Source: FHIR R4 Patient.gender, US Core birth sex.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from fhir_trial.criteria.answers import (
    Answer,
    Evidence,
    Role,
    Why,
    met,
    needs_clinician,
    not_applicable,
    say,
    unknown,
    with_evidence,
)
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.showing import dates_of, show_birth, show_condition, show_sex, unless_overturned
from fhir_trial.facts.conditions import ConditionFact
from fhir_trial.facts.menses import MensesRecord, MensesSay, find_menses
from fhir_trial.facts.person import Person, Sex, SexDoubt
from fhir_trial.terminology.phrases import phrases
from fhir_trial.times import birthday

_TYPES: Final = ("Condition", "Procedure", "Observation")
#: A hysterectomy that is coded once, or in words where nothing is coded (R34), is documented.
_DOCUMENTED: Final = frozenset({"yes", "weak", "unstructured"})


@dataclass(frozen=True, slots=True)
class ChildbearingPotential:
    """A female participant who may become pregnant.

    As protocols put it: "Female participants of childbearing potential must ...".

    Attributes:
        none: Value set of what proves that there is none: no uterus, no ovaries.
        review: Value sets that a clinician has to weigh: menopause, sterilisation.
        menses: Analyte whose parts menstrual_status and last_menstruation tell of menses, or None.
        presumed_none_below: Below this age, without menses on record, presumed before menarche [J].
        asked_below: From there up to this age, without menses on record, menarche is asked for (R4).
        presumed_none_from: From this age on there is none, whatever menopause codes say (R3).
    """

    none: str
    review: tuple[str, ...] = ()
    menses: str | None = None
    presumed_none_below: int = 9
    asked_below: int = 12
    presumed_none_from: int = 60

    def __post_init__(self) -> None:
        if not self.presumed_none_below <= self.asked_below < self.presumed_none_from:
            raise ValueError("The ages must rise: presumed_none_below, asked_below, presumed_none_from.")

    def needs(self) -> Needs:
        sets = (self.none, *self.review)
        return Needs.of(
            Need("Patient"),
            Need("Condition", value_sets=sets),
            Need("Procedure", value_sets=sets),
            Need("Observation", laboratory=(self.menses,) if self.menses else ()),
        )

    def answer(self, case: Case) -> Answer:
        """UNKNOWN without sex or birth date, where the birth date leaves it open, and from 9 to 11 until menarche is known."""
        person = case.facts.person
        if person.sex is Sex.MALE:
            return not_applicable(say("Male."), (show_sex(person, Role.DECIDES),))
        if person.sex is None:
            return self._sex_in_doubt(person, case)
        proof = [fact for fact in self._on_file(case, self.none) if fact.counts in _DOCUMENTED]
        if proof:
            evidence = (show_sex(person, Role.SUPPORTS), *(show_condition(fact, Role.DECIDES) for fact in proof))
            return not_applicable(say("No childbearing potential: {proof}.", proof=proof[0].display), evidence)
        return with_evidence(self._by_age(person, case), (show_sex(person, Role.SUPPORTS),))

    def turning_points(self, case: Case) -> Iterable[date]:
        birth = case.facts.person.birth
        for born in (birth.first, birth.last) if birth else ():
            for years in (self.presumed_none_below, self.asked_below, self.presumed_none_from):
                yield birthday(born, years)
        for value_set in (self.none, *self.review):
            yield from dates_of(case.facts.conditions(value_set))
        yield from (record.span.first for record in self._records_of_menses(case))

    def in_words(self) -> str:
        return (
            f"female, from menarche (asked for from {self.presumed_none_below} to {self.asked_below - 1} years, presumed from "
            f"{self.asked_below}) to {self.presumed_none_from - 1} years, without proof of the contrary"
        )

    def _sex_in_doubt(self, person: Person, case: Case) -> Answer:
        shown = (show_sex(person, Role.UNUSABLE),)
        match person.sex_doubt:
            case SexDoubt.CONFLICTING:  # R28, VER-07
                return needs_clinician(
                    Why.CONFLICTING,
                    say("The record contradicts itself about the sex: {recorded}.", recorded=person.sex_recorded),
                    shown,
                    next_step=say("Clarify whether the patient may become pregnant."),
                )
            case SexDoubt.UNDETERMINED:
                return needs_clinician(
                    Why.JUDGEMENT,
                    say(
                        "The recorded sex ({recorded}) does not say whether the patient may become pregnant.",
                        recorded=person.sex_recorded,
                    ),
                    shown,
                    next_step=say("Clarify whether the patient may become pregnant."),
                )
            case _:
                return unknown(
                    case.absent("Patient"), say("No sex is recorded."), shown, next_step=say("Record the patient's sex.")
                )

    def _by_age(self, person: Person, case: Case) -> Answer:
        if person.births_disagree:
            return needs_clinician(  # VER-07
                Why.CONFLICTING,
                say("Copies of the patient's record give different birth dates."),
                (show_birth(person, Role.UNUSABLE),),
                next_step=say("Find out which birth date is right, and correct the record."),
            )
        ages = person.age_on(case.as_of)
        if ages is None:
            return unknown(case.absent("Patient"), say("No birth date is recorded."), next_step=say("Record the date of birth."))
        answers = [self._at_age(age, person, case) for age in ages.years]
        if len({answer.outcome for answer in answers}) > 1:
            return unknown(  # R30
                Why.UNUSABLE,
                say("Aged {youngest} or {oldest}: the birth date is too imprecise.", youngest=ages.youngest, oldest=ages.oldest),
                (show_birth(person, Role.UNUSABLE),),
                next_step=say("Record the full date of birth."),
            )
        return answers[0]

    def _at_age(self, age: int, person: Person, case: Case) -> Answer:
        born = show_birth(person, Role.DECIDES)
        if age >= self.presumed_none_from:  # R3: whatever menopause codes say
            reason = say(
                "Aged {age}: no childbearing potential presumed from {limit} on.", age=age, limit=self.presumed_none_from
            )
            return not_applicable(reason, (born,))
        weighed = tuple(self._to_be_weighed(case))
        if weighed:
            return needs_clinician(
                Why.JUDGEMENT,
                say(
                    "Aged {age}, with {codes} on record.", age=age, codes=tuple(dict.fromkeys(item.original for item in weighed))
                ),
                (born, *weighed),
                next_step=say("Decide whether she is of childbearing potential."),
            )
        return unless_overturned(case, self._by_menses(age, born, case), *_TYPES)

    def _by_menses(self, age: int, born: Evidence, case: Case) -> Answer:
        if age >= self.asked_below:
            told = say("Female, aged {age}: childbearing potential presumed, so what is asked of it applies.", age=age)
            return met(told, (born,))
        menses = self._menses(case, MensesSay.YES)
        if menses:  # R4: as from 12 on
            return met(say("Female, aged {age}, with menses on record.", age=age), (born, *menses))
        if age >= self.presumed_none_below:
            return unknown(
                Why.NOT_RECORDED,  # R4
                say("Female, aged {age}: no record tells whether menarche has occurred.", age=age),
                (born, *self._menses(case, MensesSay.NOT_YET)),
                next_step=say("Ask whether menarche has occurred, and record it."),
            )
        return not_applicable(say("Female, aged {age}, without menses on record: before menarche presumed.", age=age), (born,))

    def _to_be_weighed(self, case: Case) -> Iterator[Evidence]:
        """Menopause and sterilisation, whether active or not; and what would prove that there is none, were it confirmed."""
        for value_set in (self.none, *self.review):
            yield from (show_condition(fact, Role.DECIDES) for fact in self._on_file(case, value_set))
        yield from self._menses(case, MensesSay.OVER)

    def _menses(self, case: Case, says: MensesSay) -> tuple[Evidence, ...]:
        return tuple(
            Evidence(record.observation.origin, Role.DECIDES, record.span, record.original)
            for record in self._records_of_menses(case)
            if record.says is says and record.on_file(case.as_of)
        )

    def _records_of_menses(self, case: Case) -> tuple[MensesRecord, ...]:
        facts, analyte = case.facts, self.menses
        if analyte is None:
            return ()
        return facts.once(
            ("menses", analyte), lambda: find_menses(facts.results(analyte), facts.record.observations, phrases("menses"))
        )

    @staticmethod
    def _on_file(case: Case, value_set: str) -> list[ConditionFact]:
        facts = case.facts.conditions(value_set)
        return [fact for fact in facts if fact.on_file(case.as_of) and fact.counts != "refuted" and fact.role != "no"]
