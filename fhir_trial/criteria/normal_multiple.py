"""A result against a multiple of its own upper limit of normal.

Rules: C7.8 to C7.10; R10; clinical units, section 5. The limit is that of the same result; else the site's table; never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from fhir_trial.criteria.answers import Answer, Role, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.lab import straddling
from fhir_trial.criteria.lab_words import dated, evidence, measured
from fhir_trial.criteria.latest_result import (
    Asked,
    answer_by_latest,
    asked_name,
    guarded,
    implausible,
    order_of,
    turning_points,
    with_worst,
)
from fhir_trial.criteria.limits import Limit
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.facts.laboratory import LabResult, is_valid
from fhir_trial.facts.ranges import WhoseRange
from fhir_trial.logic import Truth
from fhir_trial.quantities import Possible, write_number
from fhir_trial.terminology.units import conversion
from fhir_trial.times import age_in_years


@dataclass(frozen=True, slots=True)
class Upper:
    """An upper limit of normal, in the result's unit, and where it comes from."""

    value: Fraction
    source: str


@dataclass(frozen=True, slots=True)
class LabTimesUln:
    """The latest valid result is at most, or below, n times its upper limit of normal. YAML name: ``lab-times-uln``.

    As protocols put it: "AST <= 3 x ULN"; with ``below_times`` inside ``not``: "excluded: AST >= 3 x ULN".

    Attributes:
        analyte: A name in mappings/facts/laboratory.yaml.
        at_most_times, below_times: Exactly one of them: the multiple, "3" or "2.5"; the multiple itself is within the first only.
        surely_within: Without any limit, a value up to this needs a clinician as "surely within" (R10): "40 U/L". By default
            the analyte's own hint.
        called, order, fresh_days, stale_days: As of ``lab``.
    """

    analyte: str
    at_most_times: str | None = None
    below_times: str | None = None
    surely_within: str | None = None
    called: str = ""
    order: str = ""
    fresh_days: int = 28
    stale_days: int = 180

    def __post_init__(self) -> None:
        if (self.at_most_times is None) is (self.below_times is None):
            raise ValueError("Write exactly one of at_most_times and below_times.")
        if self.times <= 0:
            raise ValueError(f"{'below' if self.strict else 'at_most'}_times must be above 0.")
        if self.surely_within is not None:
            Limit.parse(self.surely_within)
        if not 0 <= self.fresh_days <= self.stale_days:
            raise ValueError("fresh_days must be at least 0 and at most stale_days.")

    @property
    def times(self) -> Fraction:
        return Limit.parse(self.multiple).value

    @property
    def multiple(self) -> str:
        """As written."""
        return self.below_times or self.at_most_times or ""

    @property
    def strict(self) -> bool:
        """Whether the multiple itself is too much."""
        return self.below_times is not None

    @property
    def sign(self) -> str:
        return "<" if self.strict else "<="

    def needs(self) -> Needs:
        results = Need("Observation", laboratory=(self.analyte,), categories=("laboratory",), decides_days=self.fresh_days)
        return Needs.of(results, Need("Patient"))

    def answer(self, case: Case) -> Answer:
        """UNKNOWN when nothing usable is on file, or the latest result came without a limit and the site has none."""
        asked = self.asked()

        def judge(result: LabResult) -> Answer:
            return self._judge(case, result)

        return guarded(case, asked, with_worst(case, asked, answer_by_latest(case, asked, judge, judge)))

    def turning_points(self, case: Case) -> Iterable[date]:
        return turning_points(case, self.asked())

    def in_words(self) -> str:
        name, word = asked_name(self.analyte, self.called), "below" if self.strict else "at most"
        return (
            f"the last {name} is {word} {self.multiple} times the upper limit of normal of the same result "
            f"(up to {self.fresh_days} days decide, up to {self.stale_days} days need a clinician)"
        )

    def asked(self) -> Asked:
        name = asked_name(self.analyte, self.called)
        return Asked(
            analyte=self.analyte,
            name=name,
            order=order_of(name, self.order),
            limit=f"{self.sign} {self.multiple} x ULN",
            fresh_days=self.fresh_days,
            stale_days=self.stale_days,
            lowest_is_worst=False,
            valid=_is_comparable,
        )

    def _judge(self, case: Case, result: LabResult) -> Answer:
        asked = self.asked()
        possible = result.possible
        if result.problem == "implausible" or possible is None:
            return implausible(asked, result, case)
        uppers = self._uppers(case, result)
        if not uppers:
            return self._without_limit(case, result, possible)
        within = possible.below if self.strict else possible.at_most
        said = {upper: within(self.times * upper.value) for upper in uppers}
        shown = "; ".join(self._limit_in_words(upper, result.unit) for upper in uppers)
        if len(set(said.values())) > 1:
            return _conflicting(asked, result, shown, "its reference ranges give different answers")
        if _flag_contradicts(result, possible):
            return _conflicting(asked, result, shown, "its flag contradicts its range")
        truth = said[uppers[0]]
        if truth is Truth.UNKNOWN:
            return straddling(asked, result, self.times * uppers[0].value, shown)
        told = say(
            "The last {name}, {value} on {dated}, is {word} {limit}.",
            name=asked.name, value=measured(result), dated=dated(result), limit=shown.removeprefix(self.sign).lstrip(),
            word=self._word(truth),
        )  # fmt: skip
        return (met if truth is Truth.TRUE else not_met)(told, evidence(result, Role.DECIDES, shown), facts=result)

    def _word(self, truth: Truth) -> str:
        if self.strict:
            return "below" if truth is Truth.TRUE else "at or above"
        return "at most" if truth is Truth.TRUE else "above"

    def _limit_in_words(self, upper: Upper, unit: str) -> str:
        limit = f"{self.sign} {write_number(self.times * upper.value)} {unit}".rstrip()
        return f"{limit} ({self.multiple} x {write_number(upper.value)}, {upper.source})"

    def _uppers(self, case: Case, result: LabResult) -> tuple[Upper, ...]:
        return _own_uppers(result) or self._of_site(case, result)

    def _of_site(self, case: Case, result: LabResult) -> tuple[Upper, ...]:
        terminology, on = case.facts.terminology, result.day
        whose = WhoseRange.of(case.facts.record.patient)
        age = age_in_years(whose.born, on) if whose.born is not None else None
        laboratories = result.observation.performers or (None,)
        named = (terminology.site_limit(self.analyte, on, laboratory, whose.sex, age) for laboratory in laboratories)
        limit = next((found for found in named if found is not None), None)
        if limit is None or limit.high is None:
            return ()
        known = conversion(limit.unit, terminology.laboratory(self.analyte))
        return () if known is None else (Upper(known.apply(limit.high), "the site's table"),)

    def _without_limit(self, case: Case, result: LabResult, possible: Possible) -> Answer:
        """R10. An interpretation says nothing about a multiple of the limit."""
        asked = self.asked()
        hint = self._hint(case)
        if hint is not None and possible.at_most(hint) is Truth.TRUE:
            return needs_clinician(
                Why.UNUSABLE,
                say(
                    "The last {name}, {value} on {dated}, came without an upper limit of normal; it is surely within {times} "
                    "times any usual one.",
                    name=asked.name, value=measured(result), dated=dated(result), times=self.multiple,
                ),
                evidence(result, Role.SUPPORTS, asked.limit),
                next_step=say("Confirm that this {name} is within {times} times the laboratory's upper limit.", name=asked.name,
                              times=self.multiple),
                facts=result,
            )  # fmt: skip
        return unknown(
            Why.UNUSABLE,
            say("The last {name}, {value} on {dated}, came without an upper limit of normal.", name=asked.name,
                value=measured(result), dated=dated(result)),
            evidence(result, Role.UNUSABLE, asked.limit),
            next_step=say("Ask the laboratory for its upper limit of normal of the {name}.", name=asked.name),
            facts=result,
        )  # fmt: skip

    def _hint(self, case: Case) -> Fraction | None:
        definition = case.facts.terminology.laboratory(self.analyte)
        if self.surely_within is None:
            return definition.upper_hint
        return Limit.parse(self.surely_within).for_analyte(definition)


def _is_comparable(result: LabResult) -> bool:
    """R9: a value and its own range that both lack a unit are compared with each other."""
    return is_valid(result) or (result.speaks and result.problem == "unit-missing" and bool(_own_uppers(result)))


def _own_uppers(result: LabResult) -> tuple[Upper, ...]:
    bounded = ((found.high, found.text) for found in result.ranges if not found.says_negative)
    return tuple(Upper(high, f"its own range {text}") for high, text in bounded if high is not None)


def _flag_contradicts(result: LabResult, possible: Possible) -> bool:
    """A flag "high" inside every range, or "normal" above every one (clinical units, section 4)."""
    above = {_above_normal(possible, found.high, high_open=found.high_open) for found in result.ranges if found.high is not None}
    if result.flag == "above":
        return above == {Truth.FALSE}
    return result.flag in ("within", "below") and above == {Truth.TRUE}


def _above_normal(possible: Possible, high: Fraction, *, high_open: bool) -> Truth:
    return possible.at_least(high) if high_open else possible.above(high)


def _conflicting(asked: Asked, result: LabResult, shown: str, what: str) -> Answer:
    return needs_clinician(
        Why.CONFLICTING,
        say("The last {name}, {value} on {dated}, cannot be judged: {what} ({limit}).", name=asked.name, value=measured(result),
            dated=dated(result), what=what, limit=shown),
        evidence(result, Role.SHOWN, shown),
        next_step=say("Look up which upper limit of normal applies to the {name}.", name=asked.name),
        facts=result,
    )  # fmt: skip
