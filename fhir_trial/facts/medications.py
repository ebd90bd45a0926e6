"""What a patient takes and took: one history from all four medication resources.

A drug that cannot be told could be any drug: an unresolved reference, an uncoded or nameless one, one with a modifierExtension
that we do not know (DATA-33, R38). A coded drug with a readable name that is none of ours is another drug, and no concern of
the classes: "amoxicillin 250 MG Oral Capsule" is not a steroid whose code we lack.

Source: DATA-30 to DATA-39; clinical/README.md "From a medication code to an ingredient".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from fhir_trial.facts.courses import Course, Standing, course_of, standing
from fhir_trial.records.model import AbsenceStatement, Medication, MedicationUse, PatientRecord
from fhir_trial.terminology import Concept, DrugMatch, Terminology
from fhir_trial.terminology.systems import ATC, NDC, RXNORM, SNOMED
from fhir_trial.times import Span

_NO_NAME = re.compile(r"unknown|not (specified|available|known|recorded)|unspecified|未知|不详", re.IGNORECASE)
_DRUG_SYSTEMS = frozenset({RXNORM, SNOMED, NDC})
_LATIN = re.compile(r"[a-zà-ž]{3}", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]{3}|[\u4e00-\u9fff]{2}")


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A drug in the record that cannot be told.

    Attributes:
        use: As recorded.
        could_be: What it was recognised as, when only its modifierExtension is not understood; None: it could be anything.
    """

    use: MedicationUse
    could_be: DrugMatch | None = None

    @property
    def label(self) -> str:
        return next(self.use.medication.code.texts(), "a drug without a name")

    def could_be_of(self, drug_classes: Iterable[str]) -> bool:
        """Whether it may be one of these classes."""
        return self.could_be is None or any(one.drug_class in set(drug_classes) for one in self.could_be.ingredients)


@dataclass(frozen=True, slots=True)
class Given:
    """That a drug was in use on some day of a range.

    Attributes:
        course: The order, report, supply or administration that says so.
        day: The last day of use within the range; inexact if the record is.
        certain: False when only the precision of a date leaves it open.
    """

    course: Course
    day: Span
    certain: bool


class MedicationHistory:
    """Every course of every recognised drug, whatever its date; those who ask choose their day.

    Attributes:
        courses: Recognised drugs, by start.
        unidentified: Drugs that cannot be told.
        others: Records of drugs that are none of ours.
        absences: Statements that no medication is taken.
    """

    def __init__(
        self,
        courses: Sequence[Course] = (),
        unidentified: Sequence[Unidentified] = (),
        others: Sequence[MedicationUse] = (),
        absences: Sequence[AbsenceStatement] = (),
    ) -> None:
        self.courses = tuple(courses)
        self.unidentified = tuple(unidentified)
        self.others = tuple(others)
        self.absences = tuple(absences)
        self._by_name: dict[str, list[Course]] = defaultdict(list)
        for course in self.courses:
            for name in dict.fromkeys((course.ingredient.drug_class, course.ingredient.name, course.ingredient.moiety)):
                self._by_name[name].append(course)

    def of(self, name: str) -> tuple[Course, ...]:
        """The courses of a drug class, an ingredient or a moiety, by start; drugs on hold or not taken included."""
        return tuple(self._by_name.get(name, ()))

    def given(self, name: str, first: date, last: date) -> tuple[Given, ...]:
        """Courses of a class or an ingredient in use on some day of [first, last], oldest first, by whatever route.

        An order without an end counts to ``last`` when it is active, for its first day when it has ended. Nothing dated after
        ``last`` is looked at.
        """
        asked = (_given(course, first, last) for course in self.of(name) if course.known_on(last))
        found = [one for one in asked if one is not None]
        return tuple(sorted(found, key=lambda one: (one.day.last, one.course.use.origin.reference)))

    def last_given(self, names: Iterable[str], as_of: date) -> Given | None:
        """The latest use of any of the ingredients or classes up to ``as_of``."""
        found = [one for name in names for one in self.given(name, date.min, as_of)]
        return max(found, key=lambda one: one.day.last, default=None)

    def states_absence(self, as_of: date) -> AbsenceStatement | None:
        """A statement of ``as_of`` or before that no medication is taken (R12, DATA-38)."""
        return next((one for one in self.absences if one.dated is None or one.dated.first <= as_of), None)


def read_history(record: PatientRecord, terminology: Terminology) -> MedicationHistory:
    """Every medication record, sorted into recognised, unidentifiable and other drugs."""
    recognised: list[tuple[MedicationUse, DrugMatch]] = []
    unidentified: list[Unidentified] = []
    others: list[MedicationUse] = []
    absences = [one for one in record.absences if _is_of_medications(one, terminology)]
    for use in record.medications:
        if standing(use) is Standing.VOID or _says_nothing(use.medication.code, terminology):
            continue
        if _states_absence(use.medication.code, terminology):
            absences.append(AbsenceStatement(use.origin, "medication", use.authored or use.start, use.medication.code))
            continue
        drug = identify(use.medication, terminology) if use.medication.resolved else None
        if use.unusable is not None and (drug is not None or not _is_another_drug(use.medication)):
            unidentified.append(Unidentified(use, drug))
        elif drug is not None:
            recognised.append((use, drug))
        elif use.medication.resolved and _is_another_drug(use.medication):
            others.append(use)
        else:
            unidentified.append(Unidentified(use))
    courses = [course for uses, drug in _orders(recognised) for course in _courses(uses, drug, terminology)]
    courses.sort(key=lambda course: (course.start.first if course.start else date.min, course.use.origin.reference))
    return MedicationHistory(courses, unidentified, others, absences)


def identify(medication: Medication, terminology: Terminology) -> DrugMatch | None:
    """The ingredients of a medication by its code, else by those of its Medication.ingredient; None: not recognised."""
    drug = terminology.drug(medication.code)
    if drug is None:
        found = [match for concept in medication.ingredients if (match := terminology.drug(concept)) is not None]
        if not found:
            return None
        drug = replace(found[0], ingredients=tuple(dict.fromkeys(one for match in found for one in match.ingredients)))
    if drug.route is not None or medication.form is None:
        return drug
    routes = (terminology.drugs.route_of_form(text) for text in medication.form.texts())
    form = next(iter(medication.form.texts()), None)
    return replace(drug, form=drug.form or form, route=next((route for route in routes if route is not None), None))


def _courses(uses: Sequence[MedicationUse], drug: DrugMatch, terminology: Terminology) -> list[Course]:
    return [course_of(ingredient, drug, uses, terminology) for ingredient in drug.ingredients]


def _orders(recognised: Sequence[tuple[MedicationUse, DrugMatch]]) -> list[tuple[list[MedicationUse], DrugMatch]]:
    """Records of the same order together: linked by reference or identifier, and of the same product (DATA-36).

    A prescription number may cover several drugs and strengths: those stay apart.
    """
    groups: dict[int, list[int]] = {index: [index] for index in range(len(recognised))}
    belongs = list(range(len(recognised)))
    by_name: dict[str, int] = {}
    for index, (use, _) in enumerate(recognised):
        by_name[use.origin.reference] = index
    by_identifier: dict[tuple[str, object], int] = {}
    for index, (use, drug) in enumerate(recognised):
        product = (tuple(one.name for one in drug.ingredients), drug.strength)
        links = [by_name[name] for name in use.based_on if name in by_name]
        links += [by_identifier.setdefault((identifier, product), index) for identifier in sorted(use.identifiers)]
        for link in links:
            _join(groups, belongs, link, index, recognised)
    return [([recognised[index][0] for index in group], recognised[group[0]][1]) for group in groups.values()]


def _join(
    groups: dict[int, list[int]], belongs: list[int], one: int, other: int, recognised: Sequence[tuple[MedicationUse, DrugMatch]]
) -> None:
    first, second = sorted((belongs[one], belongs[other]))
    same = {ingredient.moiety for ingredient in recognised[one][1].ingredients} & {
        ingredient.moiety for ingredient in recognised[other][1].ingredients
    }
    if first == second or not same:
        return
    for index in groups[second]:
        belongs[index] = first
    groups[first] += groups.pop(second)


def _given(course: Course, first: date, last: date) -> Given | None:
    if course.standing in (Standing.HELD, Standing.NOT_TAKEN) or course.start is None or course.start.first > last:
        return None
    end = course.end or (Span.of(last) if course.standing is Standing.OPEN else course.start)
    if end.last < first:
        return None
    certain = course.standing is not Standing.UNCLEAR and end.first >= first and course.start.last <= last
    return Given(course, end.until(last) or Span.of(last), certain)


def _is_of_medications(absence: AbsenceStatement, terminology: Terminology) -> bool:
    """Whether an empty list or section is one of medications: by its words, else by its code alone."""
    if absence.about is not None:
        return absence.about == "medication"
    return terminology.value_set("medication_lists").find(absence.code) is not None


def _states_absence(code: Concept, terminology: Terminology) -> bool:
    """Only "no known medications" states an absence; "no information" does not (DATA-38)."""
    stated = terminology.value_set("no_known_medications")
    return stated.find(code) is not None or stated.find_text(code) is not None


def _says_nothing(code: Concept, terminology: Terminology) -> bool:
    return terminology.value_set("no_medication_information").find(code) is not None


def _is_another_drug(medication: Medication) -> bool:
    """Coded, with a name that one can read, and none of ours: amoxicillin. An ATC code names its ingredient by itself.

    Under a hospital's own code only a name in Latin letters is one that we can read: 强松片 is prednisone by a name in no table.
    """
    systems = {coding.system for coding in medication.code.codings if coding.code}
    if ATC in systems:
        return True
    readable = _LETTERS if systems & _DRUG_SYSTEMS else _LATIN
    return bool(systems) and any(readable.search(text) and not _NO_NAME.search(text) for text in medication.code.texts())
