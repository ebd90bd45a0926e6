"""The one evaluator: every criterion of a trial for one patient on one day, and how long each answer holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from fhir_trial.criteria.answers import Answer
from fhir_trial.criteria.case import Case
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.trials.model import Criterion, ResolvedTrial


def evaluate(
    trial: ResolvedTrial, facts: FactSheet, as_of: date, first_dose: date | None = None
) -> tuple[tuple[Criterion, Answer], ...]:
    """The answer to each criterion, in the trial's order, each with ``holds_until`` (VER-16)."""
    evaluation = _Evaluation(trial)
    case = Case(facts, as_of, first_dose, evaluation.answer, evaluation.turning_points)
    return tuple((criterion, evaluation.answer_with_end(case, criterion)) for criterion in trial.trial.criteria)


@dataclass(slots=True)
class _Evaluation:
    """Answers given so far, so that criteria may refer to each other and days may be asked again."""

    trial: ResolvedTrial
    given: dict[tuple[str, date], Answer] = field(default_factory=dict)

    def answer(self, case: Case, criterion: str) -> Answer:
        key = criterion, case.as_of
        answer = self.given.get(key)
        if answer is None:
            answer = self.given[key] = self.trial.by_id[criterion].rule.answer(case)
        return answer

    def turning_points(self, case: Case, criterion: str) -> Iterable[date]:
        return self.trial.by_id[criterion].rule.turning_points(case)

    def answer_with_end(self, case: Case, criterion: Criterion) -> Answer:
        answer = self.answer(case, criterion.id)
        return replace(answer, holds_until=self._first_change(case, criterion, answer))

    def _first_change(self, case: Case, criterion: Criterion, answer: Answer) -> date | None:
        """Asks again on each day that may matter, in order: the first other outcome ends the answer."""
        for day in sorted({day for day in criterion.rule.turning_points(case) if day > case.as_of}):
            if self.answer(case.on(day), criterion.id).outcome is not answer.outcome:
                return day
        return None
