"""``GET /api/audit/verify``: whether the audit log is as it was written."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.kept_schemas import AuditVerified
from fhir_trial.web.refusals import not_stored
from fhir_trial.web.service import plugged
from fhir_trial.web.signing_in import actor

blueprint = StrictBlueprint("audit", __name__, url_prefix="/api/audit", description="The audit log.")


@blueprint.get("/verify")
@blueprint.response(200, AuditVerified)
@fails_with(blueprint, 400, 401, 403, 429, 500, 501, 503)
def verify() -> dict[str, Any]:
    """Read the whole audit log and check its chain; ``first_broken`` is the number of the first event that does not fit."""
    trail = plugged().audit
    if trail is None:
        raise not_stored("Checks of the audit log")
    found = trail.verify(actor(), request_id())
    return {"intact": found.intact, "events": found.events, "first_broken": found.first_broken}
