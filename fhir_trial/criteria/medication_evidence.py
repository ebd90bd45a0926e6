"""Courses laid out as evidence, and how much of the medication record was loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from fractions import Fraction
from functools import lru_cache

from fhir_trial.criteria.answers import Evidence, Role
from fhir_trial.criteria.case import Case
from fhir_trial.facts.courses import Course, supply_end
from fhir_trial.facts.doses import DailyDose, Unreadable
from fhir_trial.facts.medications import Unidentified
from fhir_trial.quantities import write_number
from fhir_trial.records.model import AbsenceStatement, LoadState, MedicationKind, MedicationUse
from fhir_trial.times import Span

MEDICATION_TYPES = tuple(kind.value for kind in MedicationKind)
#: Servers that have only orders do not make every drug criterion unknown (DATA-30).
_MAY_BE_UNASKED = frozenset(MEDICATION_TYPES) - {MedicationKind.REQUEST.value}


@lru_cache(maxsize=4096)  # the same few doses are written again for each day that may change an answer
def dose_in_words(dose: DailyDose) -> str:
    """Such as "10 mg a day" or "5 to 10 mg a day", or why it cannot be told."""
    if isinstance(dose, Unreadable):
        return f"daily dose not known: {dose}"
    if dose.single:
        return f"{write_number(_shown(dose.low))} mg a day"
    return f"{write_number(_shown(dose.low))} to {write_number(_shown(dose.high))} mg a day"


def _shown(number: Fraction) -> Fraction:
    """Two decimals are enough to read; rounding is for display (VER-12)."""
    return Fraction(round(number * 100), 100)


def show_course(
    course: Course, role: Role, value: DailyDose | None = None, unit: str = "mg/d", limit: str | None = None
) -> Evidence:
    """A course with its doses, oldest first; ``value`` is what was compared."""
    doses = ", then ".join(dict.fromkeys(dose_in_words(step.dose) for step in course.steps))
    number: Fraction | str | None = None
    if value is not None and not isinstance(value, Unreadable):
        number = value.low if value.single else f"{write_number(value.low)} to {write_number(value.high)}"
    original = f"{course.label} ({course.use.status or 'no status'}), {doses}"
    dated = course.start or course.dated
    return Evidence(course.use.origin, role, dated, original, number, None if number is None else unit, limit)


def show_unidentified(drug: Unidentified) -> Evidence:
    """A drug that cannot be told, with what is written of it (DATA-33)."""
    use = drug.use
    return Evidence(use.origin, Role.UNUSABLE, use.authored or use.start, f"{drug.label} ({use.status or 'no status'})")


def show_absence(absence: AbsenceStatement) -> Evidence:
    """The statement that no medication is taken."""
    return Evidence(absence.origin, Role.DECIDES, absence.dated, next(absence.code.texts(), "no medication"))


def not_loaded(case: Case) -> tuple[str, ...]:
    """The medication types of which something may be missing."""
    record = case.facts.record
    return tuple(
        name
        for name in MEDICATION_TYPES
        if not record.state(name).loaded and not (name in _MAY_BE_UNASKED and record.state(name) is LoadState.NOT_ASKED)
    )


def fetched_whole(case: Case) -> bool:
    """Whether every medication type was asked for and loaded to the end (R12)."""
    return all(case.facts.record.state(name) is LoadState.FETCHED for name in MEDICATION_TYPES)


def days_of_record(courses: Iterable[Course], as_of: date) -> Iterator[date]:
    """Every day that a course, its doses and its supplies name."""
    for course in courses:
        spans = [course.dated, course.start, course.end]
        spans += [span for step in course.steps for span in (step.start, step.end)]
        yield from _ends(spans)
        for use in (course.use, *course.same):
            yield from days_of_use(use, as_of)


def days_of_use(use: MedicationUse, as_of: date) -> Iterator[date]:
    """The days that one record names, those of its supply included."""
    yield from _ends([use.authored, use.start, use.end, use.validity_end])
    dated = use.authored or use.start
    supplied = supply_end(use, max(as_of, dated.first)) if dated else None
    if supplied:
        yield supplied
    if use.origin.last_updated:
        yield use.origin.last_updated.date()


def _ends(spans: Iterable[Span | None]) -> Iterator[date]:
    for span in spans:
        if span is not None:
            yield from (span.first, span.last)
