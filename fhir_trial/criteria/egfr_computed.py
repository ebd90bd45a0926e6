"""The rate computed from creatinine, where no reported one decides: which result, which formulas, do they agree (C7.7)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from fhir_trial.criteria.answers import Answer, Evidence, Role, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.facts.laboratory import Band, Candidate, deciding, results_until
from fhir_trial.facts.person import SexDoubt
from fhir_trial.facts.results import LabResult
from fhir_trial.facts.values import other_readings
from fhir_trial.logic import Truth
from fhir_trial.quantities import Possible, write_number
from fhir_trial.scores.egfr_opinions import Measured, Opinion, age_at, opinions
from fhir_trial.times import Span

#: A value of which nothing is known.
_ANY: Final = Possible(None, None)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the analytes, the limit in its unit and as written, and the days."""

    egfr: str
    creatinine: str
    height: str
    cystatin: str | None
    limit: Fraction
    unit: str
    at_least: str
    fresh_days: int
    stale_days: int
    height_days: int


@dataclass(frozen=True, slots=True)
class ComputedRate:
    """The answer by computation.

    Attributes:
        reported: Reported rates that do not decide; they say whether anything stale is on file.
        ignored: Reported rates by an adult's formula put to a child.
    """

    asked: Question
    case: Case
    reported: Sequence[Candidate]
    ignored: Sequence[LabResult] = ()

    def answer(self) -> Answer:
        latest = self._latest(self.asked.creatinine)
        options: list[Answer] = []
        for candidate in latest:
            band = self._band(candidate)
            if band in (Band.FRESH, Band.STRADDLES):
                options.append(self._by(candidate))
            if band is not Band.FRESH:
                options.append(self._too_old())
        return agreed_by_all(options, tied=any(one.tied for one in latest)) if options else self._too_old()

    def shown(self) -> tuple[Evidence, ...]:
        """R27: what creatinine would give, beside a reported rate that decides."""
        rows: list[Evidence] = []
        for candidate in self._latest(self.asked.creatinine):
            if candidate.result.usable and self._band(candidate) is Band.FRESH:
                rows.extend(self._rows(candidate.result, Role.SHOWN, self._opinions(candidate.result)))
        return tuple(rows)

    # --- from one creatinine

    def _by(self, candidate: Candidate) -> Answer:
        result, person = candidate.result, self.case.facts.person
        told: dict[str, object] = {"value": result.original, "on": result.span, "limit": self.asked.at_least}
        unusable = [row_of(result, Role.UNUSABLE)]
        if not result.usable:  # R8
            known = other_readings(result.observation.value, self.case.facts.terminology.laboratory(self.asked.creatinine))
            told["other"] = f"; in another unit it could be {', or '.join(known)}" if known else ""
            reason = say("Creatinine, recorded as {value} on {on}, is implausible{other}.", **told)
            return needs_clinician(Why.UNUSABLE, reason, unusable, next_step=say("Repeat creatinine."))
        found = self._opinions(result)
        if not found and any(self._band(one) is Band.STALE and one.result.usable for one in self.reported):
            return self._too_old()
        age = age_at(person, result.span) if result.span else None
        if age is None:
            reason = say("Creatinine was {value} on {on}; without a birth date no eGFR can be computed.", **told)
            return unknown(Why.UNUSABLE, reason, unusable, next_step=say("Record the birth date, or report the eGFR."))
        if person.births_disagree:  # VER-07
            reason = say(
                "Creatinine was {value} on {on}; the birth dates on record disagree, and the formula goes by age.", **told
            )
            return needs_clinician(Why.CONFLICTING, reason, unusable, next_step=say("Settle the birth date."))
        if not found:
            return self._no_formula(result, child=age.youngest >= 1)
        return self._compared(result, found)

    def _compared(self, result: LabResult, found: Sequence[Opinion]) -> Answer:
        limit = self.asked.limit
        told: dict[str, object] = {
            "value": result.original,
            "on": result.span,
            "limit": self.asked.at_least,
            "rates": [_told(one, limit) for one in found],
        }
        own = {opinion.rate.at_least(limit) for opinion in found if opinion.first}
        rest = {opinion.rate.at_least(limit) for opinion in found if not opinion.first}
        rows = self._rows(result, Role.SUPPORTS, found)
        if own | rest >= {Truth.TRUE, Truth.FALSE}:
            return self._divided(told, rows, own)
        if own == {Truth.TRUE}:
            return met(
                say("eGFR computed from creatinine {value} on {on}: {rates}; at or above {limit}.", **told), _deciding(rows)
            )
        if own == {Truth.FALSE}:
            return not_met(say("eGFR computed from creatinine {value} on {on}: {rates}; below {limit}.", **told), _deciding(rows))
        if any(opinion.rate.touches(limit) for opinion in found if opinion.first):  # R7
            reason = say(
                "eGFR computed from creatinine {value} on {on} may be the limit itself: {rates} against {limit}.", **told
            )
            return needs_clinician(Why.UNUSABLE, reason, rows, next_step=say("Repeat creatinine."))
        reason = say("Creatinine {value} on {on} leaves open whether the eGFR is {limit} or more: {rates}.", **told)
        return unknown(Why.UNUSABLE, reason, rows, next_step=say("Repeat creatinine, or complete the birth date."))

    def _divided(self, told: dict[str, object], rows: Sequence[Evidence], own: set[Truth]) -> Answer:
        doubt = self.case.facts.person.sex_doubt
        if own >= {Truth.TRUE, Truth.FALSE} and doubt is None:  # R30: a partial birth date leaves the formula open
            reason = say(
                "eGFR from creatinine {value} on {on} depends on the age, which the birth date leaves open: {rates}.", **told
            )
            return unknown(Why.UNUSABLE, reason, rows, next_step=say("Complete the birth date."))
        if own >= {Truth.TRUE, Truth.FALSE}:  # R28, R29
            why = Why.CONFLICTING if doubt is SexDoubt.CONFLICTING else Why.JUDGEMENT
            reason = say(
                "eGFR from creatinine {value} on {on} depends on the sex, which the record leaves open: {rates}.", **told
            )
            return needs_clinician(why, reason, rows, next_step=say("Settle the sex for the formula."))
        reason = say("The formulas fall on different sides of {limit} for creatinine {value} on {on}: {rates}.", **told)
        return needs_clinician(
            Why.JUDGEMENT, reason, rows, next_step=say("Decide which formula the protocol means, or measure cystatin C.")
        )

    def _no_formula(self, result: LabResult, *, child: bool) -> Answer:
        told = {"value": result.original, "on": result.span, "days": self.asked.height_days}
        unusable = [row_of(result, Role.UNUSABLE)]
        if not child:
            reason = say("Creatinine was {value} on {on}, but no formula holds under 1 year of age.", **told)
            return unknown(Why.UNUSABLE, reason, unusable, next_step=say("Ask the laboratory or a nephrologist for an eGFR."))
        heights = [one for one in results_until(self.case.facts.results(self.asked.height), self.case.as_of) if one.usable]
        if heights:
            told["height"], told["then"] = heights[-1].original, heights[-1].span
            reason = say(
                "Creatinine was {value} on {on}; the last height, {height} on {then}, is not surely within {days} days.", **told
            )
            why, rows = Why.STALE, [*unusable, row_of(heights[-1], Role.STALE)]
        else:
            reason = say(
                "Creatinine was {value} on {on}; a child's eGFR needs a height within {days} days, and none is on file.", **told
            )
            why, rows = self.case.absent("Observation"), unusable
        return unknown(why, reason, rows, next_step=say("Measure the height."))

    # --- nothing recent

    def _too_old(self) -> Answer:
        """What is on file outside the deciding band, or cannot be used."""
        known = [*self.reported, *self._latest(self.asked.creatinine)]
        past = [one for one in known if self._band(one) is not Band.FRESH]
        step = say("Order creatinine with eGFR.")
        if past:
            newest = max(past, key=lambda one: one.last)
            told = {
                "value": newest.result.original,
                "on": newest.result.span,
                "age": newest.age(self.case.as_of),
                "days": self.asked.fresh_days,
            }
            told["name"] = "eGFR" if newest.result.analyte == self.asked.egfr else "creatinine"
            reason = say("The last {name}, {value} on {on}, is {age} days old; {days} days decide.", **told)
            rows = [row_of(newest.result, Role.STALE)]
            if any(self._band(one) is not Band.OLD and one.result.usable for one in past):
                return needs_clinician(Why.STALE, reason, rows, next_step=step)
            return unknown(Why.STALE, reason, rows, next_step=step)
        unreadable = [*self.ignored, *self._unreadable()]
        if unreadable:
            told = {"value": unreadable[-1].original or "A result", "on": unreadable[-1].span}
            fault = "is not an eGFR per 1.73 m2 that holds at this age" if self.ignored else "cannot be used"
            reason = say("{value} on {on} {fault}, and no usable creatinine is on file.", fault=fault, **told)
            return unknown(Why.UNUSABLE, reason, [row_of(one, Role.UNUSABLE) for one in unreadable[-2:]], next_step=step)
        return unknown(self.case.absent("Observation"), say("No eGFR and no creatinine on file."), next_step=step)

    def _unreadable(self) -> list[LabResult]:
        results = [*self.case.facts.results(self.asked.creatinine), *self.case.facts.results(self.asked.egfr)]
        found = [one for one in results if one.speaks and (one.span is None or one.span.first <= self.case.as_of)]
        return [one for one in found if not one.usable or one.possible is None]

    # --- inputs

    def _opinions(self, result: LabResult) -> tuple[Opinion, ...]:
        value, dated = result.possible or _ANY, result.span or Span.of(self.case.as_of)
        height = self._recent(self.asked.height, self.asked.height_days)
        cystatin = self._recent(self.asked.cystatin, self.asked.fresh_days) if self.asked.cystatin else None
        return opinions(self.case.facts.person, Measured(value, dated, height, cystatin))

    def _recent(self, analyte: str, days: int) -> Possible | None:
        """The latest value, if it is surely recent; of several that may be the latest, all that they may be."""
        latest = [one for one in deciding(self.case.facts.results(analyte), self.case.as_of) if one.result.usable]
        values = [one.result.possible for one in latest if one.band(self.case.as_of, days, days) is Band.FRESH]
        ends = [end for value in values if value is not None for end in (value.low, value.high)]
        known = [end for end in ends if end is not None and end > 0]
        return Possible.between(min(known), max(known)) if known and len(values) == len(latest) else None

    def _latest(self, analyte: str) -> tuple[Candidate, ...]:
        return deciding(self.case.facts.results(analyte), self.case.as_of)

    def _band(self, candidate: Candidate) -> Band:
        return candidate.band(self.case.as_of, self.asked.fresh_days, self.asked.stale_days)

    def _rows(self, result: LabResult, role: Role, found: Sequence[Opinion]) -> list[Evidence]:
        inputs = [row_of(result, role)]
        if found and any(opinion.formula != "CKD-EPI 2021" for opinion in found):
            inputs += [
                row_of(one.result, role)
                for name in (self.asked.height, self.asked.cystatin)
                if name
                for one in self._latest(name)
            ]
        origin = result.observation.origin
        return inputs + [
            Evidence(
                origin,
                role,
                result.span,
                _named(one),
                _shown(one.rate, self.asked.limit),
                self.asked.unit,
                f">= {self.asked.at_least}",
            )
            for one in found
        ]


def row_of(result: LabResult, role: Role) -> Evidence:
    """A result as evidence, in its analyte's unit."""
    value = result.possible.single if result.possible is not None else None
    return Evidence(result.observation.origin, role, result.span, result.original, value, result.unit or None)


def agreed_by_all(options: Sequence[Answer], *, tied: bool = False) -> Answer:
    """The answer that all options share; else conflicting if nothing orders two results (R31), else unusable (R30)."""
    if len({option.outcome for option in options}) == 1:
        return options[0]
    evidence = tuple(dict.fromkeys(item for option in options for item in option.evidence))
    if tied:
        reason = say("Results of the same time fall on different sides of the limit.")
        return needs_clinician(
            Why.CONFLICTING, reason, evidence, next_step=say("Settle which result holds, or repeat creatinine.")
        )
    reason = say("The dates on record leave open which result decides, and it matters.")
    return unknown(Why.UNUSABLE, reason, evidence, next_step=say("Look up the dates, or repeat creatinine."))


def _deciding(rows: Sequence[Evidence]) -> list[Evidence]:
    return [replace(row, role=Role.DECIDES) for row in rows]


def _named(opinion: Opinion) -> str:
    return opinion.formula if opinion.sex is None else f"{opinion.formula} ({opinion.sex})"


def _told(opinion: Opinion, limit: Fraction) -> str:
    return f"{_named(opinion)} {_shown(opinion.rate, limit)}"


def _shown(rate: Possible, limit: Fraction) -> str:
    """For people: one decimal, more where it would round across the limit."""
    if rate.single is not None:
        return _rounded(rate.single, limit)
    ends = [None if end is None else _rounded(end, limit) for end in (rate.low, rate.high)]
    if rate.approximate or ends[0] == ends[1]:
        return f"about {ends[0]}"
    low, high = ends
    return f"{low} to {high}" if low and high else f"{'from ' + low if low else 'up to ' + str(high)}"


def _rounded(rate: Fraction, limit: Fraction) -> str:
    for places in (1, 2, 4, 8):
        shown = round(rate, places)
        if (shown >= limit) is (rate >= limit):
            return write_number(shown)
    return f"just below {write_number(limit)}"
