"""What is found of a class of background treatment on one day, sorted by what it means for a stable dose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fhir_trial.criteria.answers import Evidence, Role, Why
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.medication_evidence import dose_in_words, show_course
from fhir_trial.facts.courses import Course, Standing, may_run_on
from fhir_trial.facts.doses import DailyDose, Unreadable
from fhir_trial.facts.medications import Unidentified
from fhir_trial.facts.timelines import DOUBTFUL_DAYS, Because, Regimen, State, Timeline, Window
from fhir_trial.logic import Truth
from fhir_trial.times import add_days, age_in_years

_ADULT = 18
_PARENTERAL = frozenset({"intravenous", "intramuscular", "subcutaneous", "parenteral"})
_FROM_WORDS = frozenset({Unreadable.TEXT_ONLY, Unreadable.AS_NEEDED})
_ROLES = {
    State.STABLE: Role.DECIDES,
    State.CHANGED: Role.AGAINST,
    State.JUDGEMENT: Role.SHOWN,
    State.CONFLICT: Role.SHOWN,
    State.UNREADABLE: Role.UNUSABLE,
}


@dataclass(frozen=True, slots=True)
class BackgroundClass:
    """One class of background treatment and how long its dose must have been the same.

    Attributes:
        part: Id of its part of the answer, "C6.1".
        drug_class: A class of the medication table.
        named: What it is called in a sentence, "oral corticosteroid".
        days: Length of the window; a change on its first day is allowed (R11).
        before: What the window ends at: the first dose, or screening.
        in_equivalents: Count its molecules together, in prednisone equivalents.
        pulses: A parenteral dose of one of its drugs inside the window asks for a clinician.
        by_weight_in_children: Ingredients whose dose follows a growing child's weight.
    """

    part: str
    drug_class: str
    named: str
    days: int
    before: Literal["first-dose", "screening"]
    in_equivalents: bool = False
    pulses: bool = False
    by_weight_in_children: tuple[str, ...] = ()

    @property
    def limit(self) -> str:
        """What is asked of a dose, in words."""
        return f"one dose for {self.days} days before {'the first dose' if self.before == 'first-dose' else 'screening'}"

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError(f"{self.part}: days must be 1 or more.")


@dataclass(frozen=True, slots=True)
class Current:
    """One current drug, or one class in equivalents, and what is known of its dose.

    Attributes:
        state: As its regimen says; UNREADABLE too where the route is needed and missing.
        why: Of the answer, if it rests on this drug and is undecided.
        sentence: What was found, without a full stop.
        review: Whether a clinician decides if it belongs to the class.
    """

    label: str
    state: State
    why: Why
    sentence: str
    evidence: tuple[Evidence, ...]
    review: bool
    regimen: Regimen


@dataclass(frozen=True, slots=True)
class Findings:
    """What one class, or all classes together, hold.

    Attributes:
        named: The class or classes, for a sentence.
        current: The current drugs.
        unidentified: Drugs in use that may be of the class.
        pulses: Parenteral doses inside the window.
        past: Courses that are not current.
        surely_ended: Whether nothing known may still be taken.
    """

    named: str
    current: tuple[Current, ...]
    unidentified: tuple[Unidentified, ...]
    pulses: tuple[Course, ...]
    past: tuple[Course, ...]
    surely_ended: bool

    @staticmethod
    def together(found: Sequence[Findings]) -> Findings:
        return Findings(
            ", ".join(one.named for one in found),
            tuple(drug for one in found for drug in one.current),
            tuple({id(drug): drug for one in found for drug in one.unidentified}.values()),
            tuple(course for one in found for course in one.pulses),
            tuple(course for one in found for course in one.past),
            all(one.surely_ended for one in found),
        )

    @property
    def stable(self) -> tuple[Current, ...]:
        return tuple(drug for drug in self.current if drug.state is State.STABLE and not drug.review)

    @property
    def changed(self) -> tuple[Current, ...]:
        return tuple(drug for drug in self.current if drug.state is State.CHANGED and not drug.review)

    @property
    def asked(self) -> tuple[Current, ...]:
        """Those that need a clinician. A drug of doubtful class that is stable beside one that qualifies asks nothing."""
        asking = (State.JUDGEMENT, State.CONFLICT)
        doubtful = [drug for drug in self.current if drug.review and (drug.state is not State.STABLE or not self.stable)]
        return (*(drug for drug in self.current if drug.state in asking and not drug.review), *doubtful)

    @property
    def unclear(self) -> tuple[Current, ...]:
        return tuple(drug for drug in self.current if drug.state is State.UNREADABLE and not drug.review)


def find_background(case: Case, wanted: BackgroundClass) -> Findings:
    """The current drugs of a class on the day of screening."""
    window = Window(case.first_dose if wanted.before == "first-dose" else case.as_of, wanted.days, case.as_of)
    courses = [course for course in case.facts.medications.of(wanted.drug_class) if course.ingredient.counts_as_class != "no"]
    regimens = [(timeline, timeline.regimen(window), routeless) for timeline, routeless in _timelines(case, wanted, courses)]
    in_use = {id(course) for _, regimen, _ in regimens for course in regimen.courses}
    recent = add_days(case.as_of, -DOUBTFUL_DAYS)
    return Findings(
        wanted.named,
        tuple(_current(wanted, regimen, routeless) for _, regimen, routeless in regimens if regimen.state is not State.ABSENT),
        tuple(
            drug
            for drug in case.facts.medications.unidentified
            if drug.could_be_of((wanted.drug_class,)) and may_run_on(drug.use, case.as_of, recent)
        ),
        tuple(course for course in courses if wanted.pulses and _is_pulse(course, window)),
        tuple(course for course in courses if id(course) not in in_use and course.known_on(case.as_of)),
        all(timeline.surely_ended(case.as_of) for timeline, _, _ in regimens),
    )


def _timelines(case: Case, wanted: BackgroundClass, courses: Sequence[Course]) -> list[tuple[Timeline, bool]]:
    """One for the class in equivalents, else one for each moiety; and one for each moiety whose route is not known."""
    routed = {course.ingredient.moiety for course in courses if course.counts}
    guided = frozenset(wanted.by_weight_in_children) if _is_child(case) else frozenset()
    groups: dict[tuple[str, bool], list[Course]] = defaultdict(list)
    for course in courses:
        if course.counts is False:
            continue
        # A record without a route beside one of the same drug that has it speaks of the same treatment (DATA-36).
        routeless = course.counts is None and course.ingredient.moiety not in routed
        together = wanted.in_equivalents and not routeless and not course.review
        groups["" if together else course.ingredient.moiety, routeless].append(course)
    return [
        (Timeline(group, in_equivalents=wanted.in_equivalents, weight_guided=guided), routeless)
        for (_, routeless), group in groups.items()
    ]


def _is_child(case: Case) -> bool:
    birth = case.facts.record.patient.birth
    return birth is not None and age_in_years(birth.last, case.as_of) < _ADULT


def _is_pulse(course: Course, window: Window) -> bool:
    """A parenteral dose strictly inside the window, ordered, handed out or given."""
    if course.counts is not False or course.route not in _PARENTERAL or course.start is None or not course.known_on(window.as_of):
        return False
    if course.standing not in (Standing.OPEN, Standing.ENDED):
        return False
    first, last = add_days(window.edge, 1), min(window.last, window.as_of)
    if course.start.within(first, last) is not Truth.FALSE:
        return True
    return course.end is not None and course.start.first <= last and course.end.last >= first


def _current(wanted: BackgroundClass, regimen: Regimen, routeless: bool) -> Current:
    state = State.UNREADABLE if routeless else regimen.state
    because = "route" if routeless else regimen.because
    label = ", ".join(dict.fromkeys(course.label for course in regimen.courses))
    total: DailyDose | None = regimen.equivalent if wanted.in_equivalents else None
    if regimen.level and total is None:
        total = next(iter(regimen.level.values()))
    unit = "mg/d prednisone equivalent" if wanted.in_equivalents else "mg/d"
    role = Role.SHOWN if regimen.review else _ROLES[state]
    evidence = tuple(show_course(course, role, total, unit, wanted.limit) for course in regimen.courses)
    sentence = _sentence(label, regimen, because, wanted.limit)
    return Current(label, state, _why(state, because), sentence, evidence, regimen.review, regimen)


def _why(state: State, because: Because | Unreadable | str | None) -> Why:
    match state:
        case State.CONFLICT:
            return Why.CONFLICTING
        case State.UNREADABLE if because is Unreadable.CONFLICT:
            return Why.CONFLICTING
        case State.UNREADABLE if because in _FROM_WORDS:
            return Why.UNSTRUCTURED
        case State.UNREADABLE:
            return Why.UNUSABLE
        case _:
            return Why.JUDGEMENT


def _sentence(label: str, regimen: Regimen, because: Because | Unreadable | str | None, limit: str) -> str:
    readable = [(moiety, dose) for moiety, dose in (regimen.level or {}).items() if not isinstance(dose, Unreadable)]
    dose = f" at {'; '.join(f'{moiety} {dose_in_words(amount)}' for moiety, amount in readable)}" if readable else ""
    # Registry copies of the trial had a steroid ceiling: the equivalent is always shown (criteria.md, "Version drift").
    if regimen.equivalent is not None and not isinstance(regimen.equivalent, Unreadable):
        dose += f" (prednisone equivalent {dose_in_words(regimen.equivalent)})"
    doubtful_class = ", a drug that the text does not name" if regimen.review else ""
    what = f"{label}{doubtful_class}{dose}"
    if because is None:
        return f"{what} has kept {limit}"
    day = regimen.change.day if regimen.change else None
    match because:
        case Because.STARTED:
            return f"{what} was started on {day}, inside the window ({limit} is asked)"
        case Because.DOSE | Because.LEVEL_GUIDED | Because.WEIGHT_GUIDED:
            more = "" if because is Because.DOSE else f"; {because}"
            return f"the dose of {what} changed on {day}, inside the window ({limit} is asked){more}"
        case Because.STOPS:
            return f"{what} stops {f'on {day}' if day else 'before the first dose'} ({limit} is asked)"
        case Because.GAP | Because.SWITCHED:
            return f"{what}: {because} until or on {day}, inside the window"
        case "route":
            return f"{label}: neither route nor form is recorded"
        case _:
            return f"{what}: {because}"
