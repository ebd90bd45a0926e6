"""What a population looks like to a trial: how many fall at each criterion, of how many what is not known, who waits for what.

Exact counts; how they are shown to whom is ``small_cells``'s to say (SEC-41).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from fhir_trial.criteria.answers import Outcome, Why
from fhir_trial.population.rows import Row
from fhir_trial.trials.model import Criterion, ResolvedTrial
from fhir_trial.verdict.model import Overall
from fhir_trial.verdict.overall import DECEASED, forbids, is_missing

#: Completed years: the last age of each band but the last.
_BANDS: Final = (4, 11, 17, 39, 64)
UNKNOWN_BAND: Final = "not known"
#: What a new datum does not settle: somebody must read what there is.
_FOR_A_PERSON: Final = frozenset({Why.JUDGEMENT.value, Why.UNSTRUCTURED.value, Why.CONFLICTING.value})


@dataclass(slots=True)
class AtCriterion:
    """One criterion that counts.

    Attributes:
        reached: How many come to it in the trial's order, without having fallen before.
        fallen: Of those, whom it decides against.
        against: Whom it decides against, in any order.
        open: Of how many it is undecided, in any order, by why ("not-recorded", "stale" ...).
        only_blocker: Whom nothing else decides against, and nothing of whom is open.
        only_open: Whom nothing decides against, and of whom nothing else is open: they wait for this alone.
        only_datum: Whom nothing decides against, and of whom no other datum is missing, too old or unusable: they wait for this
            one, and what else is open is for a person to read and judge.
    """

    criterion: Criterion
    reached: int = 0
    fallen: int = 0
    against: int = 0
    open: Counter[str] = field(default_factory=Counter)
    only_blocker: int = 0
    only_open: int = 0
    only_datum: int = 0


@dataclass(slots=True)
class Funnel:
    """Of one trial; filled row by row.

    Attributes:
        looked_at: Patients screened.
        overall: By overall answer.
        deceased: How many have died; they come to no criterion.
        left: Whom no criterion decides against.
        at: The criteria that count, in the trial's order.
        bands: By age band and sex: overall answer -> patients.
    """

    trial: ResolvedTrial
    looked_at: int = 0
    overall: Counter[Overall] = field(default_factory=Counter)
    deceased: int = 0
    left: int = 0
    at: list[AtCriterion] = field(default_factory=list)
    bands: dict[tuple[str, str], Counter[Overall]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at = [AtCriterion(criterion) for criterion in self.trial.trial.criteria if criterion.counts]

    def add(self, row: Row) -> None:
        """One more patient."""
        self.looked_at += 1
        overall = Overall(row.overall)
        self.overall[overall] += 1
        self.bands.setdefault((band_of(row), row.sex or UNKNOWN_BAND), Counter())[overall] += 1
        if DECEASED in row.blockers:
            self.deceased += 1
            return
        answers = {answer.criterion: Outcome(answer.outcome) for answer in row.answers}
        whys = {answer.criterion: answer.why for answer in row.answers}
        self._in_order(answers)
        self._in_any_order(answers, whys)

    def _in_order(self, answers: dict[str, Outcome]) -> None:
        for each in self.at:
            each.reached += 1
            if forbids(each.criterion, answers[each.criterion.id]):
                each.fallen += 1
                return
        self.left += 1

    def _in_any_order(self, answers: dict[str, Outcome], whys: dict[str, str | None]) -> None:
        against = [each for each in self.at if forbids(each.criterion, answers[each.criterion.id])]
        undecided = [each for each in self.at if is_missing(each.criterion, answers[each.criterion.id])]
        for each in against:
            each.against += 1
        for each in undecided:
            each.open[whys[each.criterion.id] or ""] += 1
        if len(against) == 1 and not undecided:
            against[0].only_blocker += 1
        if len(undecided) == 1 and not against:
            undecided[0].only_open += 1
        wanting = [each for each in undecided if whys[each.criterion.id] not in _FOR_A_PERSON]
        if len(wanting) == 1 and not against:
            wanting[0].only_datum += 1


class Funnels:
    """One for each version of each trial, filled while rows pass; rows of others are left out."""

    def __init__(self, trials: Iterable[ResolvedTrial]) -> None:
        self._by_name = {(trial.trial.id, trial.trial.version): Funnel(trial) for trial in trials}

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, each counted as it passes."""
        for row in rows:
            funnel = self._by_name.get((row.trial, row.version))
            if funnel is not None:
                funnel.add(row)
            yield row

    @property
    def all(self) -> list[Funnel]:
        """By trial, then version."""
        return [self._by_name[name] for name in sorted(self._by_name)]


def funnels(rows: Iterable[Row], trials: Iterable[ResolvedTrial]) -> list[Funnel]:
    """Of these rows, one for each version of each trial."""
    found = Funnels(trials)
    for _ in found.counted(rows):
        pass
    return found.all


def band_of(row: Row) -> str:
    """Such as "12-17"; where a birth date leaves two bands open, it is not known."""
    if row.youngest is None or row.oldest is None:
        return UNKNOWN_BAND
    bands = {_band(age) for age in (row.youngest, row.oldest)}
    return bands.pop() if len(bands) == 1 else UNKNOWN_BAND


def bands() -> Iterator[str]:
    """Every band, youngest first."""
    first = 0
    for last in _BANDS:
        yield f"{first}-{last}"
        first = last + 1
    yield f"{first} and over"
    yield UNKNOWN_BAND


def _band(age: int) -> str:
    nth = sum(age > last for last in _BANDS)
    return list(bands())[nth]
