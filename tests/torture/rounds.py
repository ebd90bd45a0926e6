"""One round: a process is killed, others follow until one has come to its end, and what is there is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.torture.findings import Found, wrong
from tests.torture.ground import Ground
from tests.torture.processes import Outcome
from tests.torture.work import Work


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A run that nobody killed.

    Attributes:
        work: What was done.
        found: What it left on the server.
    """

    work: Work
    outcome: Outcome
    found: Found


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one round.

    Attributes:
        kills: The processes killed, in order.
        wrong: A sentence for each difference from the undisturbed run.
    """

    kills: tuple[Outcome, ...]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join([f"Killed at: {'; '.join(kill.last or 'its start' for kill in self.kills)}.", *self.wrong])


def undisturbed(ground: Ground, work: Work) -> Undisturbed:
    """Does the work twice; the second run must write nothing."""
    begun = ground.anew(work)
    outcome = ground.processes.run(begun)
    found = ground.found()
    ground.processes.run(begun)
    troubles = wrong(begun, found, found, ground.found())
    assert not troubles, troubles
    return Undisturbed(work, outcome, found)


def killed_round(ground: Ground, reference: Undisturbed, kill: Callable[[Work], Sequence[Outcome]]) -> Round:
    """Kills as told, starts again, lets it end, runs once more, and compares.

    Args:
        kill: Starts processes on the work and has them killed; says how they ended.
    """
    begun = ground.anew(reference.work)
    outcomes = kill(begun)
    ground.processes.run(begun)
    restarted = ground.found()
    ground.processes.run(begun)
    troubles = wrong(begun, reference.found, restarted, ground.found())
    return Round(tuple(each for each in outcomes if each.killed), tuple(troubles))


def killed_at_each(ground: Ground, reference: Undisturbed, wanted: Callable[[str], bool]) -> Iterator[Round]:
    """A round for each point that the undisturbed run passed and that is wanted."""
    for number, name in enumerate(reference.outcome.names, start=1):
        if not wanted(name):
            continue

        def kill(work: Work, at: int = number) -> list[Outcome]:
            return [ground.processes.run(work, kill_at=at)]

        one = killed_round(ground, reference, kill)
        assert [kill.last for kill in one.kills] == [name], "the run is not the same each time"
        yield one
