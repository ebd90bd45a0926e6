"""Rules made of rules: all, any, at least n of, not, applies when, and the answer of another criterion.

An undecided composite needs a clinician if any deciding part does, else it is unknown (R21); its ``why`` is by VER-14.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from fhir_trial.criteria.answers import Answer, Outcome, Sentence, first_why, met, not_applicable, not_met, say
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.needs import Needs
from fhir_trial.logic import Truth, all_of, any_of, at_least


@dataclass(frozen=True, slots=True)
class Part:
    """A rule inside a rule. With a ``name`` it stands under ``parts`` of the answer; a reference to a criterion has none."""

    rule: Kind
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The answer of another criterion of the same trial, on the same day."""

    criterion: str

    def needs(self) -> Needs:
        return Needs()

    def answer(self, case: Case) -> Answer:
        return case.other(self.criterion)

    def turning_points(self, case: Case) -> Iterable[date]:
        return case.other_turning_points(self.criterion)

    def in_words(self) -> str:
        return f"criterion {self.criterion}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Part, ...]

    def needs(self) -> Needs:
        return _needs(self.parts)

    def answer(self, case: Case) -> Answer:
        answers = _answers(self.parts, case)
        if answers and all(answer.outcome is Outcome.NOT_APPLICABLE for answer in answers):
            return not_applicable(answers[0].reason, parts=_named(self.parts, answers))
        truth = all_of(answer.outcome.truth for answer in answers)
        return _composite(truth, self.parts, answers)

    def turning_points(self, case: Case) -> Iterable[date]:
        return _turning_points(self.parts, case)

    def in_words(self) -> str:
        return _joined("all of", self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds; a part that is not applicable counts for nothing."""

    parts: tuple[Part, ...]

    def needs(self) -> Needs:
        return _needs(self.parts)

    def answer(self, case: Case) -> Answer:
        answers = _answers(self.parts, case)
        return _composite(any_of(_holds(answer) for answer in answers), self.parts, answers)

    def turning_points(self, case: Case) -> Iterable[date]:
        return _turning_points(self.parts, case)

    def in_words(self) -> str:
        return _joined("any of", self.parts)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """At least ``count`` parts hold."""

    count: int
    parts: tuple[Part, ...]

    def needs(self) -> Needs:
        return _needs(self.parts)

    def answer(self, case: Case) -> Answer:
        answers = _answers(self.parts, case)
        return _composite(at_least(self.count, [_holds(answer) for answer in answers]), self.parts, answers)

    def turning_points(self, case: Case) -> Iterable[date]:
        return _turning_points(self.parts, case)

    def in_words(self) -> str:
        return _joined(f"at least {self.count} of", self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Part

    def needs(self) -> Needs:
        return self.part.rule.needs()

    def answer(self, case: Case) -> Answer:
        answer = self.part.rule.answer(case)
        if answer.outcome is Outcome.MET:
            return not_met(answer.reason, answer.evidence, parts=_named((self.part,), [answer]))
        if answer.outcome is Outcome.NOT_MET:
            return met(answer.reason, answer.evidence, parts=_named((self.part,), [answer]))
        return answer

    def turning_points(self, case: Case) -> Iterable[date]:
        return self.part.rule.turning_points(case)

    def in_words(self) -> str:
        return f"not: {_words(self.part)}"


@dataclass(frozen=True, slots=True)
class AppliesWhen:
    """The rule, where the condition holds; while the condition is undecided, answered as if it did (R6)."""

    condition: Part
    rule: Part

    def needs(self) -> Needs:
        return _needs((self.condition, self.rule))

    def answer(self, case: Case) -> Answer:
        condition = self.condition.rule.answer(case)
        if condition.outcome in (Outcome.NOT_APPLICABLE, Outcome.NOT_MET):
            return not_applicable(condition.reason, condition.evidence)
        return self.rule.rule.answer(case)

    def turning_points(self, case: Case) -> Iterable[date]:
        return _turning_points((self.condition, self.rule), case)

    def in_words(self) -> str:
        return f"{_words(self.rule)}; applies where {_words(self.condition)} holds"


def _holds(answer: Answer) -> Truth:
    return Truth.FALSE if answer.outcome is Outcome.NOT_APPLICABLE else answer.outcome.truth


def _needs(parts: Sequence[Part]) -> Needs:
    return Needs.union(part.rule.needs() for part in parts)


def _answers(parts: Sequence[Part], case: Case) -> list[Answer]:
    return [part.rule.answer(case) for part in parts]


def _turning_points(parts: Sequence[Part], case: Case) -> Iterable[date]:
    for part in parts:
        yield from part.rule.turning_points(case)


def _composite(truth: Truth, parts: Sequence[Part], answers: Sequence[Answer]) -> Answer:
    if truth is Truth.UNKNOWN:
        undecided = [answer for answer in answers if answer.outcome.undecided]
        asking = [answer for answer in undecided if answer.outcome is Outcome.NEEDS_CLINICIAN] or undecided
        outcome, why, speaking = asking[0].outcome, first_why(asking), asking
    else:
        outcome, why = (Outcome.MET if truth is Truth.TRUE else Outcome.NOT_MET), None
        speaking = [answer for answer in answers if answer.outcome is outcome] or list(answers)
    return Answer(
        outcome,
        _told(speaking),
        why,
        tuple(dict.fromkeys(evidence for answer in speaking for evidence in answer.evidence)),
        _told_next(speaking) if why else None,
        _named(parts, answers),
    )


def _told(answers: Sequence[Answer]) -> Sentence:
    return _one_after_another([answer.reason for answer in answers])


def _told_next(answers: Sequence[Answer]) -> Sentence | None:
    steps = [answer.next_step for answer in answers if answer.next_step]
    return _one_after_another(steps) if steps else None


def _one_after_another(sentences: Sequence[Sentence]) -> Sentence:
    return sentences[0] if len(sentences) == 1 else say("{sentences}", sentences=_Joined(tuple(sentences)))


@dataclass(frozen=True, slots=True)
class _Joined:
    """Sentences one after the other, read when the whole is."""

    sentences: tuple[Sentence, ...]

    def __str__(self) -> str:
        return " ".join(dict.fromkeys(str(sentence) for sentence in self.sentences))


def _named(parts: Sequence[Part], answers: Sequence[Answer]) -> tuple[tuple[str, Answer], ...]:
    return tuple((part.name, answer) for part, answer in zip(parts, answers, strict=True) if part.name)


def _joined(words: str, parts: Sequence[Part]) -> str:
    return f"{words}: " + "; ".join(_words(part) for part in parts)


def _words(part: Part) -> str:
    return f"({part.name}) {part.rule.in_words()}" if part.name else part.rule.in_words()
