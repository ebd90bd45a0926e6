"""The one evaluator: criteria that refer to each other, and how long an answer holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any, cast

import pytest

from fhir_trial.criteria.answers import Answer, met, not_met, say
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.combinators import AnyOf, Part, Reference
from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.terminology import Terminology
from fhir_trial.trials.evaluation import Evaluation
from fhir_trial.trials.model import Criterion, CriterionType, Identifier, ResolvedTrial, Stage, Trial

START = date(2026, 3, 2)


@dataclass(frozen=True)
class Between:
    """Holds on the days given, both included; says on which days it may turn."""

    first: date
    last: date
    asked: list[date]

    def needs(self) -> Needs:
        return Needs.of(Need("Observation", laboratory=("alc",)))

    def answer(self, case: Case) -> Answer:
        self.asked.append(case.as_of)
        return met(say("Yes.")) if self.first <= case.as_of <= self.last else not_met(say("No."))

    def turning_points(self, case: Case) -> Iterable[date]:
        return (self.first, self.last + timedelta(days=1), START, START - timedelta(days=3))

    def in_words(self) -> str:
        return "between"


def criterion(name: str, rule: Kind) -> Criterion:
    return Criterion(name, CriterionType.INCLUSION, Stage.PRESCREENING, "Text.", "Source.", "Title", rule)


def trial(*criteria: Criterion) -> ResolvedTrial:
    described = Trial("t", "1", "T", "T", "S", (Identifier("s", "t"),), criteria)
    return ResolvedTrial(described, cast(Terminology, None), UTC, {})


def ends(resolved: ResolvedTrial, as_of: date = START) -> list[date | None]:
    evaluation = Evaluation(resolved, cast(FactSheet, None), as_of)
    found = [evaluation.ends(criterion.id)[()] for criterion in resolved.trial.criteria]
    assert found == [evaluation.ends(criterion.id)[()] for criterion in resolved.trial.criteria], "asked again, the same"
    return found


def test_an_answer_holds_until_the_first_day_on_which_it_would_differ() -> None:
    """VER-16."""
    rule = Between(START, START + timedelta(days=10), [])

    assert ends(trial(criterion("C1", rule))) == [START + timedelta(days=11)]


def test_an_answer_that_the_clock_cannot_change_holds_for_ever() -> None:
    rule = Between(START - timedelta(days=9), START - timedelta(days=5), [])

    assert ends(trial(criterion("C1", rule))) == [None]


def test_days_before_the_screening_are_not_asked_again() -> None:
    asked: list[date] = []

    ends(trial(criterion("C1", Between(START, START + timedelta(days=1), asked))))

    assert asked == [START, START + timedelta(days=2)]


def test_a_criterion_that_rests_on_another_ends_with_it_and_asks_it_once_a_day() -> None:
    asked: list[date] = []
    base = criterion("C3.1", Between(START, START + timedelta(days=4), asked))
    whole = criterion("C3", AnyOf((Part(Reference("C3.1")),)))

    assert ends(trial(whole, base)) == [START + timedelta(days=5)] * 2
    assert asked == [START, START + timedelta(days=5)]


def test_a_trial_needs_what_its_criteria_need_once() -> None:
    rule = Between(START, START, [])
    resolved = trial(criterion("C1", rule), criterion("C2", rule))

    assert resolved.needs == rule.needs()
    assert resolved.needs.resource_types == ("Observation",)


def test_the_anchors_of_time() -> None:
    """R44: S is as_of; D is the first dose if planned, else S."""
    seen: list[Any] = []

    @dataclass(frozen=True)
    class Anchors(Between):
        def answer(self, case: Case) -> Answer:
            seen.append((case.as_of, case.first_dose))
            return met(say("Yes."))

        def turning_points(self, case: Case) -> Iterable[date]:
            return ()

    resolved = trial(criterion("C1", Anchors(START, START, [])))
    Evaluation(resolved, cast(FactSheet, None), START)
    Evaluation(resolved, cast(FactSheet, None), START, date(2026, 3, 20))

    assert seen == [(START, START), (START, date(2026, 3, 20))]


def test_kinds_of_rules_are_recognised_by_what_they_can_do() -> None:
    assert isinstance(Between(START, START, []), Kind)
    assert not isinstance(object(), Kind)


@pytest.mark.parametrize("name", ["C1", "C2"])
def test_criteria_are_found_by_id(name: str) -> None:
    resolved = trial(criterion("C1", Between(START, START, [])), criterion("C2", Between(START, START, [])))

    assert resolved.by_id[name].id == name
