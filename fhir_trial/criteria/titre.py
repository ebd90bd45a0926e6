"""Any titre at or above a limit within some months; words and immunoassays for want of one need a clinician.

Rules: C3.1; R22, R23; clinical rulings, "C3"; clinical units, sections 2 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from fhir_trial.criteria.answers import Answer, Outcome, Why
from fhir_trial.criteria.any_positive import (
    MOST_DAYS_OF_A_MONTH,
    SILENT,
    Said,
    Sought,
    answer_by_any,
    guarded,
    is_sought,
    turning_points,
)
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.latest_result import asked_name, order_of
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.normal import POSITIVE_WORDS, above_own_range, by_words
from fhir_trial.facts.laboratory import LabResult
from fhir_trial.logic import Truth


@dataclass(frozen=True, slots=True)
class TitreAtLeast:
    """Any titre in the window is at or above a limit. YAML name: ``titre``.

    As protocols put it: "ANA >= 1:80 within 12 months before screening".

    Attributes:
        titre: Analyte of the titre.
        qualitative: Analyte of the same test in words: positive needs a clinician, negative disproves.
        immunoassay: Analyte of the same antibody in units: above its own limit needs a clinician, below disproves.
        at_least: The denominator: 80 for 1:80.
        doubtful_methods: Methods whose titres count only from ``doubtful_below`` on, such as "rat_liver"; below, a clinician is
            asked.
        months: Calendar months before screening, both ends included.
    """

    titre: str
    qualitative: str | None = None
    immunoassay: str | None = None
    at_least: int = 80
    months: int = 12
    doubtful_methods: tuple[str, ...] = ()
    doubtful_below: int | None = None
    called: str = ""
    order: str = ""

    def __post_init__(self) -> None:
        if self.at_least < 1 or self.months < 1:
            raise ValueError("at_least and months must be at least 1.")
        if bool(self.doubtful_methods) != (self.doubtful_below is not None):
            raise ValueError("doubtful_methods and doubtful_below belong together.")
        if self.doubtful_below is not None and self.doubtful_below <= self.at_least:
            raise ValueError("doubtful_below must be above at_least.")

    @property
    def analytes(self) -> tuple[str, ...]:
        return tuple(name for name in (self.titre, self.qualitative, self.immunoassay) if name)

    def needs(self) -> Needs:
        days = MOST_DAYS_OF_A_MONTH * self.months
        return Needs.of(Need("Observation", laboratory=self.analytes, categories=("laboratory",), decides_days=days))

    def answer(self, case: Case) -> Answer:
        """UNKNOWN when no usable result lies in the window, or one leaves open on which side of the limit it is."""
        sought = self._sought()
        return guarded(case, sought, answer_by_any(case, sought, self._results(case)))

    def turning_points(self, case: Case) -> Iterable[date]:
        return turning_points(case, self.months, self._all(case))

    def in_words(self) -> str:
        return f"any {asked_name(self.titre, self.called)} of the last {self.months} months is at least 1:{self.at_least}"

    def _sought(self) -> Sought:
        name = asked_name(self.titre, self.called)
        return Sought(name, order_of(name, self.order), self.months, self._judge)

    def _all(self, case: Case) -> tuple[LabResult, ...]:
        return tuple(sorted((one for name in self.analytes for one in case.facts.results(name)), key=lambda one: one.order))

    def _results(self, case: Case) -> Iterable[LabResult]:
        """Without words and units of a day that has a titre: the titre decides (R23)."""
        known = self._all(case)
        settled = {_day(result) for result in known if result.is_titre and result.usable and is_sought(result)} - {None}
        return [result for result in known if result.is_titre or _day(result) not in settled]

    def _judge(self, result: LabResult) -> Said:
        limit = f">= 1:{self.at_least}"
        if result.is_titre:
            return self._judge_titre(result, limit)
        said = self._judge_assay(result) if result.possible is not None and result.problem is None else None
        return said or by_words(result, positive=_NO_TITRE, limit=limit) or _silent_unless_number(result)

    def _judge_titre(self, result: LabResult, limit: str) -> Said:
        possible = result.possible
        if possible is None or result.problem == "implausible":
            return Said(Outcome.NEEDS_CLINICIAN, "looks like the inverse of a titre", Why.UNUSABLE, limit)
        truth = possible.at_least(self.at_least_exactly)
        if truth is Truth.FALSE:
            return Said(Outcome.NOT_MET, f"is below 1:{self.at_least}", None, limit)
        if truth is Truth.UNKNOWN:
            return Said(Outcome.UNKNOWN, f"leaves open whether it is at least 1:{self.at_least}", Why.UNUSABLE, limit)
        doubtful = self.doubtful_below is not None and result.method in self.doubtful_methods
        if doubtful and possible.at_least(self.doubtful_exactly) is not Truth.TRUE:
            words = f"was found by a method whose titres count from 1:{self.doubtful_below} on"
            return Said(Outcome.NEEDS_CLINICIAN, words, Why.JUDGEMENT, limit)
        return Said(Outcome.MET, f"is at least 1:{self.at_least}", None, limit)

    def _judge_assay(self, result: LabResult) -> Said | None:
        """A number in units, against its own range: never more than a hint of the titre."""
        above = above_own_range(result)
        if above.truth is Truth.TRUE:
            return Said(Outcome.NEEDS_CLINICIAN, "is above its own limit, but is no titre", Why.JUDGEMENT, above.limit)
        if above.truth is Truth.FALSE and result.flag not in POSITIVE_WORDS:
            return Said(Outcome.NOT_MET, "is not above its own limit", None, above.limit)
        if above.truth is Truth.FALSE or above.conflicting:
            return Said(Outcome.NEEDS_CLINICIAN, "is contradicted by its flag or by a second range", Why.CONFLICTING, above.limit)
        if above.limit is not None:
            return Said(Outcome.UNKNOWN, "leaves open whether it is above its own limit", Why.UNUSABLE, above.limit)
        return None

    @property
    def at_least_exactly(self) -> Fraction:
        return Fraction(self.at_least)

    @property
    def doubtful_exactly(self) -> Fraction:
        return Fraction(self.doubtful_below or self.at_least)


_NO_TITRE = Said(Outcome.NEEDS_CLINICIAN, "reads as positive, but gives no titre", Why.JUDGEMENT)


def _silent_unless_number(result: LabResult) -> Said:
    if result.possible is None or result.problem is not None:
        return SILENT
    return Said(Outcome.UNKNOWN, "came without a titre, a limit or a flag", Why.UNUSABLE)


def _day(result: LabResult) -> date | None:
    return result.span.first if result.span is not None and result.span.exact else None
