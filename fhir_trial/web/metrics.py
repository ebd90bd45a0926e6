"""``GET /metrics``: what Prometheus is told; no patients (SEC-27)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from flask import Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.measures import metrics

blueprint = StrictBlueprint("metrics", __name__, description="Numbers for Prometheus.")


@blueprint.get("/metrics")
@blueprint.response(200, {"type": "string"}, content_type="text/plain")
@fails_with(blueprint, 400, 401, 403, 429, 500, 503)
def show_metrics() -> Response:
    """Numbers in Prometheus's text format.

    For this machine itself without a token, else for an admin of all trials. No label holds a patient, a user or an address.
    """
    return Response(generate_latest(metrics().registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
