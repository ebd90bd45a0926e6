"""Kleene's strong connectives: truth tables, and laws that hold for any number of sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.logic import Truth, all_of, any_of, at_least

LETTERS = {"T": Truth.TRUE, "F": Truth.FALSE, "?": Truth.UNKNOWN}

#    left right all any
TABLE = """
     T    T     T   T
     T    ?     ?   T
     T    F     F   T
     ?    T     ?   T
     ?    ?     ?   ?
     ?    F     F   ?
     F    T     F   T
     F    ?     F   ?
     F    F     F   F
"""
ROWS = [tuple(LETTERS[letter] for letter in line.split()) for line in TABLE.split("\n") if line.strip()]
truths = st.sampled_from(Truth)


@pytest.mark.parametrize(("left", "right", "both", "either"), ROWS)
def test_two_sentences_together_follow_the_truth_table(left: Truth, right: Truth, both: Truth, either: Truth) -> None:
    assert all_of([left, right]) is both
    assert any_of([left, right]) is either


@pytest.mark.parametrize(("letter", "opposite"), [("T", "F"), ("F", "T"), ("?", "?")])
def test_the_opposite_of_unknown_is_unknown(letter: str, opposite: str) -> None:
    assert ~LETTERS[letter] is LETTERS[opposite]


def test_no_sentence_at_all_holds_as_a_conjunction_and_fails_as_a_disjunction() -> None:
    assert all_of([]) is Truth.TRUE
    assert any_of([]) is Truth.FALSE


#    three sentences -> at least 0, 1, 2, 3, 4
COUNTING = """
     TTT   T T T T F
     TT?   T T T ? F
     TTF   T T T F F
     T??   T T ? ? F
     T?F   T T ? F F
     TFF   T T F F F
     ???   T ? ? ? F
     ??F   T ? ? F F
     ?FF   T ? F F F
     FFF   T F F F F
"""


@pytest.mark.parametrize("line", [line for line in COUNTING.split("\n") if line.strip()])
def test_at_least_n_of_three(line: str) -> None:
    sentences, *expected = line.split()

    found = [at_least(count, [LETTERS[letter] for letter in sentences]) for count in range(5)]

    assert found == [LETTERS[letter] for letter in expected]


def test_a_truth_cannot_be_taken_for_a_bool_by_mistake() -> None:
    with pytest.raises(TypeError, match=r"^A Truth is not a bool: compare it with Truth\.TRUE, Truth\.FALSE or .*UNKNOWN\.$"):
        bool(Truth.UNKNOWN)


def test_what_is_known_is_true_or_false() -> None:
    assert Truth.of(value=True) is Truth.TRUE
    assert Truth.of(value=False) is Truth.FALSE


@given(st.lists(truths))
def test_de_morgan(sentences: list[Truth]) -> None:
    assert ~all_of(sentences) is any_of(~sentence for sentence in sentences)


@given(st.lists(truths), st.randoms())
def test_order_does_not_matter(sentences: list[Truth], random: object) -> None:
    shuffled = sorted(sentences, key=lambda _: random.random())  # type: ignore[attr-defined]

    assert all_of(shuffled) is all_of(sentences)
    assert any_of(shuffled) is any_of(sentences)


@given(st.lists(truths, min_size=1), st.data())
def test_learning_what_was_unknown_never_turns_a_known_answer(sentences: list[Truth], data: st.DataObject) -> None:
    learned = [data.draw(truths) if sentence is Truth.UNKNOWN else sentence for sentence in sentences]

    for connective in (all_of, any_of, lambda all_: at_least(2, all_)):
        before = connective(sentences)
        assert before is Truth.UNKNOWN or connective(learned) is before


@given(st.lists(truths))
def test_all_and_any_are_at_least_every_and_at_least_one(sentences: list[Truth]) -> None:
    assert at_least(len(sentences), sentences) is all_of(sentences)
    assert at_least(1, sentences) is any_of(sentences)
