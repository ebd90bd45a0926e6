"""``GET /api/trials``, ``/{id}`` and ``/{id}/needs``: what can be screened for, and by which rules (VER-21)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any, Final

from fhir_trial.contract.needs import needs_json
from fhir_trial.errors import UnknownTrialError
from fhir_trial.trials.candidates import CandidateRule
from fhir_trial.trials.model import Criterion, ResolvedTrial
from fhir_trial.web.blueprints import StrictBlueprint, fails_with, in_path
from fhir_trial.web.errors import NO_SUCH_TRIAL
from fhir_trial.web.schemas import TRIAL_NAME, TrialList, TrialNeeds, TrialShown
from fhir_trial.web.service import service
from fhir_trial.web.signing_in import on_trial, own_trials

_NAME: Final = in_path("name", TRIAL_NAME, "ID or ID@VERSION; without a version, the newest.", "nct06789107")

blueprint = StrictBlueprint("trials", __name__, url_prefix="/api/trials", description="Trials and their criteria.")


@blueprint.get("")
@blueprint.response(200, TrialList)
@fails_with(blueprint, 400, 401, 403, 429, 500, 503)
def list_trials() -> dict[str, Any]:
    """Every version of every trial.

    Only the user's trials, where a grant names them.
    """
    trials = own_trials()
    files = [file for file in service().trials() if trials is None or file.trial in trials]
    return {"trials": [{"id": file.trial, "version": file.version, "dated": file.dated, "title": file.title} for file in files]}


@blueprint.get("/<name>", parameters=_NAME)
@blueprint.response(200, TrialShown)
@fails_with(blueprint, 400, 401, 403, 404, 429, 500, 503)
def show_trial(name: str) -> dict[str, Any]:
    """A trial: its criteria, the settings in force, what must be fetched.

    Each criterion has the protocol's own words, where they stand, and how they are read, in plain English.
    """
    return trial_json(_trial(name))


@blueprint.get("/<name>/needs", parameters=_NAME)
@blueprint.response(200, TrialNeeds)
@fails_with(blueprint, 400, 401, 403, 404, 429, 500, 503)
def show_needs(name: str) -> dict[str, Any]:
    """What must be fetched of a patient, for a trial.

    Types, codes and windows: searches, scopes and exports are made of it.
    """
    return needs_json(_trial(name))


def _trial(name: str) -> ResolvedTrial:
    """A trial of the user's."""
    on_trial(name)
    if TRIAL_NAME.fullmatch(name) is None:
        raise UnknownTrialError(NO_SUCH_TRIAL)
    return service().trial(name)


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
        "candidates": _candidates(trial.candidates),
        "criteria": [_criterion(criterion) for criterion in trial.criteria],
        "not_evaluated": list(trial.not_evaluated),
        "questions": list(trial.questions),
        "needs": needs_json(resolved),
    }


def _candidates(rule: CandidateRule | None) -> dict[str, Any] | None:
    return {"value_sets": list(rule.value_sets), "words": rule.words, "misses": rule.misses} if rule else None


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
