"""Sending what was decided: kept as an intent, checked before it leaves, guarded on its way, read back when it has arrived.

The order is: intent kept, audit told, kill switch asked, intent marked sent, request, read-back, intent confirmed. A crash
between any two leaves an open intent, which the next writer settles by asking the server (WB-03).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from fhir_trial.errors import ConflictError, FatalServerError, ServerError, TemporaryServerError
from fhir_trial.transport import FhirServer, Json, NotFoundError, NotSupportedError, Written
from fhir_trial.transport.connection import StoppedError
from fhir_trial.writeback.changes import Change, changes, lost
from fhir_trial.writeback.checking import checked
from fhir_trial.writeback.codes import Release
from fhir_trial.writeback.decisions import Action, Decision, version_of
from fhir_trial.writeback.enrolment import enrolment_of
from fhir_trial.writeback.lookup import identifiers_of
from fhir_trial.writeback.marks import marks_on, take_off
from fhir_trial.writeback.outbox import Intent, IntentState, Outbox
from fhir_trial.writeback.reconciling import Reconciler, Settled, is_persons, persons_key

#: Told of each step: action ("create", "update"), type, outcome ("begun", "done", "failed"). An error of its own stops the write.
Witness = Callable[[str, str, str], None]

STOPPED = "Writing is stopped for this site."
_MARKED = "The server keeps the mark of a computed result on it; it is a person's all the same."
_NEVER_FOUND = "it would not be found again, and be written twice."
_UNMARK = "$meta-delete"


def no_witness(action: str, target: str, outcome: str) -> None:
    """Sees nothing."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one resource (VER-20).

    Attributes:
        reference: ``Type/id``; where it does not exist (yet), how it would be found: ``Type?identifier=system|value``.
        resource: In a dry run, the exact body that would be sent; else None.
        changes: In a dry run of an update, each value that would change; else None (WB-11).
        by_another: Another run wrote it at the same moment, and owes what belongs to it; not part of the contract.
    """

    reference: str
    action: Action
    reason: str
    resource: Json | None = None
    changes: tuple[Change, ...] | None = None
    by_another: bool = False

    def as_json(self) -> Json:
        """The form of the contract."""
        shown: Json = {"reference": self.reference, "action": str(self.action), "reason": self.reason}
        if self.resource is not None:
            shown["resource"] = self.resource
        if self.changes is not None:
            shown["changes"] = [change.as_json() for change in self.changes]
        return shown


@dataclass(frozen=True, slots=True)
class Errand:
    """For whom and what a write is.

    Attributes:
        patient: ``Patient/id``.
        trial: Trial id.
        now: Aware.
        by_person: A named person decided it; else the machine.
    """

    tenant: str
    patient: str
    trial: str
    now: datetime
    by_person: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends decisions to one server.

    Attributes:
        dry_run: Everything but the sending (WB-11).
        refused: "create Observation" -> why it is not tried any more in this process (WB-02).
    """

    server: FhirServer
    outbox: Outbox
    reconciler: Reconciler
    witness: Witness
    errand: Errand
    release: Release
    refused: dict[str, str]
    dry_run: bool = False

    def settle(self, kind: str, wanted: str, decide: Callable[[], Decision]) -> WriteResult:
        """Decides and sends; after a conflict, or an answer that never came, decides again on a fresh read (WB-04, WB-14).

        Args:
            wanted: The name of the resource in the result, where there is none on the server and none is to be sent.
            decide: Reads the server afresh each time.
        """
        has_lost = False
        try:
            return self.attempt(kind, wanted, decide())
        except ConflictError:
            has_lost = True
        except TemporaryServerError:
            pass
        decision = decide()
        try:
            result = self.attempt(kind, wanted, decision)
            return replace(result, by_another=True) if has_lost and result.action is Action.UNCHANGED else result
        except ConflictError:
            return WriteResult(_name(decision, wanted), Action.WITHHELD, "Somebody else is writing it now.")

    def attempt(self, kind: str, wanted: str, decision: Decision) -> WriteResult:
        """Sends once.

        Raises:
            ConflictError: The server holds another version.
            ServerError: It failed; the intent says whether the write is known not to have arrived.
        """
        name = _name(decision, wanted)
        if decision.resource is None:
            return WriteResult(name, decision.action, decision.reason)
        # An update is the server's own JSON with one word changed: through the models it would lose decimals' zeros.
        body = checked(decision.resource, self.release) if decision.action is Action.CREATED else decision.resource
        obstacle = self.obstacle(kind, _interaction(decision))
        if obstacle is not None:
            return WriteResult(name, Action.WITHHELD, obstacle)
        if self.dry_run:
            shown = None if decision.held is None else tuple(changes(decision.held, body, kind))
            return WriteResult(name, decision.action, decision.reason, body, shown)
        return self._sent(decision, name, kind, body)

    def obstacle(self, kind: str, interaction: str) -> str | None:
        """Why nothing of that kind is sent; None when the way is free."""
        if self.is_stopped():
            return STOPPED
        if not self.server.capabilities().offers(kind, interaction):  # WB-02
            return f"The server does not offer {interaction} of {kind}."
        return self.refused.get(f"{interaction} {kind}")

    def is_stopped(self) -> bool:
        """Whether the tenant's kill switch is thrown (SEC-60)."""
        return self.outbox.stopped(self.errand.tenant)

    def intend(self, decision: Decision, body: Json) -> tuple[int, Intent]:
        """Keeps the intent to send the body."""
        intent = self.intent(decision, body)
        return self.outbox.intend(intent, self.errand.now), intent

    def intent(self, decision: Decision, body: Json) -> Intent:
        """The same decision has the same key on every retry: the identifier stands for the content of a create (WB-05)."""
        kind, interaction = str(body["resourceType"]), _interaction(decision)
        identifier = decision.identifier or found_by(body).split("?identifier=")[1]
        parts = (self.errand.tenant, self.server.base, kind, identifier, interaction, decision.version or "")
        digest = hashlib.sha256("\n".join((*parts, enrolment_of(body) or "")).encode()).hexdigest()[:32]
        return Intent(
            key=persons_key(digest) if self.errand.by_person else digest,
            tenant=self.errand.tenant,
            server=self.server.base,
            patient=None if kind == "ResearchStudy" else self.errand.patient,
            trial=self.errand.trial,
            kind=kind,
            identifier=identifier,
            interaction=interaction,
            body=body,
            if_match=decision.version,
        )

    def mark(self, number: int, state: IntentState, note: str | None = None) -> None:
        """Moves an intent on."""
        self.outbox.mark(number, state, self.errand.now, tenant=self.errand.tenant, note=note)

    def confirm(self, number: int, reference: str, version: str | None) -> None:
        """Closes an intent whose resource is there; ``version`` is the one that the machine wrote, else None."""
        errand = self.errand
        self.outbox.mark(number, IntentState.CONFIRMED, errand.now, tenant=errand.tenant, reference=reference, version=version)

    def _sent(self, decision: Decision, name: str, kind: str, body: Json) -> WriteResult:
        number, intent = self.intend(decision, body)
        self.witness(intent.interaction, kind, "begun")
        if self.is_stopped():
            self.witness(intent.interaction, kind, "failed")
            return WriteResult(name, Action.WITHHELD, STOPPED)  # the intent stays pending: nothing was sent
        self.mark(number, IntentState.SENT)
        try:
            written = self._request(intent)
            return self._confirmed(decision, number, intent, written)
        except ConflictError:
            self.mark(number, IntentState.SUPERSEDED, "The server holds another version.")
            raise
        except TemporaryServerError:
            settled = self._find_out(number, intent)
            if not (is_persons(intent) and settled is not None and settled.has_arrived):
                raise  # the machine decides again
            return WriteResult(settled.reference or name, decision.action, decision.reason)
        except StoppedError:
            raise  # the intent stays open: it may have arrived, and nobody may be asked now
        except FatalServerError as error:
            self.mark(number, IntentState.FAILED, error.message)
            if not _switches_off(error, intent):
                raise
            reason = f"{error.message} It is not tried again until the next start."
            self.refused[f"{intent.interaction} {kind}"] = reason
            return WriteResult(name, Action.WITHHELD, reason)

    def _request(self, intent: Intent) -> Written:
        try:
            if intent.if_match is not None:
                written = self.server.update(intent.body, if_match=intent.if_match)
            elif "identifier" in intent.body:
                written = self.server.create(intent.body, if_none_exist=f"identifier={intent.identifier}")
            else:
                written = self.server.create(intent.body)
        except BaseException:
            self.witness(intent.interaction, intent.kind, "failed")
            raise
        self.witness(intent.interaction, intent.kind, "done")
        return written

    def _find_out(self, number: int, intent: Intent) -> Settled | None:
        """The answer never came: whether the write arrived is asked of the server; if it stays away, the intent stays open."""
        try:
            return self.reconciler.settle(number, intent, self.errand.now, otherwise=IntentState.FAILED)
        except ServerError:
            return None

    def _confirmed(self, decision: Decision, number: int, intent: Intent, written: Written) -> WriteResult:
        """Reads back what was written and compares (WB-07, WB-23)."""
        try:
            name = written.reference or self.reconciler.place(intent)
            held = self.server.read(name)
        except NotFoundError:
            raise FatalServerError(f"{intent.kind}: the server took it, but does not show it.") from None
        if f"{intent.kind}/{held.get('id')}" != name:
            raise FatalServerError(f"{intent.kind}: the server took it, but shows another in its place.")
        if decision.action is Action.CREATED and not written.created:
            self.mark(number, IntentState.SUPERSEDED, "It was there already.")
            return WriteResult(name, Action.UNCHANGED, "Another run wrote it at the same moment.", by_another=True)
        missing = sorted(set(lost(intent.body, held, intent.kind)))
        if not set(identifiers_of(intent.body)) <= set(identifiers_of(held)):
            self.refused[f"create {intent.kind}"] = f"The server does not keep the identifier of a {intent.kind}: {_NEVER_FOUND}"
        reason = decision.reason
        if self.errand.by_person and not self._is_unmarked(held, name):
            reason = f"{reason} {_MARKED}"
        version = None if is_persons(intent) else written.version or (None if missing else version_of(held))
        self.confirm(number, name, version)
        return WriteResult(name, decision.action, _with_losses(reason, missing))

    def _is_unmarked(self, held: Json, reference: str) -> bool:
        """Whether what a person decided is called computed no more. Whose it is never rests on that mark: see ``decisions``."""
        bases = self.reconciler.lookup.bases
        kind = reference.split("/", maxsplit=1)[0]
        marks = marks_on(held, bases)
        if not marks:
            return True
        if self.is_stopped() or _UNMARK in self.refused:
            return False
        self.witness("update", kind, "begun")
        try:
            take_off(self.server, reference, marks)
        except ServerError as error:
            self.witness("update", kind, "failed")
            if isinstance(error, NotSupportedError | NotFoundError):
                self.refused[_UNMARK] = error.message
            return False
        self.witness("update", kind, "done")
        try:
            return not marks_on(self.server.read(reference), bases)
        except ServerError:
            return False


def found_by(resource: Json) -> str:
    """The search that finds a resource of ours, whatever its id: ``Type?identifier=system|value``."""
    identifier = resource["identifier"][0]
    return f"{resource['resourceType']}?identifier={identifier['system']}|{identifier['value']}"


def _switches_off(error: ServerError, intent: Intent) -> bool:
    """Whether the server has said that it never does this: 404 of a type, 405, 415, 501; 404 of an update is a lost resource."""
    return isinstance(error, NotSupportedError) or (isinstance(error, NotFoundError) and intent.if_match is None)


def _interaction(decision: Decision) -> str:
    return "create" if decision.action is Action.CREATED else "update"


def _name(decision: Decision, wanted: str) -> str:
    if decision.held is not None:
        return f"{decision.held['resourceType']}/{decision.held['id']}"
    if decision.resource is not None and "identifier" in decision.resource:
        return found_by(decision.resource)
    return wanted


def _with_losses(reason: str, missing: list[str]) -> str:
    return f"{reason} The server did not keep: {', '.join(missing)}." if missing else reason
