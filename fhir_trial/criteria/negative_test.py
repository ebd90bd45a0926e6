"""A negative pregnancy test shortly before the first dose, against everything on record that says pregnant.

Rules: C8.2, R5, R6 and their precisions, R30, R31; clinical rulings, "C8". Source: FHIR R4 Observation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from fhir_trial.criteria.answers import (
    Answer,
    Evidence,
    Role,
    Why,
    met,
    needs_clinician,
    not_met,
    say,
    unknown,
    with_evidence,
)
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.partial_dates import agreed
from fhir_trial.criteria.showing import unless_overturned
from fhir_trial.facts.moments import latest_of_day
from fhir_trial.facts.pregnancy import PregnancyTest, Said, Sign, find_signs, find_tests, not_pregnant
from fhir_trial.times import Span, add_days

_TYPES: Final = ("Observation", "Condition", "Encounter")


@dataclass(frozen=True, slots=True)
class NegativeTest:
    """The latest urine pregnancy test in the window is negative, and nothing says pregnant.

    As protocols put it: "must have a negative urine pregnancy test".

    Attributes:
        urine: Analyte of the test that the protocol names.
        serum: Analyte of a test of blood, or None.
        days: Days counted back from the first dose, both ends included.
        serum_hcg: Whether a negative serum test alone is put to a clinician (ask) or counts (accept).
        pregnancy: Value set of what says pregnant.
        pregnancy_weeks: For how long a pregnancy code without an end, or a positive test, speaks.
        status: Analyte whose part "status" says pregnant or not, or None.
    """

    urine: str
    pregnancy: str
    days: int = 7
    serum: str | None = None
    serum_hcg: Literal["ask", "accept"] = "ask"
    pregnancy_weeks: int = 42
    status: str | None = None

    def __post_init__(self) -> None:
        if self.days < 0 or self.pregnancy_weeks * 7 < self.days:
            raise ValueError("days counts back from the first dose, and pregnancy_weeks reaches at least as far.")

    def needs(self) -> Needs:
        analytes = tuple(name for name in (self.urine, self.serum, self.status) if name)
        reach = self.pregnancy_weeks * 7
        return Needs.of(
            Need("Observation", laboratory=analytes, decides_days=self.days, reaches_days=reach),
            Need("Condition", value_sets=(self.pregnancy,)),
            Need("Encounter", value_sets=(self.pregnancy,)),
        )

    def answer(self, case: Case) -> Answer:
        """UNKNOWN without a readable test in the window, unless something says pregnant."""
        answer = self._from_record(case)
        if self.status is not None:
            denied = not_pregnant(case.facts.results(self.status), case.as_of)
            answer = with_evidence(answer, (Evidence(r.observation.origin, Role.SHOWN, r.span, r.original) for r in denied))
        return unless_overturned(case, answer, *_TYPES)

    def turning_points(self, case: Case) -> Iterable[date]:
        lasts = (0, 1, self.days + 1, self.pregnancy_weeks * 7 + 1)
        for span in (*(test.span for test in self._tests(case)), *(sign.span for sign in self._signs(case))):
            for day in (span.first, span.last) if span is not None else ():
                yield from (add_days(day, last) for last in lasts)
        yield from (sign.ended.first for sign in self._signs(case) if sign.ended is not None)

    def in_words(self) -> str:
        instead = f", or {self.serum}" if self.serum and self.serum_hcg == "accept" else ""
        return (
            f"the latest {self.urine}{instead} of the last {self.days} days before the first dose is negative, "
            f"and nothing of the last {self.pregnancy_weeks} weeks says pregnant"
        )

    def _from_record(self, case: Case) -> Answer:
        opens, known_from = add_days(case.first_dose, -self.days), add_days(case.as_of, -7 * self.pregnancy_weeks)
        tests = [test for test in self._tests(case) if test.span is None or test.span.first <= case.as_of]
        asked = [(test, span) for test in tests if (span := _may_matter(test, opens, known_from, case.as_of)) is not None]
        others = [test for test in tests if all(test is not known for known, _ in asked)]
        signs = [sign for sign in self._signs(case) if sign.speaks_on(case.as_of)]
        undated = [sign for sign in signs if sign.span is None]
        dated = [
            (sign, span) for sign in signs if (span := _until(sign.span, case.as_of)) is not None and span.last >= known_from
        ]

        def if_dated(days: tuple[date, ...]) -> Answer:
            of_tests = [(test, day) for (test, _), day in zip(asked, days, strict=False)]
            of_signs = [sign for (sign, _), day in zip(dated, days[len(asked) :], strict=True) if day >= known_from]
            return _Dated(self, of_tests, of_signs, undated, others, opens, known_from).answer(case)

        return agreed(
            if_dated, [span for _, span in (*asked, *dated)], (opens, known_from), lambda: _too_imprecise([*asked, *dated])
        )

    def _tests(self, case: Case) -> tuple[PregnancyTest, ...]:
        urine = find_tests(case.facts.results(self.urine), names_the_test=True)
        serum = find_tests(case.facts.results(self.serum), names_the_test=False) if self.serum else ()
        return (*urine, *serum)

    def _signs(self, case: Case) -> tuple[Sign, ...]:
        statuses = case.facts.results(self.status) if self.status else ()
        return find_signs(case.facts.conditions(self.pregnancy), statuses)


@dataclass(frozen=True, slots=True)
class _Dated:
    """The record, every date taken as exact.

    Attributes:
        tests: Those that may lie in the window, and positive ones of the weeks for which they speak, with their day.
        signs: What says pregnant, of those weeks; ``undated`` what may be of any day.
        others: Tests that are too old to decide, or not readable.
    """

    rule: NegativeTest
    tests: Sequence[tuple[PregnancyTest, date]]
    signs: Sequence[Sign]
    undated: Sequence[Sign]
    others: Sequence[PregnancyTest]
    opens: date
    known_from: date

    def answer(self, case: Case) -> Answer:
        window = [(test, day) for test, day in self.tests if day >= self.opens]
        newest = max((day for _, day in window), default=self.opens)
        latest = latest_of_day([test for test, day in window if day == newest], lambda test: test.moment)
        said = {test.said for test in latest}
        if said == {Said.POSITIVE}:
            reason = say("The pregnancy test of {day} is positive; a serum test confirms it.", day=newest)
            return not_met(reason, self._shown(latest))
        if said == {Said.NEGATIVE}:
            return self._if_negative(latest, newest, [test for test, _ in window])
        if any(sign.sure for sign in self.signs):
            return not_met(say("{sign} on record.", sign=self._sure()[0].original), self._of_signs(Role.DECIDES))
        if latest:
            why = Why.CONFLICTING if Said.POSITIVE in said and Said.NEGATIVE in said else Why.JUDGEMENT  # R31
            reason = say("The pregnancy tests of {day} do not clearly say negative.", day=newest)
            return needs_clinician(why, reason, self._shown(latest), next_step=say("Repeat the urine pregnancy test."))
        if self.signs or self.undated:
            return self._doubtful_sign(())
        return self._none_in_window(case)

    def _if_negative(self, latest: Sequence[PregnancyTest], day: date, window: Sequence[PregnancyTest]) -> Answer:
        shown = self._shown(latest)
        positive = [test for test, when in self.tests if test.said is Said.POSITIVE and when >= self.known_from]
        if positive or self._sure():  # R6, and "C8" of the readings
            return needs_clinician(
                Why.CONFLICTING,
                say("The pregnancy test of {day} is negative, but the record also says pregnant.", day=day),
                (*shown, *self._shown(positive, Role.AGAINST), *self._of_signs(Role.AGAINST)),
                next_step=say("Clarify whether she is pregnant."),
            )
        if self.signs or self.undated:
            return self._doubtful_sign(shown)
        named = [test for test in window if test.names_the_test and test.said is Said.NEGATIVE]
        if named:
            evidence = self._shown([named[-1], *(test for test in latest if test is not named[-1])])
            return met(say("The pregnancy test of {day} is negative.", day=named[-1].span), evidence)
        if self.rule.serum_hcg == "accept":
            return met(say("The serum pregnancy test of {day} is negative, which this study accepts.", day=day), shown)
        return needs_clinician(
            Why.JUDGEMENT,
            say("A serum pregnancy test of {day} is negative; the protocol names a urine test.", day=day),
            shown,
            next_step=say("Do a urine pregnancy test, or decide that the serum test will do."),
        )

    def _doubtful_sign(self, shown: Sequence[Evidence]) -> Answer:
        return needs_clinician(
            Why.UNUSABLE if self._sure_undated() else Why.JUDGEMENT,
            say("{sign} is on record, without a date or unconfirmed.", sign=(*self.signs, *self.undated)[0].original),
            (*shown, *self._of_signs(Role.UNUSABLE)),
            next_step=say("Clarify whether she is pregnant, and do a urine pregnancy test."),
        )

    def _none_in_window(self, case: Case) -> Answer:
        repeat = say("Repeat the urine pregnancy test within {days} days before the first dose.", days=self.rule.days)
        positive = [test for test, day in self.tests if day >= self.known_from]
        if positive:  # R5, precision
            reason = say(
                "The pregnancy test of {day} was positive; {days} days decide.", day=positive[-1].span, days=self.rule.days
            )
            return needs_clinician(Why.STALE, reason, self._shown(positive, Role.STALE), next_step=repeat)
        stale = [*(test for test, _ in self.tests), *(test for test in self.others if test.said is not None)]
        if stale:  # R5
            last = max(stale, key=lambda test: test.result.order)
            reason = say(
                "The last pregnancy test, of {day}, is older than {days} days before {dose}.",
                day=last.span, days=self.rule.days, dose=case.first_dose,
            )  # fmt: skip
            return unknown(Why.STALE, reason, self._shown([last], Role.STALE), next_step=repeat)
        if self.others:
            reason = say("No pregnancy test on file is final, dated and readable.")
            return unknown(Why.UNUSABLE, reason, self._shown(self.others, Role.UNUSABLE), next_step=repeat)
        order = say("Order a urine pregnancy test.")
        return unknown(case.absent("Observation"), say("No pregnancy test is on file."), next_step=order)

    def _sure(self) -> list[Sign]:
        return [sign for sign in self.signs if sign.sure]

    def _sure_undated(self) -> bool:
        return any(sign.sure for sign in self.undated)

    def _of_signs(self, role: Role) -> tuple[Evidence, ...]:
        return tuple(Evidence(sign.origin, role, sign.span, sign.original) for sign in (*self.signs, *self.undated))

    def _shown(self, tests: Sequence[PregnancyTest], role: Role = Role.DECIDES) -> tuple[Evidence, ...]:
        limit = f"negative, at most {self.rule.days} days before the first dose"
        return tuple(Evidence(test.origin, role, test.span, test.original, test.said, limit=limit) for test in tests)


def _may_matter(test: PregnancyTest, opens: date, known_from: date, as_of: date) -> Span | None:
    """When the test was, if it may lie in the window or is a positive one that may still speak."""
    span = _until(test.span, as_of)
    if test.said is None or span is None:
        return None
    reach = min(opens, known_from) if test.said is Said.POSITIVE else opens
    return span if span.last >= reach else None


def _until(span: Span | None, as_of: date) -> Span | None:
    return None if span is None else span.until(as_of)


def _too_imprecise(items: Sequence[tuple[PregnancyTest | Sign, Span]]) -> Answer:
    return unknown(
        Why.UNUSABLE,  # R30
        say("The dates of what is on file are too imprecise to tell whether it counts."),
        [Evidence(item.origin, Role.UNUSABLE, item.span, item.original) for item, _ in items],
        next_step=say("Find out the dates, or do a urine pregnancy test."),
    )
