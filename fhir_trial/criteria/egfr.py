"""Kidney function: the reported estimated glomerular filtration rate, else one computed by the formula for the age."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Final

from fhir_trial.criteria.answers import (
    Answer,
    Evidence,
    Outcome,
    Role,
    Why,
    met,
    needs_clinician,
    not_met,
    say,
    unknown,
    with_evidence,
)
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.egfr_computed import ComputedRate, Question, agreed_by_all, row_of
from fhir_trial.criteria.limits import Limit
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.showing import show_condition, unless_overturned
from fhir_trial.facts.laboratory import Band, Candidate, deciding, is_valid, results_until
from fhir_trial.facts.results import LabResult
from fhir_trial.logic import Truth
from fhir_trial.scores.egfr_opinions import ADULT, age_at
from fhir_trial.times import add_days

_ADULT_METHODS: Final = frozenset({"ckd_epi", "mdrd"})
_ADULT_WORDS: Final = re.compile(r"CKD[- ]?EPI|MDRD", re.IGNORECASE)
_DECIDED: Final = (Outcome.MET, Outcome.NOT_MET)


@dataclass(frozen=True, slots=True)
class Egfr:
    """The estimated glomerular filtration rate is at or above a limit.

    As protocols put it: "eGFR >= 30 mL/min/1.73 m2".

    A reported rate per 1.73 m2 decides inside its band, beside a newer creatinine too (R27); one by an adult's formula says
    nothing of a child. Else the rate is computed: CKD-EPI 2021 from 18 years, below it bedside Schwartz, with CKiD U25 as second
    opinion up to 25 years.

    Attributes:
        egfr, creatinine, height, cystatin: Analytes in mappings/facts/laboratory.yaml.
        at_least: The limit with its unit, "30 mL/min/{1.73_m2}".
        fresh_days: Age of a result that decides; stale_days: that still asks for a clinician. Both included.
        height_days: Age of a height that still serves a formula.
        rise_percent, rise_days: Creatinine that rose by more than so much within so many days makes no rate usable.
        kidney_failure: Value set shown beside the answer, or None.
    """

    egfr: str
    creatinine: str
    height: str
    at_least: str
    fresh_days: int
    stale_days: int
    cystatin: str | None = None
    height_days: int = 90
    rise_percent: int = 50
    rise_days: int = 7
    kidney_failure: str | None = None

    def __post_init__(self) -> None:
        Limit.parse(self.at_least)
        if not 0 <= self.fresh_days <= self.stale_days:
            raise ValueError("The days that decide cannot be more than the days after which a result is too old.")

    def needs(self) -> Needs:
        vital = Need("Observation", (self.height,), categories=("vital-signs",), decides_days=self.height_days, reaches_days=None)
        inputs = tuple(name for name in (self.egfr, self.creatinine, self.cystatin) if name)
        context = [Need("Condition", value_sets=(self.kidney_failure,))] if self.kidney_failure else []
        return Needs.of(
            Need("Observation", inputs, categories=("laboratory",), decides_days=self.fresh_days + self.rise_days),
            vital,
            *context,
        )

    def in_words(self) -> str:
        return (
            f"The reported eGFR, at most {self.fresh_days} days old, is {self.at_least} or more; without one, the eGFR "
            f"computed from the latest creatinine: CKD-EPI 2021 from 18 years, bedside Schwartz below it, with CKiD U25 as "
            "second opinion up to 25 years. "
            f"Formulas on different sides, creatinine that rose by more than {self.rise_percent} % within {self.rise_days} days, "
            f"and results of up to {self.stale_days} days need a clinician."
        )

    def turning_points(self, case: Case) -> Iterable[date]:
        for analyte, bands in (
            (self.egfr, (self.fresh_days, self.stale_days)),
            (self.creatinine, (self.fresh_days, self.stale_days)),
            (self.height, (self.height_days,)),
            (self.cystatin or "", (self.fresh_days,)),
        ):
            for result in case.facts.results(analyte):
                span = result.span
                if span is None or add_days(span.last, max(bands) + 1) <= case.as_of:
                    continue
                yield from (span.first, add_days(span.first, 1), span.last, add_days(span.last, 1))
                yield from (add_days(end, days + 1) for end in (span.first, span.last) for days in bands)

    def answer(self, case: Case) -> Answer:
        return with_evidence(self._answer(case), self._context(case))

    def _answer(self, case: Case) -> Answer:
        rise = self._rise(case)
        if rise is not None:
            return rise
        answer = self._read_with(case, lambda result: self._is_for_adults(case, result) is not Truth.TRUE)
        if any(self._is_for_adults(case, result) is Truth.UNKNOWN for result in case.facts.results(self.egfr)):
            otherwise = self._read_with(case, lambda result: self._is_for_adults(case, result) is Truth.FALSE)
            answer = agreed_by_all([answer, otherwise])  # R30: a partial birth date may make it a child
        if answer.outcome in _DECIDED or answer.why is Why.STALE:
            return unless_overturned(case, answer, "Observation")
        return answer

    # --- creatinine on the rise

    def _rise(self, case: Case) -> Answer | None:
        """R27: no formula holds in acute injury; any two results whose later one lies in the deciding band count."""
        usable = [
            one
            for one in results_until(case.facts.results(self.creatinine), case.as_of)
            if is_valid(one) and one.usable and one.span is not None and one.span.exact
        ]
        for later in reversed(usable):
            if later.day < add_days(case.as_of, -self.fresh_days):
                return None
            for earlier in usable:
                if self._rose(earlier, later):
                    return self._unstable(earlier, later)
        return None

    def _rose(self, earlier: LabResult, later: LabResult) -> bool:
        days = (later.day - earlier.day).days
        if not 0 <= days <= self.rise_days or (days == 0 and not _later_that_day(earlier, later)):
            return False
        before, after = earlier.possible, later.possible
        if before is None or before.high is None or after is None:
            return False
        return after.above(before.high * (1 + Fraction(self.rise_percent, 100))) is Truth.TRUE

    def _unstable(self, earlier: LabResult, later: LabResult) -> Answer:
        reason = say(
            "Creatinine rose from {before} on {on} to {after} on {then}, by more than {percent} % within {days} days: no eGFR "
            "holds.",
            before=earlier.original, on=earlier.span, after=later.original, then=later.span,
            percent=self.rise_percent, days=self.rise_days,
        )  # fmt: skip
        evidence = [row_of(earlier, Role.SUPPORTS), row_of(later, Role.SUPPORTS)]
        return needs_clinician(Why.JUDGEMENT, reason, evidence, next_step=say("Repeat creatinine until it is stable."))

    # --- the reported rate

    def _read_with(self, case: Case, counts: Callable[[LabResult], bool]) -> Answer:
        reported = deciding(case.facts.results(self.egfr), case.as_of, valid=lambda result: is_valid(result) and counts(result))
        until = results_until(case.facts.results(self.egfr), case.as_of)
        ignored = [result for result in until if is_valid(result) and not counts(result)]
        computed = ComputedRate(self._question(case), case, reported, ignored)
        options: list[Answer] = []
        for candidate in reported:
            band = candidate.band(case.as_of, self.fresh_days, self.stale_days)
            if band in (Band.FRESH, Band.STRADDLES):
                options.append(self._by_reported(case, candidate, computed))
            if band is not Band.FRESH:
                options.append(computed.answer())
        return agreed_by_all(options, tied=any(candidate.tied for candidate in reported)) if options else computed.answer()

    def _by_reported(self, case: Case, candidate: Candidate, computed: ComputedRate) -> Answer:
        result = candidate.result
        told = {"value": result.original, "on": result.span, "limit": self.at_least}
        row = replace(row_of(result, Role.DECIDES), limit=f">= {self.at_least}")
        unusable = [replace(row, role=Role.UNUSABLE)]
        step = say("Repeat creatinine with eGFR.")
        if not result.usable or result.possible is None:  # R8
            reason = say("The reported eGFR, {value} on {on}, is implausible.", **told)
            return needs_clinician(Why.UNUSABLE, reason, unusable, next_step=step)
        shown = [*self._lowest(case, result), *computed.shown()]
        holds = result.possible.at_least(self._limit(case))
        if holds is Truth.TRUE:
            return met(say("The reported eGFR was {value} on {on}, at or above {limit}.", **told), [row, *shown])
        if holds is Truth.FALSE:
            return not_met(say("The reported eGFR was {value} on {on}, below {limit}.", **told), [row, *shown])
        if result.possible.touches(self._limit(case)):  # R7
            reason = say("The reported eGFR, {value} on {on}, may be the limit itself, {limit}.", **told)
            return needs_clinician(Why.UNUSABLE, reason, [*unusable, *shown], next_step=step)
        answer = computed.answer()
        if answer.outcome in _DECIDED:
            return with_evidence(answer, unusable)
        reason = say("The reported eGFR, {value} on {on}, leaves open whether it is {limit} or more.", **told)
        return unknown(Why.UNUSABLE, reason, [*unusable, *shown], next_step=step)

    def _lowest(self, case: Case, decisive: LabResult) -> list[Evidence]:
        """The lowest reported rate of the deciding band, where it is another one."""
        recent = [
            one
            for one in results_until(case.facts.results(self.egfr), case.as_of)
            if is_valid(one) and one.usable and one.day >= add_days(case.as_of, -self.fresh_days)
            and self._is_for_adults(case, one) is Truth.FALSE
        ]  # fmt: skip
        lowest = min(recent, key=_low_end, default=decisive)
        return [row_of(lowest, Role.SHOWN)] if _low_end(lowest) < _low_end(decisive) else []

    def _is_for_adults(self, case: Case, result: LabResult) -> Truth:
        """Whether it is an adult's formula put to a child, of which it says nothing (C7.7); without a birth date it stands."""
        words = (result.observation.method or "", *result.observation.code.texts())
        if result.method not in _ADULT_METHODS and not any(_ADULT_WORDS.search(text) for text in words):
            return Truth.FALSE
        age = age_at(case.facts.person, result.span) if result.span else None
        if age is None or age.youngest >= ADULT:
            return Truth.FALSE
        return Truth.TRUE if age.oldest < ADULT else Truth.UNKNOWN

    def _question(self, case: Case) -> Question:
        unit = case.facts.terminology.laboratory(self.egfr).unit or ""
        return Question(
            self.egfr, self.creatinine, self.height, self.cystatin, self._limit(case), unit, self.at_least, self.fresh_days,
            self.stale_days, self.height_days,
        )  # fmt: skip

    def _limit(self, case: Case) -> Fraction:
        return Limit.parse(self.at_least).for_analyte(case.facts.terminology.laboratory(self.egfr))

    def _context(self, case: Case) -> list[Evidence]:
        if self.kidney_failure is None:
            return []
        facts = case.facts.conditions(self.kidney_failure)
        return [show_condition(fact, Role.SHOWN) for fact in facts if fact.counts in ("yes", "weak") and fact.on_file(case.as_of)]


def _later_that_day(earlier: LabResult, later: LabResult) -> bool:
    """By their times, else by ``issued``; two that nothing orders are no rise."""
    for before, after in (
        (earlier.span and earlier.span.instant, later.span and later.span.instant),
        (earlier.observation.issued, later.observation.issued),
    ):
        if before and after and before != after:
            return before < after
    return False


def _low_end(result: LabResult) -> Fraction:
    low = result.possible.low if result.possible is not None else None
    return Fraction(0) if low is None else low
