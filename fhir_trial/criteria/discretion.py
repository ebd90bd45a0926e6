"""A count below its limit that investigators may accept: platelets with note N1.

Rules: C7.5, N1, R39; clinical rulings, "C7.5, note N1". Never not-met on the number alone: only with documented active
bleeding or a clearly other cause, on which the note does not rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Final

from fhir_trial.criteria.answers import Answer, Evidence, Outcome, Role, Why, needs_clinician, not_met, readable, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.lab import LabLimit
from fhir_trial.criteria.lab_words import dated, evidence, measured
from fhir_trial.criteria.latest_result import asked_name, guarded
from fhir_trial.criteria.limits import Limit
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.showing import not_resolved
from fhir_trial.facts.conditions import ConditionFact
from fhir_trial.facts.laboratory import LabResult, is_valid, results_until
from fhir_trial.logic import Truth
from fhir_trial.quantities import write_number
from fhir_trial.terminology.phrases import clauses_of
from fhir_trial.times import add_days

#: Rows of the value sets, as conditions.csv calls them.
_SUPPORTS: Final = frozenset({"supports note", "yes"})
_OTHER_CAUSE: Final = frozenset({"no"})
_BLEEDS: Final = frozenset({"blocks"})
_DOUBTFUL: Final = frozenset({"unconfirmed", "unusable", "unstructured"})
_NEVER: Final = frozenset({"refuted"})
#: A denial of the named words themselves: "no platelet clumps", "clumping: none", "未见血小板聚集".
_DENIAL: Final = (
    r"\b(?:no|without|negative for|absence of|free of)\s+(?:[\w-]+\s+){{0,2}}?[\w-]*(?:{named})"
    r"|(?:未见|未發現|未发现|没有|无(?!法)).{{0,6}}(?:{named})"
    r"|(?:{named})\w*(?:\s+(?:are|is|was|were))?\s*:?\s*(?:not\b|none\b|absent\b|no$|negative\b)"
)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the record says about the three questions of the note."""

    supports: tuple[ConditionFact, ...]
    against: tuple[ConditionFact, ...]
    bleeding: tuple[ConditionFact, ...]
    shown: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class LabWithDiscretion:
    """The latest valid result is at or above a limit; below, a clinician decides. YAML name: ``lab-with-discretion``.

    As protocols put it: "Platelets >= 75 x 10^9/L; below it due to immune-related causes and without active bleeding,
    investigators may use clinical discretion".

    Attributes:
        analyte, at_least, called, order, fresh_days, stale_days, warn_drugs, warn_drug_days, warn_value_sets, warn_days: As of
            ``lab``.
        supports: Value set of causes under which the note applies.
        against: Value set of other causes; those of role "no" exclude it at any age unless resolved.
        bleeding: Value set of bleeding; role "blocks" excludes it while active.
        bleeding_days: Age in days up to which a bleeding that is not resolved is active.
        clumping_words: Words in a comment that make the count doubtful; they go first.
        falling: Analyte whose fall is shown as a sign of bleeding; ``fall`` with its unit, within ``bleeding_days``.
    """

    analyte: str
    at_least: str
    supports: str
    against: str
    bleeding: str
    called: str = ""
    order: str = ""
    fresh_days: int = 28
    stale_days: int = 180
    bleeding_days: int = 28
    clumping_words: tuple[str, ...] = ("clump", "aggregat", "聚集", "凝集")
    falling: str | None = None
    fall: str | None = None
    warn_drugs: tuple[str, ...] = ()
    warn_drug_days: int = 7
    warn_value_sets: tuple[str, ...] = ()
    warn_days: int = 14

    def __post_init__(self) -> None:
        if (self.falling is None) != (self.fall is None):
            raise ValueError("falling and fall belong together.")
        if self.fall is not None:
            Limit.parse(self.fall)
        if self.bleeding_days < 0:
            raise ValueError("bleeding_days must be at least 0.")
        _ = self.number

    @property
    def number(self) -> LabLimit:
        """The number alone."""
        return LabLimit(
            analyte=self.analyte, at_least=self.at_least, called=self.called, order=self.order, fresh_days=self.fresh_days,
            stale_days=self.stale_days, warn_drugs=self.warn_drugs, warn_drug_days=self.warn_drug_days,
            warn_value_sets=self.warn_value_sets, warn_days=self.warn_days,
        )  # fmt: skip

    def needs(self) -> Needs:
        value_sets = (self.supports, self.against, self.bleeding)
        records = [Need(name, value_sets=value_sets) for name in ("Condition", "Encounter", "Procedure")]
        fall = [Need("Observation", laboratory=(self.falling,), categories=("laboratory",))] if self.falling else []
        return Needs.union((self.number.needs(), Needs.of(*records, *fall)))

    def answer(self, case: Case) -> Answer:
        """NEEDS-CLINICIAN below the limit, with what is known of cause and bleeding laid side by side."""
        number = self.number
        answer = number.of_what_is_on_file(case)
        if answer.outcome is Outcome.NOT_MET and isinstance(answer.facts, LabResult):
            answer = self._below(case, answer, answer.facts)
        return guarded(case, number.asked(), answer)

    def turning_points(self, case: Case) -> Iterable[date]:
        yield from self.number.turning_points(case)
        for name in (self.supports, self.against, self.bleeding):
            for fact in case.facts.conditions(name):
                for day in () if fact.when is None else (fact.when.first, fact.when.last):
                    points = (day, add_days(day, 1), add_days(day, self.bleeding_days + 1))
                    yield from (point for point in points if point > case.as_of)
                if fact.ended is not None:
                    yield fact.ended.first

    def in_words(self) -> str:
        return (
            f"{self.number.in_words()}; below the limit a clinician decides, unless there is active bleeding (at most "
            f"{self.bleeding_days} days old) or a clearly other cause"
        )

    def _below(self, case: Case, answer: Answer, result: LabResult) -> Answer:
        found = self._found(case, result)
        shown = (*answer.evidence, *found.shown)
        name = asked_name(self.analyte, self.called)
        clumped = tuple(self._clumping(case, result))
        if clumped:
            return needs_clinician(
                Why.JUDGEMENT,  # R39: a clumping comment goes first
                say("{said} A comment says that the sample clumped, so the count may be too low.", said=answer.reason),
                (*answer.evidence, *clumped, *found.shown),
                next_step=say("Repeat the {name} in another tube (citrate), or read the smear.", name=name),
            )
        if found.bleeding:
            return not_met(
                say("{said} Active bleeding is documented: {bleeding}.", said=answer.reason, bleeding=_named(found.bleeding)),
                shown,
            )
        if found.against and found.supports:
            return needs_clinician(
                Why.CONFLICTING,
                say("{said} An immune cause ({supports}) and another ({against}) are both on file.", said=answer.reason,
                    supports=_named(found.supports), against=_named(found.against)),
                shown,
                next_step=say("Decide which cause explains the low {name}.", name=name),
            )  # fmt: skip
        if found.against:
            return self._other_cause(case, answer, found, shown)
        return self._discretion(case, answer, found, shown)

    def _other_cause(self, case: Case, answer: Answer, found: _Found, shown: Iterable[Evidence]) -> Answer:
        cause = _named(found.against)
        told = say("{said} It has a cause on which the note does not rest: {cause}.", said=answer.reason, cause=cause)
        if case.loaded("Condition"):
            return not_met(told, shown)
        return unknown(
            Why.NOT_LOADED,  # an immune cause that was not loaded would make it conflicting
            say("{said} Not all conditions could be loaded.", said=told),
            shown,
            next_step=say("Load the conditions completely, or look up the cause."),
        )

    def _discretion(self, case: Case, answer: Answer, found: _Found, shown: Iterable[Evidence]) -> Answer:
        cause = f"for an immune cause speaks {_named(found.supports)}" if found.supports else "no immune cause is coded"
        more = "; other findings are shown" if found.shown else ""
        partly = "" if case.loaded("Condition") else "; not all conditions could be loaded"
        return needs_clinician(
            Why.JUDGEMENT,
            say(
                "{said} The note leaves it to the investigator: {cause}, no clearly other cause and no active bleeding is coded"
                "{more}{partly}.",
                said=answer.reason, cause=cause, more=more, partly=partly,
            ),
            shown,
            next_step=say("Decide whether the cause is immune and whether there is active bleeding."),
        )  # fmt: skip

    def _found(self, case: Case, result: LabResult) -> _Found:
        supports = self._certain(case, self.supports, _SUPPORTS)
        against = [fact for fact in self._certain(case, self.against, _OTHER_CAUSE) if not_resolved(fact, case.as_of)]
        bleeding = [fact for fact in self._certain(case, self.bleeding, _BLEEDS) if self._bleeds(case, fact)]
        roles = {id(fact): Role.SUPPORTS for fact in supports} | {id(fact): Role.AGAINST for fact in (*against, *bleeding)}
        told = [
            _evidence_of(fact, roles.get(id(fact), Role.SHOWN))
            for name in dict.fromkeys((self.supports, self.against, self.bleeding))
            for fact in self._on_file(case, name)
        ]
        return _Found(tuple(supports), tuple(against), tuple(bleeding), (*dict.fromkeys(told), *self._fall(case, result)))

    def _on_file(self, case: Case, value_set: str) -> list[ConditionFact]:
        return [fact for fact in case.facts.conditions(value_set) if fact.on_file(case.as_of) and fact.counts not in _NEVER]

    def _certain(self, case: Case, value_set: str, roles: frozenset[str]) -> list[ConditionFact]:
        return [fact for fact in self._on_file(case, value_set) if fact.role in roles and fact.counts not in _DOUBTFUL]

    def _bleeds(self, case: Case, fact: ConditionFact) -> bool:
        """R39: at most so many days before S, and not resolved. A date that leaves it open is for a clinician."""
        span = None if fact.when is None else fact.when.until(case.as_of)
        if span is None or not not_resolved(fact, case.as_of):
            return False
        return span.within(add_days(case.as_of, -self.bleeding_days), case.as_of) is Truth.TRUE

    def _clumping(self, case: Case, result: LabResult) -> Iterator[Evidence]:
        observation = result.observation
        comments = (*observation.notes, *(text for concept in observation.interpretation for text in concept.texts()))
        for comment in comments:
            if any(self._says_clumped(clause) for clause in clauses_of(comment)):
                yield Evidence(observation.origin, Role.AGAINST, result.span, comment)
        for other in results_until(case.facts.results(self.analyte), case.as_of):
            if other.role == "flag" and _same_day(other, result):
                yield from evidence(other, Role.AGAINST)

    def _says_clumped(self, clause: str) -> bool:
        """Whether it names clumps and does not deny just them: "count not reliable, clumps" is no denial."""
        said = clause.casefold()
        named = "|".join(re.escape(word.casefold()) for word in self.clumping_words)
        return any(word.casefold() in said for word in self.clumping_words) and not re.search(_DENIAL.format(named=named), said)

    def _fall(self, case: Case, result: LabResult) -> Iterator[Evidence]:
        """Shown, never deciding: the highest value of the last weeks and the last one, where it fell by so much."""
        if self.falling is None or self.fall is None:
            return
        since = add_days(case.as_of, -self.bleeding_days)
        recent = [
            one
            for one in results_until(case.facts.results(self.falling), case.as_of)
            if is_valid(one) and one.usable and one.day >= since and one.possible is not None and one.possible.single is not None
        ]
        if not recent:
            return
        fall = Limit.parse(self.fall).for_analyte(case.facts.terminology.laboratory(self.falling))
        highest = max(recent, key=_single)
        drop = _single(highest) - _single(recent[-1])
        if drop >= fall and highest.day <= recent[-1].day:
            limit = f"fell by {write_number(drop)} {highest.unit} since {readable(dated(highest))}, from {measured(highest)}"
            yield from (replace(item, limit=limit) for item in evidence(recent[-1], Role.SHOWN))


def _same_day(one: LabResult, other: LabResult) -> bool:
    if one.observation.origin.reference == other.observation.origin.reference:
        return True
    return _day(one) is not None and _day(one) == _day(other)


def _day(result: LabResult) -> date | None:
    return result.span.first if result.span is not None and result.span.exact else None


def _single(result: LabResult) -> Fraction:
    return Fraction(0) if result.possible is None or result.possible.single is None else result.possible.single


def _named(facts: Iterable[ConditionFact]) -> str:
    return ", ".join(dict.fromkeys(fact.display for fact in facts))


def _evidence_of(fact: ConditionFact, role: Role) -> Evidence:
    return Evidence(fact.origin, role, fact.when, fact.display)
