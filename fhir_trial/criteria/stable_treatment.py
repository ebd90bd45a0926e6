"""Background treatment at a stable dose.

Met when at least one current drug of the classes has kept one dose through its class's window and no other current drug of them
changed inside its own. Rules: clinical/criteria.md C6; R11 to R14, R38, R41, R42 and the readings on C6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from fhir_trial.criteria.answers import Answer, Evidence, Role, Sentence, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.background import BackgroundClass, Current, Findings, find_background
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.medication_evidence import (
    MEDICATION_TYPES,
    days_of_record,
    days_of_use,
    fetched_whole,
    not_loaded,
    show_absence,
    show_course,
    show_unidentified,
)
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.facts.timelines import DOUBTFUL_DAYS
from fhir_trial.times import add_days, birthday

_ADULT = 18


@dataclass(frozen=True, slots=True)
class StableTreatment:
    """A current drug of the classes at a stable dose.

    As protocols put it: "Currently receiving one or more of the following treatments at a stable dose: oral corticosteroids at a
    stable dose for >= 7 days prior to initiation ...".

    Attributes:
        classes: Each a part of the answer.
    """

    classes: tuple[BackgroundClass, ...]

    def __post_init__(self) -> None:
        if not self.classes:
            raise ValueError("Name at least one class.")

    def needs(self) -> Needs:
        classes = tuple(one.drug_class for one in self.classes)
        return Needs.of(*(Need(name, drug_classes=classes) for name in MEDICATION_TYPES))

    def answer(self, case: Case) -> Answer:
        """Part by part, and then together: one class may qualify and another speak against it."""
        found = [find_background(case, one) for one in self.classes]
        parts = tuple((one.part, _judge(case, findings)) for one, findings in zip(self.classes, found, strict=True))
        return replace(_judge(case, Findings.together(found)), parts=parts)

    def turning_points(self, case: Case) -> Iterable[date]:
        """A day that a record names may matter on itself, when it leaves a window, and when a supply becomes doubtful."""
        later = {0, 1, 2, DOUBTFUL_DAYS, DOUBTFUL_DAYS + 1, DOUBTFUL_DAYS + 2}
        later |= {one.days + more for one in self.classes for more in (-1, 0, 1, 2)}
        for day in set(self._days(case)):
            yield from (turn for days in later if (turn := add_days(day, days)) > case.as_of)

    def _days(self, case: Case) -> Iterator[date]:
        history = case.facts.medications
        for one in self.classes:
            yield from days_of_record(history.of(one.drug_class), case.as_of)
        for drug in history.unidentified:
            yield from days_of_use(drug.use, case.as_of)
        yield from (absence.dated.first for absence in history.absences if absence.dated)
        birth = case.facts.record.patient.birth
        if birth is not None:
            yield birthday(birth.last, _ADULT)
        yield case.first_dose
        # A partial start is cut at the day of screening, which enters the window of a planned first dose.
        yield from (add_days(case.first_dose, -one.days) for one in self.classes)

    def in_words(self) -> str:
        return f"currently on at least one of: {'; '.join(f'{one.named} at {one.limit}' for one in self.classes)}"


def _listed(drugs: Sequence[Current]) -> str:
    return "; ".join(drug.sentence for drug in drugs)


def _names(found: Findings) -> str:
    return ", ".join(drug.label for drug in found.unidentified)


def _ask(drugs: Sequence[Current]) -> Sentence:
    return say("Ask for the dose of {drugs}, and since when it is the same.", drugs=[drug.label for drug in drugs])


def _evidence(found: Findings) -> tuple[Evidence, ...]:
    current = [item for drug in found.current for item in drug.evidence]
    return (*current, *(show_unidentified(drug) for drug in found.unidentified))


def _judge(case: Case, found: Findings) -> Answer:
    """The table of C6, for one class or for all."""
    answer = _with_a_drug(case, found) if found.current or found.unidentified else _without(case, found)
    shown = [show_course(course, Role.SHOWN) for course in found.pulses]
    return replace(answer, evidence=(*answer.evidence, *shown), facts=found)


def _with_a_drug(case: Case, found: Findings) -> Answer:
    stable, changed, asked, unclear = found.stable, found.changed, found.asked, found.unclear
    if stable and (changed or asked or unclear or found.unidentified or found.pulses):
        return _one_qualifies(found)
    missing = not_loaded(case)
    if stable:
        return _not_whole(found, missing) if missing else met(say("{drugs}.", drugs=_listed(stable)), _evidence(found))
    if asked:
        return needs_clinician(asked[0].why, say("{drugs}.", drugs=_listed(asked)), _evidence(found), next_step=_ask(asked))
    if unclear or found.unidentified:
        return _unclear(found)
    # R38: the only background drug changed inside its window.
    return _not_whole(found, missing) if missing else not_met(say("{drugs}.", drugs=_listed(changed)), _evidence(found))


def _one_qualifies(found: Findings) -> Answer:
    """One drug qualifies; another changed, or may have (C6, R13)."""
    others = [*found.changed, *found.asked, *found.unclear]
    against = [_listed(others)] if others else []
    why = Why.JUDGEMENT
    if not found.changed and others:
        why = others[0].why
    if found.unidentified:
        against.append(f"it is not known what {_names(found)} is")
        why = why if others else Why.UNUSABLE
    if found.pulses:
        against.append(f"{found.pulses[0].label} was given other than by mouth inside the window")
        why = Why.JUDGEMENT if not others or found.changed else why
    return needs_clinician(
        why,
        say("{stable}; but {against}.", stable=_listed(found.stable), against="; ".join(against)),
        _evidence(found),
        next_step=say("Decide whether the background treatment is stable."),
    )


def _unclear(found: Findings) -> Answer:
    if found.unclear:
        first = found.unclear[0]
        return unknown(first.why, say("{drugs}.", drugs=_listed(found.unclear)), _evidence(found), next_step=_ask(found.unclear))
    return unknown(
        Why.UNUSABLE,
        say("It is not known what {drugs} is; it may be {wanted}.", drugs=_names(found), wanted=found.named),
        _evidence(found),
        next_step=say("Look up which drug it is, and its dose."),
    )


def _without(case: Case, found: Findings) -> Answer:
    """No current drug: not-met only on stated absence, or when everything was loaded and every known drug has ended (R12)."""
    absence = case.facts.medications.states_absence(case.as_of)
    past = [show_course(course, Role.SHOWN) for course in found.past]
    if absence is not None:
        dated = absence.dated or "an unknown date"
        return not_met(say("No medication is taken, by a statement of {date}.", date=dated), (show_absence(absence), *past))
    whole = (case.facts.record.complete or fetched_whole(case)) and not not_loaded(case)
    if whole and found.surely_ended:
        return not_met(say("The record is loaded whole, and no current {wanted} is in it.", wanted=found.named), past)
    return unknown(
        case.absent(*MEDICATION_TYPES),
        say("No current {wanted} is on file.", wanted=found.named),
        past,
        next_step=say("Ask for the current medication and since when the dose is the same."),
    )


def _not_whole(found: Findings, missing: Sequence[str]) -> Answer:
    """What is known could be overturned by what was not loaded."""
    evidence = tuple(replace(item, role=Role.SHOWN) for item in _evidence(found))
    return unknown(
        Why.NOT_LOADED,
        say("{drugs}; but {types} could not be loaded whole.", drugs=_listed(found.current), types=tuple(missing)),
        evidence,
        next_step=say("Load {types} and screen again.", types=tuple(missing)),
    )
