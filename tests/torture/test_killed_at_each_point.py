"""A process of its own is killed by SIGKILL on both sides of each commit and each request, and started again.

WB-03, WB-04, WB-05, WB-07, WB-10, WB-20, SEC-01, SEC-05: afterwards the server holds what an undisturbed run leaves there, each
resource in the same version; one more run writes nothing; no intent is open; the audit chain is whole and tells of each write.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.torture.findings import wrong
from tests.torture.ground import DECIDED_ABOUT, FLAGGED, Ground
from tests.torture.points import is_commit, is_write
from tests.torture.rounds import Round, Undisturbed, killed_at_each, undisturbed
from tests.torture.work import Work

pytestmark = [pytest.mark.server, pytest.mark.slow]

STEP_BY_STEP, AT_ONCE = False, True
ROUTES = pytest.mark.parametrize("transactions", [STEP_BY_STEP, AT_ONCE], ids=["step by step", "in one transaction"])


@pytest.fixture(scope="module")
def nothing_written(ground_of: Callable[..., Ground]) -> Ground:
    """A patient of whom nothing was written yet."""
    return ground_of(FLAGGED)


@pytest.fixture(scope="module")
def flags_written(ground_of: Callable[..., Ground]) -> Ground:
    """Two patients who were flagged; one has a new result since, and is not eligible any more."""
    ground = ground_of(FLAGGED, DECIDED_ABOUT)
    outcome = ground.processes.run(ground.work([FLAGGED, DECIDED_ABOUT]))
    assert outcome.results.count(("ResearchSubject", "created")) == 2
    ground.make_ineligible(FLAGGED)
    return ground


def any_commit_or_write(name: str) -> bool:
    return is_commit(name) or is_write(name)


def about_an_intent_or_write(name: str) -> bool:
    """Not the commits of the audit and of what was screened, which are the same on every way."""
    return is_write(name) or (is_commit(name) and "outbox." in name)


def tortured(ground: Ground, work: Work, wanted: Callable[[str], bool]) -> tuple[Undisturbed, list[Round]]:
    """Killed at each point wanted."""
    ground.processes.warm(ground.anew(work))
    reference = undisturbed(ground, work)
    return reference, list(killed_at_each(ground, reference, wanted))


def expect_nothing_wrong(rounds: list[Round]) -> None:
    troubles = [str(one) for one in rounds if one.wrong]
    assert not troubles, "\n".join(troubles)
    points = [kill.last for one in rounds for kill in one.kills]
    assert {name.split()[0] for name in points} == {"before", "sent", "after"}
    assert {"outbox.intend", "outbox.mark"} <= {name.split()[2] for name in points if is_commit(name)}


@pytest.mark.xdist_group("killed before anything was written")
@ROUTES
def test_wherever_it_is_killed_one_subject_and_one_result_are_written(nothing_written: Ground, transactions: bool) -> None:
    work = nothing_written.work([FLAGGED], transactions=transactions, reads_again=False)

    reference, rounds = tortured(nothing_written, work, about_an_intent_or_write if transactions else any_commit_or_write)

    expect_nothing_wrong(rounds)
    assert dict(reference.found.counts) == {"ResearchStudy": 1, "ResearchSubject": 1, "Observation": 1, "Provenance": 1}
    assert set(reference.found.versions.values()) == {"1"}


@pytest.mark.xdist_group("killed after flags were written")
@ROUTES
def test_wherever_it_is_killed_its_own_flag_is_taken_back_once(flags_written: Ground, transactions: bool) -> None:
    """WB-01."""
    work = flags_written.work([FLAGGED], transactions=transactions, reads_again=False)

    reference, rounds = tortured(flags_written, work, about_an_intent_or_write)

    expect_nothing_wrong(rounds)
    assert dict(reference.found.counts) == {"ResearchStudy": 1, "ResearchSubject": 2, "Observation": 3, "Provenance": 3}
    subjects = [each for name, each in reference.found.resources.items() if name.startswith("ResearchSubject/")]
    assert sorted((each["status"], each["meta"]["versionId"]) for each in subjects) == [
        ("ineligible", "2"),
        ("potential-candidate", "1"),
    ]


@pytest.mark.xdist_group("killed after flags were written")
def test_wherever_it_is_killed_a_persons_decision_is_written_once_and_stays_the_persons(flags_written: Ground) -> None:
    """WB-01, WB-14: whoever decided looks again, and decides again only what is not there."""
    flags_written.hospital.reset()
    subjects = flags_written.found().resources
    patient = f"Patient/{DECIDED_ABOUT}"
    shown = next(name for name, each in subjects.items() if each.get("individual") == {"reference": patient})

    reference, rounds = tortured(flags_written, flags_written.work([DECIDED_ABOUT], shown=shown), any_commit_or_write)

    expect_nothing_wrong(rounds)
    held = reference.found.resources[shown]
    assert (held["status"], held["meta"]["versionId"]) == ("candidate", "2")


@pytest.mark.xdist_group("killed before anything was written")
def test_wherever_it_is_killed_while_it_reads_nothing_was_written(nothing_written: Ground) -> None:
    """WB-03: on both sides of each request that reads before the first write, one process after the other on one store."""
    work = nothing_written.work([FLAGGED])
    reference = undisturbed(nothing_written, work)
    names = reference.outcome.names
    first_write = next(number for number, name in enumerate(names) if is_write(name))
    reads = [number for number, name in enumerate(names[:first_write], start=1) if not is_commit(name)]

    begun = nothing_written.anew(work)
    kills = [nothing_written.processes.run(begun, kill_at=number) for number in reads]

    assert [kill.last for kill in kills] == [names[number - 1] for number in reads]
    assert len(kills) > 40
    assert not nothing_written.found().resources
    nothing_written.processes.run(begun)
    restarted = nothing_written.found()
    nothing_written.processes.run(begun)
    assert wrong(begun, reference.found, restarted, nothing_written.found()) == []


@pytest.mark.xdist_group("killed before anything was written")
@ROUTES
def test_wherever_it_is_killed_while_it_reads_between_its_writes_nothing_is_lost(
    nothing_written: Ground, transactions: bool
) -> None:
    """WB-07: searches before a write, read-backs after it."""
    work = nothing_written.work([FLAGGED], transactions=transactions, reads_again=False)
    nothing_written.processes.warm(nothing_written.anew(work))
    reference = undisturbed(nothing_written, work)
    names = reference.outcome.names
    first_write = next(number for number, name in enumerate(names) if is_write(name))
    reads = {name for name in names[first_write:] if not is_commit(name) and not is_write(name) and name.startswith("after")}

    rounds = list(killed_at_each(nothing_written, reference, lambda name: name in reads))

    assert not [str(one) for one in rounds if one.wrong]
    assert len(rounds) > 8
