"""``GET /api/patients/{key}/screenings``: how a patient was screened over time, by our own key (SEC-26)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.kept_schemas import PATIENT_KEY, ScreeningHistory
from fhir_trial.web.refusals import NothingThereError, not_stored
from fhir_trial.web.service import KeptScreening, plugged
from fhir_trial.web.signing_in import actor, own_trials

blueprint = StrictBlueprint("patients", __name__, url_prefix="/api/patients", description="A patient's screenings.")


@blueprint.get("/<key>/screenings")
@blueprint.response(200, ScreeningHistory)
@fails_with(blueprint, 400, 401, 403, 404, 429, 500, 501, 503)
def list_screenings(key: str) -> dict[str, Any]:
    """The screenings of a patient, newest first, of the trials that the user may see; an unknown patient has none."""
    trials = own_trials()
    store = plugged().screenings
    if store is None:
        raise not_stored("Kept screenings")
    if PATIENT_KEY.fullmatch(key) is None:
        raise NothingThereError("No such patient; a patient is named by our key, pt-...")
    kept = [one for one in store.of_patient(key, trials, actor(), request_id()) if trials is None or one.trial in trials]
    return {"patient": key, "screenings": [_line(one) for one in kept]}


def _line(kept: KeptScreening) -> dict[str, Any]:
    return {
        "id": kept.id,
        "trial": kept.trial,
        "version": kept.version,
        "at": kept.at,
        "as_of": kept.verdict.get("as_of"),
        "overall": kept.verdict.get("overall"),
    }
