"""Stretches of days on which a course is taken at one dose, for one reading of its inexact dates.

A record with a partial date, or of an order that ended nobody knows when, allows several readings (worlds): the earliest and the
latest of each. What all of them agree on is known; the rest is not (R30).

Source: clinical/rulings.md, readings on C6.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from fhir_trial.facts.courses import Course, Standing, days_between
from fhir_trial.facts.doses import DailyDose
from fhir_trial.records.model import MedicationKind
from fhir_trial.times import FAR_FUTURE, Span, add_days

#: A gap of at most so many days between two orders is a renewal (readings on C6 [J]).
RENEWAL_DAYS = 3


@dataclass(frozen=True, slots=True)
class World:
    """One reading of the inexact dates, as seen on ``as_of``."""

    as_of: date
    early_start: bool = True
    early_end: bool = True

    def first(self, span: Span) -> date:
        """The day that a start means; a start that may lie ahead is cut at ``as_of``."""
        cut = span.until(self.as_of) or span
        return cut.first if self.early_start else cut.last

    def last(self, span: Span) -> date:
        """The day that an end means."""
        return span.first if self.early_end else span.last


class Piece(Struct, frozen=True):
    """Days of one dose, both ends included; an end that nobody knows is FAR_FUTURE.

    Attributes:
        open: Whether it may go on: its course is active.
        end_unknown: It ended, nobody knows when; ``last`` is a guess of the world.
    """

    first: date
    last: date
    dose: DailyDose
    course: Course
    open: bool = True
    end_unknown: bool = False

    def covers(self, day: date) -> bool:
        return self.first <= day <= self.last


def worlds(courses: Iterable[Course], as_of: date) -> tuple[World, ...]:
    """Every reading that may matter: one, if all dates are exact."""
    known = [course for course in courses if course.known_on(as_of)]
    starts = [span for course in known for span in (course.start, *(step.start for step in course.steps)) if span]
    ends = [span for course in known for span in (course.end, *(step.end for step in course.steps)) if span]
    # Of the orders that ended nobody knows when, only the latest is not ended by a next one.
    latest = max((course.start.first for course in known if course.start), default=as_of)
    unknown_end = any(course.start and course.start.last >= latest and _end_is_unknown(course, as_of) for course in known)
    early_starts = (True,) if all(span.exact for span in starts) else (True, False)
    early_ends = (True,) if all(span.exact for span in ends) and not unknown_end else (True, False)
    return tuple(World(as_of, start, end) for start in early_starts for end in early_ends)


def pieces_of(courses: Iterable[Course], world: World) -> list[Piece]:
    """The pieces of one drug, or of one class; renewals joined, supplies of an order left to it."""
    spread = [piece for course in courses if _has_days(course, world.as_of) for piece in _spread(course, world)]
    pieces = _own_supplies_dropped(_ended_when_the_next_began(spread))
    pieces = _handed_over(pieces)
    for same in (_product, _moiety, _anything):
        pieces = _renewals_joined(pieces, same)
    return sorted(pieces, key=lambda piece: (piece.first, piece.last, piece.course.use.origin.reference))


def _has_days(course: Course, as_of: date) -> bool:
    if course.kind is MedicationKind.ADMINISTRATION or course.start is None:
        return False
    return course.standing in (Standing.OPEN, Standing.ENDED) and course.known_on(as_of)


def _spread(course: Course, world: World) -> list[Piece]:
    """The days of a course, step by step."""
    first = world.first(cast(Span, course.start))  # _has_days has looked
    last, unknown = _last_day(course, first, world)
    pieces = []
    for step in course.steps:
        begins = max(first, world.first(step.start)) if step.start else first
        ends = min(last, world.last(step.end)) if step.end else last
        if begins <= ends:
            pieces.append(Piece(begins, ends, step.dose, course, course.standing is Standing.OPEN, unknown and ends == last))
    return pieces


def _end_is_unknown(course: Course, as_of: date) -> bool:
    """An ended order without a day on which it ended. The end that a stopped order was planned to have is not it."""
    if course.standing is not Standing.ENDED or course.kind in (MedicationKind.ADMINISTRATION, MedicationKind.DISPENSE):
        return False
    if course.kind is MedicationKind.REQUEST:
        return (course.end is None or course.end.last > as_of) and _end_of_supply(course, as_of) is None
    return course.end is None


def _end_of_supply(course: Course, as_of: date) -> date | None:
    """A completed order lasts as long as its supply; a stopped one does not (DATA-35)."""
    return course.supplied_until(as_of) if course.use.status == "completed" else None


def _last_day(course: Course, first: date, world: World) -> tuple[date, bool]:
    if _end_is_unknown(course, world.as_of):
        if world.early_end:
            return first, True
        updated = course.use.origin.last_updated
        latest = add_days(world.as_of, -1)  # it has ended by now; and by the time its record was written
        return max(first, min(latest, updated.date()) if updated else latest), True
    if course.kind is MedicationKind.DISPENSE:
        return (world.last(course.end) if course.end else first), False
    if course.end is not None and (course.kind is not MedicationKind.REQUEST or course.standing is Standing.OPEN):
        return world.last(course.end), False
    if course.standing is Standing.OPEN:
        return FAR_FUTURE, False
    supplied = _end_of_supply(course, world.as_of)
    if course.end is not None and course.end.last <= world.as_of:
        return max(world.last(course.end), supplied or first), False
    return max(first, supplied or first), False


def _ended_when_the_next_began(pieces: Sequence[Piece]) -> list[Piece]:
    """By the ruling: an order that ended without an end date ended when the next began."""
    starts: dict[int, date] = {}
    for piece in pieces:
        starts[id(piece.course)] = min(piece.first, starts.get(id(piece.course), piece.first))
    beginnings = sorted(set(starts.values()))
    replaced_at_once = {piece.first for piece in pieces if piece.open and not piece.end_unknown}
    told = []
    for piece in pieces:
        following = bisect_right(beginnings, piece.first)
        if not piece.end_unknown:
            told.append(piece)
        elif piece.first in replaced_at_once:
            continue  # written and stopped on the day on which another was begun
        elif following < len(beginnings):
            told.append(replace(piece, last=add_days(beginnings[following], -1), end_unknown=False))
        else:
            told.append(piece)
    return told


def _own_supplies_dropped(pieces: Sequence[Piece]) -> list[Piece]:
    """What is dispensed while an order or a report of the same product runs is its supply, linked or not (DATA-36)."""
    ordered = [piece for piece in pieces if piece.course.kind is not MedicationKind.DISPENSE]
    if len(ordered) == len(pieces):
        return ordered
    return [
        piece
        for piece in pieces
        if piece.course.kind is not MedicationKind.DISPENSE
        or not any(other.covers(piece.first) and same_product(other, piece) for other in ordered)
    ]


def same_product(one: Piece, other: Piece) -> bool:
    """The same drug, and the same strength as far as is known."""
    if one.course.ingredient.moiety != other.course.ingredient.moiety:
        return False
    strengths = {one.course.drug.strength, other.course.drug.strength} - {None}
    return len(strengths) < 2


def _handed_over(pieces: Sequence[Piece]) -> list[Piece]:
    """One that ends on the day another begins gives that day away: a change is made on one day, not two."""
    beginnings = {piece.first for piece in pieces}
    return [
        replace(piece, last=add_days(piece.last, -1)) if piece.first < piece.last and piece.last in beginnings else piece
        for piece in pieces
    ]


def _product(piece: Piece) -> Hashable:
    return piece.course.ingredient.moiety, piece.course.drug.strength


def _moiety(piece: Piece) -> Hashable:
    return piece.course.ingredient.moiety


def _anything(_: Piece) -> Hashable:
    return None


def _renewals_joined(pieces: Sequence[Piece], same: Callable[[Piece], Hashable]) -> list[Piece]:
    """A gap of at most three days between two orders is a renewal: the earlier one lasts until the later one begins."""
    lasts: dict[tuple[Hashable, date], date] = {}
    for key in {same(piece) for piece in pieces}:
        for end, begin in gaps([piece for piece in pieces if same(piece) == key]):
            if days_between(end, begin) <= RENEWAL_DAYS:
                lasts[key, end] = add_days(begin, -1)
    return [replace(piece, last=lasts.get((same(piece), piece.last), piece.last)) for piece in pieces]


def gaps(pieces: Sequence[Piece]) -> list[tuple[date, date]]:
    """Last day before and first day after each stretch that none of the pieces covers."""
    found = []
    ordered = sorted(pieces, key=lambda piece: piece.first)
    covered = ordered[0].last if ordered else FAR_FUTURE
    for _, piece in pairwise(ordered):
        if piece.first > covered and days_between(covered, piece.first) > 0:
            found.append((covered, piece.first))
        covered = max(covered, piece.last)
    return found
