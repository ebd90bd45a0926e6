"""``GET /api/outbox``: what is to be written, was, or failed (WB-03); neither content nor patient, so that an admin may look."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.kept_schemas import OutboxAsked, OutboxList
from fhir_trial.web.refusals import not_stored
from fhir_trial.web.service import plugged
from fhir_trial.web.signing_in import own_trials

if TYPE_CHECKING:
    from fhir_trial.writeback.outbox import Kept

blueprint = StrictBlueprint("outbox", __name__, url_prefix="/api/outbox", description="What is to be written.")


@blueprint.get("")
@blueprint.arguments(OutboxAsked, location="query")
@blueprint.response(200, OutboxList)
@fails_with(blueprint, 400, 401, 403, 422, 429, 500, 501, 503)
def list_outbox(asked: dict[str, Any]) -> dict[str, Any]:
    """The newest entries of the user's trials.

    Neither what was written nor about whom. ``failed`` entries are not tried again by themselves: screen that patient again.
    """
    trials = own_trials()
    outbox = plugged().outbox
    if outbox is None:
        raise not_stored("The outbox's entries")
    kept = outbox.entries(trials, asked.get("state"), asked["limit"])
    return {"entries": [_line(one) for one in kept if trials is None or one.intent.trial in trials]}


def _line(kept: Kept) -> dict[str, Any]:
    return {
        "number": kept.number,
        "trial": kept.intent.trial,
        "kind": kept.intent.kind,
        "interaction": kept.intent.interaction,
        "state": kept.state.value,
        "at": kept.at,
        "attempts": kept.attempts,
        "note": kept.note,
    }
