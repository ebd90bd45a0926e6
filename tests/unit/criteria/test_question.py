"""C8.3: what only the person can say. R2, R44."""

from __future__ import annotations

from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.question import Question
from tests.unit.criteria.stories import ago, briefly, case_of, clinical, condition, verified

AGREES = Question("Does she agree to use effective contraception?", supporting=("contraception_in_use",))


def test_a_promise_is_always_asked_for() -> None:
    answer = AGREES.answer(case_of())

    assert briefly(answer) == "needs-clinician judgement"
    assert str(answer.next_step) == "Ask: Does she agree to use effective contraception?"
    assert answer.evidence == ()


def test_codes_support_and_do_not_answer() -> None:
    answer = AGREES.answer(case_of(condition("Z97.5"), condition("M32.10")))

    assert briefly(answer) == "needs-clinician judgement"
    [evidence] = answer.evidence
    assert (evidence.role, evidence.original) == ("supports", "Presence of (intrauterine) contraceptive device (active)")


def test_refuted_and_future_codes_support_nothing() -> None:
    case = case_of(condition("Z97.5", **verified("refuted"), **clinical("inactive")), condition("Z79.3", onsetDateTime=ago(-1)))

    assert AGREES.answer(case).evidence == ()


def test_the_question_has_no_end_and_says_what_it_is() -> None:
    assert list(AGREES.turning_points(case_of())) == []
    assert AGREES.in_words() == "to be asked of the person: Does she agree to use effective contraception?"
    assert AGREES.needs().resource_types == ("Condition", "Procedure")
    assert Question("Why?").needs().resource_types == ()
    assert isinstance(AGREES, Kind)
