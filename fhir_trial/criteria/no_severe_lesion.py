"""No severe lesion of an organ: only a recent normal CT proves it, and any code or imaging is for a clinician.

Rules: C7.11, R26, R30, R31; clinical rulings, "C7.11, C7.12" and "Reading a result".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from fhir_trial.criteria.answers import Answer, Evidence, Role, Sentence, Why, met, needs_clinician, say, unknown, with_evidence
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.partial_dates import agreed
from fhir_trial.criteria.showing import dates_of, show_condition, show_finding, still_active, unless_overturned
from fhir_trial.facts.conditions import ConditionFact
from fhir_trial.facts.moments import latest_of_day, may_be_latest
from fhir_trial.facts.reports import Finding, Says, find_chest_imaging
from fhir_trial.terminology.phrases import phrases
from fhir_trial.times import Span, add_days

_TYPES: Final = ("DiagnosticReport", "DocumentReference", "Observation", "Condition")


@dataclass(frozen=True, slots=True)
class NoSevereLesion:
    """Nothing severe is known of the lungs, by codes and by imaging.

    As protocols put it: "No severe pulmonary lesions".

    Attributes:
        diseases: Value set of diseases of the organ; those that are over or refuted are shown and do not count.
        imaging: Topic in mappings/facts/phrases.json: what names the imaging, which of it is decisive (CT), what calls it normal.
        fresh_days: Up to this age a normal CT decides, both ends included; older imaging is put to a clinician at any age.
    """

    diseases: str
    imaging: str = "chest-imaging"
    fresh_days: int = 90

    def __post_init__(self) -> None:
        if self.fresh_days < 0:
            raise ValueError("fresh_days counts back from the screening date: it cannot be negative.")

    def needs(self) -> Needs:
        reports = (Need(kind, categories=("imaging", "RAD"), decides_days=self.fresh_days) for kind in _TYPES[:3])
        return Needs.of(*reports, Need("Condition", value_sets=(self.diseases,)))

    def answer(self, case: Case) -> Answer:
        """UNKNOWN without imaging; needs a clinician beside any disease, and for imaging that is not a recent normal CT (R26)."""
        known = [fact for fact in case.facts.conditions(self.diseases) if fact.on_file(case.as_of) and fact.role != "no"]
        counting = [fact for fact in known if fact.counts != "refuted" and still_active(fact, case.as_of)]
        over = tuple(show_condition(fact, Role.SHOWN) for fact in known if fact not in counting)
        imaging = [finding for finding in self._findings(case) if finding.on_file(case.as_of)]
        if counting:
            return self._disease(counting, imaging, over)
        return with_evidence(unless_overturned(case, self._by_imaging(imaging, case), *_TYPES), over)

    def turning_points(self, case: Case) -> Iterable[date]:
        yield from dates_of(case.facts.conditions(self.diseases))
        for finding in self._findings(case):
            for day in (finding.span.first, finding.span.last) if finding.span else ():
                yield from (day, add_days(day, 1), add_days(day, self.fresh_days + 1))

    def in_words(self) -> str:
        ct = f"the latest CT ({self.imaging}), at most {self.fresh_days} days old"
        return f"nothing of {self.diseases} on record, and {ct}, says normal"

    def _disease(self, facts: Sequence[ConditionFact], imaging: Sequence[Finding], over: tuple[Evidence, ...]) -> Answer:
        return needs_clinician(
            Why.JUDGEMENT,
            say("{diseases} on record.", diseases=tuple(dict.fromkeys(fact.display for fact in facts))),
            (
                *(show_condition(fact, Role.AGAINST) for fact in facts),
                *(show_finding(finding, Role.SHOWN) for finding in imaging[-1:]),
                *over,
            ),
            next_step=say("Decide whether it is severe."),
        )

    def _by_imaging(self, imaging: Sequence[Finding], case: Case) -> Answer:
        dated = [
            (finding, span)
            for finding in imaging
            if finding.problem is None and (span := _until(finding, case.as_of)) is not None
        ]
        if not dated:
            return self._none_valid(imaging, case)
        decisive = may_be_latest([pair for pair in dated if pair[0].decisive], _span)
        # What may be newer than the latest CT speaks too; without a CT, whatever may be the latest does.
        surely = max((span.first for _, span in decisive), default=date.min)
        beside = [pair for pair in dated if not pair[0].decisive and pair[1].last >= surely]
        latest = [*decisive, *(beside if decisive else may_be_latest(beside, _span))]
        findings, spans = [finding for finding, _ in latest], [span for _, span in latest]
        return agreed(
            lambda days: self._if_dated(findings, days, case),
            spans,
            (add_days(case.as_of, -self.fresh_days),),
            lambda: self._too_imprecise(findings),
        )

    def _if_dated(self, findings: Sequence[Finding], days: Sequence[date], case: Case) -> Answer:
        newest = max(days)
        age = (case.as_of - newest).days
        if age > self.fresh_days:
            return self._stale(findings, newest, age)
        scans = [(finding, day) for finding, day in zip(findings, days, strict=True) if finding.decisive]
        scanned = max((day for _, day in scans), default=date.min)
        latest = _interpreted([finding for finding, day in scans if day == scanned])
        if not latest or (case.as_of - scanned).days > self.fresh_days:
            return self._look(findings, say("The imaging of {day} is not a CT, which alone may decide.", day=newest))
        later = [finding for finding, day in zip(findings, days, strict=True) if day > scanned]
        if any(finding.says is not Says.NORMAL for finding in latest):
            return self._look(latest, say('The report of the CT of {day} does not say "normal" of the whole.', day=scanned))
        if any(finding.says is not Says.NORMAL for finding in later):
            return self._look([*latest, *later], say("The CT of {day} is reported normal; later imaging is not.", day=scanned))
        return met(
            say("The CT of {day} is reported normal.", day=scanned), [show_finding(finding, Role.DECIDES) for finding in latest]
        )

    def _look(self, findings: Sequence[Finding], reason: Sentence) -> Answer:
        why = Why.UNSTRUCTURED if all(finding.says is Says.UNREAD for finding in findings) else Why.JUDGEMENT
        shown = [show_finding(finding, Role.DECIDES) for finding in findings]
        return needs_clinician(why, reason, shown, next_step=say("Read the imaging: is there a severe lesion?"))

    def _stale(self, findings: Sequence[Finding], day: date, age: int) -> Answer:
        return needs_clinician(
            Why.STALE,
            say("The last imaging, of {day}, is {age} days old; {fresh} days decide.", day=day, age=age, fresh=self.fresh_days),
            [show_finding(finding, Role.STALE) for finding in findings],
            next_step=say("Decide whether the imaging on file will do, or order a chest CT."),
        )

    def _none_valid(self, imaging: Sequence[Finding], case: Case) -> Answer:
        if not imaging:
            step = say("Look for imaging of the chest, or order a chest CT.")
            return unknown(case.absent(*_TYPES), say("No lung disease and no imaging of the chest is on file."), next_step=step)
        return unknown(
            Why.UNUSABLE,
            say("No imaging of the chest on file is final, dated and readable."),
            [show_finding(finding, Role.UNUSABLE) for finding in imaging],
            next_step=say("Look for the final report of the imaging, or order a chest CT."),
        )

    def _too_imprecise(self, findings: Sequence[Finding]) -> Answer:
        return unknown(
            Why.UNUSABLE,  # R30
            say("The dates of the imaging are too imprecise to tell which is the latest, or how old it is."),
            [show_finding(finding, Role.UNUSABLE) for finding in findings],
            next_step=say("Find out when the imaging was done, or order a chest CT."),
        )

    def _findings(self, case: Case) -> tuple[Finding, ...]:
        return case.facts.once(("imaging", self.imaging), lambda: find_chest_imaging(case.facts.record, phrases(self.imaging)))


def _interpreted(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The latest of one day; a mere procedure is what the day's report is about."""
    worded = [finding for finding in findings if finding.says is not Says.MEASURED]
    return latest_of_day(worded or findings, lambda finding: finding.moment)


def _span(pair: tuple[Finding, Span]) -> Span:
    return pair[1]


def _until(finding: Finding, as_of: date) -> Span | None:
    return None if finding.span is None else finding.span.until(as_of)
