"""How much of a drug, or of a class in prednisone equivalents, is taken on a day; and whether two days are alike.

Orders of the same product and dose that overlap are a renewal, of different strengths a sum (readings on C6). A report beside
an order is no second drug: it agrees with the order or contradicts it.

Source: clinical/criteria.md C6 "dose"; clinical/scores.md section 4; R42.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction

from fhir_trial.facts.doses import DailyDose, Dose, Unreadable, total
from fhir_trial.facts.pieces import Piece
from fhir_trial.logic import Truth
from fhir_trial.records.model import MedicationKind
from fhir_trial.terminology import Ingredient, Strength

#: Moiety -> its daily dose in mg on one day.
Level = Mapping[str, DailyDose]

_PREDNISONE_MG = 5


def level_on(pieces: Iterable[Piece], day: date) -> Level:
    """The daily dose of each moiety that is taken on a day."""
    running: dict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        if piece.covers(day):
            running[piece.course.ingredient.moiety].append(piece)
    return {moiety: _dose(of_it) for moiety, of_it in running.items()}


def _dose(pieces: Sequence[Piece]) -> DailyDose:
    """Orders speak first, then reports, then supplies; an order that says nothing readable leaves the word to a report."""
    if len(pieces) == 1:  # nearly always
        return pieces[0].dose
    said = [
        _ordered([piece for piece in pieces if piece.course.kind is kind])
        for kind in (MedicationKind.REQUEST, MedicationKind.STATEMENT, MedicationKind.DISPENSE)
        if any(piece.course.kind is kind for piece in pieces)
    ]
    readable = [dose for dose in said if isinstance(dose, Dose)]
    if not readable:
        return said[0]
    return readable[0] if all(dose == readable[0] for dose in readable) else Unreadable.CONFLICT


def _ordered(pieces: Sequence[Piece]) -> DailyDose:
    """The sum over strengths; the same product at the same dose counts once."""
    by_order: dict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_order[piece.course.use.origin.reference].append(piece)
    by_strength: dict[Strength | None, list[DailyDose]] = defaultdict(list)
    for parts_of_it in by_order.values():
        dose = total([piece.dose for piece in parts_of_it])
        doses = by_strength[parts_of_it[0].course.drug.strength]
        if dose not in doses:
            doses.append(dose)
    known = {strength: doses for strength, doses in by_strength.items() if strength is not None}
    unlabelled = by_strength.get(None, [])
    parts = [dose for doses in known.values() for dose in doses]
    if parts and unlabelled:
        # An order that names no strength may be the renewal of one that does.
        unlabelled = [dose for dose in unlabelled if dose not in parts and dose != total(parts)]
    return total([*parts, *unlabelled])


def equivalent(level: Level, ingredients: Mapping[str, Ingredient]) -> DailyDose:
    """Milligrams of prednisone a day: dose x 5 / mg equal to 5 mg of prednisone, exactly; a range stays a range (R42)."""
    parts: list[DailyDose] = []
    for moiety, dose in level.items():
        equal = ingredients[moiety].prednisone_mg
        if isinstance(dose, Unreadable):
            parts.append(dose)
        elif equal is None:
            parts.append(Unreadable.EQUIVALENT)
        else:
            parts.append(dose.times(Fraction(_PREDNISONE_MG) / equal[1], Fraction(_PREDNISONE_MG) / equal[0]))
    return total(parts)


def unreadable(level: Level, ingredients: Mapping[str, Ingredient], *, in_equivalents: bool) -> Unreadable | None:
    """Why one cannot tell how much is taken; None if one can. A dose given as a range is not one dose."""
    for moiety, dose in level.items():
        if isinstance(dose, Unreadable):
            return dose
        if not dose.single:
            return Unreadable.RANGE
        if in_equivalents and ingredients[moiety].prednisone_mg is None:
            return Unreadable.EQUIVALENT
    return None


def alike(before: Level, after: Level, ingredients: Mapping[str, Ingredient], *, in_equivalents: bool) -> Truth:
    """Whether two days have the same daily dose; in equivalents, whichever molecules make it up."""
    if not in_equivalents or not before or not after:
        if before.keys() != after.keys():
            return Truth.FALSE  # a drug began or stopped, whether its dose can be read or not
    elif any(isinstance(after[moiety], Unreadable) for moiety in after.keys() - before.keys()):
        return Truth.FALSE  # likewise
    readable = all(unreadable(level, ingredients, in_equivalents=in_equivalents) is None for level in (before, after))
    if readable and before == after:
        return Truth.TRUE
    one, other = (equivalent(level, ingredients) if in_equivalents else total(list(level.values())) for level in (before, after))
    if isinstance(one, Unreadable) or isinstance(other, Unreadable):
        return Truth.UNKNOWN
    if one.high < other.low or other.high < one.low:
        return Truth.FALSE  # 5 to 10 mg and then 15 to 20 mg is a change, though neither is one dose
    return Truth.TRUE if readable and one.single and other.single else Truth.UNKNOWN
