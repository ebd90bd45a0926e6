"""The verdict as JSON: the shape that everyone outside relies on (VER-10 to VER-16). Its JSON Schema lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fhir_trial.criteria.answers import Answer, Evidence
from fhir_trial.quantities import write_number
from fhir_trial.records.model import Issue
from fhir_trial.times import Span
from fhir_trial.trials.adjudication import Adjudication
from fhir_trial.trials.evaluation import PartPath
from fhir_trial.trials.model import Criterion
from fhir_trial.verdict.model import Verdict
from fhir_trial.version import SOFTWARE

Ends = Mapping[PartPath, date | None]

NOTICE = "Computed from recorded data; not clinically reviewed. To be confirmed by the study team."


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """The object of VER-10, keys in its order."""
    return {
        "patient": verdict.patient,
        "trial": verdict.trial,
        "version": verdict.version,
        "as_of": verdict.as_of.isoformat(),
        "first_dose": verdict.first_dose.isoformat() if verdict.first_dose else None,
        "overall": verdict.overall.value,
        "criteria": [
            _criterion(criterion, answer, verdict.ends(criterion.id)) | _person(verdict.people.get(criterion.id))
            for criterion, answer in verdict.answers
        ],
        "blockers": list(verdict.blockers),
        "missing": list(verdict.missing),
        "not_evaluated": list(verdict.not_evaluated),
        "settings": dict(verdict.settings),
        "site": verdict.site,
        "data_cutoff": verdict.data_cutoff.isoformat() if verdict.data_cutoff else None,
        "software": SOFTWARE,
        "notice": NOTICE,
        "issues": [_issue(issue) for issue in verdict.issues],
    }


def _criterion(criterion: Criterion, answer: Answer, ends: Ends, path: PartPath = ()) -> dict[str, Any]:
    """A criterion, or the part of it that ``path`` leads to, in the same shape (VER-11)."""
    until = ends[path]
    return {
        "id": path[-1] if path else criterion.id,
        "type": criterion.type.value,
        "stage": criterion.stage.value,
        "answer": answer.outcome.value,
        "why": answer.why.value if answer.why else None,
        "reason": str(answer.reason),
        "evidence": [_evidence(evidence) for evidence in answer.evidence],
        "next_step": str(answer.next_step) if answer.next_step else None,
        "holds_until": until.isoformat() if until else None,
        "parts": [_criterion(criterion, part, ends, (*path, name)) for name, part in answer.parts],
    }


def _person(said: Adjudication | None) -> dict[str, Any]:
    """What a person says, and the computed answer beside it; no key where nobody answered."""
    if said is None:
        return {}
    given, computed = said.given, said.computed
    return {
        "person": {
            "answer": given.says.value,
            "reason": given.reason,
            "by": {"issuer": given.by.issuer, "subject": given.by.subject, "name": given.by.name},
            "at": given.at.isoformat(),
            "evidence": given.evidence,
            "expired": said.expired,
            "computed": {
                "answer": computed.outcome.value,
                "why": computed.why.value if computed.why else None,
                "reason": str(computed.reason),
            },
        }
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    value = evidence.value
    return {
        "reference": evidence.origin.reference,
        "version": evidence.origin.version,
        "date": _date(evidence.dated),
        "original": evidence.original,
        "value": write_number(value) if isinstance(value, Fraction | Decimal) else value,
        "unit": evidence.unit,
        "limit": evidence.limit,
        "role": evidence.role.value,
    }


def _date(span: Span | None) -> str | None:
    """The calendar date in the site's zone; a partial date keeps its precision (VER-12)."""
    if span is None:
        return None
    return span.first.isoformat() if span.exact else span.text


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "code": issue.code,
        "severity": issue.severity,
        "reference": issue.reference,
        "path": issue.path,
        "text": issue.text,
    }
