"""``GET /api/trials`` and ``GET /api/trials/{id}``: what can be screened for, and by which rules (VER-21)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.contract.needs import needs_json
from fhir_trial.errors import UnknownTrialError
from fhir_trial.trials.model import Criterion, ResolvedTrial
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.schemas import TRIAL_NAME, TrialList, TrialShown
from fhir_trial.web.service import service

blueprint = StrictBlueprint("trials", __name__, url_prefix="/api/trials", description="Trials and their criteria.")


@blueprint.get("")
@blueprint.response(200, TrialList)
@fails_with(blueprint, 400, 403, 500)
def list_trials() -> dict[str, Any]:
    """Every version of every trial."""
    lines = [{"id": file.trial, "version": file.version, "dated": file.dated, "title": file.title} for file in service().trials()]
    return {"trials": lines}


@blueprint.get("/<name>")
@blueprint.response(200, TrialShown)
@fails_with(blueprint, 400, 403, 404, 500)
def show_trial(name: str) -> dict[str, Any]:
    """A trial, by ID or ID@VERSION: the protocol's words, how they are read, the settings in force, what must be fetched."""
    if TRIAL_NAME.fullmatch(name) is None:
        raise UnknownTrialError("No trial has such a name; /api/trials lists them.")
    return trial_json(service().trial(name))


def trial_json(resolved: ResolvedTrial) -> dict[str, Any]:
    """The trial as the API shows it."""
    trial = resolved.trial
    return {
        "id": trial.id,
        "version": trial.version,
        "title": trial.title,
        "short_title": trial.short_title,
        "source": trial.source,
        "identifiers": [{"system": identifier.system, "value": identifier.value} for identifier in trial.identifiers],
        "site": resolved.site,
        "settings": dict(resolved.settings),
        "digest": resolved.digest,
        "criteria": [_criterion(criterion) for criterion in trial.criteria],
        "not_evaluated": list(trial.not_evaluated),
        "questions": list(trial.questions),
        "needs": needs_json(resolved),
    }


def _criterion(criterion: Criterion) -> dict[str, Any]:
    return {
        "id": criterion.id,
        "type": criterion.type.value,
        "stage": criterion.stage.value,
        "title": criterion.title,
        "text": criterion.text,
        "source": criterion.source,
        "english": criterion.rule.in_words(),
        "counts": criterion.counts,
        "notes": list(criterion.notes),
        "questions": list(criterion.questions),
    }
