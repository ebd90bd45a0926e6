"""Patients told in a few lines of FHIR, for tests of facts, scores and criteria. All synthetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, timedelta
from functools import lru_cache
from typing import Any

from fhir_trial.criteria.answers import Answer
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.kind import Kind
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.records.model import LoadState
from fhir_trial.records.reading import read_record
from fhir_trial.screening.ports import RawPatient
from fhir_trial.terminology.loading import load_terminology
from fhir_trial.terminology.terminology import Terminology

Json = dict[str, Any]

TODAY = date(2026, 3, 2)
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"


@lru_cache(maxsize=1)
def shipped() -> Terminology:
    """The tables of this checkout, read once."""
    return load_terminology()


def ago(days: int) -> str:
    """The FHIR date that many days before TODAY."""
    return (TODAY - timedelta(days=days)).isoformat()


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "id": "p1", "birthDate": "1990-05-20", "gender": "female"} | more


def case_of(*resources: Json, who: Json | None = None, on: date = TODAY, states: dict[str, LoadState] | None = None) -> Case:
    """A patient with these resources, each given an id where it has none."""
    numbered = [{"id": f"r{number}"} | one | {"subject": {"reference": "Patient/p1"}} for number, one in enumerate(resources, 1)]
    raw = RawPatient(
        "Patient/p1", [who or patient()], numbered, {f"{r['resourceType']}/{r['id']}": r for r in numbered}, states=states or {}
    )
    return Case(FactSheet(read_record(raw, UTC), shipped(), UTC), on, None, _nobody, lambda _case, _criterion: ())


def _nobody(case: Case, criterion: str) -> Answer:
    raise AssertionError(f"No other criterion is asked here, least of all {criterion}.")


def lab(code: str, value: object, unit: str | None, days: int | str, /, **more: Any) -> Json:
    """An Observation with a LOINC code; the value is a number with a unit, or value[x] given as a dict."""
    told = value if isinstance(value, dict) else {"valueQuantity": _quantity(value, unit)}
    when = days if isinstance(days, str) else ago(days)
    coded = {"coding": [{"system": LOINC, "code": code}]}
    return {"resourceType": "Observation", "status": "final", "code": coded, "effectiveDateTime": when, **told} | more


def _quantity(value: object, unit: str | None) -> Json:
    quantity: Json = {"value": value}
    return quantity | ({"unit": unit, "system": UCUM, "code": unit} if unit else {})


def named(text: str, value: Json, days: int | str, /, **more: Any) -> Json:
    """An Observation known by its words alone."""
    when = days if isinstance(days, str) else ago(days)
    return {"resourceType": "Observation", "status": "final", "code": {"text": text}, "effectiveDateTime": when, **value} | more


def condition(code: str, system: str = ICD10CM, /, **more: Any) -> Json:
    """A problem-list entry, active and confirmed, of 2020."""
    return {
        "resourceType": "Condition",
        "code": {"coding": [{"system": system, "code": code}]},
        "category": [{"coding": [{"code": "problem-list-item"}]}],
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "onsetDateTime": "2020-01-10",
    } | more


def claim(code: str, day: str, **more: Any) -> Json:
    """An encounter diagnosis."""
    return condition(code, category=[{"coding": [{"code": "encounter-diagnosis"}]}], onsetDateTime=day) | more


def verified(word: str) -> Json:
    return {"verificationStatus": {"coding": [{"code": word}]}}


def clinical(word: str) -> Json:
    return {"clinicalStatus": {"coding": [{"code": word}]}}


def report(text: str, days: int | str = 5, **more: Any) -> Json:
    """A final report with a conclusion."""
    when = days if isinstance(days, str) else ago(days)
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "Clinic letter"},
        "effectiveDateTime": when,
        "conclusion": text,
    } | more


def form(
    items: Iterable[tuple[str, Json]],
    days: int = 5,
    questionnaire: str = "http://example.org/Questionnaire/sledai-2k",
    **more: Any,
) -> Json:
    """A completed QuestionnaireResponse."""
    answered = [{"linkId": str(n), "text": text, "answer": [value]} for n, (text, value) in enumerate(items, 1)]
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": questionnaire,
        "authored": ago(days),
        "item": answered,
    } | more


def briefly(answer: Answer) -> str:
    """ "needs-clinician stale"."""
    return str(answer.outcome) if answer.why is None else f"{answer.outcome} {answer.why}"


def check_turning_points(kind: Kind, case: Case, days: int, is_same: Callable[[Answer, Answer], bool] | None = None) -> None:
    """Day by day over ``days``: wherever the outcome changes, the day before had named the day (VER-16)."""
    same = is_same or (lambda one, other: one.outcome is other.outcome)
    before = kind.answer(case)
    named_ahead = set(kind.turning_points(case))
    for step in range(1, days + 1):
        later = case.on(case.as_of + timedelta(days=step))
        answer = kind.answer(later)
        if not same(before, answer):
            assert later.as_of in named_ahead, f"The outcome changes on {later.as_of} from {before.outcome} to {answer.outcome}."
        before = answer
