"""Any result in a window above its own upper limit of normal, as for an autoantibody measured in several ways.

Rules: C3.2, C3.3; R22, R23; clinical rulings, "C3"; clinical units, sections 4 to 6. No limit is ever assumed: kits differ
widely.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from msgspec.structs import replace

from fhir_trial.criteria.answers import Answer, Outcome, Role, Why, with_evidence
from fhir_trial.criteria.any_positive import (
    MOST_DAYS_OF_A_MONTH,
    SILENT,
    Said,
    Sought,
    answer_by_any,
    guarded,
    in_window,
    turning_points,
)
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.lab_words import evidence
from fhir_trial.criteria.latest_result import asked_name, order_of
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.normal import DOUBTFUL_WORDS, NEGATIVE_WORDS, POSITIVE_WORDS, AboveRange, above_own_range, by_words
from fhir_trial.facts.laboratory import LabResult, results_until
from fhir_trial.logic import Truth


@dataclass(frozen=True, slots=True)
class AboveNormal:
    """Any result in the window is above its own upper limit of normal. YAML name: ``above-normal``.

    As protocols put it: "Anti-dsDNA antibody above the ULN within 12 months before screening".

    Attributes:
        quantitative, titre, qualitative: Analytes of the three ways to measure it; at least one of them.
        combined: Analyte of a combined antigen (Sm/RNP): positive needs a clinician, negative disproves; asked only where the
            antibody's own results say nothing.
        months: Calendar months before screening, both ends included.
    """

    quantitative: str | None = None
    titre: str | None = None
    qualitative: str | None = None
    combined: str | None = None
    months: int = 12
    called: str = ""
    order: str = ""

    def __post_init__(self) -> None:
        if not self.own_analytes:
            raise ValueError("Write at least one of quantitative, titre, qualitative.")
        if self.months < 1:
            raise ValueError("months must be at least 1.")

    @property
    def own_analytes(self) -> tuple[str, ...]:
        return tuple(name for name in (self.quantitative, self.titre, self.qualitative) if name)

    @property
    def name(self) -> str:
        return asked_name(self.own_analytes[0], self.called)

    def needs(self) -> Needs:
        analytes = (*self.own_analytes, *((self.combined,) if self.combined else ()))
        days = MOST_DAYS_OF_A_MONTH * self.months
        return Needs.of(Need("Observation", laboratory=analytes, categories=("laboratory",), decides_days=days), Need("Patient"))

    def answer(self, case: Case) -> Answer:
        """UNKNOWN when no usable result lies in the window, or a number there came without range and flag."""
        sought = Sought(self.name, order_of(self.name, self.order), self.months, self._judge)
        own = answer_by_any(case, sought, self._own(case))
        combined = self._combined(case)
        if own.outcome is Outcome.UNKNOWN and any(in_window(case, self.months, result) is not Truth.FALSE for result in combined):
            by_combined = Sought(f"{self.name} (combined antigen)", sought.order, self.months, self._judge_combined)
            answer = answer_by_any(case, by_combined, combined)
            own = own if answer.outcome is Outcome.UNKNOWN and own.why is not Why.NOT_RECORDED else answer
        else:
            shown = [item for result in results_until(combined, case.as_of)[-1:] for item in evidence(result, Role.SHOWN)]
            own = with_evidence(own, shown)
        return guarded(case, sought, own)

    def turning_points(self, case: Case) -> Iterable[date]:
        return turning_points(case, self.months, (*self._own(case), *self._combined(case)))

    def in_words(self) -> str:
        return f"any {self.name} of the last {self.months} months is above the upper limit of normal of the same result"

    def _own(self, case: Case) -> tuple[LabResult, ...]:
        results = (one for name in self.own_analytes for one in case.facts.results(name))
        return tuple(sorted(results, key=lambda one: one.order))

    def _combined(self, case: Case) -> tuple[LabResult, ...]:
        """Codes of the combined antigen are known as not to be used for the antibody itself: here they are asked for."""
        found = case.facts.results(self.combined) if self.combined else ()
        return tuple(replace(one, role="proxy", problem=None if one.problem == "rejected" else one.problem) for one in found)

    def _judge(self, result: LabResult) -> Said:
        if result.problem == "implausible":
            return Said(Outcome.NEEDS_CLINICIAN, "is implausible", Why.UNUSABLE)
        above = above_own_range(result) if result.problem in (None, "unit-missing") else _NO_RANGE
        if above.limit is not None:
            return _by_number(result, above)
        said = by_words(result, positive=Said(Outcome.MET, "reads as positive"), limit=None)
        if said is not None:
            return said
        if result.possible is None or result.problem is not None:
            return SILENT
        return Said(Outcome.UNKNOWN, "came without an upper limit of normal or a flag", Why.UNUSABLE)

    def _judge_combined(self, result: LabResult) -> Said:
        said = self._judge(result)
        if said.outcome is not Outcome.MET:
            return said
        return Said(Outcome.NEEDS_CLINICIAN, "is positive for a combined antigen", Why.JUDGEMENT, said.limit)


_NO_RANGE = AboveRange(Truth.UNKNOWN, None)


def _by_number(result: LabResult, above: AboveRange) -> Said:
    """The number and its own range; a flag against a number is for a clinician, against a titre it says nothing (R23)."""
    if above.conflicting:
        return Said(Outcome.NEEDS_CLINICIAN, "has ranges that give different answers", Why.CONFLICTING, above.limit)
    if above.truth is Truth.UNKNOWN:
        return Said(Outcome.UNKNOWN, "leaves open whether it is above its upper limit of normal", Why.UNUSABLE, above.limit)
    if not result.is_titre:
        against = NEGATIVE_WORDS if above.truth is Truth.TRUE else POSITIVE_WORDS
        if result.flag in against:
            return Said(Outcome.NEEDS_CLINICIAN, "is contradicted by its flag", Why.CONFLICTING, above.limit)
        if result.flag in DOUBTFUL_WORDS:
            return Said(Outcome.NEEDS_CLINICIAN, "is flagged weak or equivocal", Why.JUDGEMENT, above.limit)
    if above.truth is Truth.TRUE:
        return Said(Outcome.MET, "is above its upper limit of normal", None, above.limit)
    return Said(Outcome.NOT_MET, "is not above its upper limit of normal", None, above.limit)
