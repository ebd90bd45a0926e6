"""``GET /livez``: the process answers. ``GET /readyz``: the FHIR server and the database answer too, asked anew (VER-21)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from fhir_trial.errors import FhirTrialError
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.errors import NotReadyError
from fhir_trial.web.schemas import Health
from fhir_trial.web.service import plugged, service

blueprint = StrictBlueprint("health", __name__, description="Whether the service runs, and whether it can work.")


@blueprint.get("/livez")
@blueprint.doc(security=[])
@blueprint.response(200, Health)
@fails_with(blueprint, 400, 403, 500)
def live() -> dict[str, str]:
    """Whether the process answers.

    Asks nothing else; for the supervisor that restarts it.
    """
    return {"status": "alive"}


@blueprint.get("/readyz")
@blueprint.doc(security=[])
@blueprint.response(200, Health)
@fails_with(blueprint, 400, 403, 500, 503)
def ready() -> dict[str, str]:
    """Whether it can work.

    Asks the FHIR server, and the database where there is one, anew each time; for the balancer that sends it requests.
    """
    database = plugged().database
    try:
        if database is not None:
            database.check()
        service().check_server()
    except FhirTrialError as error:
        raise NotReadyError(error.message) from error
    return {"status": "ready"}
