"""Whether a drug, or a class in equivalents, is in use on a day and kept one dose through the days before it.

A change made on the first day of the window leaves the whole window: only changes strictly inside count (R11). A stop is dated
by its last day, everything else by the first day of the new dose.

Source: clinical/criteria.md C6; R11, R14, R30, R38 and the readings on C6 in clinical/rulings.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

from fhir_trial.facts.courses import Course, Standing, days_between
from fhir_trial.facts.doses import DailyDose, Unreadable
from fhir_trial.facts.pieces import RENEWAL_DAYS, Piece, World, pieces_of, worlds
from fhir_trial.facts.regimens import Level, alike, equivalent, level_on, unreadable
from fhir_trial.logic import Truth
from fhir_trial.records.model import MedicationKind
from fhir_trial.terminology import Ingredient
from fhir_trial.times import Span, add_days

#: What makes a formulation. The brand, the strength and the spelling of a name do not: those are a refill.
_FORMULATIONS = {
    "prolonged": re.compile(
        r"(?:extended|prolonged|sustained|controlled|modified)[ -]release|\b(?:ER|XR|XL|SR)\b|缓释|控释", re.IGNORECASE
    ),
    "delayed": re.compile(r"delayed[ -]release|enteric|gastro-?resistant|\b(?:DR|EC)\b|肠溶", re.IGNORECASE),
    "tablet": re.compile(r"\btab(?:let)?s?\b|caplet|片", re.IGNORECASE),
    "capsule": re.compile(r"\bcap(?:sule)?s?\b|胶囊", re.IGNORECASE),
    "liquid": re.compile(r"solution|suspension|syrup|口服液|混悬|糖浆", re.IGNORECASE),
    "granules": re.compile(r"granule|powder|颗粒|散剂", re.IGNORECASE),
    "injection": re.compile(r"inject|syringe|infusion|\bvial\b|注射", re.IGNORECASE),
}
#: An active order whose last supply ended more than so many days ago is doubtful (readings on C6 [J]).
DOUBTFUL_DAYS = 90


class State(StrEnum):
    """What is known of a drug's use and dose."""

    ABSENT = "not in use"
    STABLE = "in use at one dose"
    CHANGED = "changed"
    JUDGEMENT = "a clinician decides"
    CONFLICT = "the record contradicts itself"
    UNREADABLE = "cannot be read"


class Because(StrEnum):
    """Why, where the dose itself can be read."""

    STARTED = "started"
    DOSE = "dose changed"
    STOPS = "stops"
    LEVEL_GUIDED = "its dose follows blood levels"
    WEIGHT_GUIDED = "its dose follows a growing child's weight"
    GAP = "interrupted"
    SWITCHED = "product or form switched"
    GIVEN = "single doses given"
    OVERDUE = "the order is active, the last supply ended long ago"
    ENDED_YET_ACTIVE = "the order is active, its end has passed"
    DENIED = "the order is active, a later report says it was stopped or not taken"
    STATUS = "its status is not known"
    NO_START = "its start is not recorded"
    NO_END = "how long the supply lasts is not recorded"
    DATES = "its dates are too vague"


@dataclass(frozen=True, slots=True)
class Window:
    """The days (last - days, last], seen on ``as_of``; data of later days are plans on file, not results."""

    last: date
    days: int
    as_of: date

    @property
    def edge(self) -> date:
        """The day before the first one inside: a change on it is outside (R11)."""
        return add_days(self.last, -self.days)

    def holds(self, day: date) -> bool:
        return self.edge < day <= self.last


@dataclass(frozen=True, slots=True)
class Change:
    """That a dose changed."""

    day: date
    because: Because
    before: Level
    after: Level


@dataclass(frozen=True, slots=True)
class Regimen:
    """What is known of one drug, or of one class in equivalents, on a day.

    Attributes:
        because: Why; None when absent or stable.
        courses: Those in use, or those that leave it open.
        level: The daily dose of each moiety on ``as_of``.
        equivalent: The sum in mg of prednisone a day, for a class in equivalents.
        change: The last change inside the window.
    """

    state: State
    because: Because | Unreadable | None = None
    courses: tuple[Course, ...] = ()
    level: Level | None = None
    equivalent: DailyDose | None = None
    change: Change | None = None

    @property
    def review(self) -> bool:
        """Whether nothing but drugs of doubtful class makes it up (everolimus)."""
        return bool(self.courses) and all(course.review for course in self.courses)


class Timeline:
    """One drug, or one class counted in prednisone equivalents.

    Attributes:
        courses: Those that count for the class, of whatever day.
        in_equivalents: Whether the molecules make one dose together.
        weight_guided: Moieties whose dose follows the weight of this patient.
    """

    def __init__(
        self, courses: Iterable[Course], *, in_equivalents: bool = False, weight_guided: frozenset[str] = frozenset()
    ) -> None:
        self.courses = tuple(courses)
        self.in_equivalents = in_equivalents
        self.weight_guided = weight_guided

    @cached_property
    def ingredients(self) -> dict[str, Ingredient]:
        return {course.ingredient.moiety: course.ingredient for course in self.courses}

    def regimen(self, window: Window) -> Regimen:
        """What every reading of the dates agrees on; UNREADABLE where they do not (R30)."""
        found = [self._in_world(window, world) for world in worlds(self.courses, window.as_of)]
        if len({regimen.state for regimen in found}) > 1:
            courses = next(regimen.courses for regimen in found if regimen.courses)
            return Regimen(State.UNREADABLE, Because.DATES, courses)
        return found[0]

    def _in_world(self, window: Window, world: World) -> Regimen:
        pieces = pieces_of(self.courses, world)
        current = [piece for piece in pieces if piece.covers(window.as_of) and _is_current(piece, window.as_of)]
        if not current:
            return self._not_in_use(window)
        courses = tuple({id(piece.course): piece.course for piece in current}.values())
        level = level_on(current, window.as_of)
        sum_of_all = equivalent(level, self.ingredients) if self.in_equivalents else None
        state, because, change = self._judged(window, pieces, current)
        return Regimen(state, because, courses, level, sum_of_all, change)

    def _judged(
        self, window: Window, pieces: Sequence[Piece], current: Sequence[Piece]
    ) -> tuple[State, Because | Unreadable | None, Change | None]:
        changes = self._changes(window, pieces)
        decisive = next((change for change in changes if _decides(change, changes)), None)
        if decisive is not None:
            return State.CHANGED, decisive.because, decisive
        doubt = self._doubt(window, current)
        if doubt is not None:
            return State.JUDGEMENT if doubt is Because.OVERDUE else State.CONFLICT, doubt, None
        guided = next((change for change in changes if change.because is not Because.SWITCHED), None)
        if guided is not None:
            return State.JUDGEMENT, guided.because, guided
        if not level_on(pieces, window.last):
            return State.CHANGED, Because.STOPS, None  # planned to end before the first dose, and before the window
        unclear = self._unclear(window, pieces, current)
        if unclear is not None:
            return State.UNREADABLE, unclear, None
        return (State.JUDGEMENT, Because.SWITCHED, changes[0]) if changes else (State.STABLE, None, None)

    # --- changes ------------------------------------------------------------------------

    def _changes(self, window: Window, pieces: Sequence[Piece]) -> list[Change]:
        """The changes strictly inside the window, newest first."""
        starts = {piece.first for piece in pieces}
        turns = starts | {add_days(piece.last, 1) for piece in pieces}
        found: list[Change] = []
        for day in sorted(turns, reverse=True):
            dated = day if day in starts else add_days(day, -1)
            change = self._change(day, dated, pieces) if day <= window.last and window.holds(dated) else None
            found += [change] if change else []
        return found

    def _change(self, day: date, dated: date, pieces: Sequence[Piece]) -> Change | None:
        before, after = level_on(pieces, add_days(day, -1)), level_on(pieces, day)
        same = alike(before, after, self.ingredients, in_equivalents=self.in_equivalents)
        if same is Truth.FALSE:
            return Change(dated, self._kind_of_change(day, before, after, pieces), before, after)
        if same is Truth.TRUE and not self.in_equivalents and _switched(pieces, day):
            return Change(dated, Because.SWITCHED, before, after)
        return None

    def _kind_of_change(self, day: date, before: Level, after: Level, pieces: Sequence[Piece]) -> Because:
        if not after:
            return Because.STOPS
        if not before:
            # "A longer gap inside the window: needs-clinician"; after one as long as makes an order doubtful, it is a new start.
            earlier = max((piece.last for piece in pieces if piece.last < day), default=None)
            restarted = earlier is not None and RENEWAL_DAYS < days_between(earlier, day) <= DOUBTFUL_DAYS
            return Because.GAP if restarted else Because.STARTED
        if after.keys() - before.keys():
            return Because.STARTED
        moved = {moiety for moiety in before.keys() | after.keys() if before.get(moiety) != after.get(moiety)}
        if all(self.ingredients[moiety].level_guided for moiety in moved):
            return Because.LEVEL_GUIDED  # R14
        return Because.WEIGHT_GUIDED if moved <= self.weight_guided else Because.DOSE

    def _unclear(self, window: Window, pieces: Sequence[Piece], current: Sequence[Piece]) -> Because | Unreadable | None:
        """Why the dose, on some day inside the window, cannot be told."""
        inside = add_days(window.edge, 1)
        days = sorted({inside} | {piece.first for piece in pieces if window.holds(piece.first)})
        levels = [level_on(pieces, day) for day in days]
        for level in levels:
            reason = unreadable(level, self.ingredients, in_equivalents=self.in_equivalents)
            if reason is not None:
                return reason
        if inside in {piece.first for piece in pieces}:
            before = level_on(pieces, window.edge)
            if alike(before, levels[0], self.ingredients, in_equivalents=self.in_equivalents) is Truth.UNKNOWN:
                return unreadable(before, self.ingredients, in_equivalents=self.in_equivalents) or Unreadable.RANGE
        for before, after in pairwise(levels):
            if alike(before, after, self.ingredients, in_equivalents=self.in_equivalents) is Truth.UNKNOWN:
                return Unreadable.RANGE
        return self._loose_ends(current, levels[-1], window.as_of)

    def _loose_ends(self, current: Sequence[Piece], level: Level, as_of: date) -> Because | None:
        """Orders beside those in use that may run too: of unknown status, or without a start and at another dose."""
        for course in self.courses:
            if not course.known_on(as_of) or course.kind is MedicationKind.ADMINISTRATION:
                continue
            if course.standing is Standing.UNCLEAR and not _is_over(course, as_of):
                return Because.STATUS
            if course.standing is Standing.OPEN and course.start is None:
                known = [piece.dose for piece in current] + [level.get(course.ingredient.moiety)]
                if not all(isinstance(step.dose, Unreadable) or step.dose in known for step in course.steps):
                    return Because.NO_START
        return None

    # --- in use? ------------------------------------------------------------------------

    def _doubt(self, window: Window, current: Sequence[Piece]) -> Because | None:
        """What speaks against the use of a drug, in every order of it that should be in use."""
        doubts: dict[str, list[Because | None]] = defaultdict(list)
        for piece in current:
            doubts[piece.course.ingredient.moiety].append(self._doubt_of(piece, window.as_of))
        return next((each[0] for each in doubts.values() if None not in each), None)

    def _doubt_of(self, piece: Piece, as_of: date) -> Because | None:
        course = piece.course
        if course.kind is not MedicationKind.REQUEST or course.start is None:
            return None
        moiety = course.ingredient.moiety
        same_drug = [other for other in self.courses if other.ingredient.moiety == moiety and other.known_on(as_of)]
        if any(_denies(other, course, as_of) for other in same_drug):
            return Because.DENIED
        supplies = [course, *(one for one in same_drug if one.kind is MedicationKind.DISPENSE and _begins_after(one, course))]
        ends = [end for one in supplies if (end := one.supplied_until(as_of)) is not None]
        return Because.OVERDUE if ends and add_days(max(ends), DOUBTFUL_DAYS) < as_of else None

    def _not_in_use(self, window: Window) -> Regimen:
        """No course covers the day; yet some may, or should."""
        for course in sorted(self.courses, key=lambda one: one.start.last if one.start else date.min, reverse=True):
            if not course.known_on(window.as_of):
                continue
            found = _possible_use(course, window)
            if found is not None:
                return Regimen(found[0], found[1], (course,))
        return Regimen(State.ABSENT)

    def surely_ended(self, as_of: date) -> bool:
        """Whether nothing known of it may still be taken: the last supply or single dose is long over (R12)."""
        recent = add_days(as_of, -DOUBTFUL_DAYS)
        for course in self.courses:
            if course.kind in (MedicationKind.DISPENSE, MedicationKind.ADMINISTRATION) and course.known_on(as_of):
                ends = [course.supplied_until(as_of), course.end.last if course.end else None]
                if max((end for end in ends if end), default=as_of) >= recent:
                    return False
        return True


def _is_current(piece: Piece, as_of: date) -> bool:
    """Active, or supplied. What was stopped or completed is over, on its last day too (C6 "current", DATA-35)."""
    if piece.open or piece.course.kind is MedicationKind.DISPENSE:
        return not piece.end_unknown
    supplied = piece.course.supplied_until(as_of) if piece.course.use.status == "completed" else None
    return supplied is not None and supplied >= as_of


def _decides(change: Change, changes: Sequence[Change]) -> bool:
    """Whether a change is plainly one: a stop that is taken up again is an interruption, which a clinician judges."""
    if change.because is Because.STOPS:
        return not any(later.because is Because.GAP and later.day > change.day for later in changes)
    return change.because in (Because.STARTED, Because.DOSE)


def _possible_use(course: Course, window: Window) -> tuple[State, Because] | None:
    """What a course says that covers no day of the present."""
    match course.standing:
        case Standing.UNCLEAR:
            return None if _is_over(course, window.as_of) else (State.UNREADABLE, Because.STATUS)
        case Standing.OPEN if course.start is None:
            return State.UNREADABLE, Because.NO_START
        case Standing.OPEN if course.end is not None and course.end.first < window.as_of:
            return State.CONFLICT, Because.ENDED_YET_ACTIVE
        case Standing.ENDED if course.start is not None and course.kind is MedicationKind.ADMINISTRATION:
            return (State.JUDGEMENT, Because.GIVEN) if _inside(course.start, window) else None
        case Standing.ENDED if course.start is not None and course.kind is MedicationKind.DISPENSE and course.end is None:
            recent = course.start.last >= add_days(window.as_of, -DOUBTFUL_DAYS)
            return (State.UNREADABLE, Because.NO_END) if recent else None
        case _:
            return None


def _inside(span: Span, window: Window) -> bool:
    """Whether it may lie strictly inside the window and is no plan."""
    return span.first <= window.as_of and span.within(add_days(window.edge, 1), window.last) is not Truth.FALSE


def _is_over(course: Course, as_of: date) -> bool:
    return course.end is not None and course.end.last < as_of


def _begins_after(supply: Course, order: Course) -> bool:
    return supply.start is not None and order.start is not None and supply.start.last >= order.start.first


def _denies(report: Course, order: Course, as_of: date) -> bool:
    """Whether a later report says that the drug was stopped, or not taken (DATA-35)."""
    if report.kind is not MedicationKind.STATEMENT or report.standing not in (Standing.ENDED, Standing.NOT_TAKEN):
        return False
    doses = {step.dose for step in order.steps}
    if not all(isinstance(step.dose, Unreadable) or step.dose in doses for step in report.steps):
        return False  # another dose of it, tapered
    said = report.end or report.dated if report.standing is Standing.ENDED else report.dated
    begun = order.start
    return said is not None and begun is not None and begun.last < said.first <= as_of


def _switched(pieces: Sequence[Piece], day: date) -> bool:
    """Whether the same daily dose is, from this day on, another ingredient or another form of it."""
    before, after = (
        {_make(piece) for piece in pieces if piece.covers(moment) and piece.course.kind is MedicationKind.REQUEST}
        for moment in (add_days(day, -1), day)
    )
    return bool(before and after) and not before & after and all(form for _, form in before | after)


def _make(piece: Piece) -> tuple[str, frozenset[str]]:
    form = piece.course.drug.form or ""
    return piece.course.ingredient.name, frozenset(name for name, words in _FORMULATIONS.items() if words.search(form))
