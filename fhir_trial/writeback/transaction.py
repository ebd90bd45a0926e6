"""Subject, result and Provenance in one transaction, where the server offers it and the site wants it (WB-18, WB-20).

What a server says of its transactions is not believed: each resource counts as written when it is found by a read (WB-07);
whatever is missing is then written step by step. Source: FHIR R4 http.html, transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from fhir_trial.errors import ServerError
from fhir_trial.transport import Json, NotFoundError, NotSupportedError
from fhir_trial.writeback.checking import checked
from fhir_trial.writeback.decisions import Action, Decision
from fhir_trial.writeback.outbox import Intent, IntentState
from fhir_trial.writeback.provenance import aimed_at
from fhir_trial.writeback.sending import Sender, WriteResult


def in_one_transaction(sender: Sender, decisions: Sequence[Decision]) -> dict[str, WriteResult]:
    """Type -> result, of what is on the server afterwards; empty when a single request is enough or the way is barred.

    A failure is not raised: the step-by-step way that follows meets it again, and says what it is.
    """
    kinds = [str((each.resource or {})["resourceType"]) for each in decisions]
    ways = ["create" if each.action is Action.CREATED else "update" for each in decisions]
    if len(decisions) < 2 or any(sender.obstacle(kind, way) for kind, way in zip(kinds, ways, strict=True)):
        return {}
    bundle, bodies = _bundle(sender, decisions)
    kept = [sender.intend(decision, body) for decision, body in zip(decisions, bodies, strict=True)]
    _tell(sender, kept, "begun")
    if sender.is_stopped():
        _tell(sender, kept, "failed")
        return {}
    for number, _ in kept:
        sender.mark(number, IntentState.SENT)
    try:
        sender.server.process(bundle)
    except ServerError as error:
        _tell(sender, kept, "failed")
        if isinstance(error, NotFoundError | NotSupportedError):
            sender.refused["transaction"] = error.message
    else:
        _tell(sender, kept, "done")
    return _found(sender, decisions, kept)


def _bundle(sender: Sender, decisions: Sequence[Decision]) -> tuple[Json, list[Json]]:
    """The Bundle, and the body of each intent: in the Bundle a Provenance names its Observation by urn:uuid."""
    entries: list[Json] = []
    bodies: list[Json] = []
    urns: dict[str, str] = {}
    for decision in decisions:
        body = decision.resource or {}
        kind = str(body["resourceType"])
        urns[kind] = f"urn:uuid:{uuid.uuid4()}"
        if kind == "Provenance":
            checked(aimed_at(body, "Observation/placeholder"), sender.release)
            sent = aimed_at(body, urns["Observation"])
        else:
            body = sent = checked(body, sender.release) if decision.action is Action.CREATED else body
        bodies.append(body)
        entries.append({"fullUrl": urns[kind], "resource": sent, "request": _request(sender.intent(decision, body))})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}, bodies


def _request(intent: Intent) -> Json:
    if intent.if_match is not None:
        return {"method": "PUT", "url": f"{intent.kind}/{intent.body['id']}", "ifMatch": f'W/"{intent.if_match}"'}
    request: Json = {"method": "POST", "url": intent.kind}
    if "identifier" in intent.body:
        request["ifNoneExist"] = f"identifier={intent.identifier}"
    return request


def _found(sender: Sender, decisions: Sequence[Decision], kept: Sequence[tuple[int, Intent]]) -> dict[str, WriteResult]:
    done: dict[str, WriteResult] = {}
    for decision, (number, intent) in zip(decisions, kept, strict=True):
        try:
            settled = sender.reconciler.settle(number, intent, sender.errand.now)
        except ServerError:
            continue  # the intent stays open; what follows asks again
        if settled.has_arrived:
            done[intent.kind] = WriteResult(settled.reference or intent.kind, decision.action, decision.reason)
    return done


def _tell(sender: Sender, kept: Sequence[tuple[int, Intent]], outcome: str) -> None:
    for _, intent in kept:
        sender.witness(intent.interaction, intent.kind, outcome)
