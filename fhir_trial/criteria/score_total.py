"""A disease activity score of a given version, as somebody recorded it, against a limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from fhir_trial.criteria.answers import (
    Answer,
    Evidence,
    Outcome,
    Role,
    Sentence,
    Why,
    met,
    needs_clinician,
    not_met,
    readable,
    say,
    unknown,
)
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.partial_dates import agreed
from fhir_trial.criteria.score_evidence import items_as_evidence, items_in_words
from fhir_trial.criteria.showing import show_condition, still_active, unless_overturned
from fhir_trial.facts.moments import Moment, latest_of_day, may_be_latest
from fhir_trial.facts.recorded_scores import RecordedTotal
from fhir_trial.logic import Truth
from fhir_trial.scores.bounds import ScoreBounds
from fhir_trial.scores.sledai import sledai_bounds
from fhir_trial.times import Span, add_days

STRUCTURED: Final = ("Observation", "QuestionnaireResponse")
DOCUMENTS: Final = ("DiagnosticReport", "DocumentReference")
_DECIDED: Final = (Outcome.MET, Outcome.NOT_MET)

_PROBLEMS: Final = {
    "not-final": "it is not final",
    "modifier": "it has an extension that may change its meaning and is not understood",
    "no-value": "it has no readable number",
    "no-date": "it has no readable date",
}


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """What other criteria may read of the answer: usable totals of the right version, oldest first, and the bounds from data."""

    totals: tuple[RecordedTotal, ...]
    bounds: ScoreBounds


@dataclass(frozen=True, slots=True)
class ScoreTotal:
    """The latest recorded total of a score is at or above a limit, and recent.

    As protocols put it: "SLEDAI-2000 score >= 6".

    A recorded total of just this version decides. Other versions, older totals, totals found in a text, items without a total and
    a lower bound worked out from laboratory data ask for a clinician. A low lower bound says nothing: most items are never coded
    (C5, R24).

    Attributes:
        score: A name in mappings/scores/, which also says how the score and its other versions are called.
        title: Its name for people.
        at_least: The limit, in points.
        days: Age of a total that still decides, and the window of the items; both ends included.
        disease: Value set whose inactive entries are shown beside the answer, or None.
    """

    score: str
    title: str
    at_least: int
    days: int
    disease: str | None = None

    def __post_init__(self) -> None:
        if self.at_least < 0 or self.days < 0:
            raise ValueError("A score's limit and its days cannot be negative.")

    def needs(self) -> Needs:
        return Needs.of(
            Need("Observation", categories=("survey", "laboratory", "vital-signs", "exam"), decides_days=self.days),
            Need("QuestionnaireResponse", decides_days=self.days),
            *(Need(name) for name in DOCUMENTS),
            *([Need("Condition", value_sets=(self.disease,))] if self.disease else []),
        )

    def in_words(self) -> str:
        return (
            f"The latest recorded {self.title} total, at most {self.days} days old, is {self.at_least} or more. Totals of other "
            f"versions, older ones, ones found in a text and points counted from laboratory data need a clinician."
        )

    def turning_points(self, case: Case) -> Iterable[date]:
        spans = [total.span for total in case.facts.totals(self.score) if total.span is not None]
        for item in case.facts.terminology.score(self.score).items:
            spans.extend(result.span for analyte in item.analytes for result in case.facts.results(analyte) if result.span)
        for span in spans:
            if add_days(span.last, self.days + 1) > case.as_of:
                yield from (span.first, add_days(span.last, 1))
                yield from (add_days(end, self.days + 1) for end in (span.first, span.last))

    def answer(self, case: Case) -> Answer:
        on_file = [total for total in case.facts.totals(self.score) if total.span is None or total.span.first <= case.as_of]
        score = case.facts.terminology.score(self.score)
        known = ScoreFacts(
            tuple(total for total in on_file if total.exact_version and total.problem is None and total.possible is not None),
            sledai_bounds(score, case.facts, case.as_of, self.days),
        )
        answer = (
            self._by_total(case, on_file) or self._by_other_words(case, on_file) or self._by_items(case, on_file, known.bounds)
        )
        return Answer(
            answer.outcome,
            answer.reason,
            answer.why,
            answer.evidence + self._remission(case),
            answer.next_step,
            answer.parts,
            facts=known,
        )

    # --- a total of this version in an Observation or a questionnaire

    def _by_total(self, case: Case, on_file: Sequence[RecordedTotal]) -> Answer | None:
        candidates = [
            (total, span)
            for total in on_file
            if total.structured and total.exact_version and _may_decide(total) and (span := _cut(total, case.as_of)) is not None
        ]
        rivals = may_be_latest(candidates, lambda candidate: candidate[1])
        if not rivals:
            return None
        totals = [total for total, _ in rivals]
        answer = agreed(
            lambda days: self._latest_of(totals, days, case),
            [span for _, span in rivals],
            [add_days(case.as_of, -self.days)],
            lambda: self._undated(totals),
        )
        return unless_overturned(case, answer, *STRUCTURED) if answer.outcome in _DECIDED or answer.why is Why.STALE else answer

    def _latest_of(self, totals: Sequence[RecordedTotal], days: Sequence[date], case: Case) -> Answer:
        of_the_day = [total for total, day in zip(totals, days, strict=True) if day == max(days)]
        latest = latest_of_day(of_the_day, lambda total: Moment.of(total.span, total.issued, total.origin))
        answers = [self._of_one(total, max(days), case) for total in latest]
        if len({answer.outcome for answer in answers}) == 1:
            return answers[0]
        reason = say(
            "{title} totals of the same day disagree, and nothing orders them: {totals}.", title=self.title, totals=_said(latest)
        )
        evidence = [item for answer in answers for item in answer.evidence]
        return needs_clinician(
            Why.CONFLICTING, reason, evidence, next_step=say("Settle which {title} total holds.", title=self.title)
        )

    def _of_one(self, total: RecordedTotal, day: date, case: Case) -> Answer:
        told = {"title": self.title, "total": total.original, "on": total.span, "limit": self.at_least, "days": self.days}
        if total.possible is None or total.problem is not None:  # R8: not passed over
            reason = say("A {title} total of {total} on {on} is not possible.", **told)
            step = say("Look up the {title} total.", **told)
            return needs_clinician(Why.UNUSABLE, reason, [self._evidence(total, Role.UNUSABLE)], next_step=step)
        if day < add_days(case.as_of, -self.days):
            reason = say(
                "The last {title} total, {total} on {on}, is {age} days old; {days} days decide.",
                age=(case.as_of - day).days,
                **told,
            )
            return needs_clinician(Why.STALE, reason, [self._evidence(total, Role.STALE)], next_step=self._score_anew())
        noted = "" if total.performed else " Who scored it is not recorded."  # R24
        holds = total.possible.at_least(Fraction(self.at_least))
        if holds is Truth.TRUE:
            reason = say("The {title} total was {total} on {on}, at or above {limit}." + noted, **told)
            return met(reason, [self._evidence(total, Role.DECIDES)])
        if holds is Truth.FALSE:
            reason = say("The {title} total was {total} on {on}, below {limit}; activity changes." + noted, **told)
            return not_met(reason, [self._evidence(total, Role.DECIDES)])
        reason = say("A {title} total of {total} on {on} leaves open whether it is {limit} or more.", **told)
        return unknown(Why.UNUSABLE, reason, [self._evidence(total, Role.UNUSABLE)], next_step=self._score_anew())

    def _undated(self, totals: Sequence[RecordedTotal]) -> Answer:
        """R30: what the precision of the dates leaves open."""
        reason = say(
            "The dates of the {title} totals leave open which one decides: {totals}.", title=self.title, totals=_said(totals)
        )
        evidence = [self._evidence(total, Role.UNUSABLE) for total in totals]
        return unknown(
            Why.UNUSABLE, reason, evidence, next_step=say("Look up the dates of the {title} totals.", title=self.title)
        )

    # --- other words for it

    def _by_other_words(self, case: Case, on_file: Sequence[RecordedTotal]) -> Answer | None:
        named = [total for total in on_file if total.possible is not None and total.problem in (None, "no-date", "implausible")]
        in_text = [total for total in named if total.exact_version and not total.structured]
        if in_text:
            return self._from_text(case, in_text[-1])
        others = [total for total in named if not total.exact_version]
        if others:
            told = {"title": self.title, "total": others[-1].original, "on": others[-1].span or "an unknown day"}
            reason = say(
                "Only another version of the score is on file, {total} on {on}; its totals are not those of {title}.", **told
            )
            return needs_clinician(
                Why.JUDGEMENT, reason, [self._evidence(one, Role.SHOWN) for one in others], next_step=self._score_anew()
            )
        items = [total for total in on_file if total.items]
        if items:
            reason = say("Items of {title} are on file without their total.", title=self.title)
            step = say("Add up the items of {title} and record the total.", title=self.title)
            return needs_clinician(Why.JUDGEMENT, reason, [self._evidence(items[-1], Role.SHOWN)], next_step=step)
        return None

    def _from_text(self, case: Case, total: RecordedTotal) -> Answer:
        old = total.span is not None and total.span.last < add_days(case.as_of, -self.days)
        told = {"title": self.title, "on": total.span or "an unknown day"}
        reason = say("A {title} total stands only in the text of a document of {on}.", **told)
        why = Why.STALE if old else Why.UNSTRUCTURED
        step = say("Read the document, and record the {title} total if it is right and current.", title=self.title)
        return needs_clinician(why, reason, [self._evidence(total, Role.STALE if old else Role.SUPPORTS)], next_step=step)

    # --- points that data show

    def _by_items(self, case: Case, on_file: Sequence[RecordedTotal], bounds: ScoreBounds) -> Answer:
        evidence = items_as_evidence(bounds)
        told = {
            "title": self.title,
            "points": bounds.low,
            "items": items_in_words(bounds),
            "days": self.days,
            "limit": self.at_least,
        }
        if bounds.low >= self.at_least:
            reason = say("No {title} total is on file. Data of the last {days} days show up to {points} points ({items}), "
                         "attribution not checked: {limit} or more is likely.", **told)  # fmt: skip
            return needs_clinician(Why.JUDGEMENT, reason, evidence, next_step=self._score_anew())
        unreadable = [total for total in on_file if total.structured and total.exact_version]
        if unreadable:
            reason = say(
                "The recorded {title} total cannot be used: {why}.",
                why=_PROBLEMS.get(unreadable[-1].problem or "no-value", ""),
                **told,
            )
            return unknown(
                Why.UNUSABLE, reason, [self._evidence(unreadable[-1], Role.UNUSABLE), *evidence], next_step=self._score_anew()
            )
        why = case.absent(*STRUCTURED, *DOCUMENTS)
        found = " Data show {points} points ({items}), which says nothing of the rest." if bounds.low else ""
        return unknown(why, say("No {title} total is on file." + found, **told), evidence, next_step=self._score_anew())

    def _remission(self, case: Case) -> tuple[Evidence, ...]:
        """C2: a disease in remission stays diagnosed, and contradicts "active": shown here."""
        if self.disease is None:
            return ()
        return tuple(
            show_condition(fact, Role.SHOWN)
            for fact in case.facts.conditions(self.disease)
            if not still_active(fact, case.as_of) and fact.counts in ("yes", "weak") and fact.on_file(case.as_of)
        )

    def _evidence(self, total: RecordedTotal, role: Role) -> Evidence:
        value = None if total.possible is None else total.possible.single
        return Evidence(total.origin, role, total.span, total.original or None, value, None, f">= {self.at_least}")

    def _score_anew(self) -> Sentence:
        return say("Have {title} scored by a clinician.", title=self.title)


def _may_decide(total: RecordedTotal) -> bool:
    return total.possible is not None and total.problem in (None, "implausible")


def _cut(total: RecordedTotal, as_of: date) -> Span | None:
    """The part of its date up to ``as_of``: what lies beyond is not evidence (R30, R44)."""
    return total.span.until(as_of) if total.span else None


def _said(totals: Iterable[RecordedTotal]) -> list[str]:
    return [f"{total.original} ({readable(total.span) if total.span else 'undated'})" for total in totals]
