"""``make torture``: processes killed at random moments: python -m tests.torture.random_kills.

``TORTURE_KILLS`` says how many (200), ``TORTURE_SEED`` which ones (else it is drawn, and printed). ``TORTURE_DATABASE`` is the
URL of a PostgreSQL database beside which others may be made; without it the store is SQLite. Exit status 1 if anything is
otherwise than after an undisturbed run.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.torture.ground import SEVERAL, Ground, sandbox_ground
from tests.torture.points import is_write
from tests.torture.processes import Outcome, Processes
from tests.torture.rounds import Round, Undisturbed, killed_round, undisturbed
from tests.torture.work import Work

_SAY_EVERY = 20
#: How often the process that follows a killed one is killed as well.
_AGAIN = 0.4


@dataclass(slots=True)
class Tally:
    """What came of all rounds.

    Attributes:
        last: Kind of the last point passed before a kill -> how often.
        too_late: Processes that had ended before their moment came.
    """

    rounds: int = 0
    kills: int = 0
    too_late: int = 0
    last: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, one: Round) -> None:
        self.rounds += 1
        self.kills += len(one.kills)
        self.last.update(_kind(kill.last) for kill in one.kills)
        if one.wrong:
            self.wrong.append(str(one))


def torture(ground: Ground, kills: int, chance: random.Random, patients: Sequence[str] = SEVERAL) -> Iterator[Tally]:
    """Rounds until there were so many kills; the tally after each. The way of each round, too, is left to chance."""
    references = [_undisturbed(ground, ground.work(patients, transactions=transactions)) for transactions in (False, True)]
    tally = Tally()
    while tally.kills < kills:
        reference = chance.choice(references)
        seconds = reference.outcome.took
        moments = [chance.uniform(0, seconds)]
        if chance.random() < _AGAIN and tally.kills + 1 < kills:
            moments.append(chance.uniform(0, seconds))

        def kill(work: Work, moments: list[float] = moments) -> list[Outcome]:
            return [ground.processes.run(work, kill_after=moment) for moment in moments]

        tally.too_late += len(moments)
        one = killed_round(ground, reference, kill)
        tally.too_late -= len(one.kills)
        tally.add(one)
        yield tally


def _undisturbed(ground: Ground, work: Work) -> Undisturbed:
    ground.processes.warm(ground.anew(work))
    return undisturbed(ground, work)


def _kind(point: str) -> str:
    """Reads and commits together, writes each by its name."""
    if not point:
        return "before the first point"
    if is_write(point):
        return point
    side, what = point.split()[:2]
    if what == "commit":
        return f"{side} commit {point.split()[2]}"
    return f"{side} a read"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """The exit status."""
    kills = int(os.environ.get("TORTURE_KILLS", "200"))
    seed = int(os.environ.get("TORTURE_SEED") or secrets.randbelow(1_000_000))
    database = os.environ.get("TORTURE_DATABASE") or None
    _say(f"TORTURE_SEED={seed}: {kills} kills, store in {'PostgreSQL' if database else 'SQLite'}.")
    began = time.monotonic()
    tally = Tally()
    with Processes() as processes, sandbox_ground(processes, database) as ground:
        ground.load(SEVERAL)
        said = 0
        for tally in torture(ground, kills, random.Random(seed)):
            if tally.kills - said >= _SAY_EVERY:
                said = tally.kills
                _say(f"{tally.kills} kills, {len(tally.wrong)} violations")
    for point, times in tally.last.most_common():
        _say(f"{times:5}  {point}")
    for wrong in tally.wrong:
        _say(wrong)
    _say(
        f"{tally.kills} kills in {tally.rounds} rounds, {tally.too_late} came too late, "
        f"{len(tally.wrong)} violations, {time.monotonic() - began:.0f} s."
    )
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
