"""``POST /api/screenings``: pull a patient, screen, write back, say what was written (VER-20). ``GET``: one that was kept."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with, in_path
from fhir_trial.web.kept_schemas import KEPT_ID, ScreeningShown
from fhir_trial.web.measures import metrics
from fhir_trial.web.refusals import no_such_screening, not_stored
from fhir_trial.web.schemas import ScreeningRequest, ScreeningResponse
from fhir_trial.web.service import plugged, service
from fhir_trial.web.signing_in import actor, on_trial, signed_in_actor

blueprint = StrictBlueprint("screenings", __name__, url_prefix="/api/screenings", description="One patient for one trial.")


@blueprint.post("")
@blueprint.arguments(ScreeningRequest)
@blueprint.response(200, ScreeningResponse)
@fails_with(blueprint, 400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503)
def screen(asked: dict[str, Any]) -> dict[str, Any]:
    """Screen a patient of the FHIR server, and write the result back to it.

    Reads what the trial needs of the patient, answers every criterion, and writes ResearchSubject, Observation and Provenance
    as far as the settings say so. With ``write: false`` nothing is sent, and ``written`` shows the exact bodies. The same on
    the same data writes nothing: everything is ``unchanged`` or ``withheld``. Takes as long as the FHIR server does; allow a
    minute.
    """
    on_trial(asked["trial"])
    who = signed_in_actor(asked["trial"])
    acting: dict[str, Any] = {"actor": who} if who else {}
    screening = service().screen(**asked, request=request_id(), **acting)
    metrics().screened(screening.verdict)
    answer = {"verdict": verdict_json(screening.verdict), "written": [result.as_json() for result in screening.written]}
    store = plugged().screenings
    kept = {"id": screening.id} if screening.id else {}
    return answer | kept | ({"patient_key": store.key_of(screening.verdict.patient)} if store else {})


@blueprint.get(
    "/<identity>", parameters=in_path("identity", KEPT_ID, "Id of a kept screening.", "sc-0123456789abcdef0123456789abcdef")
)
@blueprint.response(200, ScreeningShown)
@fails_with(blueprint, 400, 401, 403, 404, 429, 500, 501, 503)
def show_screening(identity: str) -> dict[str, Any]:
    """A screening as it was kept.

    That of a trial which the user has no role for is as if it were not there. Who looked at it is audited.
    """
    store = plugged().screenings
    if store is None:
        raise not_stored("Kept screenings")
    kept = store.screening(identity) if KEPT_ID.fullmatch(identity) else None
    if kept is None:
        raise no_such_screening()
    on_trial(kept.trial, found=True)
    store.viewed(kept.id, actor(kept.trial), request_id())
    return {
        "id": kept.id,
        "patient": kept.patient,
        "trial": kept.trial,
        "version": kept.version,
        "at": kept.at,
        "verdict": dict(kept.verdict),
    }
