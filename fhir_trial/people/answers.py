"""People's answers to criteria: which one counts, and until when.

A person's answer rests on the computed answer they had before them. When that is computed differently - other evidence, another
version of it, another outcome - theirs has expired and the computed one counts again, until somebody answers anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from fhir_trial.criteria.answers import Answer, Outcome, Sentence, Why, say
from fhir_trial.errors import UsageError
from fhir_trial.people.digests import evidence_digest
from fhir_trial.people.shown import Shown, shown_of
from fhir_trial.trials.adjudication import Adjudicate, Adjudication, Adjudicators, Person, PersonsAnswer, Says
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What a person said, and about whom and what.

    Attributes:
        patient: As a verdict names it: ``Patient/id``, or the fullUrl.
        version: Version of the trial's criteria; the answer counts for no other.
        where: ``file:line`` it was read from.
    """

    patient: str
    trial: str
    version: str
    criterion: str
    answer: PersonsAnswer
    where: str | None = field(default=None, compare=False)


def give(verdict: Verdict, criterion: str, says: Says, *, by: Person, at: datetime, reason: str | None = None) -> GivenAnswer:
    """An answer to a criterion, by somebody who has this verdict before them; see ``give_on``."""
    return give_on(shown_of(verdict), criterion, says, by=by, at=at, reason=reason)


def give_on(shown: Shown, criterion: str, says: Says, *, by: Person, at: datetime, reason: str | None = None) -> GivenAnswer:
    """An answer to a criterion, by somebody who has this before them, perhaps from a screening that was kept.

    Args:
        at: When, with its zone.

    Raises:
        UsageError: The trial has no such criterion; ``at`` has no zone; a decided answer is overridden without a reason (SEC-51).
    """
    if at.tzinfo is None:
        raise UsageError("The time of an answer needs its zone.")
    if criterion not in shown.computed:
        raise _no_such_criterion(criterion, shown.trial, shown.computed, None)
    outcome, evidence = shown.computed[criterion]
    given = PersonsAnswer(says, by, at, evidence, _written(reason))
    _check_reason(criterion, given, outcome, None)
    return GivenAnswer(shown.patient, shown.trial, shown.version, criterion, given)


class PeoplesAnswers:
    """All answers of a file or a store, found by patient and version of a trial. Of several to one criterion the last counts."""

    def __init__(self, given: Iterable[GivenAnswer]) -> None:
        self._given: dict[tuple[str, str, str], dict[str, GivenAnswer]] = {}
        for one in sorted(given, key=lambda one: one.answer.at):
            self._given.setdefault((one.patient, one.trial, one.version), {})[one.criterion] = one

    def about(self, patient: str, trial: ResolvedTrial) -> Adjudicators:
        """For each criterion answered for this patient and this version of the trial, what becomes of it on a day.

        Raises:
            UsageError: The trial has no such criterion; later, a decided answer is overridden without a reason (SEC-51).
        """
        found = self._given.get((patient, trial.trial.id, trial.trial.version), {})
        for one in found.values():
            _check_criterion(one, trial)
        return {criterion: _adjudicate(one) for criterion, one in found.items()}

    def left_out(self, trials: Sequence[ResolvedTrial], known: Iterable[str]) -> list[str]:
        """What is not applied when these trials are screened, since it is about another version: sentences to be shown.

        Args:
            known: The id of every trial there is.

        Raises:
            UsageError: There is no such trial, or it has no such criterion.
        """
        names = sorted(set(known) | {trial.trial.id for trial in trials})
        for one in self._all():
            if one.trial not in names:
                raise UsageError(f"There is no trial '{one.trial}'. There are: {', '.join(names)}.", expression=one.where)
        versions: dict[str, list[str]] = {}
        for trial in trials:
            versions.setdefault(trial.trial.id, []).append(trial.trial.version)
            for one in self._all():
                if (one.trial, one.version) == (trial.trial.id, trial.trial.version):
                    _check_criterion(one, trial)
        other: dict[tuple[str, str], int] = {}
        for one in self._all():
            if one.trial in versions and one.version not in versions[one.trial]:
                other[one.trial, one.version] = other.get((one.trial, one.version), 0) + 1
        return [
            f"Answers not applied: {count} to {trial}@{version}; screened is {' and '.join(versions[trial])}."
            for (trial, version), count in sorted(other.items())
        ]

    def _all(self) -> Iterable[GivenAnswer]:
        return (one for by_criterion in self._given.values() for one in by_criterion.values())


def _adjudicate(one: GivenAnswer) -> Adjudicate:
    given = one.answer

    def adjudicate(computed: Answer) -> Adjudication:
        if given.evidence != evidence_digest(computed):
            return Adjudication(given, computed, computed, expired=True)
        _check_reason(one.criterion, given, computed.outcome, one.where)
        return Adjudication(given, computed, _answer_of(given, computed), expired=False)

    return adjudicate


def _answer_of(given: PersonsAnswer, computed: Answer) -> Answer:
    """The person's outcome, on the computed answer's evidence and parts."""
    outcome = given.says.outcome
    return replace(
        computed,
        outcome=outcome,
        why=Why.JUDGEMENT if outcome.undecided else None,
        reason=_sentence(given, computed),
        next_step=(computed.next_step or say("Ask whoever can settle it.")) if outcome.undecided else None,
    )


def _sentence(given: PersonsAnswer, computed: Answer) -> Sentence:
    return say(
        "{who} answered {says} on {day}{because} Computed: {computed}",
        who=given.by.name or "A person",
        says=given.says.value,
        day=given.at.date(),
        because=f": {given.reason}" if given.reason else ".",
        computed=computed.reason,
    )


def overrides(given: PersonsAnswer, computed: Outcome) -> bool:
    """Whether a person says otherwise than a computed answer that was decided (SEC-51)."""
    return not computed.undecided and given.says.outcome is not computed


def _check_reason(criterion: str, given: PersonsAnswer, computed: Outcome, where: str | None) -> None:
    if given.reason is None and overrides(given, computed):
        raise UsageError(f"'{given.says}' to {criterion} overrides the computed '{computed}': give a reason.", expression=where)


def _check_criterion(one: GivenAnswer, trial: ResolvedTrial) -> None:
    if one.criterion not in trial.by_id:
        raise _no_such_criterion(one.criterion, trial.trial.id, trial.by_id, one.where)


def _no_such_criterion(criterion: str, trial: str, known: Iterable[str], where: str | None) -> UsageError:
    return UsageError(f"{trial} has no criterion '{criterion}'. It has: {', '.join(known)}.", expression=where)


def _written(reason: str | None) -> str | None:
    return (reason or "").strip() or None
