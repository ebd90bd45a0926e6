"""``GET /livez``: the process answers. ``GET /readyz``: the FHIR server answers too, asked anew (VER-21)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from fhir_trial.errors import ServerError
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.errors import NotReadyError
from fhir_trial.web.schemas import Health
from fhir_trial.web.service import service

blueprint = StrictBlueprint("health", __name__, description="Whether the service runs, and whether it can work.")


@blueprint.get("/livez")
@blueprint.response(200, Health)
@fails_with(blueprint, 400, 403)
def live() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "alive"}


@blueprint.get("/readyz")
@blueprint.response(200, Health)
@fails_with(blueprint, 400, 403, 503)
def ready() -> dict[str, str]:
    """Whether the FHIR server answers, too."""
    try:
        service().check_server()
    except ServerError as error:
        raise NotReadyError(error.message) from error
    return {"status": "ready"}
