"""Diagnoses, coded reasons of encounters and procedures of one value set, with how far each can be relied on.

Rules: DATA-22, DATA-50 to DATA-56, R19. Nothing here looks at the calendar: who asks, chooses the day. What was entered in
error, and procedures that were not done, are left out when the record is read.
Source: FHIR R4 Condition (clinicalStatus, verificationStatus, category), Encounter.reasonCode, Procedure.status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from fhir_trial.records.model import Condition, Origin, PatientRecord, Procedure, Report
from fhir_trial.terminology.concepts import Concept
from fhir_trial.terminology.value_sets import Member, ValueSet
from fhir_trial.times import Span

#: DATA-51. A status that is absent says neither.
_ACTIVE: Final = frozenset({"active", "recurrence", "relapse"})
_OVER: Final = frozenset({"inactive", "remission", "resolved"})

#: DATA-50: never a diagnosis by itself.
_UNCONFIRMED: Final = frozenset({"unconfirmed", "provisional", "differential"})

_CLAIM: Final = "encounter-diagnosis"
_KEPT_LISTS: Final = frozenset({"problem-list-item", "health-concern"})

_DONE: Final = frozenset({"completed", "in-progress"})
_FINAL_REPORT: Final = frozenset({"final", "amended", "corrected", "appended"})


@dataclass(frozen=True, slots=True)
class ConditionFact:
    """One record that says the patient has, had, or has not, a condition of the value set.

    Attributes:
        origin: The resource and its version.
        role: The value set row's own word: yes, no, review, blocks, context, flag, hint ...
        display: The row's name, or the record's own words.
        when: Onset, else the date recorded; of a procedure, when performed. None if neither is readable.
        active: Whether it is said to be going on (DATA-51); None if nothing is said.
        counts: "yes"; "weak", a claim code alone (R19, see `sure_of`); "unconfirmed" (unconfirmed, provisional, differential, or
            a procedure that may not be finished); "unstructured", recognised by its words only; "refuted"; "unusable", an
            unknown modifier (DATA-22).
        source: Condition, Encounter, Procedure or DiagnosticReport.
        clinical: clinicalStatus as recorded.
        specialty: Words of the recording service.
        ended: The date of abatement, if recorded.
        code: The code that matched, None where words did.
        verified: Whether a verificationStatus "confirmed" stands there; its absence counts too and is noted (DATA-50).
    """

    origin: Origin
    role: str
    display: str
    when: Span | None
    active: bool | None
    counts: str
    source: str
    clinical: str | None = None
    specialty: str | None = None
    ended: Span | None = None
    code: str | None = None
    verified: bool = False

    @property
    def resolved(self) -> bool:
        """Whether it is said to be over for good: "inactive" and "remission" alone say less than that."""
        return self.clinical == "resolved" or (self.ended is not None and self.clinical not in _ACTIVE)

    def on_file(self, as_of: date) -> bool:
        """Whether it is not dated after ``as_of`` (R44); a record without a date is on file."""
        return self.when is None or self.when.first <= as_of


def find_conditions(record: PatientRecord, value_set: ValueSet) -> tuple[ConditionFact, ...]:
    """What the record says of the value set, oldest first and undated before all; refuted and unusable records too, marked so.

    Rows of role "no" are found like all others: look at ``role``.
    """
    facts = [*_of_conditions(record.conditions, value_set), *_of_procedures(record.procedures, value_set)]
    return tuple(sorted(facts, key=_age))


def find_conclusions(record: PatientRecord, value_set: ValueSet) -> tuple[ConditionFact, ...]:
    """Coded conclusions of final reports, as of a biopsy: evidence as weak as one claim, since nobody put it on a list."""
    facts = [
        ConditionFact(
            report.origin, member.role, _name(member, conclusion), report.effective, None, "weak", "DiagnosticReport",
            code=member.code,
        )
        for report in record.reports
        if report.unusable is None and _is_final(report)
        for conclusion in report.conclusions
        if (member := value_set.find(conclusion)) is not None
    ]  # fmt: skip
    return tuple(sorted(facts, key=_age))


def sure_of(facts: Iterable[ConditionFact], trusted_specialties: tuple[str, ...] = ()) -> tuple[ConditionFact, ...]:
    """Those that establish the diagnosis (C2, R19).

    A problem-list entry does alone, and so does a claim from a trusted service; other claims only when two lie on different days.
    """
    known = tuple(facts)
    strong = [fact for fact in known if fact.counts == "yes" or (fact.counts == "weak" and _trusted(fact, trusted_specialties))]
    claims = [fact for fact in known if fact.counts == "weak" and fact not in strong]
    if _on_two_days(claims):
        strong.extend(claims)
    return tuple(sorted(strong, key=_age))


def _of_conditions(conditions: Iterable[Condition], value_set: ValueSet) -> Iterator[ConditionFact]:
    for condition in conditions:
        member = value_set.member(condition.code)
        if member is None:
            continue
        yield ConditionFact(
            origin=condition.origin,
            role=member.role,
            display=_name(member, condition.code),
            when=condition.onset or condition.recorded,
            active=_is_active(condition),
            counts=_reliability(condition, member),
            source="Encounter" if condition.from_encounter else "Condition",
            clinical=condition.clinical,
            specialty=condition.specialty,
            ended=condition.abatement,
            code=None if member.text else member.code,
            verified=condition.verification == "confirmed",
        )


def _of_procedures(procedures: Iterable[Procedure], value_set: ValueSet) -> Iterator[ConditionFact]:
    for procedure in procedures:
        member = value_set.member(procedure.code)
        if member is None:
            continue
        yield ConditionFact(
            origin=procedure.origin,
            role=member.role,
            display=_name(member, procedure.code),
            when=procedure.performed,
            active=None,
            counts=_how_sure(procedure, member),
            source="Procedure",
            code=None if member.text else member.code,
        )


def _reliability(condition: Condition, member: Member) -> str:
    if condition.unusable is not None:
        return "unusable"
    if condition.verification == "refuted":
        return "refuted"
    if condition.verification in _UNCONFIRMED:
        return "unconfirmed"
    if member.text:
        return "unstructured"
    claim = condition.from_encounter or (_CLAIM in condition.categories and not condition.categories & _KEPT_LISTS)
    return "weak" if claim else "yes"


def _how_sure(procedure: Procedure, member: Member) -> str:
    if procedure.unusable is not None:
        return "unusable"
    if procedure.status not in _DONE:
        return "unconfirmed"
    return "unstructured" if member.text else "yes"


def _is_active(condition: Condition) -> bool | None:
    if condition.clinical in _ACTIVE:
        return True
    if condition.clinical in _OVER or condition.ended:
        return False
    return None


def _is_final(report: Report) -> bool:
    return report.status in _FINAL_REPORT and report.kind == "DiagnosticReport"


def _trusted(fact: ConditionFact, specialties: tuple[str, ...]) -> bool:
    service = (fact.specialty or "").casefold()
    return any(word.casefold() in service for word in specialties)


def _on_two_days(claims: list[ConditionFact]) -> bool:
    """Whether two of them surely lie on different days: one ends before another begins."""
    spans = [fact.when for fact in claims if fact.when is not None]
    return bool(spans) and min(span.last for span in spans) < max(span.first for span in spans)


def _age(fact: ConditionFact) -> tuple[date, str]:
    return fact.when.last if fact.when else date.min, fact.origin.reference


def _name(member: Member, concept: Concept) -> str:
    return member.display or next(concept.texts(), member.code)
