"""What a trial needs, as JSON: the one plan that REST searches, _typeFilter, scopes, prefetch and bulk filters are made from."""

from __future__ import annotations

from typing import Any

from fhir_trial.criteria.needs import Need
from fhir_trial.trials.model import ResolvedTrial


def needs_json(trial: ResolvedTrial) -> dict[str, Any]:
    """Each need with its names and the codes they stand for; windows in days back from the screening date, null for ever."""
    return {
        "trial": trial.trial.id,
        "version": trial.trial.version,
        "resource_types": list(trial.needs.resource_types),
        "needs": [_need(need, trial) for need in trial.needs.needs],
    }


def _need(need: Need, trial: ResolvedTrial) -> dict[str, Any]:
    terminology = trial.terminology
    analytes = set(need.laboratory)
    codes = [
        {"system": code.system, "code": code.code}
        for found in terminology.codes.values()
        for code in found
        if code.analyte in analytes and code.role not in ("reject", "deprecated")
    ]
    for name in need.value_sets:
        codes += [
            {"system": member.system, "code": member.code} | ({"match": "prefix"} if member.match == "prefix" else {})
            for member in terminology.value_set(name).members
        ]
    return {
        "resource_type": need.resource_type,
        "categories": list(need.categories),
        "laboratory": list(need.laboratory),
        "value_sets": list(need.value_sets),
        "drug_classes": list(need.drug_classes),
        "codes": codes,
        "decides_days": need.decides_days,
        "reaches_days": need.reaches_days,
    }
