"""Little trials and rows made by hand, for funnels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import TypeVar

import msgspec

from fhir_trial import load_trial
from fhir_trial.criteria.answers import Outcome, Why
from fhir_trial.population.funnel import Funnel, funnels
from fhir_trial.population.kept_runs import KeptRun, TrialAsked
from fhir_trial.population.report import Report, report_of
from fhir_trial.population.rows import Answered, Row
from fhir_trial.trials.model import Criterion, CriterionType, ResolvedTrial, Stage, Trial
from fhir_trial.verdict.model import Overall
from fhir_trial.verdict.overall import DECEASED, forbids, is_missing

Made = TypeVar("Made", Row, KeptRun)

#: One letter an answer.
ANSWERS = {
    "T": (Outcome.MET, None),
    "F": (Outcome.NOT_MET, None),
    "n": (Outcome.NOT_APPLICABLE, None),
    "s": (Outcome.UNKNOWN, Why.STALE),
    "?": (Outcome.UNKNOWN, Why.NOT_RECORDED),
    "j": (Outcome.NEEDS_CLINICIAN, Why.JUDGEMENT),
}


@cache
def _real() -> ResolvedTrial:
    return load_trial("nct06789107")


def little_trial(*ids: str, name: str = "little", title: str = "A little trial") -> ResolvedTrial:
    """Criteria by their first letter: inclusion, Exclusion, Neither counts, Later (an inclusion asked at enrolment)."""
    criteria = tuple(
        Criterion(
            id=one,
            type=CriterionType.EXCLUSION if one[0] == "E" else CriterionType.INCLUSION,
            stage=Stage.ENROLMENT if one[0] == "L" else Stage.PRESCREENING,
            text=f"The protocol's words of {one}",
            source="Protocol",
            title=f"Title of {one}",
            rule=_real().by_id["C1"].rule,
            counts=one[0] != "N",
        )
        for one in ids
    )
    trial = Trial(name, "v1", title, title, "by hand", (), criteria)
    return ResolvedTrial(trial, _real().terminology, _real().zone, {})


def row(trial: ResolvedTrial, answers: str, patient: str = "Patient/p", **more: object) -> Row:
    """A row as a screening makes it, from a letter for each criterion; "+" after them: the patient has died."""
    letters, died = answers.rstrip("+"), answers.endswith("+")
    outcomes = dict(zip(trial.by_id, (ANSWERS[letter] for letter in letters), strict=True))
    counted = [(trial.by_id[name], outcome) for name, (outcome, _) in outcomes.items() if trial.by_id[name].counts]
    blockers = (DECEASED,) * died + tuple(one.id for one, outcome in counted if forbids(one, outcome))
    missing = () if blockers else tuple(one.id for one, outcome in counted if is_missing(one, outcome))
    overall = Overall.NOT_ELIGIBLE if blockers else Overall.INDETERMINATE if missing else Overall.POTENTIALLY_ELIGIBLE
    made = Row(
        patient=patient,
        trial=trial.trial.id,
        version=trial.trial.version,
        overall=overall.value,
        answers=tuple(
            Answered(name, outcome.value, why.value if why else None, f"ev-{name}") for name, (outcome, why) in outcomes.items()
        ),
        blockers=blockers,
        missing=missing,
        youngest=30,
        oldest=30,
        sex="female",
        inputs="in-1",
    )
    return _changed(made, more)


def rows(trial: ResolvedTrial, *answers: str) -> list[Row]:
    """Of patients p0, p1 ..."""
    return [row(trial, letters, f"Patient/p{nth}") for nth, letters in enumerate(answers)]


def funnel_of(trial: ResolvedTrial, found: Iterable[Row]) -> Funnel:
    """The funnel of one trial."""
    (funnel,) = funnels(found, [trial])
    return funnel


def kept_run(trials: Sequence[ResolvedTrial], **more: object) -> KeptRun:
    """A run of these trials, over 100 patients unless said otherwise."""
    asked = tuple(TrialAsked(one.trial.id, one.trial.version, one.digest, None, {}, "UTC") for one in trials)
    plain = KeptRun(
        software="fhir-trial 0",
        began=datetime(2026, 3, 2, 8, tzinfo=UTC),
        source="export",
        as_of=date(2026, 3, 2),
        first_dose=None,
        everyone=True,
        complete=False,
        trials=asked,
        patients=100,
        candidates=None,
        signs={},
        lines=1000,
        left_out={},
        lost_types=(),
        rows=0,
    )
    return _changed(plain, more)


def report(trial: ResolvedTrial, found: Iterable[Row], *, exact: bool = False, **more: object) -> Report:
    """Of one trial."""
    return report_of(kept_run([trial], **more), [funnel_of(trial, found)], exact=exact)


def with_title(trial: ResolvedTrial, title: str) -> ResolvedTrial:
    """The same trial, whose criteria all have this title, text and source."""
    criteria = tuple(replace(one, title=title, text=title, source=title) for one in trial.trial.criteria)
    return replace(trial, trial=replace(trial.trial, criteria=criteria, short_title=title, not_evaluated=(title,)))


def _changed(made: Made, more: dict[str, object]) -> Made:
    return msgspec.structs.replace(made, **more)
