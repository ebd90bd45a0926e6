"""The funnels of a run as they are shown: exact to people who may see the patients, rounded to everybody else (SEC-40, SEC-41).

Nothing here tells a small count, or lets it be worked out. Four rules see to it:

- A count of patients is rounded to tens, and 1 to 10 is "<11" (``small_cells``).
- No sum is shown beside its parts. How many were looked at, how many fall at a criterion, how many are left at the end and how
  many showed no sign are worked out from what is shown, and say "about".
- Where many counts are parts of one whole (who waits for which one criterion, age bands), "<11" says none as well: twenty parts
  of "<11" under a whole of "20" would all be 1 if none of them could be 0.
- Few counts are told apart from 0 that are parts of one whole that can be guessed at (three overall answers, seven reasons): with
  at most nine of them, a whole of "<11" or "10" never says that each is 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

import msgspec

from fhir_trial.contract.verdicts import NOTICE
from fhir_trial.people.small_cells import HIDDEN, shown_count
from fhir_trial.population.funnel import UNKNOWN_BAND, AtCriterion, Funnel, bands
from fhir_trial.population.kept_runs import KeptRun
from fhir_trial.verdict.model import Overall

_ABOUT: Final = "about"
_TENS: Final = 10
_SMALL: Final = 11
_MIDDLE: Final = 5  # of 1 to 10, for a difference
_SEXES: Final = ("female", "male", UNKNOWN_BAND)


class Reason(msgspec.Struct, frozen=True):
    """Of how many a criterion is undecided for one reason.

    Attributes:
        why: Value of ``criteria.answers.Why``; "" for none given.
    """

    why: str
    patients: str


class Step(msgspec.Struct, frozen=True):
    """One criterion of a funnel; each count is of patients.

    Attributes:
        type: "inclusion" or "exclusion".
        stage: "prescreening" or "enrolment".
        text: The protocol's own words.
        reached: How many come to it in the trial's order.
        fallen: Of those, whom it decides against.
        against: Whom it decides against, in any order.
        open: Of how many it is undecided, in any order, by why, most first.
        only_blocker: Whom nothing else decides against, and nothing of whom is open.
        only_open: Who wait for this alone.
        only_datum: Who wait for this datum, and else for a person's judgement at most.
    """

    criterion: str
    type: str
    stage: str
    title: str
    text: str
    source: str
    reached: str
    fallen: str
    against: str
    open: tuple[Reason, ...]
    only_blocker: str
    only_open: str
    only_datum: str


class Band(msgspec.Struct, frozen=True):
    """Patients of one age and sex, by overall answer.

    Attributes:
        age: Completed years, such as "12-17", or "not known".
    """

    age: str
    sex: str
    patients: Mapping[str, str]


class TrialReport(msgspec.Struct, frozen=True):
    """Of one version of a trial.

    Attributes:
        definition: Digest of all that decides an answer besides the data.
        signs: Patients who show a sign of this trial; None where everybody was looked at.
        not_looked_at: Patients of the export without a sign of any trial asked for: no answer to any criterion (R12).
        misses: Whom the signs do not see, in a sentence; None where everybody was looked at.
        overall: By overall answer.
        deceased: Patients who have died; they come to no criterion.
        left: Whom no criterion decides against.
        bands: In a rounded report, those with a count of 11 or more.
    """

    trial: str
    version: str
    title: str
    definition: str
    signs: str | None
    not_looked_at: str
    misses: str | None
    overall: Mapping[str, str]
    deceased: str
    steps: tuple[Step, ...]
    left: str
    bands: tuple[Band, ...]
    not_evaluated: tuple[str, ...]


class Report(msgspec.Struct, frozen=True):
    """Of one run.

    Attributes:
        exact: For people who may see the patients; else every count is rounded.
        patients: In the export.
        left_out: What could not be read or belonged to nobody, by reason.
        lost_types: Types of which some piece was lost that may be anybody's.
    """

    exact: bool
    software: str
    began: datetime
    as_of: date
    first_dose: date | None
    everyone: bool
    complete: bool
    patients: str
    left_out: Mapping[str, str]
    lost_types: tuple[str, ...]
    trials: tuple[TrialReport, ...]
    notice: str = NOTICE


def report_of(run: KeptRun, funnels: Iterable[Funnel], *, exact: bool) -> Report:
    """The funnels of a run, exact or rounded."""
    figures = _Figures(exact)
    trials = tuple(figures.trial(run, funnel) for funnel in funnels)
    return Report(
        exact=exact,
        software=run.software,
        began=run.began,
        as_of=run.as_of,
        first_dose=run.first_dose,
        everyone=run.everyone,
        complete=run.complete,
        patients=figures.patients(run, trials),
        left_out={reason: figures.count(count) for reason, count in sorted(run.left_out.items())},
        lost_types=run.lost_types,
        trials=trials,
    )


def number(shown: str) -> int:
    """About how many patients a shown count stands for: for pictures, and for differences of rounded counts."""
    words = shown.removeprefix(_ABOUT).strip()
    return _MIDDLE if words == HIDDEN else int(words)


def has_any(shown: str) -> bool:
    """Whether a part of a whole is told apart from none."""
    return shown not in ("0", HIDDEN)


class _Figures:
    """How figures are shown to whom."""

    def __init__(self, exact: bool) -> None:
        self._exact = exact

    def count(self, n: int) -> str:
        return shown_count(n, self._exact)

    def part(self, n: int) -> str:
        """One of many parts of a whole."""
        return shown_count(n, self._exact) if self._exact or n >= _SMALL else HIDDEN

    def sum(self, *shown: str) -> str:
        return self._derived(sum(map(number, shown)))

    def patients(self, run: KeptRun, trials: Sequence[TrialReport]) -> str:
        """In the export; where everybody was looked at, a rounded one is worked out: it would be a sum beside its parts."""
        if self._exact or run.candidates is not None or not trials:
            return self.count(run.patients)
        return self.sum(*trials[0].overall.values())

    def difference(self, whole: str, *parts: str) -> str:
        return self._derived(max(0, number(whole) - sum(map(number, parts))))

    def _derived(self, n: int) -> str:
        return str(n) if self._exact else f"{_ABOUT} {(n + _TENS // 2) // _TENS * _TENS}"

    def trial(self, run: KeptRun, funnel: Funnel) -> TrialReport:
        of = funnel.trial
        overall = {answer.value: self.count(funnel.overall[answer]) for answer in Overall}
        left = self._left(funnel, overall)
        reached = [self.count(each.reached) for each in funnel.at]
        after = [*reached[1:], left]
        is_by_signs = run.candidates is not None
        return TrialReport(
            trial=of.trial.id,
            version=of.trial.version,
            title=of.trial.short_title or of.trial.title,
            definition=of.digest,
            signs=self._signs(run, of.trial.id, overall) if is_by_signs else None,
            not_looked_at=self.difference(self.count(run.patients), *overall.values()),
            misses=of.signs.misses if is_by_signs and of.signs is not None else None,
            overall=overall,
            deceased=self.count(funnel.deceased),
            steps=tuple(
                self._step(each, here, self.difference(here, then))
                for each, here, then in zip(funnel.at, reached, after, strict=True)
            ),
            left=left,
            bands=tuple(self._bands(funnel)),
            not_evaluated=of.trial.not_evaluated,
        )

    def _signs(self, run: KeptRun, trial: str, overall: Mapping[str, str]) -> str:
        """Of one trial alone, they are those who were looked at: a rounded one is worked out, too."""
        if self._exact or len(run.trials) > 1:
            return self.count(run.signs.get(trial, 0))
        return self.sum(*overall.values())

    def _left(self, funnel: Funnel, overall: Mapping[str, str]) -> str:
        """A rounded one is worked out: it would be a sum beside its parts."""
        if self._exact:
            return str(funnel.left)
        return self.sum(overall[Overall.POTENTIALLY_ELIGIBLE.value], overall[Overall.INDETERMINATE.value])

    def _step(self, at: AtCriterion, reached: str, fallen: str) -> Step:
        criterion = at.criterion
        return Step(
            criterion=criterion.id,
            type=criterion.type.value,
            stage=criterion.stage.value,
            title=criterion.title,
            text=criterion.text,
            source=criterion.source,
            reached=reached,
            fallen=fallen,
            against=self.count(at.against),
            open=tuple(_most_first(Reason(why, self.count(n)) for why, n in at.open.items() if n)),
            only_blocker=self.part(at.only_blocker),
            only_open=self.part(at.only_open),
            only_datum=self.part(at.only_datum),
        )

    def _bands(self, funnel: Funnel) -> Iterable[Band]:
        for age in bands():
            for sex in _SEXES:
                counts: Mapping[Overall, int] = funnel.bands.get((age, sex), {})
                if any(n >= (1 if self._exact else _SMALL) for n in counts.values()):
                    yield Band(age, sex, {answer.value: self.part(counts.get(answer, 0)) for answer in Overall})


def _most_first(reasons: Iterable[Reason]) -> list[Reason]:
    """By what is shown: an order of hidden counts would tell of them."""
    return sorted(reasons, key=lambda reason: (-number(reason.patients), reason.why))
