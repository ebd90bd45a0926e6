"""``POST /api/stop`` and ``/api/resume``: the kill switch of the site; while it is thrown nothing is written (SEC-60)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.kept_schemas import SwitchRequest, SwitchState
from fhir_trial.web.refusals import not_stored
from fhir_trial.web.service import KillSwitch, plugged
from fhir_trial.web.signing_in import actor

blueprint = StrictBlueprint("switch", __name__, url_prefix="/api", description="The kill switch.")


@blueprint.post("/stop")
@blueprint.arguments(SwitchRequest)
@blueprint.response(200, SwitchState)
@fails_with(blueprint, 400, 401, 403, 413, 415, 422, 429, 500, 501, 503)
def stop(asked: dict[str, Any]) -> dict[str, bool]:
    """Stop all writing to the FHIR server.

    At once, in the middle of a run too, and until it is resumed. Until then nothing at all is sent to the server, so that
    screening is refused (422). Stopping twice is no error.
    """
    _switch().stop(asked["reason"], actor(), request_id())
    return {"stopped": True}


@blueprint.post("/resume")
@blueprint.arguments(SwitchRequest)
@blueprint.response(200, SwitchState)
@fails_with(blueprint, 400, 401, 403, 413, 415, 422, 429, 500, 501, 503)
def resume(asked: dict[str, Any]) -> dict[str, bool]:
    """Allow writing again.

    What was interrupted is looked up on the server and settled by the next screening of that patient.
    """
    _switch().resume(asked["reason"], actor(), request_id())
    return {"stopped": False}


def _switch() -> KillSwitch:
    switch = plugged().switch
    if switch is None:
        raise not_stored("Stopping and resuming")
    return switch
