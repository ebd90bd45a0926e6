"""``POST`` and ``GET /api/answers``: what people say about a criterion that the record leaves open, or gets wrong (SEC-51)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

from fhir_trial.errors import UsageError
from fhir_trial.web.access import request_id
from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.kept_schemas import AnswerList, AnswerRequest, AnswersAsked, AnswerShown
from fhir_trial.web.refusals import no_such_screening, not_stored
from fhir_trial.web.service import Answers, KeptAnswer, plugged
from fhir_trial.web.signing_in import actor, on_trial

blueprint = StrictBlueprint("answers", __name__, url_prefix="/api/answers", description="People's answers.")


@blueprint.post("")
@blueprint.arguments(AnswerRequest)
@blueprint.response(201, AnswerShown)
@fails_with(blueprint, 400, 401, 403, 404, 413, 415, 422, 429, 500, 501, 503)
def give_answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Keep the user's answer to a criterion of a kept screening.

    It rests on the evidence of that screening and counts, in every later one, until the evidence changes. None is overwritten:
    a newer answer counts instead. What the record has decided is overridden with a ``reason`` only. 422 also where the
    screening has no criterion of that id.
    """
    answers, screenings = _answers(), plugged().screenings
    if screenings is None:
        raise not_stored("People's answers")
    screening = screenings.screening(asked["screening"])
    if screening is None:
        raise no_such_screening()
    on_trial(screening.trial, found=True)
    if asked["criterion"] not in {criterion.get("id") for criterion in screening.verdict.get("criteria", ())}:
        raise UsageError("The screening has no criterion of that id.", expression="criterion")
    kept = answers.give(
        screening.id,
        criterion=asked["criterion"],
        answer=asked["answer"],
        reason=asked.get("reason"),
        actor=actor(screening.trial),
        request=request_id(),
    )
    return _shown(kept)


@blueprint.get("")
@blueprint.arguments(AnswersAsked, location="query")
@blueprint.response(200, AnswerList)
@fails_with(blueprint, 400, 401, 403, 404, 422, 429, 500, 501, 503)
def list_answers(asked: dict[str, Any]) -> dict[str, Any]:
    """Every answer of people about a patient for a trial.

    Oldest first, those that no longer count included. Who looked at them is audited.
    """
    on_trial(asked["trial"])
    trial = asked["trial"].partition("@")[0]
    found = _answers().of_patient(asked["patient"], trial, actor(trial), request_id())
    return {"answers": [_shown(kept) for kept in found]}


def _answers() -> Answers:
    answers = plugged().answers
    if answers is None:
        raise not_stored("People's answers")
    return answers


def _shown(kept: KeptAnswer) -> dict[str, Any]:
    return {name: getattr(kept, name) for name in ("id", "criterion", "answer", "reason", "subject", "issuer", "at")}
