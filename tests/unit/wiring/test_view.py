"""What the FHIR server says beside what is kept here: whether the two agree, and what a person may then decide."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from fhir_trial.people.statuses import NO_STANDING, By, Standing, Status
from fhir_trial.store import Step, StepState
from fhir_trial.wiring.view import Seen, View, meanings, view_of
from fhir_trial.writeback.standing import HeldSubject

WHOSE = ("pt-0123456789abcdef", "nct00000000")


def step(status: Status, state: StepState = StepState.WRITTEN, *, is_registered: bool = False) -> Step:
    return Step(
        number=1,
        patient=WHOSE[0],
        trial=WHOSE[1],
        episode=1,
        before=None,
        status=status,
        is_registered=is_registered,
        reason_code=None,
        since=date(2026, 3, 2),
        by=By.PERSON,
        issuer="https://id.example.invalid",
        subject="u1",
        at=datetime(2026, 3, 2, tzinfo=UTC),
        state=state,
        note=None,
        reference=None,
        version=None,
        reason=None,
        settled=None,
        patient_reference="Patient/p1",
    )


def seen(
    last: Step | None,
    enrolment: str | None,
    *,
    whose: tuple[str, str] = WHOSE,
    is_machines: bool = False,
    others: tuple[str, ...] = (),
) -> View:
    held = HeldSubject("ResearchSubject/1", "3", enrolment, others)
    kept = (last.standing if last else NO_STANDING, last)
    return view_of(whose, kept, Seen(held, is_machines=is_machines, is_read=True), (last,) if last else ())


@pytest.mark.parametrize("finer", ["on-study", "on-study-intervention", "on-study-observation"])
def test_finer_words_for_a_patient_on_study_are_taken_over_as_that_and_then_agree(finer: str) -> None:
    """WB-24, WB-26: FHIR has more words than we write."""
    before, after = seen(step(Status.CONTACTED), finer), seen(step(Status.ON_STUDY, is_registered=True), finer)

    assert (before.differs, before.possible) == (True, (Status.ON_STUDY,))
    assert meanings(finer) == ((Status.ON_STUDY, True),)
    assert (after.agrees, after.differs) == (True, False)
    assert Status.WITHDRAWN in after.possible


@pytest.mark.parametrize("unknown", ["pending-on-study", "made-up", None])
def test_what_is_none_of_our_words_is_left_for_the_ehr_to_settle(unknown: str | None) -> None:
    """WB-14."""
    view = seen(step(Status.CONTACTED), unknown)

    assert (view.differs, view.possible, view.may_reopen) == (True, (), False)


def test_the_machine_s_own_take_back_is_nobody_s_finding() -> None:
    """WB-26."""
    assert seen(None, "ineligible", is_machines=True).possible == (Status.CONTACTED,)
    assert seen(None, "ineligible").possible == (Status.SCREEN_FAILURE,)


def test_the_token_stands_for_patient_and_trial_too() -> None:
    """WB-14: what was shown of one patient is no ground to decide about another."""
    tokens = {seen(None, None, whose=whose).token for whose in (WHOSE, ("pt-0", WHOSE[1]), (WHOSE[0], "nct1"))}

    assert len(tokens) == 3


def test_where_no_person_has_taken_a_step_the_machine_s_flag_is_where_the_patient_stands() -> None:
    assert seen(None, "potential-candidate").standing == Standing(Status.POTENTIAL)


@pytest.mark.parametrize(
    ("enrolment", "expected"),
    [
        ("candidate", [(Status.CONTACTED, False)]),
        ("screening", [(Status.CONSENTED, False), (Status.SCREENING, False)]),
        ("on-study", [(Status.ON_STUDY, True)]),
        ("withdrawn", [(Status.WITHDRAWN, False), (Status.DECEASED, False)]),
        ("off-study", [(Status.OFF_STUDY, True), (Status.WITHDRAWN, True), (Status.DECEASED, True)]),
        ("potential-candidate", []),
    ],
)
def test_a_word_of_the_server_means_what_can_be_so_before_or_after_registration(
    enrolment: str, expected: list[tuple[Status, bool]]
) -> None:
    """WB-26: nobody is on study who was not registered, and the flag is the machine's alone."""
    assert list(meanings(enrolment)) == expected


@pytest.mark.parametrize(
    ("others", "against"),
    [
        ((), ()),
        (("potential-candidate",), ()),
        (("candidate",), ()),
        (("on-study", "potential-candidate"), ("on-study",)),
        (("unreadable",), ("unreadable",)),
    ],
)
def test_beside_another_s_subject_that_says_something_else_nothing_is_possible(
    others: tuple[str, ...], against: tuple[str, ...]
) -> None:
    """WB-01, WB-14: a mere flag says nothing yet."""
    view = seen(step(Status.CONTACTED), "candidate", others=others)

    assert (view.others, view.against) == (others, against)
    assert (view.possible == ()) is bool(against)
    assert (view.token == seen(step(Status.CONTACTED), "candidate").token) is not bool(others)


@pytest.mark.parametrize(
    ("enrolment", "state", "is_read", "is_lost"),
    [
        ("potential-candidate", StepState.WRITTEN, True, True),
        (None, StepState.WRITTEN, True, True),
        (None, StepState.WRITTEN, False, False),
        ("candidate", StepState.WRITTEN, True, False),
        ("ineligible", StepState.WRITTEN, True, False),
        ("potential-candidate", StepState.DECIDED, True, False),
        ("potential-candidate", StepState.KEPT, True, False),
    ],
)
def test_a_written_step_is_lost_where_the_server_says_at_most_the_machine_s_flag(
    enrolment: str | None, state: StepState, is_read: bool, is_lost: bool
) -> None:
    """WB-01: as after a restore; a server that is not asked has lost nothing."""
    last = step(Status.CONTACTED, state)
    held = HeldSubject("ResearchSubject/1", "3", enrolment) if enrolment else None

    view = view_of(WHOSE, (last.standing, last), Seen(held, is_read=is_read), (last,))

    assert view.is_lost is is_lost
    assert (view.to_send is last) is (is_lost or state.is_open)


def test_what_was_taken_over_from_the_ehr_and_is_lost_there_is_not_sent() -> None:
    """WB-26: the table has no such step."""
    last = step(Status.ON_STUDY, is_registered=True)

    assert not view_of(WHOSE, (last.standing, last), Seen(None, is_read=True), (last,)).is_lost


def test_of_the_dead_only_the_end_of_their_part_can_be_decided() -> None:
    """WB-06, WB-26."""
    last = step(Status.ON_STUDY, is_registered=True)
    held = HeldSubject("ResearchSubject/1", "3", "on-study")

    alive, dead = (view_of(WHOSE, (last.standing, last), Seen(held, is_deceased=died), (last,)) for died in (False, True))

    assert dead.possible == (Status.OFF_STUDY, Status.WITHDRAWN, Status.DECEASED)
    assert dead.token != alive.token
