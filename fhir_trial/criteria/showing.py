"""Facts laid out as evidence, and the guard of answers that data not loaded could overturn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from fhir_trial.criteria.answers import Answer, Evidence, Role, Why, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.facts.conditions import ConditionFact
from fhir_trial.facts.person import Person
from fhir_trial.facts.reports import Finding
from fhir_trial.facts.results import LabResult


def show_condition(fact: ConditionFact, role: Role) -> Evidence:
    """A condition with its clinical status."""
    state = f" ({fact.clinical})" if fact.clinical else ""
    return Evidence(fact.origin, role, fact.when, f"{fact.display}{state}")


def show_result(result: LabResult, role: Role) -> Evidence:
    """A result as recorded, with the word it says."""
    return Evidence(result.observation.origin, role, result.span, result.original, result.finding)


def show_finding(finding: Finding, role: Role) -> Evidence:
    """A report with its words."""
    words = f": {finding.words}" if finding.words else ""
    return Evidence(finding.origin, role, finding.span, f"{finding.title}{words}")


def show_sex(person: Person, role: Role) -> Evidence:
    """The sex as recorded."""
    return Evidence(person.origin, role, original=person.sex_recorded)


def show_birth(person: Person, role: Role) -> Evidence:
    """The birth date as recorded."""
    return Evidence(person.origin, role, original=person.birth.text if person.birth else None)


def still_active(fact: ConditionFact, as_of: date) -> bool:
    """Whether nothing dated up to ``as_of`` says that it is over: an end recorded for a later day is not evidence yet (R44)."""
    return fact.active is not False or (fact.ended is not None and fact.ended.first > as_of)


def not_resolved(fact: ConditionFact, as_of: date) -> bool:
    """Whether nothing dated up to ``as_of`` says that it is resolved, for the rules that go by "unless resolved"."""
    return not fact.resolved or (fact.ended is not None and fact.ended.first > as_of)


def dates_of(facts: Iterable[ConditionFact]) -> Iterable[date]:
    """Days on which a condition comes on file or ends."""
    for fact in facts:
        yield from (span.first for span in (fact.when, fact.ended) if span is not None)


def unless_overturned(case: Case, answer: Answer, *resource_types: str) -> Answer:
    """The answer, or not-loaded where a type was not loaded whole and may hold something newer; what is known stays shown."""
    missing = tuple(name for name in resource_types if not case.loaded(name))
    if not missing:
        return answer
    evidence = tuple(replace(item, role=Role.SHOWN) if item.role is Role.DECIDES else item for item in answer.evidence)
    return unknown(
        Why.NOT_LOADED,
        say("{known} But {types} could not be loaded whole, and may say otherwise.", known=answer.reason, types=missing),
        evidence,
        next_step=say("Load {types} completely and screen again.", types=missing),
    )
