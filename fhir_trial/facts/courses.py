"""A course: one order, report, supply or administration of one ingredient, with its days and doses.

The same order found twice (by identifier, or because one record is based on another) is one course (DATA-36).

Source: FHIR R4 MedicationRequest, MedicationStatement, MedicationDispense, MedicationAdministration; DATA-31, DATA-34.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from math import ceil

from fhir_trial.facts.doses import DailyDose, Unreadable, daily_dose, total
from fhir_trial.records.model import Dosage, MedicationKind, MedicationUse
from fhir_trial.terminology import DrugMatch, Ingredient, Terminology
from fhir_trial.times import Span, add_days

#: MedicationRequest.intent of what is to be taken (C6 "current"); proposals and options are not.
_ORDERING = frozenset({"order", "plan", "instance-order", "filler-order", "original-order", "reflex-order"})


class Standing(Enum):
    """What a record's status says of the drug's use."""

    OPEN = "in use"
    ENDED = "ended"
    HELD = "on hold"
    NOT_TAKEN = "not taken"
    UNCLEAR = "status unknown"
    VOID = "says nothing of use"


_STANDINGS = {
    MedicationKind.REQUEST: {
        "active": Standing.OPEN,
        "completed": Standing.ENDED,
        "stopped": Standing.ENDED,
        "on-hold": Standing.HELD,
        "cancelled": Standing.VOID,
        "draft": Standing.VOID,
        "entered-in-error": Standing.VOID,
    },
    MedicationKind.STATEMENT: {
        "active": Standing.OPEN,
        "completed": Standing.ENDED,
        "stopped": Standing.ENDED,
        "on-hold": Standing.HELD,
        "not-taken": Standing.NOT_TAKEN,
        "intended": Standing.VOID,
        "entered-in-error": Standing.VOID,
    },
    MedicationKind.DISPENSE: {
        "completed": Standing.ENDED,
        **dict.fromkeys(
            ("preparation", "in-progress", "cancelled", "on-hold", "stopped", "declined", "entered-in-error"), Standing.VOID
        ),
    },
    MedicationKind.ADMINISTRATION: {
        "completed": Standing.ENDED,
        "in-progress": Standing.ENDED,
        "stopped": Standing.ENDED,  # begun and broken off: part of it was given
        "not-done": Standing.VOID,
        "on-hold": Standing.VOID,
        "entered-in-error": Standing.VOID,
    },
}
_RANK = {kind: rank for rank, kind in enumerate(MedicationKind)}


def standing(use: MedicationUse) -> Standing:
    """In use, ended, on hold, not taken, unclear, or void: an error, a draft, a proposal, "do not give"."""
    if use.do_not_perform:
        return Standing.VOID
    if use.kind is MedicationKind.REQUEST and use.intent is not None and use.intent not in _ORDERING:
        return Standing.VOID
    return _STANDINGS[use.kind].get(use.status or "unknown", Standing.UNCLEAR)


@dataclass(frozen=True, slots=True)
class Step:
    """Days of a course at one dose. ``start`` and ``end`` are its first and last day; None: as the course."""

    start: Span | None
    end: Span | None
    dose: DailyDose


@dataclass(frozen=True, slots=True)
class Course:
    """One order, report, supply or administration of one ingredient.

    Attributes:
        ingredient: What it is; of a combination product, one of its ingredients.
        drug: All that the product's code or name says.
        use: The record that speaks for the others: an order before a report, a supply, an administration.
        same: Other records of the same order: its supplies, its administrations, its copies.
        standing: Of ``use``.
        route: Route class, from the dosage, else from form or name; None when neither says.
        counts: Whether it counts for its ingredient's class by route and form; None when a route is needed and missing (R38).
        start, end: First and last day as recorded. An ended order may have no end: then it ended when the next began.
        steps: Its doses; one step unless tapered.
    """

    ingredient: Ingredient
    drug: DrugMatch
    use: MedicationUse
    same: tuple[MedicationUse, ...]
    standing: Standing
    route: str | None
    counts: bool | None
    start: Span | None
    end: Span | None
    steps: tuple[Step, ...]

    @property
    def kind(self) -> MedicationKind:
        return self.use.kind

    @property
    def review(self) -> bool:
        """Whether a clinician decides if the ingredient belongs to the class."""
        return self.ingredient.counts_as_class == "review"

    @property
    def dated(self) -> Span | None:
        """When it was written down: data dated after ``as_of`` are never evidence (R44)."""
        return self.use.authored or self.start

    @property
    def label(self) -> str:
        """The drug as recorded, for people."""
        return next(self.use.medication.code.texts(), self.ingredient.name)

    def known_on(self, day: date) -> bool:
        """Whether it was on file by then; one without any date always is."""
        return self.dated is None or self.dated.first <= day

    def supplied_until(self, as_of: date) -> date | None:
        """The last day covered by its supplies known on ``as_of``; None if nothing is said of supply."""
        known = [end for use in (self.use, *self.same) if (end := supply_end(use, as_of)) is not None]
        return max(known, default=None)


def supply_end(use: MedicationUse, as_of: date) -> date | None:
    """The last day of the supply handed out or prescribed; of a supply without days, the day it was handed out."""
    start = use.authored or use.start
    if start is None or start.first > as_of or standing(use) in (Standing.VOID, Standing.UNCLEAR):
        return None
    ends = [use.validity_end.last] if use.validity_end else []
    if use.supply_days is not None:
        ends.append(add_days(start.last, whole_days(use.supply_days) - 1))
    if use.kind is MedicationKind.DISPENSE:
        ends.append(start.last)
    return max(ends, default=None)


def may_run_on(use: MedicationUse, day: date, recent: date) -> bool:
    """Whether a drug may be in use on a day, by what its record says; a single dose or unmeasured supply, from ``recent`` on."""
    start, end = days_of(use)
    dated = use.authored or start
    if (dated is not None and dated.first > day) or (start is not None and start.first > day):
        return False
    match standing(use):
        case Standing.OPEN:
            return True
        case Standing.UNCLEAR:
            return end is None or end.last >= day
        case Standing.ENDED if use.kind in (MedicationKind.ADMINISTRATION, MedicationKind.DISPENSE):
            last = end or start
            return last is None or last.last >= (day if end and use.kind is MedicationKind.DISPENSE else recent)
        case Standing.ENDED:
            return use.kind is MedicationKind.STATEMENT and end is not None and end.last >= day
        case _:
            return False


def whole_days(days: Decimal) -> int:
    """A number of days, a begun day counted, held within the calendar."""
    return max(1, min(ceil(days), 4_000_000))


def course_of(ingredient: Ingredient, drug: DrugMatch, uses: Sequence[MedicationUse], terminology: Terminology) -> Course:
    """The course that the records of one order make."""
    use = min(uses, key=_speaks_first)
    start, end = days_of(use)
    route = _route(use, terminology) or drug.route
    return Course(
        ingredient,
        drug,
        use,
        tuple(other for other in uses if other is not use),
        standing(use),
        route,
        False if drug.counts == "no" else ingredient.counts_by(route),
        start,
        end,
        _steps(use, start, drug, terminology),
    )


def _speaks_first(use: MedicationUse) -> tuple[int, float, str]:
    """An order before a report, a supply, an administration; the newest copy of it; then by name: always the same one."""
    updated = use.origin.last_updated
    return _RANK[use.kind], -updated.timestamp() if updated else 0.0, use.origin.reference


def _route(use: MedicationUse, terminology: Terminology) -> str | None:
    routes = (terminology.route(dosage.route) for dosage in use.dosages if dosage.route is not None)
    return next((route for route in routes if route is not None), None)


def days_of(use: MedicationUse) -> tuple[Span | None, Span | None]:
    """First and last day as recorded; each may be missing."""
    if use.kind is MedicationKind.REQUEST:
        return _ordered_days(use)
    if use.kind is MedicationKind.DISPENSE:
        start = use.authored or use.start
        return start, _after(start, use.supply_days)
    return use.start, use.end or (use.start if use.kind is MedicationKind.ADMINISTRATION else None)


def _ordered_days(use: MedicationUse) -> tuple[Span | None, Span | None]:
    """An order lasts as long as its dosages say; where one of them has no end, neither has the order."""
    written = use.start or use.authored
    starts: list[Span] = []
    ends: list[Span | None] = []
    for dosage in use.dosages:
        bounds = dosage.timing
        start = (bounds.bounds_start if bounds else None) or written
        starts += [start] if start else []
        ends.append((bounds.bounds_end or _after(start, bounds.bounds_days)) if bounds else None)
    first = min(starts, key=lambda span: span.first, default=written)
    if not ends or None in ends:
        return first, use.end
    last = max((end for end in ends if end is not None), key=lambda span: span.last)
    if len(ends) > 1 and _in_sequence(use.dosages):
        steps = _sequence_of_steps(use.dosages, written, [Unreadable.NO_DOSAGE] * len(ends))
        last = steps[-1].end or last if steps else last
    return first, last


def _after(start: Span | None, days: Decimal | None) -> Span | None:
    """The last of so many days; as inexact as the first."""
    if start is None or days is None:
        return None
    more = whole_days(days) - 1
    return Span(add_days(start.first, more), add_days(start.last, more), None, f"{start.text} + {more} d")


def _in_sequence(dosages: Iterable[Dosage]) -> bool:
    """Different sequence numbers follow each other, equal ones run together (Dosage.sequence)."""
    return len({dosage.sequence for dosage in dosages if dosage.sequence is not None}) > 1


def _steps(use: MedicationUse, start: Span | None, drug: DrugMatch, terminology: Terminology) -> tuple[Step, ...]:
    if not use.dosages:
        return (Step(None, None, Unreadable.NO_DOSAGE),)
    doses: list[DailyDose] = [daily_dose(dosage, drug.strength, terminology) for dosage in use.dosages]
    if len(doses) == 1:
        return (Step(None, None, doses[0]),)
    bounded = [dosage.timing is not None and _bounded(dosage) for dosage in use.dosages]
    if _in_sequence(use.dosages):
        steps = _sequence_of_steps(use.dosages, start, doses)
        return steps or (Step(None, None, Unreadable.STEPS),)
    if not any(bounded):
        return (Step(None, None, total(doses)),)
    return tuple(_own_days(dosage, start, dose) for dosage, dose in zip(use.dosages, doses, strict=True))


def _bounded(dosage: Dosage) -> bool:
    timing = dosage.timing
    return timing is not None and (timing.bounds_start, timing.bounds_end, timing.bounds_days) != (None, None, None)


def _own_days(dosage: Dosage, start: Span | None, dose: DailyDose) -> Step:
    timing = dosage.timing
    if timing is None:
        return Step(None, None, dose)
    first = timing.bounds_start or start
    return Step(first, timing.bounds_end or _after(first, timing.bounds_days), dose)


def _sequence_of_steps(dosages: Sequence[Dosage], start: Span | None, doses: Sequence[DailyDose]) -> tuple[Step, ...]:
    """Each step begins where the one before ends; none, when a step that another follows has no end."""
    steps: list[Step] = []
    following = start
    for dosage, dose in sorted(zip(dosages, doses, strict=True), key=lambda pair: pair[0].sequence or 0):
        if following is None and steps:
            return ()
        step = _own_days(dosage, following, dose)
        steps.append(step)
        following = None if step.end is None else _next_day(step.end)
    return tuple(steps)


def _next_day(span: Span) -> Span:
    return Span(add_days(span.first, 1), add_days(span.last, 1), None, span.text)


def days_between(first: date, last: date) -> int:
    """Days strictly between two days."""
    return (last - first - timedelta(days=1)).days
