"""A disease in the words of notes and reports."""

from __future__ import annotations

import pytest

from fhir_trial.facts.mentions import Mention, find_mentions
from tests.unit.criteria.stories import Json, case_of, condition, report, shipped


def found(*resources: Json) -> tuple[Mention, ...]:
    return find_mentions(case_of(*resources).facts.record, shipped().value_set("sle"))


#  words                                                     mentioned
@pytest.mark.parametrize(
    ("words", "mentioned"),
    [
        ("Known SLE since 2015.", True),
        ("History: systemic lupus erythematosus. Otherwise well.", True),
        ("系统性红斑狼疮", True),
        ("No evidence of SLE.", False),
        ("Mother has SLE.", False),
        ("No fever. Lupus nephritis class IV.", True),  # a denial holds for its own sentence
        ("Lupus vulgaris of the face.", False),
        ("Lupus anticoagulant positive.", False),
        ("Well.", False),
    ],
)
def test_the_words_of_the_value_set_are_found_sentence_by_sentence(words: str, mentioned: bool) -> None:
    assert bool(found(report(words))) is mentioned


def test_the_sentence_alone_is_kept() -> None:
    (mention,) = found(report("Seen today. Known SLE since 2015. Next visit in May."))

    assert (mention.words, mention.origin.reference) == ("Known SLE since 2015.", "DiagnosticReport/r1")


def test_a_conditions_note_counts_unless_the_condition_is_refuted() -> None:
    refuted = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    noted = {"note": [{"text": "SLE, biopsy proven"}]}

    assert len(found(condition("M06.9", **noted))) == 1
    assert found(condition("M06.9", **noted, **refuted)) == ()


def test_a_report_that_is_not_final_is_not_read() -> None:
    assert found(report("Known SLE.", status="preliminary")) == ()


def test_oldest_first() -> None:
    undated = {key: value for key, value in report("SLE stable").items() if key != "effectiveDateTime"}
    mentions = found(report("SLE now", 1), report("SLE then", 900), undated)

    assert [mention.words for mention in mentions] == ["SLE stable", "SLE then", "SLE now"]
