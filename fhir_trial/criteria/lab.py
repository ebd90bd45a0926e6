"""A laboratory result, vital sign or measured finding against a limit: the latest valid one decides.

Rules: C7.1 to C7.6a, C7.12; R7 to R9, R25, R30, R31, R35, R36. Source: FHIR R4 Observation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from fhir_trial.criteria.answers import Answer, Role, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.lab_warnings import Warnings
from fhir_trial.criteria.lab_words import dated, evidence, lowered, measured
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
from fhir_trial.facts.laboratory import LabResult
from fhir_trial.facts.oxygen import oxygen_beside
from fhir_trial.logic import Truth
from fhir_trial.quantities import Possible, write_number

_SIGNS = {"at_least": ">=", "at_most": "<=", "above": ">", "below": "<"}
_WORDS = {">=": ("at least", "below"), "<=": ("at most", "above"), ">": ("above", "not above"), "<": ("below", "not below")}
_MEDICATIONS = ("MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement")


@dataclass(frozen=True, slots=True)
class LabLimit:
    """The latest valid result is at or beyond a limit. YAML name: ``lab``.

    As protocols put it: "Hemoglobin >= 80 g/L".

    Attributes:
        analyte: A name in mappings/facts/laboratory.yaml.
        at_least, at_most, above, below: Exactly one of them, with its unit: "80 g/L".
        called: The analyte's name for people, to follow "the last".
        order: The next step where a new result is wanted; by default "Order a <called>.".
        fresh_days, stale_days: Age that decides, and age up to which a clinician is asked, in days, both included.
        prefer: "latest", or "method": of several methods on one day the better one decides (R25).
        ask_on_oxygen: Ask a clinician where oxygen was given with the measurement (C7.12).
        ask_on_parts: Parts that go to a clinician where nothing better is as fresh, such as "granulocytes" (R35).
        ask_on_words: Words without a number that go to a clinician, such as "normal" (C7.6a).
        categories: FHIR category codes under which such results are filed, for a search.
        warn_drugs, warn_drug_days: Drug classes or ingredients shown when in use that many days before the result [J].
        warn_value_sets, warn_days: Procedures or conditions shown when recorded that many days before the result [J].
        show_last_given: Drug classes or ingredients whose last use is shown.
    """

    analyte: str
    at_least: str | None = None
    at_most: str | None = None
    above: str | None = None
    below: str | None = None
    called: str = ""
    order: str = ""
    fresh_days: int = 28
    stale_days: int = 180
    prefer: Literal["latest", "method"] = "latest"
    ask_on_oxygen: bool = False
    ask_on_parts: tuple[str, ...] = ()
    ask_on_words: tuple[str, ...] = ()
    categories: tuple[str, ...] = ("exam", "imaging", "laboratory", "procedure", "vital-signs")
    warn_drugs: tuple[str, ...] = ()
    warn_drug_days: int = 7
    warn_value_sets: tuple[str, ...] = ()
    warn_days: int = 14
    show_last_given: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [getattr(self, name) for name in _SIGNS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("Write exactly one of at_least, at_most, above, below.")
        Limit.parse(given[0])
        if not 0 <= self.fresh_days <= self.stale_days:
            raise ValueError("fresh_days must be at least 0 and at most stale_days.")
        if self.prefer not in ("latest", "method"):
            raise ValueError("prefer is 'latest' or 'method'.")

    def needs(self) -> Needs:
        observations = Need(
            "Observation",
            laboratory=(self.analyte,),
            categories=self.categories,
            decides_days=self.fresh_days,
        )
        drugs = tuple(sorted({*self.warn_drugs, *self.show_last_given}))
        medications = [Need(name, drug_classes=drugs) for name in _MEDICATIONS] if drugs else []
        types = ("Condition", "Encounter", "Procedure") if self.warn_value_sets else ()
        records = [Need(name, value_sets=self.warn_value_sets) for name in types]
        return Needs.of(observations, *medications, *records)

    def answer(self, case: Case) -> Answer:
        """UNKNOWN when nothing usable is on file or the latest result is too old or straddles the limit."""
        return guarded(case, self.asked(), self.of_what_is_on_file(case))

    def of_what_is_on_file(self, case: Case) -> Answer:
        """The answer while nothing is asked about how completely the record was loaded; ``facts`` is the result that decides."""
        asked = self.asked()
        answer = answer_by_latest(case, asked, lambda result: self._judge(case, result), self._judge_hint)
        warnings = Warnings(self.warn_drugs, self.warn_drug_days, self.warn_value_sets, self.warn_days, self.show_last_given)
        return warnings.beside(case, with_worst(case, asked, answer))

    def turning_points(self, case: Case) -> Iterable[date]:
        return turning_points(case, self.asked())

    def in_words(self) -> str:
        name = asked_name(self.analyte, self.called)
        method = "; of several methods on one day the better one" if self.prefer == "method" else ""
        oxygen = "; on oxygen a clinician is asked" if self.ask_on_oxygen else ""
        return (
            f"the last {name} is {self.limit_in_words} (a result of up to {self.fresh_days} days decides, "
            f"one of up to {self.stale_days} days needs a clinician{method}{oxygen})"
        )

    @property
    def limit_in_words(self) -> str:
        return next(f"{sign} {getattr(self, name)}" for name, sign in _SIGNS.items() if getattr(self, name) is not None)

    def asked(self) -> Asked:
        name = asked_name(self.analyte, self.called)
        return Asked(
            analyte=self.analyte,
            name=name,
            order=order_of(name, self.order),
            limit=self.limit_in_words,
            fresh_days=self.fresh_days,
            stale_days=self.stale_days,
            lowest_is_worst=self.at_least is not None or self.above is not None,
            prefer_method=self.prefer == "method",
            hints=self._hints,
        )

    def compare(self, possible: Possible, limit: Fraction) -> Truth:
        if self.at_least is not None:
            return possible.at_least(limit)
        if self.at_most is not None:
            return possible.at_most(limit)
        return possible.above(limit) if self.above is not None else possible.below(limit)

    def limit_of(self, case: Case) -> Fraction:
        """The limit in the analyte's unit."""
        text = self.at_least or self.at_most or self.above or self.below or ""
        return Limit.parse(text).for_analyte(case.facts.terminology.laboratory(self.analyte))

    def _judge(self, case: Case, result: LabResult) -> Answer:
        asked = self.asked()
        if result.problem == "implausible" or result.possible is None:
            return implausible(asked, result, case)
        limit = self.limit_of(case)
        sign, number = asked.limit.split(" ", 1)[0], f"{write_number(limit)} {result.unit}".rstrip()
        shown = f"{sign} {number}"
        oxygen = oxygen_beside(result, case.facts.results(self.analyte)) if self.ask_on_oxygen else ()
        if oxygen:
            return self._on_oxygen(asked, result, oxygen, shown)
        truth = self.compare(result.possible, limit)
        if truth is not Truth.UNKNOWN:
            outcome = met if truth is Truth.TRUE else not_met
            told = say(
                "The last {name}, {value} on {dated}, is {word} {number}.",
                name=asked.name, value=measured(result), dated=dated(result), number=number,
                word=_WORDS[sign][truth is Truth.FALSE],
            )  # fmt: skip
            return outcome(told, evidence(result, Role.DECIDES, shown), facts=result)
        return straddling(asked, result, limit, shown)

    def _on_oxygen(self, asked: Asked, result: LabResult, oxygen: Iterable[LabResult], shown: str) -> Answer:
        given = tuple(oxygen)
        return needs_clinician(
            Why.JUDGEMENT,
            say(
                "The last {name}, {value} on {dated}, was measured on oxygen ({oxygen}); {limit} usually means on room air.",
                name=asked.name, value=measured(result), dated=dated(result), limit=shown,
                oxygen=[other.original for other in given],
            ),
            [*evidence(result, Role.DECIDES, shown), *(item for other in given for item in evidence(other, Role.AGAINST))],
            next_step=say("Measure the {name} on room air, or judge this one.", name=asked.name),
            facts=result,
        )  # fmt: skip

    def _hints(self, result: LabResult) -> bool:
        if result.problem is None and result.possible is not None and result.part in self.ask_on_parts and not result.speaks:
            return True
        words = result.original.strip().casefold().rstrip(".")
        return result.speaks and result.problem == "text" and words in {word.casefold() for word in self.ask_on_words}

    def _judge_hint(self, result: LabResult) -> Answer:
        asked = self.asked()
        why = Why.UNSTRUCTURED if result.possible is None else Why.JUDGEMENT
        what = "says only" if result.possible is None else f"is known only as {result.part}:"
        return needs_clinician(
            why,
            say(
                "The last {name}, of {dated}, {what} {original}.",
                name=asked.name, dated=dated(result), what=what, original=result.original,
            ),
            evidence(result, Role.SUPPORTS, asked.limit),
            next_step=say("Judge whether this proves {limit}, or {order}", limit=asked.limit, order=lowered(asked.order)),
        )  # fmt: skip


def straddling(asked: Asked, result: LabResult, limit: Fraction, shown: str) -> Answer:
    """What a result can mean lies on both sides of the limit."""
    possible = result.possible
    told = say(
        "The last {name}, {value} on {dated}, leaves open whether it is {limit}.",
        name=asked.name, value=measured(result), dated=dated(result), limit=shown,
    )  # fmt: skip
    shown_as = evidence(result, Role.UNUSABLE, shown)
    if possible is not None and is_bound_at(possible, limit):  # R7: "<= 0.5" or "~0.5" against 0.5
        ask = say("Ask the laboratory for the exact value, or judge whether {value} is enough.", value=measured(result))
        return needs_clinician(Why.UNUSABLE, told, shown_as, next_step=ask, facts=result)
    return unknown(Why.UNUSABLE, told, shown_as, next_step=asked.order, facts=result)


def is_bound_at(possible: Possible, limit: Fraction) -> bool:
    """Whether it is a bound or an approximation whose number is the limit itself; a range such as "50-55 %" is neither."""
    one_sided = possible.approximate or possible.low is None or possible.high is None
    return one_sided and possible.touches(limit)
