"""Rules made of rules: what follows from which answers, and which part speaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import pytest

from fhir_trial.criteria.answers import Answer, Evidence, Outcome, Role, Why, say
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.combinators import AllOf, AnyOf, AppliesWhen, AtLeast, Not, Part, Reference
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.records.model import Origin

OUTCOMES = {
    "met": (Outcome.MET, None),
    "not": (Outcome.NOT_MET, None),
    "unk": (Outcome.UNKNOWN, Why.NOT_RECORDED),
    "ask": (Outcome.NEEDS_CLINICIAN, Why.JUDGEMENT),
    "n/a": (Outcome.NOT_APPLICABLE, None),
}


@dataclass(frozen=True)
class Said:
    """A rule that always says the same."""

    word: str
    why: Why | None = None
    days: tuple[date, ...] = ()
    next_step: str | None = None
    needed: str = "Observation"
    evidence: tuple[Evidence, ...] = field(default=())

    def needs(self) -> Needs:
        return Needs.of(Need(self.needed))

    def answer(self, case: Case) -> Answer:
        outcome, why = OUTCOMES[self.word]
        step = say(self.next_step) if self.next_step else None
        return Answer(outcome, say(f"{self.word} it is."), self.why or why, self.evidence, step)

    def turning_points(self, case: Case) -> Iterable[date]:
        return self.days

    def in_words(self) -> str:
        return f"says {self.word}"


CASE = Case(
    cast(FactSheet, None), date(2026, 3, 2), None, lambda case, name: Said(name).answer(case), lambda case, name: [case.as_of]
)


def parts(*words: str) -> tuple[Part, ...]:
    return tuple(Part(Said(word), f"P{index}") for index, word in enumerate(words, 1))


#    left right   all   any
TABLE = """
     met  met     met   met
     met  not     not   met
     met  unk     unk   met
     met  ask     ask   met
     met  n/a     met   met
     not  not     not   not
     not  unk     not   unk
     not  ask     not   ask
     not  n/a     not   not
     unk  unk     unk   unk
     unk  ask     ask   ask
     unk  n/a     unk   unk
     ask  ask     ask   ask
     ask  n/a     ask   ask
     n/a  n/a     n/a   not
"""


@pytest.mark.parametrize("line", [line for line in TABLE.split("\n") if line.strip()])
def test_two_parts_together_in_either_order(line: str) -> None:
    """R21: needs-clinician if any part that decides asks, else unknown."""
    left, right, both, either = line.split()

    for first, second in ((left, right), (right, left)):
        assert AllOf(parts(first, second)).answer(CASE).outcome is OUTCOMES[both][0]
        assert AnyOf(parts(first, second)).answer(CASE).outcome is OUTCOMES[either][0]


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (("met", "met", "not"), Outcome.MET),
        (("met", "not", "not"), Outcome.NOT_MET),
        (("met", "unk", "not"), Outcome.UNKNOWN),
        (("met", "unk", "ask"), Outcome.NEEDS_CLINICIAN),
        (("met", "n/a", "n/a"), Outcome.NOT_MET),
    ],
)
def test_at_least_two_of_three(words: tuple[str, ...], outcome: Outcome) -> None:
    assert AtLeast(2, parts(*words)).answer(CASE).outcome is outcome


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("met", Outcome.NOT_MET),
        ("not", Outcome.MET),
        ("unk", Outcome.UNKNOWN),
        ("ask", Outcome.NEEDS_CLINICIAN),
        ("n/a", Outcome.NOT_APPLICABLE),
    ],
)
def test_the_opposite(word: str, outcome: Outcome) -> None:
    assert Not(Part(Said(word))).answer(CASE).outcome is outcome


@pytest.mark.parametrize(
    ("condition", "rule", "outcome"),
    [
        ("met", "not", Outcome.NOT_MET),
        ("not", "not", Outcome.NOT_APPLICABLE),
        ("n/a", "met", Outcome.NOT_APPLICABLE),
        ("unk", "not", Outcome.NOT_MET),  # R6: answered as if it applied
        ("ask", "met", Outcome.MET),
    ],
)
def test_a_rule_that_applies_only_when(condition: str, rule: str, outcome: Outcome) -> None:
    assert AppliesWhen(Part(Said(condition)), Part(Said(rule))).answer(CASE).outcome is outcome


def test_the_why_of_a_composite_is_the_first_of_those_parts_that_share_its_answer() -> None:
    """VER-14."""
    stale, absent = Part(Said("unk", Why.STALE)), Part(Said("unk", Why.NOT_RECORDED))
    asking = Part(Said("ask", Why.UNSTRUCTURED))

    assert AllOf((absent, stale)).answer(CASE).why is Why.STALE
    assert AllOf((stale, asking, absent)).answer(CASE).why is Why.UNSTRUCTURED


def test_the_parts_that_share_the_answer_speak_and_show_their_evidence_once() -> None:
    shown = Evidence(Origin("Observation/o1"), Role.DECIDES)
    first = Part(Said("unk", next_step="Order one.", evidence=(shown,)), "P1")
    second = Part(Said("unk", next_step="Order another.", evidence=(shown,)), "P2")

    answer = AllOf((first, second, Part(Said("met"), "P3"))).answer(CASE)

    assert str(answer.reason) == "unk it is."
    assert str(answer.next_step) == "Order one. Order another."
    assert answer.evidence == (shown,)
    assert [name for name, _ in answer.parts] == ["P1", "P2", "P3"]


def test_an_undecided_whole_without_next_steps_has_none() -> None:
    assert AllOf(parts("unk", "met")).answer(CASE).next_step is None


def test_a_reference_answers_as_the_other_criterion_and_is_no_part() -> None:
    whole = AnyOf((Part(Reference("met")), Part(Said("not"))))

    answer = whole.answer(CASE)

    assert answer.outcome is Outcome.MET
    assert answer.parts == ()
    assert list(Reference("met").turning_points(CASE)) == [CASE.as_of]
    assert Reference("met").needs() == Needs()


def test_needs_and_turning_points_are_those_of_the_parts() -> None:
    day = date(2026, 4, 1)
    one, other = Part(Said("met", days=(day,), needed="Condition")), Part(Said("met"))

    for rule in (AllOf((one, other)), AnyOf((one, other)), AtLeast(1, (one, other)), AppliesWhen(one, other)):
        assert rule.needs().resource_types == ("Condition", "Observation")
        assert list(rule.turning_points(CASE)) == [day]
    assert Not(one).needs().resource_types == ("Condition",)
    assert list(Not(one).turning_points(CASE)) == [day]


def test_rules_read_as_english() -> None:
    pair = parts("met", "not")

    assert AllOf(pair).in_words() == "all of: (P1) says met; (P2) says not"
    assert AnyOf(pair).in_words().startswith("any of: ")
    assert AtLeast(1, pair).in_words().startswith("at least 1 of: ")
    assert Not(Part(Reference("C1"))).in_words() == "not: criterion C1"
    assert AppliesWhen(Part(Reference("C8.1")), Part(Said("met"))).in_words() == "says met; applies where criterion C8.1 holds"


def test_a_decided_answer_has_no_why_and_an_undecided_one_must() -> None:
    """VER-13."""
    arguments: dict[str, Any] = {"reason": say("So.")}

    with pytest.raises(ValueError, match="undecided"):
        Answer(Outcome.MET, why=Why.STALE, **arguments)
    with pytest.raises(ValueError, match="undecided"):
        Answer(Outcome.UNKNOWN, **arguments)
