"""``POST /api/audit/verify``: whether the audit log is as it was written (SEC-01)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.audit.exported import Head
from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.kept_schemas import AuditVerified, AuditVerifyRequest
from fhir_trial.web.refusals import not_stored
from fhir_trial.web.service import plugged
from fhir_trial.web.signing_in import actor

blueprint = StrictBlueprint("audit", __name__, url_prefix="/api/audit", description="The audit log.")


@blueprint.post("/verify")
@blueprint.arguments(AuditVerifyRequest)
@blueprint.response(200, AuditVerified)
@fails_with(blueprint, 400, 401, 403, 413, 415, 422, 429, 500, 501, 503)
def verify(asked: dict[str, Any]) -> dict[str, Any]:
    """Whether the audit log is as it was written.

    Reads all of it and checks its chain, and that an end of it that was exported earlier lies on it. ``first_broken`` is the
    number of the first event that does not fit, or null.
    """
    trail = plugged().audit
    if trail is None:
        raise not_stored("Checks of the audit log")
    head = asked["head"]
    found = trail.verify(actor(), request_id(), [Head(**head)] if head else ())
    return {
        "intact": found.intact,
        "events": found.events,
        "first_broken": found.first_broken,
        "head": {"number": found.head.number, "hash": found.head.hash},
        "unfinished": len(found.unfinished),
    }
