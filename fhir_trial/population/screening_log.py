"""A screening log as a coordinator keeps it (SEAR, CONSORT): one row a patient, why not, and what is still open.

No id of the hospital's stands in it unless it is asked for (SEC-44): the first column is a key of ours or a running number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from fhir_trial.criteria.answers import Outcome
from fhir_trial.population.funnel import UNKNOWN_BAND, band_of
from fhir_trial.population.rows import Row
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.overall import DECEASED, forbids, is_missing

HEAD: Final = [
    "subject",
    "trial",
    "version",
    "screened",
    "age",
    "sex",
    "overall",
    "first_against",
    "first_against_title",
    "against",
    "open",
    "answered_by_people",
]


def log_rows(
    rows: Iterable[Row], trials: Iterable[ResolvedTrial], screened: str, named: Callable[[str, int], str]
) -> Iterator[list[str]]:
    """The cells of each line, without the head.

    Args:
        screened: The screening date.
        named: What a patient is called: from the reference, and the running number of the patient in the run, 1 for the first.
    """
    by_name = {(trial.trial.id, trial.trial.version): trial for trial in trials}
    number, patient = 0, ""
    for row in rows:
        if row.patient != patient:
            number, patient = number + 1, row.patient
        trial = by_name.get((row.trial, row.version))
        if trial is not None:
            yield [
                named(patient, number),
                row.trial,
                row.version,
                screened,
                band_of(row),
                row.sex or UNKNOWN_BAND,
                *_why(row, trial),
            ]


def _why(row: Row, trial: ResolvedTrial) -> list[str]:
    """Overall answer, the first criterion against, its title, all that are against, what is open, what people answered."""
    answers = {answer.criterion: answer for answer in row.answers}
    counted = [(criterion, answers[criterion.id]) for criterion in trial.trial.criteria if criterion.counts]
    against = [criterion for criterion, answer in counted if forbids(criterion, Outcome(answer.outcome))]
    still = [
        f"{criterion.id}: {answer.why or answer.outcome}"
        for criterion, answer in counted
        if is_missing(criterion, Outcome(answer.outcome))
    ]
    ids, titles = [criterion.id for criterion in against], [criterion.title for criterion in against]
    if DECEASED in row.blockers:
        ids, titles = [DECEASED, *ids], ["Has died", *titles]
    return [row.overall, *(ids[:1] or [""]), *(titles[:1] or [""]), " ".join(ids), "; ".join(still), " ".join(row.people)]
