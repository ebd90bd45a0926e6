"""``GET /api/patients/{key}/screenings`` and ``/standing``: how a patient was screened, and stands, by our own key (SEC-26)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any, Final

from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with, in_path
from fhir_trial.web.decision_ports import TakenStep
from fhir_trial.web.kept_schemas import PATIENT_KEY, ScreeningHistory, StandingAsked, StandingShown
from fhir_trial.web.refusals import NothingThereError, not_stored
from fhir_trial.web.service import KeptScreening, plugged
from fhir_trial.web.signing_in import actor, on_trial, own_trials

blueprint = StrictBlueprint("patients", __name__, url_prefix="/api/patients", description="A patient's screenings.")


_KEY: Final = in_path("key", PATIENT_KEY, "Our own key of the patient.", "pt-0123456789abcdef")


@blueprint.get("/<key>/screenings", parameters=_KEY)
@blueprint.response(200, ScreeningHistory)
@fails_with(blueprint, 400, 401, 403, 404, 429, 500, 501, 503)
def list_screenings(key: str) -> dict[str, Any]:
    """The screenings of a patient, newest first.

    Of the trials that the user may see. An unknown patient has none: the list is empty. Who looked at it is audited.
    """
    trials = own_trials()
    store = plugged().screenings
    if store is None:
        raise not_stored("Kept screenings")
    if PATIENT_KEY.fullmatch(key) is None:
        raise NothingThereError("No such patient; a patient is named by our key, pt-...")
    kept = [one for one in store.of_patient(key, trials, actor(), request_id()) if trials is None or one.trial in trials]
    return {"patient": key, "screenings": [_line(one) for one in kept]}


@blueprint.get("/<key>/standing", parameters=_KEY)
@blueprint.arguments(StandingAsked, location="query")
@blueprint.response(200, StandingShown)
@fails_with(blueprint, 400, 401, 403, 404, 409, 422, 429, 500, 501, 502, 503)
def show_standing(asked: dict[str, Any], key: str) -> dict[str, Any]:
    """Where a patient stands on a trial, here and on the FHIR server, and what may be decided now.

    The FHIR server is asked. Who looked is audited.
    """
    on_trial(asked["trial"])
    decisions = plugged().decisions
    if decisions is None:
        raise not_stored("Decisions")
    place = None
    if PATIENT_KEY.fullmatch(key) is not None:
        place = decisions.standing(key, asked["trial"], actor(asked["trial"]), request_id())
    if place is None:
        raise NothingThereError("No patient of that key was screened.")
    return {
        "patient": key,
        "trial": asked["trial"].partition("@")[0],
        "status": place.standing.status,
        "episode": place.standing.episode,
        "on_server": place.enrolment,
        "others": list(place.others),
        "differs": place.differs,
        "lost": place.is_lost,
        "deceased": place.is_deceased,
        "possible": [str(status) for status in place.possible],
        "may_reopen": place.may_reopen,
        "shown": place.token,
        "history": [_step(step) for step in place.history],
    }


def _step(step: TakenStep) -> dict[str, Any]:
    names = ("status", "episode", "reason_code", "reason", "since", "issuer", "subject", "at", "note")
    return {name: getattr(step, name) for name in names} | {"state": str(step.state)}


def _line(kept: KeptScreening) -> dict[str, Any]:
    return {
        "id": kept.id,
        "trial": kept.trial,
        "version": kept.version,
        "at": kept.at,
        "as_of": kept.verdict.get("as_of"),
        "overall": kept.verdict.get("overall"),
    }
