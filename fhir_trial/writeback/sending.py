"""Sending what was decided: checked before it leaves, guarded on its way, read back when it has arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fhir_trial.errors import ConflictError, FatalServerError, TemporaryServerError
from fhir_trial.transport import FhirServer, Json, NotFoundError, Written
from fhir_trial.writeback.checking import checked
from fhir_trial.writeback.decisions import Action, Decision, version_of
from fhir_trial.writeback.ledger import Ledger
from fhir_trial.writeback.lookup import target_of

#: Told of each step: action ("create", "update"), type, outcome ("begun", "done", "failed"). An error of its own stops the write.
Witness = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one resource (VER-20).

    Attributes:
        reference: ``Type/id``; where it does not exist (yet), how it would be found: ``Type?identifier=system|value``.
        resource: In a dry run, the exact body that would be sent; else None.
    """

    reference: str
    action: Action
    reason: str
    resource: Json | None = None

    def as_json(self) -> Json:
        """The form of the contract."""
        shown = {"reference": self.reference, "action": str(self.action), "reason": self.reason}
        return shown if self.resource is None else {**shown, "resource": self.resource}


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends decisions to one server.

    Attributes:
        dry_run: Everything but the sending (WB-11).
    """

    server: FhirServer
    ledger: Ledger
    witness: Witness
    dry_run: bool

    def settle(self, kind: str, wanted: str, decide: Callable[[], Decision]) -> WriteResult:
        """Decides and sends; after a conflict, or an answer that never came, decides again on a fresh read (WB-04, WB-14).

        Args:
            wanted: The name of the resource in the result, where there is none on the server and none is to be sent.
            decide: Reads the server afresh each time.
        """
        try:
            return self._attempt(kind, wanted, decide())
        except (ConflictError, TemporaryServerError):
            pass
        decision = decide()
        try:
            return self._attempt(kind, wanted, decision)
        except ConflictError:
            return WriteResult(_name(decision, wanted), Action.WITHHELD, "Somebody else is writing it now.")

    def _attempt(self, kind: str, wanted: str, decision: Decision) -> WriteResult:
        name = _name(decision, wanted)
        if decision.resource is None:
            return WriteResult(name, decision.action, decision.reason)
        is_create = decision.action is Action.CREATED
        # An update is the server's own JSON with one word changed: through the models it would lose decimals' zeros.
        body = checked(decision.resource) if is_create else decision.resource
        interaction = "create" if is_create else "update"
        if not self.server.capabilities().offers(kind, interaction):  # WB-02
            return WriteResult(name, Action.WITHHELD, f"The server does not offer {interaction} of {kind}.")
        if self.dry_run:
            return WriteResult(name, decision.action, decision.reason, body)
        return self._confirmed(decision, kind, body, self._sent(decision, kind, body, interaction))

    def _sent(self, decision: Decision, kind: str, body: Json, interaction: str) -> Written:
        self.witness(interaction, kind, "begun")
        try:
            if decision.version is None:
                written = self.server.create(body, if_none_exist=found_by(body).split("?")[1])
            else:
                written = self.server.update(body, if_match=decision.version)
        except BaseException:
            self.witness(interaction, kind, "failed")
            raise
        self.witness(interaction, kind, "done")
        return written

    def _confirmed(self, decision: Decision, kind: str, body: Json, written: Written) -> WriteResult:
        """Reads back what was written and compares (WB-07, WB-23)."""
        try:
            held = self.server.read(written.reference or kind)
        except NotFoundError:
            raise FatalServerError(f"{kind}: the server took it, but does not show it.") from None
        name = f"{kind}/{held['id']}"
        if decision.action is Action.CREATED and not written.created:
            return WriteResult(name, Action.UNCHANGED, "Another run wrote it at the same moment.")
        lost = sorted(set(_lost(body, held, kind)))
        self.ledger.remember(self.server.base, name, written.version or (None if lost else version_of(held)))
        return WriteResult(name, decision.action, _with_losses(decision.reason, lost))


def found_by(resource: Json) -> str:
    """The search that finds a resource of ours, whatever its id: ``Type?identifier=system|value``."""
    identifier = resource["identifier"][0]
    return f"{resource['resourceType']}?identifier={identifier['system']}|{identifier['value']}"


def _name(decision: Decision, wanted: str) -> str:
    if decision.held is not None:
        return f"{decision.held['resourceType']}/{decision.held['id']}"
    return found_by(decision.resource) if decision.resource is not None else wanted


def _with_losses(reason: str, lost: list[str]) -> str:
    return f"{reason} The server did not keep: {', '.join(lost)}." if lost else reason


def _lost(sent: Any, held: Any, path: str) -> Iterator[str]:
    """Paths of what was sent and is not there. Tags, ids and the spelling of instants and references are the server's affair."""
    if isinstance(sent, dict) and isinstance(held, dict):
        for key, value in sent.items():
            if key not in ("meta", "id"):
                yield from _lost(value, held.get(key), f"{path}.{key}")
    elif isinstance(sent, list) and isinstance(held, list) and len(sent) <= len(held):
        for mine, theirs in zip(sent, held, strict=False):
            yield from _lost(mine, theirs, path)
    elif path.endswith(".reference"):
        if target_of({"reference": sent}) != target_of({"reference": held}):
            yield path
    elif sent != held and not path.endswith(".issued"):
        yield path
