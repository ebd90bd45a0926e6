"""The latest report says "normal", and no disease on record speaks against it.

Rules: C7.6b, R25, R26 (where the pattern is shared), R30, R31; clinical rulings, "C7.6b" and "Reading a result".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from fhir_trial.criteria.answers import Answer, Role, Sentence, Why, met, needs_clinician, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.partial_dates import agreed
from fhir_trial.criteria.showing import dates_of, not_resolved, show_condition, show_finding, unless_overturned
from fhir_trial.facts.conditions import ConditionFact
from fhir_trial.facts.moments import latest_of_day, may_be_latest
from fhir_trial.facts.reports import Finding, Says, find_ecgs
from fhir_trial.terminology.phrases import phrases
from fhir_trial.times import Span, add_days

_TYPES: Final = ("Observation", "DiagnosticReport", "DocumentReference")


@dataclass(frozen=True, slots=True)
class NormalReport:
    """The latest ECG shows nothing of significance.

    As protocols put it: "no significant ECG abnormalities".

    Attributes:
        analyte: Of its codes in mappings/facts/laboratory.yaml, and topic of its words in mappings/facts/phrases.json.
        against: Value sets of conditions that a clinician weighs even beside a normal report.
        fresh_days: Up to this age the latest decides, both ends included.
        stale_days: Up to this age it is put to a clinician; older is unknown.
    """

    analyte: str
    against: tuple[str, ...] = ()
    fresh_days: int = 90
    stale_days: int = 180

    def __post_init__(self) -> None:
        if not 0 <= self.fresh_days <= self.stale_days:
            raise ValueError("fresh_days goes up to stale_days at most.")

    def needs(self) -> Needs:
        kinds = (Need(kind, laboratory=(self.analyte,), decides_days=self.fresh_days) for kind in _TYPES)
        return Needs.of(*kinds, Need("Condition", value_sets=self.against))

    def answer(self, case: Case) -> Answer:
        """UNKNOWN without a readable report of the last ``stale_days``."""
        against = self._against(case)
        findings = [finding for finding in self._findings(case) if finding.on_file(case.as_of)]
        if against:
            return needs_clinician(
                Why.JUDGEMENT,
                say("{conditions} on record.", conditions=tuple(dict.fromkeys(fact.display for fact in against))),
                (
                    *(show_condition(fact, Role.AGAINST) for fact in against),
                    *(show_finding(each, Role.SHOWN) for each in findings[-1:]),
                ),
                next_step=say("Decide whether there is a significant {what} abnormality.", what=self._what()),
            )
        return unless_overturned(case, self._by_reports(findings, case), *_TYPES, "Condition")

    def turning_points(self, case: Case) -> Iterable[date]:
        for value_set in self.against:
            yield from dates_of(case.facts.conditions(value_set))
        for finding in self._findings(case):
            for day in (finding.span.first, finding.span.last) if finding.span else ():
                yield from (day, add_days(day, 1), add_days(day, self.fresh_days + 1), add_days(day, self.stale_days + 1))

    def in_words(self) -> str:
        against = f", and nothing of {', '.join(self.against)} on record" if self.against else ""
        return f"the latest {self._what()}, at most {self.fresh_days} days old, says normal{against}"

    def _by_reports(self, findings: Sequence[Finding], case: Case) -> Answer:
        dated = [
            (finding, span)
            for finding in findings
            if finding.problem is None and (span := _until(finding, case.as_of)) is not None
        ]
        if not dated:
            return self._none_valid(findings, case)
        latest = may_be_latest(dated, lambda pair: pair[1])
        reports, spans = [finding for finding, _ in latest], [span for _, span in latest]
        marks = (add_days(case.as_of, -self.fresh_days), add_days(case.as_of, -self.stale_days))
        too_imprecise = say(
            "The dates of the {what}s on file are too imprecise to tell which is the latest, or how old it is.", what=self._what()
        )
        return agreed(
            lambda days: self._if_dated(reports, days, case), spans, marks, lambda: self._unusable(reports, too_imprecise)
        )

    def _if_dated(self, reports: Sequence[Finding], days: Sequence[date], case: Case) -> Answer:
        newest = max(days)
        of_day = [report for report, day in zip(reports, days, strict=True) if day == newest]
        worded = [report for report in of_day if report.says in (Says.NORMAL, Says.OTHER)]
        # An interval without a word is part of the tracing that the day's report interprets.
        latest = latest_of_day(worded or of_day, lambda report: report.moment)
        age = (case.as_of - newest).days
        readable = any(report.says is not Says.UNREAD for report in latest)
        if age > self.fresh_days:
            return self._old(latest, newest, age, readable=readable)
        return self._fresh(latest, newest, readable=readable)

    def _fresh(self, latest: Sequence[Finding], day: date, *, readable: bool) -> Answer:
        shown = [show_finding(report, Role.DECIDES) for report in latest]
        normal = {report.says is Says.NORMAL for report in latest}
        if normal == {True}:  # R25
            return met(say("The {what} of {day} is reported normal.", what=self._what(), day=day), shown)
        asked = say("Decide whether the {what} of {day} shows a significant abnormality.", what=self._what(), day=day)
        if len(normal) > 1:  # R31
            reason = say("Reports of {day} differ, and nothing says which is the later.", day=day)
            return needs_clinician(Why.CONFLICTING, reason, shown, next_step=asked)
        if not readable:
            reason = say("The {what} of {day} is on file only as a document that is not read.", what=self._what(), day=day)
            return needs_clinician(Why.UNSTRUCTURED, reason, shown, next_step=asked)
        # A rhythm or an interval is no statement on the whole (C7.6b).
        reason = say('The report of the {what} of {day} does not say "normal" of the whole.', what=self._what(), day=day)
        return needs_clinician(Why.JUDGEMENT, reason, shown, next_step=asked)

    def _old(self, latest: Sequence[Finding], day: date, age: int, *, readable: bool) -> Answer:
        """A stale report must be readable to be put to a clinician."""
        reason = say(
            "The last {what}, of {day}, is {age} days old; {fresh} days decide.",
            what=self._what(),
            day=day,
            age=age,
            fresh=self.fresh_days,
        )
        shown = [show_finding(report, Role.STALE) for report in latest]
        undecided = needs_clinician if readable and age <= self.stale_days else unknown
        return undecided(Why.STALE, reason, shown, next_step=say("Record a new {what}.", what=self._what()))

    def _none_valid(self, findings: Sequence[Finding], case: Case) -> Answer:
        if not findings:
            why = case.absent(*_TYPES)
            return unknown(
                why, say("No {what} is on file.", what=self._what()), next_step=say("Record an {what}.", what=self._what())
            )
        return self._unusable(findings, say("No {what} on file is final, dated and readable.", what=self._what()))

    def _unusable(self, findings: Sequence[Finding], reason: Sentence) -> Answer:
        shown = [show_finding(finding, Role.UNUSABLE) for finding in findings]
        step = say("Find out when the {what} was recorded and what it says, or record a new one.", what=self._what())
        return unknown(Why.UNUSABLE, reason, shown, next_step=step)

    def _against(self, case: Case) -> list[ConditionFact]:
        return [
            fact
            for value_set in self.against
            for fact in case.facts.conditions(value_set)
            if fact.on_file(case.as_of) and fact.counts != "refuted" and fact.role != "no" and not_resolved(fact, case.as_of)
        ]

    def _findings(self, case: Case) -> tuple[Finding, ...]:
        facts = case.facts
        return facts.once(
            ("ecgs", self.analyte), lambda: find_ecgs(facts.record, facts.terminology, self.analyte, phrases(self.analyte))
        )

    def _what(self) -> str:
        return self.analyte.upper()


def _until(finding: Finding, as_of: date) -> Span | None:
    return None if finding.span is None else finding.span.until(as_of)
