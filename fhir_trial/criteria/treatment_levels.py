"""How strong the evidence is that a treatment failed, drug by drug.

4: a clinician says ineffective. 3: long exposure, then a switch, an add-on or a higher dose while the disease is active. 2: long
exposure, and active disease at or after it. 1: exposure. Rules: clinical/criteria.md C4; R17, R18.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import chain

from fhir_trial.criteria.answers import Outcome
from fhir_trial.criteria.case import Case
from fhir_trial.facts.courses import Course, Standing
from fhir_trial.facts.doses import Dose
from fhir_trial.facts.pieces import World, pieces_of
from fhir_trial.facts.regimens import level_on
from fhir_trial.records.model import MedicationKind
from fhir_trial.terminology import Concept, Terminology, ValueSet
from fhir_trial.times import FAR_FUTURE, add_days

_DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class TreatmentClass:
    """One class of treatment.

    Attributes:
        part: Id of its part of the answer.
        drug_class: A class of the medication table.
        named: What it is called in a sentence.
        weeks: Exposure that makes a later active disease count (level 2).
        weeks_before_a_switch: Exposure before a switch, add-on or higher dose (level 3).
        counts_once: However many of its drugs failed, they count as one drug.
    """

    part: str
    drug_class: str
    named: str
    weeks: int = 12
    weeks_before_a_switch: int = 12
    counts_once: bool = False

    def __post_init__(self) -> None:
        if min(self.weeks, self.weeks_before_a_switch) < 1:
            raise ValueError(f"{self.part}: weeks must be 1 or more.")


@dataclass(frozen=True, slots=True)
class DrugHistory:
    """One drug: exposure and what became of it.

    Attributes:
        courses: By start.
        counts: Whether it counts for its class by route; False where a route is needed and missing (R38).
        review: Whether a clinician decides if it belongs to the class.
        level: 1 to 4.
        said_ineffective: The courses of which somebody said so.
        intolerance: Whether it was stopped for intolerance, and nobody says that it was ineffective.
        first, last: Days of certain exposure; None if no start is recorded.
    """

    moiety: str
    courses: tuple[Course, ...]
    counts: bool
    review: bool
    level: int
    said_ineffective: tuple[Course, ...]
    intolerance: bool
    first: date | None
    last: date | None

    @property
    def sure(self) -> bool:
        """Whether it counts without asking anybody."""
        return self.counts and not self.review


@dataclass(frozen=True, slots=True)
class ClassHistory:
    """One class: its drugs, and courses by routes that do not count (IV pulses), which are shown."""

    wanted: TreatmentClass
    drugs: tuple[DrugHistory, ...]
    elsewhere: tuple[Course, ...]

    @property
    def level(self) -> int:
        return max((drug.level for drug in self.drugs if drug.sure), default=min(len(self.drugs), 1))


@dataclass(frozen=True, slots=True)
class Reasons:
    """The words and codes for why a drug was stopped."""

    ineffective: tuple[ValueSet, ...]
    intolerance: tuple[ValueSet, ...]
    other: tuple[ValueSet, ...]
    terminology: Terminology

    def say_ineffective(self, course: Course, as_of: date) -> bool:
        """By a status reason or a note (R18); a reason for ordering does not."""
        return self._found(self.ineffective, course, as_of, in_notes=True)

    def say_intolerance(self, course: Course, as_of: date) -> bool:
        """By a status reason or a note."""
        return self._found(self.intolerance, course, as_of, in_notes=True)

    def say_other(self, course: Course, as_of: date) -> bool:
        """By a status reason: a note may speak of cost or plans and mean nothing by it."""
        return self._found(self.other, course, as_of, in_notes=False)

    def _found(self, sets: Sequence[ValueSet], course: Course, as_of: date, *, in_notes: bool) -> bool:
        for use in (course.use, *course.same):
            dated = use.authored or use.start
            if dated is not None and dated.first > as_of:
                continue
            coded = any(_is_in(sets, reason) for reason in use.status_reason)
            notes = use.notes if in_notes else ()
            if coded or any(_says(sets, note) and self._about(note, course) for note in notes):
                return True
        return False

    def _about(self, note: str, course: Course) -> bool:
        """A note that names other drugs only ("started after methotrexate failed") is not about this one."""
        named = self.terminology.drug(Concept((), note))
        return named is None or any(one.moiety == course.ingredient.moiety for one in named.ingredients)


def _is_in(sets: Sequence[ValueSet], reason: Concept) -> bool:
    return any(one.find(reason) is not None for one in sets) or any(_says(sets, text) for text in reason.texts())


def _says(sets: Sequence[ValueSet], text: str) -> bool:
    return any(one.in_text(text) is not None for one in sets)


#: Whether the disease was active on a day.
Activity = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class ActivityOfCase:
    """Disease activity as other criteria answer, on any day up to screening.

    Attributes:
        on: Whether one of them is met on a day.
        days: The day of screening, and the days of the data on which they rest.
    """

    on: Activity
    days: tuple[date, ...]


def activity_of(case: Case, criteria: Sequence[str]) -> ActivityOfCase:
    """The activity that some criteria tell; an older total counts on its own day."""

    @cache
    def active(day: date) -> bool:
        then = case.on(day)
        return any(then.other(criterion).outcome is Outcome.MET for criterion in criteria)

    dated = {
        evidence.dated.last
        for criterion in criteria
        for evidence in case.other(criterion).evidence
        if evidence.dated is not None and evidence.dated.last <= case.as_of
    }
    return ActivityOfCase(active, (case.as_of, *sorted(dated, reverse=True)))


def class_history(
    case: Case, index: int, classes: Sequence[TreatmentClass], reasons: Reasons, activity: ActivityOfCase
) -> ClassHistory:
    """The drugs of one class with their levels; ``classes`` run from the lowest to the highest."""
    wanted = classes[index]
    known = _known(case, wanted.drug_class)
    groups: dict[str, list[Course]] = defaultdict(list)
    for course in known:
        if course.counts is not False:
            groups[course.ingredient.moiety].append(course)
    higher = [course for one in classes[index:] for course in _known(case, one.drug_class) if course.counts]
    drugs = [_drug_history(case, moiety, courses, wanted, reasons, activity, higher) for moiety, courses in groups.items()]
    return ClassHistory(wanted, tuple(drugs), tuple(course for course in known if course.counts is False))


def _known(case: Case, drug_class: str) -> list[Course]:
    """Courses of a class on file by then that were, or may have been, taken; every lower class asks for them too."""
    return case.facts.once(("courses by then", drug_class, case.as_of), lambda: _find_known(case, drug_class))


def _find_known(case: Case, drug_class: str) -> list[Course]:
    return [
        course
        for course in case.facts.medications.of(drug_class)
        if course.ingredient.counts_as_class != "no"
        and course.standing is not Standing.NOT_TAKEN
        and course.known_on(case.as_of)
        and (course.start is None or course.start.first <= case.as_of)
    ]


def _drug_history(
    case: Case,
    moiety: str,
    courses: Sequence[Course],
    wanted: TreatmentClass,
    reasons: Reasons,
    activity: ActivityOfCase,
    higher: Sequence[Course],
) -> DrugHistory:
    ineffective = tuple(course for course in courses if reasons.say_ineffective(course, case.as_of))
    intolerance = not ineffective and any(reasons.say_intolerance(course, case.as_of) for course in courses)
    # Refusal, pregnancy, cost are no inadequate response: such a course is exposure and no more.
    telling = [
        course
        for course in courses
        if not reasons.say_intolerance(course, case.as_of) and not reasons.say_other(course, case.as_of)
    ]
    first, last = exposure(telling, case.as_of)
    level = 4 if ineffective else _level_of_exposure(case, moiety, telling, wanted, activity, higher)
    return DrugHistory(
        moiety,
        tuple(courses),
        any(course.counts for course in courses),
        courses[0].review,
        level,
        ineffective,
        intolerance,
        first,
        last,
    )


def exposure(courses: Iterable[Course], as_of: date) -> tuple[date | None, date | None]:
    """From first start to last end, an active course without end to ``as_of`` (reading on C4): the days that are certain."""
    starts = [course.start.last for course in courses if course.start is not None]
    if not starts:
        return None, None
    ends = [_last_certain_day(course, as_of) for course in courses if course.start is not None]
    first = min(starts)
    return first, max(first, min(as_of, max(ends)))


def _last_certain_day(course: Course, as_of: date) -> date:
    start = course.start.last if course.start else as_of
    supplied = course.supplied_until(as_of) or start
    if course.end is not None and (course.end.last <= as_of or course.kind is not MedicationKind.REQUEST):
        return max(course.end.first, supplied if course.standing is Standing.ENDED else start)
    if course.standing is Standing.OPEN:
        return as_of
    return max(start, supplied) if course.use.status == "completed" else start


def _level_of_exposure(
    case: Case,
    moiety: str,
    courses: Sequence[Course],
    wanted: TreatmentClass,
    activity: ActivityOfCase,
    higher: Sequence[Course],
) -> int:
    first, last = exposure(courses, case.as_of)
    if first is None or last is None:
        return 1
    enough = add_days(first, _DAYS_A_WEEK * wanted.weeks_before_a_switch)
    if last >= enough:
        turns = chain(_switches(moiety, higher), _escalations(courses, case.as_of))
        if any(enough <= day <= case.as_of and activity.on(day) for day in turns):
            return 3
    # R17: the shorter minimum of steroids belongs to level 3 only.
    enough = add_days(first, _DAYS_A_WEEK * wanted.weeks)
    if last >= enough and any(enough <= day and activity.on(day) for day in activity.days):
        return 2
    return 1


def _switches(moiety: str, higher: Iterable[Course]) -> list[date]:
    """The days on which other drugs of the same or a higher class were first taken."""
    begun: dict[str, date] = {}
    for course in higher:
        if course.ingredient.moiety != moiety and course.start is not None:
            day = course.start.last
            begun[course.ingredient.moiety] = min(day, begun.get(course.ingredient.moiety, FAR_FUTURE))
    return list(begun.values())


def _escalations(courses: Sequence[Course], as_of: date) -> Iterator[date]:
    """The days on which the daily dose rose."""
    pieces = pieces_of(courses, World(as_of))
    for day in sorted({piece.first for piece in pieces}):
        before, after = level_on(pieces, add_days(day, -1)), level_on(pieces, day)
        for moiety, dose in after.items():
            earlier = before.get(moiety)
            if isinstance(dose, Dose) and isinstance(earlier, Dose) and dose.low > earlier.high:
                yield day
