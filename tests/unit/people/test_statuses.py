"""Where a patient stands on a trial: WB-01, WB-26."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.people.statuses import (
    MACHINE_STEPS,
    NO_STANDING,
    REASONS,
    REOPENED,
    TRANSITIONS,
    By,
    IllegalStatusError,
    Standing,
    Status,
    check_living,
    moved,
    new_episode,
)

#  Every status once; a blank is an illegal step. Columns in the order of the rows.                                      # WB-26
TABLE = """
                 -  po co de cs sc el sf on fu of wi dc
  -              .  M  P  .  .  .  .  .  .  .  .  .  .
  potential      M  .  P  P  .  .  .  P  .  .  .  .  P
  contacted      .  .  .  P  P  .  .  P  .  .  .  .  P
  declined       .  .  .  .  .  .  .  .  .  .  .  .  .
  consented      .  .  .  .  .  P  .  .  .  .  .  P  P
  screening      .  .  .  .  .  .  P  P  .  .  .  P  P
  eligible       .  .  .  .  .  .  .  P  P  .  .  P  P
  screen-failure .  .  .  .  .  .  .  .  .  .  .  .  .
  on-study       .  .  .  .  .  .  .  .  .  P  P  P  P
  follow-up      .  .  .  .  .  .  .  .  .  .  P  P  P
  off-study      .  .  .  .  .  .  .  .  .  .  .  .  .
  withdrawn      .  .  .  .  .  .  .  .  .  .  .  .  .
  deceased       .  .  .  .  .  .  .  .  .  .  .  .  .
"""
ORDER: list[Status | None] = [None, *Status]
ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]
FINAL = {Status.DECLINED, Status.SCREEN_FAILURE, Status.OFF_STUDY, Status.WITHDRAWN, Status.DECEASED}


def a_reason(status: Status | None) -> str | None:
    return min(REASONS[status]) if status is not None and status in REASONS else None


@pytest.mark.parametrize(("row", "status"), list(zip(ROWS, ORDER, strict=True)))
def test_each_step_is_legal_for_those_whom_the_table_names_and_for_nobody_else(row: list[str], status: Status | None) -> None:
    """WB-26."""
    assert row[0] == (status or "-")
    for mark, to in zip(row[1:], ORDER, strict=True):
        for by, letter in ((By.MACHINE, "M"), (By.PERSON, "P")):
            if mark == letter:
                assert moved(Standing(status), to, by, a_reason(to)).status == to
            else:
                with pytest.raises(IllegalStatusError):
                    moved(Standing(status), to, by, a_reason(to))


def test_a_refusal_is_a_sentence_that_says_what_is_possible() -> None:
    """WB-26."""
    with pytest.raises(IllegalStatusError) as open_one:
        moved(Standing(Status.SCREENING), Status.ON_STUDY, By.PERSON)
    with pytest.raises(IllegalStatusError) as final_one:
        moved(Standing(Status.DECEASED), Status.CONTACTED, By.PERSON)
    with pytest.raises(IllegalStatusError) as machine:
        moved(Standing(Status.CONTACTED), Status.CONSENTED, By.MACHINE)

    assert str(open_one.value) == (
        "From screening there is no step to on-study; possible are deceased, eligible, screen-failure, withdrawn."
    )
    assert str(final_one.value) == "The status deceased is final, so contacted cannot follow; it stays so."
    assert str(machine.value) == ("Only a person may set consented: the machine flags and takes back its own flag, nothing else.")


@pytest.mark.parametrize("reason", [None, "because", "completed"])
def test_a_status_that_needs_a_coded_reason_is_refused_without_one(reason: str | None) -> None:
    """WB-26."""
    with pytest.raises(IllegalStatusError, match="needs a reason, one of: not-interested"):
        moved(Standing(Status.CONTACTED), Status.DECLINED, By.PERSON, reason)


def test_a_status_without_reasons_takes_none() -> None:
    with pytest.raises(IllegalStatusError, match="takes no coded reason"):
        moved(Standing(Status.CONTACTED), Status.CONSENTED, By.PERSON, "completed")


def test_who_was_ever_on_study_stays_registered_to_the_end() -> None:
    on_study = moved(Standing(Status.ELIGIBLE), Status.ON_STUDY, By.PERSON)

    assert moved(on_study, Status.DECEASED, By.PERSON) == Standing(Status.DECEASED, is_registered=True)
    assert moved(Standing(Status.ELIGIBLE), Status.DECEASED, By.PERSON) == Standing(Status.DECEASED)


@pytest.mark.parametrize("status", ORDER)
def test_a_new_episode_begins_only_after_a_refusal_or_a_failure(status: Status | None) -> None:
    """WB-26."""
    standing = Standing(status, episode=3, is_registered=True, reason=a_reason(status))

    if status in (Status.DECLINED, Status.SCREEN_FAILURE):
        assert new_episode(standing) == Standing(None, episode=4)
    else:
        with pytest.raises(IllegalStatusError, match="A new episode begins only after declined, screen-failure"):
            new_episode(standing)


TRIES = st.lists(st.tuples(st.sampled_from([*ORDER, "new episode"]), st.sampled_from(By), st.booleans()), min_size=1, max_size=30)


@given(TRIES)
def test_no_path_leaves_a_final_status_but_by_a_new_episode_and_the_machine_reaches_only_its_own(
    tries: list[tuple[Status | str | None, By, bool]],
) -> None:
    """WB-01, WB-26."""
    standing = NO_STANDING
    for to, by, with_reason in tries:
        before = standing
        try:
            if isinstance(to, str) and not isinstance(to, Status):
                standing = new_episode(standing)
            else:
                standing = moved(standing, to, by, a_reason(to) if with_reason else None)
        except IllegalStatusError:
            assert standing == before
            continue
        if before.status in FINAL:
            assert before.status in REOPENED
            assert standing == Standing(None, before.episode + 1)
        elif by is By.MACHINE and standing.episode == before.episode:
            assert (before.status, standing.status) in MACHINE_STEPS
        if standing.status is Status.POTENTIAL:
            assert by is By.MACHINE


def test_every_status_is_in_the_table_and_nothing_follows_the_final_ones() -> None:
    assert set(TRANSITIONS) == {None, *Status}
    assert {status for status in Status if not TRANSITIONS[status]} == FINAL


@pytest.mark.parametrize("status", list(Status))
def test_of_the_dead_only_what_ends_their_part_is_said(status: Status) -> None:
    """WB-26: the final statuses of the table, and nothing that begins or goes on."""
    if status in FINAL:
        check_living(status)
    else:
        with pytest.raises(IllegalStatusError, match="died"):
            check_living(status)
