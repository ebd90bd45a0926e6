"""``POST /api/screenings``: pull a patient, screen, write back, say what was written (VER-20)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.schemas import ScreeningRequest, ScreeningResponse
from fhir_trial.web.service import service

blueprint = StrictBlueprint("screenings", __name__, url_prefix="/api/screenings", description="One patient for one trial.")


@blueprint.post("")
@blueprint.arguments(ScreeningRequest)
@blueprint.response(200, ScreeningResponse)
@fails_with(blueprint, 400, 403, 404, 409, 413, 415, 422, 500, 502, 503)
def screen(asked: dict[str, Any]) -> dict[str, Any]:
    """Screen a patient of the FHIR server, and write the result back to it."""
    screening = service().screen(**asked, request=request_id())
    return {"verdict": verdict_json(screening.verdict), "written": [result.as_json() for result in screening.written]}
