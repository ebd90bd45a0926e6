"""Trials of a few made-up rules, for tests of people's answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import cast

from fhir_trial.criteria.answers import Answer, Evidence, Outcome, Role, Why, say
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.people.answers import GivenAnswer, PeoplesAnswers
from fhir_trial.people.digests import evidence_digest
from fhir_trial.records.model import Origin
from fhir_trial.terminology import Terminology
from fhir_trial.trials.adjudication import Person, PersonsAnswer, Says
from fhir_trial.trials.evaluation import Evaluation
from fhir_trial.trials.model import Criterion, CriterionType, ResolvedTrial, Stage, Trial

START = date(2026, 3, 2)
ANNA = Person("https://login.example.invalid", "anna", "Anna")
AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


def computed(outcome: Outcome, *evidence: str, parts: Sequence[tuple[str, Answer]] = ()) -> Answer:
    """An answer on evidence such as ``Observation/o1@3``; undecided ones are not recorded."""
    pieces = [piece.partition("@") for piece in evidence]
    return Answer(
        outcome,
        say(f"Computed {outcome}."),
        Why.NOT_RECORDED if outcome.undecided else None,
        tuple(Evidence(Origin(reference, version or None), Role.DECIDES) for reference, _, version in pieces),
        say("Order it.") if outcome.undecided else None,
        tuple(parts),
    )


@dataclass(frozen=True)
class Days:
    """Says on each day after START the next of its answers, and the last one ever after; names only days the outcome turns."""

    answers: tuple[Answer, ...]

    def needs(self) -> Needs:
        return Needs.of(Need("Observation"))

    def answer(self, case: Case) -> Answer:
        return self.answers[max(0, min((case.as_of - START).days, len(self.answers) - 1))]

    def turning_points(self, case: Case) -> Iterable[date]:
        for day, (before, after) in enumerate(pairwise(self.answers), 1):
            if before.outcome is not after.outcome:
                yield START + timedelta(days=day)

    def in_words(self) -> str:
        return "as told"


def criterion(name: str, rule: Kind) -> Criterion:
    return Criterion(name, CriterionType.INCLUSION, Stage.PRESCREENING, "Text.", "Source.", "Title", rule)


def trial(*criteria: Criterion, version: str = "1") -> ResolvedTrial:
    return ResolvedTrial(Trial("t", version, "T", "T", "S", (), criteria), cast(Terminology, None), UTC, {})


def said(
    name: str, says: Says, on: Answer, reason: str | None = "Read in a letter.", *, at: datetime = AT, version: str = "1"
) -> GivenAnswer:
    """Anna's answer, given with this computed answer before her."""
    return GivenAnswer("Patient/p1", "t", version, name, PersonsAnswer(says, ANNA, at, evidence_digest(on), reason))


def evaluated(resolved: ResolvedTrial, *given: GivenAnswer, on: date = START) -> Evaluation:
    people = PeoplesAnswers(given).about("Patient/p1", resolved)
    return Evaluation(resolved, cast(FactSheet, None), on, people=people)


def outcomes(evaluation: Evaluation) -> dict[str, Outcome]:
    return {one.id: answer.outcome for one, answer in evaluation.answers}
