"""Inadequate response to several treatments.

No code says it directly: each class of treatment reaches a level of evidence, from exposure alone (1) to a clinician's word (4),
and a setting says which level counts. Rules: clinical/criteria.md C4; R15 to R18 and the readings on C4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from fhir_trial.criteria.answers import Answer, Evidence, Role, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.medication_evidence import (
    MEDICATION_TYPES,
    days_of_record,
    not_loaded,
    show_course,
    show_unidentified,
)
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.treatment_levels import (
    ClassHistory,
    DrugHistory,
    Reasons,
    TreatmentClass,
    activity_of,
    class_history,
)
from fhir_trial.times import add_days

_PROBABLE = 2
_WORDS = {
    0: "no exposure on file",
    1: "exposure only (level 1)",
    2: "exposure, and the disease was active at or after it (level 2)",
    3: "exposure, then a switch, an add-on or a higher dose while the disease was active (level 3)",
    4: "a clinician said that it was ineffective (level 4)",
}


@dataclass(frozen=True, slots=True)
class InadequateResponse:
    """Treatments of so many classes have failed.

    As protocols put it: "Inadequate response to at least three of the following: oral corticosteroids, antimalarials,
    conventional immunosuppressants, biologics. At least one treatment must involve immunosuppressants or biologics."

    Attributes:
        classes: The classes, from the lowest to the highest; each a part of the answer.
        at_least: How many must have failed.
        must_include: Drug classes of which at least one must be among them.
        reading: "A" counts classes, "B" different drugs. A fulfilled implies B fulfilled.
        level: The level of evidence that counts, 1 to 4.
        activity: Criteria that say, when met, that the disease is active on a day.
        ineffective: Value sets of reasons and words for "ineffective".
        intolerance: Value sets of reasons and words for "not tolerated": a clinician decides (R15).
        other_reasons: Value sets of reasons and words for other stops: refusal, pregnancy, cost.
    """

    classes: tuple[TreatmentClass, ...]
    must_include: tuple[str, ...]
    ineffective: tuple[str, ...]
    intolerance: tuple[str, ...]
    other_reasons: tuple[str, ...] = ()
    activity: tuple[str, ...] = ()
    at_least: int = 3
    reading: Literal["A", "B"] = "A"
    level: int = 4

    def __post_init__(self) -> None:
        unlisted = set(self.must_include) - {one.drug_class for one in self.classes}
        if not 1 <= self.level <= max(_WORDS):
            raise ValueError("level must be 1, 2, 3 or 4.")
        if not 1 <= self.at_least <= len(self.classes):
            raise ValueError(f"at_least must be 1 to {len(self.classes)}, the number of classes.")
        if unlisted:
            raise ValueError(f"must_include names classes that are not listed: {', '.join(sorted(unlisted))}.")

    def needs(self) -> Needs:
        classes = tuple(one.drug_class for one in self.classes)
        sets = (*self.ineffective, *self.intolerance, *self.other_reasons)
        return Needs.of(*(Need(name, value_sets=sets, drug_classes=classes) for name in MEDICATION_TYPES))

    def answer(self, case: Case) -> Answer:
        """Met by enough classes at the level asked for; a clinician decides on what is probable; else unknown (R16)."""
        found = self._histories(case)
        evidence = tuple(item for one in found for item in _evidence(one))
        parts = tuple((one.wanted.part, self._part(case, one)) for one in found)
        return replace(self._together(case, found, evidence), parts=parts, facts=tuple(found))

    def _together(self, case: Case, found: Sequence[ClassHistory], evidence: tuple[Evidence, ...]) -> Answer:
        listed = "; ".join(_in_words(one) for one in found)
        if self._fulfilled(found, self.reading, lambda drug: drug.sure and drug.level >= self.level):
            return met(say("Inadequate response to {n} or more: {listed}.", n=self.at_least, listed=listed), evidence)
        doubt = self._doubt(found)
        if doubt is not None:
            return needs_clinician(
                Why.JUDGEMENT,
                say("{doubt}: {listed}.", doubt=doubt, listed=listed),
                evidence,
                next_step=say("Decide for each treatment whether the response was inadequate."),
            )
        unidentified = _unidentified(case, found)
        if _whole(case) and not unidentified and self._too_few(found):
            few = "The record is complete, and holds fewer than {n} of the treatments: {listed}."
            return not_met(say(few, n=self.at_least, listed=listed), evidence)
        return unknown(
            _why_unknown(case),
            say("No inadequate response to {n} of the treatments is on file: {listed}.", n=self.at_least, listed=listed),
            (*evidence, *unidentified),
            next_step=say(
                "Ask which treatments were tried, for how long, and why they were stopped; look in notes and on paper."
            ),
        )

    def turning_points(self, case: Case) -> Iterable[date]:
        """Days of the record, days on which an exposure becomes long enough, and those of the disease activity."""
        yield from (day for day in self._days(case) if day > case.as_of)
        for criterion in self.activity:
            yield from case.other_turning_points(criterion)

    def _days(self, case: Case) -> Iterator[date]:
        history = case.facts.medications
        for one in self.classes:
            for day in set(days_of_record(history.of(one.drug_class), case.as_of)):
                yield from (day, add_days(day, 1), add_days(day, 7 * one.weeks), add_days(day, 7 * one.weeks_before_a_switch))
        for drug in history.unidentified:
            dated = drug.use.authored or drug.use.start
            if dated is not None:
                yield dated.first

    def in_words(self) -> str:
        what = "classes" if self.reading == "A" else "drugs"
        listed = ", ".join(one.named for one in self.classes)
        return f"inadequate response (evidence level {self.level} or more) to at least {self.at_least} {what} of: {listed}"

    # --- counting -----------------------------------------------------------------------

    def _histories(self, case: Case) -> list[ClassHistory]:
        terminology = case.facts.terminology
        ineffective, intolerance, other = (
            tuple(terminology.value_set(name) for name in names)
            for names in (self.ineffective, self.intolerance, self.other_reasons)
        )
        reasons = Reasons(ineffective, intolerance, other, terminology)
        activity = activity_of(case, self.activity)
        return [class_history(case, index, self.classes, reasons, activity) for index in range(len(self.classes))]

    def _fulfilled(self, found: Sequence[ClassHistory], reading: str, counts: Callable[[DrugHistory], bool]) -> bool:
        """Whether enough classes (A) or drugs (B) count, one of those that must be among them included."""
        number, included = 0, not self.must_include
        for one in found:
            drugs = sum(counts(drug) for drug in one.drugs)
            number += min(drugs, 1) if reading == "A" or one.wanted.counts_once else drugs
            included = included or (drugs > 0 and one.wanted.drug_class in self.must_include)
        return included and number >= self.at_least

    def _doubt(self, found: Sequence[ClassHistory]) -> str | None:
        """Why a clinician could find it met, or None."""
        bar = min(_PROBABLE, self.level)

        def probable(drug: DrugHistory) -> bool:
            return drug.sure and drug.level >= bar

        def perhaps(drug: DrugHistory) -> bool:
            return drug.intolerance or (drug.counts and drug.level >= bar)

        if self._fulfilled(found, "A", probable):
            return "Inadequate response is likely"
        if self._fulfilled(found, "B", probable):  # R16
            return f"The text may mean {self.at_least} classes, which is not fulfilled, or {self.at_least} drugs, which is likely"
        if self._fulfilled(found, "A", perhaps) or self._fulfilled(found, "B", perhaps):  # R15
            return "It depends on a treatment that was not tolerated, or whose class is doubtful"
        return None

    def _too_few(self, found: Sequence[ClassHistory]) -> bool:
        """Fewer than enough classes, and drugs, with any exposure."""
        classes = sum(bool(one.drugs) for one in found)
        drugs = sum(min(len(one.drugs), 1) if one.wanted.counts_once else len(one.drugs) for one in found)
        return classes < self.at_least and drugs < self.at_least

    def _part(self, case: Case, found: ClassHistory) -> Answer:
        evidence = _evidence(found)
        reason = say("{words}.", words=_in_words(found))
        if any(drug.sure and drug.level >= self.level for drug in found.drugs):
            return met(reason, evidence, facts=found)
        if any(drug.intolerance or (drug.counts and drug.level >= min(_PROBABLE, self.level)) for drug in found.drugs):
            step = say("Decide whether the response to {named} was inadequate.", named=found.wanted.named)
            return needs_clinician(Why.JUDGEMENT, reason, evidence, next_step=step, facts=found)
        if not found.drugs and _whole(case) and not _unidentified(case, [found]):
            return not_met(reason, evidence, facts=found)
        step = say("Ask about {named}: tried or not, for how long, and why stopped.", named=found.wanted.named)
        return unknown(_why_unknown(case), reason, evidence, next_step=step, facts=found)


def _whole(case: Case) -> bool:
    """Completeness of the history is a statement by site or source, default "not complete" (R16)."""
    return case.facts.record.complete and not not_loaded(case)


def _why_unknown(case: Case) -> Why:
    """With exposures on file too, what is not recorded is the inadequate response (reading on C4)."""
    return Why.NOT_LOADED if not_loaded(case) else Why.NOT_RECORDED


def _unidentified(case: Case, found: Sequence[ClassHistory]) -> tuple[Evidence, ...]:
    classes = [one.wanted.drug_class for one in found]
    known = [
        drug
        for drug in case.facts.medications.unidentified
        if drug.could_be_of(classes) and ((dated := drug.use.authored or drug.use.start) is None or dated.first <= case.as_of)
    ]
    return tuple(show_unidentified(drug) for drug in known)


def _in_words(found: ClassHistory) -> str:
    said = f"{found.wanted.named}: {_WORDS[found.level]}"
    if found.level < max(_WORDS) and any(drug.intolerance for drug in found.drugs):
        said += ", not tolerated"
    if found.elsewhere:
        said += f" (not counted, by another route: {', '.join(dict.fromkeys(course.label for course in found.elsewhere))})"
    return said


def _evidence(found: ClassHistory) -> tuple[Evidence, ...]:
    """What a clinician said, else the first and the last course of each drug; and what does not count for its route."""
    shown = []
    for drug in found.drugs:
        limit = _WORDS[drug.level]
        if drug.said_ineffective:
            shown += [show_course(course, Role.DECIDES, limit=limit) for course in drug.said_ineffective]
            continue
        role = Role.SUPPORTS if drug.level >= _PROBABLE else Role.SHOWN
        ends = {id(course): course for course in (drug.courses[0], drug.courses[-1])}.values()
        shown += [show_course(course, role, limit=limit) for course in ends]
    return (*shown, *(show_course(course, Role.SHOWN, limit="by another route: not counted") for course in found.elsewhere))
