"""What a person had before them, kept as JSON and answered on later."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.criteria.answers import Outcome
from fhir_trial.errors import UsageError
from fhir_trial.people.answers import give, give_on, overrides
from fhir_trial.people.digests import evidence_digest
from fhir_trial.people.shown import Shown, shown_of
from fhir_trial.transport import decode_json, encode_json
from fhir_trial.trials.adjudication import Says
from tests.unit.people.rules import ANNA, AT, Days, computed, criterion, evaluated, said, trial
from tests.unit.writeback.verdicts import verdict

DIGEST = "ev-" + "0" * 32


def showing(outcome: Outcome) -> Shown:
    return Shown("Patient/p1", "t", "1", {"C1": (outcome, DIGEST)})


def test_a_verdict_shows_outcome_and_digest_of_each_criterion_in_its_order() -> None:
    """SEC-51: an answer rests on what was computed."""
    before = verdict()

    shown = shown_of(before)

    assert (shown.patient, shown.trial, shown.version) == (before.patient, before.trial, before.version)
    assert list(shown.computed) == [one.id for one, _ in before.answers]
    assert all(shown.computed[one.id] == (answer.outcome, evidence_digest(answer)) for one, answer in before.answers)


def test_what_a_person_said_is_not_what_was_computed() -> None:
    on = computed(Outcome.UNKNOWN, "Observation/o1@3")
    evaluation = evaluated(trial(criterion("C1", Days((on,)))), said("C1", Says.MET, on))
    before = replace(verdict(), answers=evaluation.answers, people=evaluation.adjudications)

    assert before.answer("C1").outcome is Outcome.MET
    assert shown_of(before).computed == {"C1": (Outcome.UNKNOWN, evidence_digest(on))}


_TEXT = st.text(st.characters(codec="utf-8"))


@given(_TEXT, _TEXT, _TEXT, st.dictionaries(_TEXT, st.tuples(st.sampled_from(Outcome), _TEXT)))
def test_it_reads_back_from_json_with_its_order(
    patient: str, trial: str, version: str, computed: dict[str, tuple[Outcome, str]]
) -> None:
    shown = Shown(patient, trial, version, computed)

    back = Shown.from_json(decode_json(encode_json(shown.as_json())))

    assert back == shown
    assert list(back.computed) == list(shown.computed)


def test_an_answer_on_what_was_kept_is_the_answer_on_the_verdict() -> None:
    before = verdict()
    kept = Shown.from_json(shown_of(before).as_json())

    for one, _ in before.answers:
        on_verdict = give(before, one.id, Says.CANNOT_SAY, by=ANNA, at=AT, reason="Not mine.")
        assert give_on(kept, one.id, Says.CANNOT_SAY, by=ANNA, at=AT, reason="Not mine.") == on_verdict


@pytest.mark.parametrize(("outcome", "says"), list(product(Outcome, Says)))
def test_only_an_answer_that_overrides_needs_a_reason(outcome: Outcome, says: Says) -> None:
    """SEC-51."""
    with_reason = give_on(showing(outcome), "C1", says, by=ANNA, at=AT, reason=" Seen. ")

    is_override = outcome in (Outcome.MET, Outcome.NOT_MET, Outcome.NOT_APPLICABLE) and says.value != outcome.value
    assert (with_reason.answer.reason, with_reason.answer.evidence) == ("Seen.", DIGEST)
    assert overrides(with_reason.answer, outcome) is is_override
    if is_override:
        with pytest.raises(UsageError, match=f"'{says}' to C1 overrides the computed '{outcome}': give a reason"):
            give_on(showing(outcome), "C1", says, by=ANNA, at=AT, reason="  ")
    else:
        assert give_on(showing(outcome), "C1", says, by=ANNA, at=AT).answer.reason is None


def test_an_answer_to_nothing_or_without_a_zone_cannot_be_given_on_it_either() -> None:
    with pytest.raises(UsageError, match=r"t has no criterion 'C2'. It has: C1"):
        give_on(showing(Outcome.MET), "C2", Says.MET, by=ANNA, at=AT)
    with pytest.raises(UsageError, match="zone"):
        give_on(showing(Outcome.MET), "C1", Says.MET, by=ANNA, at=AT.replace(tzinfo=None))


def test_it_holds_no_value_of_the_record() -> None:
    """SEC-26: references of evidence stand in it as digests alone."""
    written = encode_json(shown_of(verdict()).as_json()).decode()
    told = verdict_json(verdict())

    shown_references = [piece["reference"] for one in told["criteria"] for piece in one["evidence"]]
    assert shown_references
    assert not [reference for reference in shown_references if not reference.startswith("Patient/") and reference in written]
