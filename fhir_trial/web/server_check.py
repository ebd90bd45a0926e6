"""``POST /api/server-check``: what the FHIR server does with the searches of a trial, before anybody relies on it (DATA-20)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.schemas import ServerChecked, ServerCheckRequest
from fhir_trial.web.service import service
from fhir_trial.web.signing_in import actor, on_trial

blueprint = StrictBlueprint("server_check", __name__, url_prefix="/api/server-check", description="The FHIR server, tried.")


@blueprint.post("")
@blueprint.arguments(ServerCheckRequest)
@blueprint.response(200, ServerChecked)
@fails_with(blueprint, 400, 401, 403, 404, 413, 415, 422, 429, 500, 502, 503)
def check(asked: dict[str, Any]) -> dict[str, Any]:
    """Try the searches of a trial on a few patients of the FHIR server; nothing is written to it.

    The report holds counts, codes and sentences, and nothing of a patient. The same as ``fhir-trial server check``.
    """
    on_trial(asked["trial"])
    report = service().inspect_server(
        asked["trial"], patients=asked["patients"], actor=actor(asked["trial"]), request=request_id()
    )
    return {"report": report.as_json()}
