"""``POST /api/decisions``: a person decides a patient's status in a trial, and it is written back (WB-01); what never arrived.

The machine flags and takes its own flag back; every other status comes from a named person, with a reason (SEC-51).
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.people.deciding import Decision
from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.decision_ports import UnsentStep
from fhir_trial.web.kept_schemas import DecisionRequest, DecisionResponse, UnsentAsked, UnsentList
from fhir_trial.web.refusals import NothingThereError, not_stored
from fhir_trial.web.service import plugged, service
from fhir_trial.web.signing_in import actor, on_trial, own_trials

blueprint = StrictBlueprint("decisions", __name__, url_prefix="/api/decisions", description="People's decisions.")


@blueprint.post("")
@blueprint.arguments(DecisionRequest)
@blueprint.response(200, DecisionResponse)
@fails_with(blueprint, 400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 501, 502, 503)
def decide(asked: dict[str, Any]) -> dict[str, Any]:
    """Set a patient's status in a trial, on the FHIR server too.

    ``written`` says what became of it there. A person's status is never overwritten by a computed one. Not every status can
    follow the present one, and ``declined``, ``screen-failure``, ``off-study`` and ``withdrawn`` need a ``reason_code`` of
    theirs: otherwise 422. ``shown`` is what /api/patients/{key}/standing showed: if anything has changed since, nothing is
    written (409), nor beside another's subject that says something else. A decision that the server did not take, because it
    did not answer, or has lost since, is kept; sent again as it was, it is written then.
    """
    on_trial(asked["trial"])
    decisions = plugged().decisions
    if decisions is None:
        raise not_stored("Decisions")
    written = decisions.decide(
        asked["patient"],
        service().trial(asked["trial"]).trial.id,
        to=Decision(**{name: asked[name] for name in ("status", "reason_code", "reason", "new_episode", "shown", "since")}),
        actor=actor(asked["trial"]),
        request=request_id(),
    )
    if written is None:
        raise NothingThereError("No patient of that key was screened.")
    return {"written": [result.as_json() for result in written]}


@blueprint.get("/unsent")
@blueprint.arguments(UnsentAsked, location="query")
@blueprint.response(200, UnsentList)
@fails_with(blueprint, 400, 401, 403, 422, 429, 500, 501, 503)
def list_unsent(asked: dict[str, Any]) -> dict[str, Any]:
    """The decisions that the FHIR server does not have.

    Of the user's trials; the last of each patient and trial. Look at the standing of each, and send it again. Who looked is
    audited.
    """
    trials = own_trials()
    decisions = plugged().decisions
    if decisions is None:
        raise not_stored("Decisions")
    found = decisions.unsent(trials, asked["limit"], actor(), request_id())
    return {"decisions": [_line(step) for step in found if trials is None or step.trial in trials]}


def _line(step: UnsentStep) -> dict[str, Any]:
    return {name: getattr(step, name) for name in ("patient", "trial", "status", "since", "at", "note")} | {
        "state": str(step.state)
    }
