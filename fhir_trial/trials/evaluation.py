"""The one evaluator: every criterion of a trial for one patient on one day, and how long each answer holds.

A person's answer takes the computed one's place here, before anything reads it: composites, "applies when", scores and the
overall answer all come through this door, on every day that is asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from fhir_trial.criteria.answers import Answer, Outcome
from fhir_trial.criteria.case import Case
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.times import add_days
from fhir_trial.trials.adjudication import Adjudication, Adjudicators
from fhir_trial.trials.model import Criterion, ResolvedTrial

#: Of an answer: the names of the parts that lead to it; () is the whole.
PartPath = tuple[str, ...]

#: So many days ahead it is asked on each day whether a person's answer still counts; after them on turning points alone.
_DAYS_AHEAD = 366


class Evaluation:
    """A trial asked about one patient.

    Attributes:
        answers: Each criterion and its answer on ``as_of``, in the trial's order.
        adjudications: What people said of a criterion, by its id, and whether it counts on ``as_of``.
    """

    def __init__(
        self,
        trial: ResolvedTrial,
        facts: FactSheet,
        as_of: date,
        first_dose: date | None = None,
        people: Adjudicators | None = None,
    ) -> None:
        self._trial, self._people = trial, people or {}
        self._given: dict[tuple[str, date], Answer] = {}
        self._ends: dict[str, Mapping[PartPath, date | None]] = {}
        self._facts, self._as_of, self._first_dose = facts, as_of, first_dose
        self._adjudicated: dict[str, Adjudication] = {}
        self._lapses: dict[str, tuple[date, ...]] = {}
        case = self._case()
        self.answers: tuple[tuple[Criterion, Answer], ...] = tuple(
            (criterion, self._answer(case, criterion.id)) for criterion in trial.trial.criteria
        )
        self.adjudications: Mapping[str, Adjudication] = self._adjudicated

    def _case(self) -> Case:
        """Made anew each time.

        Kept, it would hold the evaluation that holds it, and with them the patient's record until the garbage collector comes.
        """
        return Case(self._facts, self._as_of, self._first_dose, self._answer, self._turning_points)

    def ends(self, criterion: str) -> Mapping[PartPath, date | None]:
        """The first day on which the clock alone changes the answer to a criterion, and to each part; None if none (VER-16).

        Worked out when first asked for: the same data are screened again on each later day that may matter.
        """
        found = self._ends.get(criterion)
        if found is None:
            found = self._ends[criterion] = self._first_changes(criterion)
        return found

    def _answer(self, case: Case, criterion: str) -> Answer:
        key = criterion, case.as_of
        answer = self._given.get(key)
        if answer is None:
            answer = self._trial.by_id[criterion].rule.answer(case)
            if adjudicate := self._people.get(criterion):
                found = adjudicate(answer)
                answer = found.answer
                if case.as_of == self._as_of:
                    self._adjudicated[criterion] = found
            self._given[key] = answer
        return answer

    def _turning_points(self, case: Case, criterion: str) -> Iterable[date]:
        points = self._trial.by_id[criterion].rule.turning_points(case)
        if criterion not in self._people:
            return points
        found = tuple(points)
        if criterion not in self._lapses:
            self._lapses[criterion] = tuple(self._lapsing(criterion, found))
        return *found, *self._lapses[criterion]

    def _lapsing(self, criterion: str, turning_points: Iterable[date]) -> Iterator[date]:
        """The days on which the clock makes a person's answer expire, or what they had before them is so again.

        Day by day: an answer's evidence may change on a day on which its outcome cannot, so that no turning point names it.
        """
        case = self._case()
        near = add_days(self._as_of, _DAYS_AHEAD)
        days = [add_days(self._as_of, ahead) for ahead in range(1, _DAYS_AHEAD + 1)]
        expired = self._expired(case, criterion)
        for day in (*days, *sorted({day for day in turning_points if day > near})):
            before, expired = expired, self._expired(case.on(day), criterion)
            if expired is not before:
                yield day

    def _expired(self, case: Case, criterion: str) -> bool:
        return self._people[criterion](self._trial.by_id[criterion].rule.answer(case)).expired

    def _first_changes(self, criterion: str) -> Mapping[PartPath, date | None]:
        case = self._case()
        now = dict(_outcomes(self._answer(case, criterion)))
        ends: dict[PartPath, date | None] = dict.fromkeys(now)
        unchanged = set(now)
        for day in sorted({day for day in self._turning_points(case, criterion) if day > case.as_of}):
            later = dict(_outcomes(self._answer(case.on(day), criterion)))
            for path in [path for path in unchanged if path in later and later[path] is not now[path]]:
                ends[path] = day
                unchanged.remove(path)
            if not unchanged:
                break
        return ends


def _outcomes(answer: Answer, path: PartPath = ()) -> Iterator[tuple[PartPath, Outcome]]:
    yield path, answer.outcome
    for name, part in answer.parts:
        yield from _outcomes(part, (*path, name))
