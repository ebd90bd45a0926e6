"""People's answers: what they override, what reads them, when they expire."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_trial.criteria.answers import Answer, Outcome, Why
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.combinators import AllOf, AnyOf, AppliesWhen, AtLeast, Not, Part, Reference
from fhir_trial.errors import UsageError
from fhir_trial.people.answers import GivenAnswer, PeoplesAnswers, give
from fhir_trial.people.digests import evidence_digest
from fhir_trial.records.model import Origin, Patient
from fhir_trial.trials.adjudication import Says
from fhir_trial.trials.model import CriterionType, ResolvedTrial
from fhir_trial.verdict.model import Overall
from fhir_trial.verdict.overall import overall
from fhir_trial.writeback.identifiers import run_value
from tests.unit.people.rules import ANNA, AT, START, Days, computed, criterion, evaluated, outcomes, said, trial
from tests.unit.writeback.verdicts import verdict

O1 = "Observation/o1@3"
MET = computed(Outcome.MET, O1)
NOT_MET = computed(Outcome.NOT_MET, O1)
UNKNOWN = computed(Outcome.UNKNOWN, O1)

#: What a person says -> outcome and why that count, whatever was computed.
COUNTS = {
    Says.MET: (Outcome.MET, None),
    Says.NOT_MET: (Outcome.NOT_MET, None),
    Says.NOT_APPLICABLE: (Outcome.NOT_APPLICABLE, None),
    Says.CANNOT_SAY: (Outcome.NEEDS_CLINICIAN, Why.JUDGEMENT),
}


@pytest.mark.parametrize(("outcome", "says"), list(product(Outcome, Says)))
def test_every_answer_of_a_person_takes_the_place_of_every_computed_one(outcome: Outcome, says: Says) -> None:
    """SEC-51: an override is kept beside what it overrides."""
    on = computed(outcome, O1, parts=[("P1", NOT_MET)])
    evaluation = evaluated(trial(criterion("C1", Days((on,)))), said("C1", says, on))

    ((_, answer),) = evaluation.answers
    assert (answer.outcome, answer.why) == COUNTS[says]
    assert (answer.next_step is not None) == answer.outcome.undecided
    assert (answer.evidence, answer.parts) == (on.evidence, on.parts)
    assert str(answer.reason) == f"Anna answered {says} on 2026-03-02: Read in a letter. Computed: Computed {outcome}."
    found = evaluation.adjudications["C1"]
    assert (found.computed, found.answer, found.expired) == (on, answer, False)


@pytest.mark.parametrize(("outcome", "says"), list(product(Outcome, Says)))
def test_an_override_of_a_decided_answer_needs_a_reason(outcome: Outcome, says: Says) -> None:
    """SEC-51. An undecided answer, and one that the person shares, need none."""
    on = computed(outcome, O1)
    resolved, silent = trial(criterion("C1", Days((on,)))), said("C1", says, on, None)

    if outcome.undecided or says.outcome is outcome:
        assert outcomes(evaluated(resolved, silent)) == {"C1": says.outcome}
    else:
        with pytest.raises(UsageError, match=r"overrides the computed .* give a reason"):
            evaluated(resolved, silent)


CHANGES = {
    "a new version": computed(Outcome.NOT_MET, "Observation/o1@4"),
    "new evidence": computed(Outcome.NOT_MET, O1, "Observation/o2@1"),
    "removed evidence": computed(Outcome.NOT_MET),
    "another resource": computed(Outcome.NOT_MET, "Observation/o2@3"),
    "another outcome": MET,
    "another why": replace(UNKNOWN, why=Why.STALE),
    "a part more": computed(Outcome.NOT_MET, O1, parts=[("P1", MET)]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_answer_expires_when_what_it_was_based_on_changes(change: str) -> None:
    on = UNKNOWN if change == "another why" else NOT_MET
    now = CHANGES[change]
    evaluation = evaluated(trial(criterion("C1", Days((now,)))), said("C1", Says.MET, on))

    assert [answer for _, answer in evaluation.answers] == [now]
    assert evaluation.adjudications["C1"].expired
    assert evaluation.adjudications["C1"].given.says is Says.MET


def test_an_answer_expires_when_evidence_deep_in_a_part_changes() -> None:
    def of(version: str) -> Answer:
        inner = computed(Outcome.NOT_MET, f"Observation/o1@{version}")
        return computed(Outcome.NOT_MET, parts=[("P1", computed(Outcome.NOT_MET, parts=[("P1.1", inner)]))])

    assert evidence_digest(of("3")) == evidence_digest(of("3"))
    assert evidence_digest(of("3")) != evidence_digest(of("4"))


def test_the_digest_knows_no_prose_no_order_and_no_repetition() -> None:
    one = computed(Outcome.NOT_MET, O1, "Observation/o2@1")
    other = computed(Outcome.NOT_MET, "Observation/o2@1", O1, O1)

    assert evidence_digest(one) == evidence_digest(replace(other, reason=MET.reason))


def test_of_a_resource_without_a_version_what_is_shown_counts() -> None:
    (piece,) = computed(Outcome.MET, "Observation/o1").evidence
    originals = ("12.1 g/dL", "9.0 g/dL", None)
    digests = {evidence_digest(replace(MET, evidence=(replace(piece, original=original),))) for original in originals}

    assert len(digests) == 3


def test_the_last_answer_counts_even_if_it_has_expired_and_an_earlier_one_has_not() -> None:
    resolved = trial(criterion("C1", Days((UNKNOWN,))))
    first, later = said("C1", Says.MET, UNKNOWN), said("C1", Says.NOT_MET, UNKNOWN, at=AT + timedelta(hours=1))
    outdated = said("C1", Says.NOT_MET, MET, at=AT + timedelta(hours=1))

    assert outcomes(evaluated(resolved, later, first)) == {"C1": Outcome.NOT_MET}
    assert outcomes(evaluated(resolved, outdated, first)) == {"C1": Outcome.UNKNOWN}


def test_answers_of_another_version_or_patient_do_not_count() -> None:
    resolved = trial(criterion("C1", Days((UNKNOWN,))))
    other = replace(said("C1", Says.MET, UNKNOWN), patient="Patient/p2")

    assert evaluated(resolved, said("C1", Says.MET, UNKNOWN, version="0"), other).adjudications == {}
    assert PeoplesAnswers([said("C1", Says.MET, UNKNOWN, version="0")]).left_out([resolved], []) == [
        "Answers not applied: 1 to t@0; screened is 1."
    ]


def test_an_unknown_criterion_or_trial_is_an_error_that_names_the_right_ones() -> None:
    resolved = trial(criterion("C1", Days((UNKNOWN,))), criterion("C2", Days((MET,))))
    book = PeoplesAnswers([said("C9", Says.MET, UNKNOWN)])
    elsewhere = PeoplesAnswers([replace(said("C1", Says.MET, UNKNOWN), trial="nct1", where="answers.jsonl:7")])

    with pytest.raises(UsageError, match=r"t has no criterion 'C9'. It has: C1, C2."):
        book.about("Patient/p1", resolved)
    with pytest.raises(UsageError, match=r"It has: C1, C2\."):
        book.left_out([resolved], ["t"])
    with pytest.raises(UsageError, match=r"answers.jsonl:7: There is no trial 'nct1'. There are: t, u."):
        elsewhere.left_out([resolved], ["u"])
    assert elsewhere.left_out([resolved], ["nct1"]) == []


REFERS = Part(Reference("C1"))
TRUE = Part(Days((MET,)), "P2")


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (AllOf((REFERS, TRUE)), Outcome.NOT_MET, Outcome.MET),
        (AnyOf((REFERS, Part(Days((NOT_MET,)), "P2"))), Outcome.NOT_MET, Outcome.MET),
        (AtLeast(2, (REFERS, TRUE)), Outcome.NOT_MET, Outcome.MET),
        (Not(REFERS), Outcome.MET, Outcome.NOT_MET),
        (AppliesWhen(REFERS, TRUE), Outcome.NOT_APPLICABLE, Outcome.MET),
        (AppliesWhen(TRUE, REFERS), Outcome.NOT_MET, Outcome.MET),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, Outcome) else value.value,
)
def test_what_reads_a_criterion_sees_the_persons_answer(rule: AllOf, before: Outcome, after: Outcome) -> None:
    resolved = trial(criterion("C2", rule), criterion("C1", Days((NOT_MET,))))

    assert outcomes(evaluated(resolved))["C2"] is before
    assert outcomes(evaluated(resolved, said("C1", Says.MET, NOT_MET)))["C2"] is after


def test_an_answer_to_a_composite_expires_when_somebody_answers_what_it_reads() -> None:
    resolved = trial(criterion("C2", AllOf((REFERS,))), criterion("C1", Days((NOT_MET,))))
    composite = evaluated(resolved).answers[0][1]
    of_composite = said("C2", Says.NOT_APPLICABLE, composite)

    assert outcomes(evaluated(resolved, of_composite))["C2"] is Outcome.NOT_APPLICABLE
    assert outcomes(evaluated(resolved, of_composite, said("C1", Says.MET, NOT_MET)))["C2"] is Outcome.MET


@dataclass(frozen=True)
class MetTheDayBefore(Days):
    """As treatment failure asks for disease activity on earlier days."""

    def answer(self, case: Case) -> Answer:
        return case.on(case.as_of - timedelta(days=1)).other("C1")


def test_an_earlier_day_has_its_own_computed_answer_and_the_persons_if_it_is_the_same() -> None:
    resolved = trial(criterion("C2", MetTheDayBefore(())), criterion("C1", Days((UNKNOWN, UNKNOWN, NOT_MET))))

    today = outcomes(evaluated(resolved, said("C1", Says.MET, NOT_MET), on=START + timedelta(days=2)))
    tomorrow = outcomes(evaluated(resolved, said("C1", Says.MET, NOT_MET), on=START + timedelta(days=3)))
    assert (today["C2"], tomorrow["C2"]) == (Outcome.UNKNOWN, Outcome.MET)


# --- overall

PATIENT = Patient(Origin("Patient/p1"), None, "female", None, False, None, None, None, frozenset())


def concluded(
    patient: Patient, says: Says, kind: CriterionType = CriterionType.INCLUSION
) -> tuple[Overall, tuple[str, ...], tuple[str, ...]]:
    asked = replace(criterion("C1", Days((NOT_MET,))), type=kind)
    return overall(evaluated(trial(asked), said("C1", says, NOT_MET)).answers, patient, START)


@pytest.mark.parametrize(
    ("says", "conclusion", "blockers", "missing"),
    [
        (Says.MET, Overall.POTENTIALLY_ELIGIBLE, (), ()),
        (Says.NOT_APPLICABLE, Overall.POTENTIALLY_ELIGIBLE, (), ()),
        (Says.CANNOT_SAY, Overall.INDETERMINATE, (), ("C1",)),
        (Says.NOT_MET, Overall.NOT_ELIGIBLE, ("C1",), ()),
    ],
)
def test_overall_takes_the_persons_answer_for_the_answer(
    says: Says, conclusion: Overall, blockers: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """VER-15."""
    assert concluded(PATIENT, says) == (conclusion, blockers, missing)


def test_an_exclusion_that_a_person_finds_met_blocks() -> None:
    assert concluded(PATIENT, Says.MET, CriterionType.EXCLUSION) == (Overall.NOT_ELIGIBLE, ("C1",), ())


@pytest.mark.parametrize("says", Says)
def test_no_answer_turns_a_death_or_a_replaced_record_around(says: Says) -> None:
    """R32, R33."""
    died, blockers, _ = concluded(replace(PATIENT, deceased=True), says)

    assert (died, blockers[0]) == (Overall.NOT_ELIGIBLE, "deceased")
    assert concluded(replace(PATIENT, replaced_by="Patient/p2"), says)[0] is Overall.INDETERMINATE


# --- how long it holds (VER-16)


def scanned(resolved: ResolvedTrial, given: list[GivenAnswer], days: int) -> dict[str, date | None]:
    """For each criterion the first of so many days on which a new screening would answer otherwise."""
    now = outcomes(evaluated(resolved, *given))
    found: dict[str, date | None] = dict.fromkeys(now)
    for day in (START + timedelta(days=ahead) for ahead in range(1, days + 1)):
        for name, outcome in outcomes(evaluated(resolved, *given, on=day)).items():
            if outcome is not now[name]:
                found[name] = found[name] or day
    return found


def test_an_answer_that_rests_on_evidence_running_out_holds_until_that_day() -> None:
    """VER-16: evidence changes on day 2, on which the computed outcome does not turn."""
    later = computed(Outcome.NOT_MET, "Observation/o2@1")
    resolved = trial(criterion("C2", AllOf((REFERS,))), criterion("C1", Days((NOT_MET, NOT_MET, later))))

    evaluation = evaluated(resolved, said("C1", Says.MET, NOT_MET))
    assert evaluation.ends("C1")[()] == evaluation.ends("C2")[()] == START + timedelta(days=2)
    assert evaluated(resolved).ends("C1")[()] is None


def test_an_expired_answer_counts_on_a_later_day_on_which_its_evidence_is_computed_again() -> None:
    resolved = trial(criterion("C1", Days((UNKNOWN, UNKNOWN, NOT_MET))))

    evaluation = evaluated(resolved, said("C1", Says.MET, NOT_MET))
    assert evaluation.adjudications["C1"].expired
    assert evaluation.ends("C1")[()] == START + timedelta(days=2)


def test_more_than_a_year_ahead_the_days_that_the_rule_names_are_looked_at() -> None:
    answers = (UNKNOWN,) * 500 + (MET,)
    resolved = trial(criterion("C1", Days(answers)))

    assert evaluated(resolved, said("C1", Says.NOT_MET, UNKNOWN)).ends("C1")[()] == START + timedelta(days=500)


a_computed_answer = st.builds(computed, st.sampled_from(Outcome), st.sampled_from(["Observation/o1@1", "Observation/o1@2"]))
some_days = st.lists(a_computed_answer, min_size=1, max_size=8).map(lambda answers: Days(tuple(answers)))


@given(one=some_days, other=some_days, first=st.sampled_from(Says), second=st.sampled_from(Says), data=st.data())
@settings(max_examples=150, deadline=None)
def test_day_by_day_every_answer_holds_exactly_as_long_as_is_said(
    one: Days, other: Days, first: Says, second: Says, data: st.DataObject
) -> None:
    """VER-16, with people's answers to a criterion, to one that reads it, or to both."""
    parts = (REFERS, Part(other, "P2"))
    rule = AllOf(parts) if data.draw(st.booleans()) else AnyOf(parts)
    resolved = trial(criterion("C2", rule), criterion("C3", Not(Part(Reference("C2")))), criterion("C1", one))
    based_on = data.draw(st.sampled_from(one.answers))
    given_answers = [said("C1", first, based_on)]
    if data.draw(st.booleans()):
        computed_then = evaluated(resolved, *given_answers, on=START + timedelta(days=data.draw(st.integers(0, 8)))).answers[0][1]
        given_answers.append(said("C2", second, computed_then))

    evaluation = evaluated(resolved, *given_answers)
    assert {name: evaluation.ends(name)[()] for name in ("C2", "C3", "C1")} == scanned(resolved, given_answers, 10)


# --- giving one


def test_an_answer_that_is_given_names_what_was_computed() -> None:
    before = verdict()
    one = give(before, "C7.2", Says.MET, by=ANNA, at=AT)

    assert (one.patient, one.trial, one.version, one.criterion) == ("Patient/p1", "nct00000000", "v1", "C7.2")
    assert one.answer.evidence == evidence_digest(before.answer("C7.2"))
    assert one.answer.reason is None


def test_what_was_computed_is_named_even_where_somebody_answered_before() -> None:
    on = computed(Outcome.UNKNOWN, O1)
    evaluation = evaluated(trial(criterion("C1", Days((on,)))), said("C1", Says.MET, on))
    before = replace(verdict(), answers=evaluation.answers, people=evaluation.adjudications)

    assert give(before, "C1", Says.NOT_MET, by=ANNA, at=AT).answer.evidence == evidence_digest(on)


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_an_override_without_a_reason_cannot_be_given(reason: str | None) -> None:
    """SEC-51."""
    with pytest.raises(UsageError, match="'not-met' to C1 overrides the computed 'met': give a reason"):
        give(verdict(), "C1", Says.NOT_MET, by=ANNA, at=AT, reason=reason)
    assert give(verdict(), "C1", Says.NOT_MET, by=ANNA, at=AT, reason=" Born later. ").answer.reason == "Born later."


def test_an_answer_to_nothing_or_without_a_zone_cannot_be_given() -> None:
    with pytest.raises(UsageError, match=r"no criterion 'deceased'. It has: C1, C2"):
        give(verdict(), "deceased", Says.MET, by=ANNA, at=AT)
    with pytest.raises(UsageError, match="zone"):
        give(verdict(), "C1", Says.MET, by=ANNA, at=AT.replace(tzinfo=None))


def test_identifiers_of_results_change_with_outcome_and_why_alone() -> None:
    """WB-05: a person who says what is computed changes no identifier; one who overrides it does."""
    on = computed(Outcome.NOT_MET, O1)
    resolved = trial(criterion("C1", Days((on,))))

    def run(*given_answers: GivenAnswer) -> str:
        return run_value("t", "s", replace(verdict(), answers=evaluated(resolved, *given_answers).answers), resolved, None)

    assert run(said("C1", Says.NOT_MET, on)) == run(said("C1", Says.MET, MET)) == run()
    assert run(said("C1", Says.MET, on)) == run(said("C1", Says.MET, on, "Another reason.")) != run()
