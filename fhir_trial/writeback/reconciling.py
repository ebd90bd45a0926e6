"""What became of a write whose end nobody saw: asked of the server, by identifier (WB-03, WB-04)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fhir_trial.errors import FatalServerError
from fhir_trial.transport import NotFoundError
from fhir_trial.transport.connection import StoppedError
from fhir_trial.trials.model import Identifier
from fhir_trial.writeback.changes import holds_exactly
from fhir_trial.writeback.decisions import version_of
from fhir_trial.writeback.lookup import Lookup
from fhir_trial.writeback.outbox import Intent, IntentState, Kept, Outbox

_PERSONS = "person-"


def persons_key(digest: str) -> str:
    """The key of an intent that a named person's decision made."""
    return _PERSONS + digest


def is_persons(intent: Intent) -> bool:
    """Whether a named person decided it: its version is never remembered as the machine's, which may take back its own only."""
    return intent.key.startswith(_PERSONS)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an intent.

    Attributes:
        reference: ``Type/id``, where it is confirmed.
    """

    state: IntentState
    reference: str | None = None

    @property
    def has_arrived(self) -> bool:
        return self.state is IntentState.CONFIRMED


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Closes intents by what the server holds."""

    lookup: Lookup
    outbox: Outbox

    def settle(self, number: int, intent: Intent, at: datetime, *, otherwise: IntentState = IntentState.SUPERSEDED) -> Settled:
        """The intent as it is now: confirmed when the server holds exactly its body, else ``otherwise``, to be decided again.

        A Provenance that is still owed to an Observation stays open: the next run of the same content writes it.
        """
        if intent.kind == "Provenance":
            return self._settle_provenance(number, intent, at)
        found = self.lookup.by_identifier(intent.kind, _identifier(intent))
        if len(found) == 1 and holds_exactly(found[0], intent.body):
            version = version_of(found[0])
            if _may_be_ours(intent, version):
                known = None if is_persons(intent) else version
                reference = f"{intent.kind}/{found[0]['id']}"
                self._close(number, intent, IntentState.CONFIRMED, at, reference=reference, version=known)
                return Settled(IntentState.CONFIRMED, reference)
        note = "The server holds something else." if found else "It had not arrived."
        self._close(number, intent, otherwise, at, note=note)
        return Settled(otherwise)

    def resume(self, kept: Kept, at: datetime) -> Settled:
        """Settles what an earlier process left open; one about which the server will never answer has failed.

        Raises:
            TemporaryServerError: The server stays away; the intent stays open.
            StoppedError: Nothing may be asked now; the intent stays open.
        """
        try:
            return self.settle(kept.number, kept.intent, at)
        except StoppedError:
            raise
        except FatalServerError as error:
            self._close(kept.number, kept.intent, IntentState.FAILED, at, note=error.message)
            return Settled(IntentState.FAILED)

    def place(self, intent: Intent) -> str:
        """``Type/id`` of what was just written, when the answer does not say (WB-16).

        Raises:
            NotFoundError: The server does not show it, or shows several.
        """
        if intent.if_match is not None:
            return f"{intent.kind}/{intent.body['id']}"
        if "identifier" in intent.body:
            found = self.lookup.by_identifier(intent.kind, _identifier(intent))
        else:
            found = self.lookup.provenances_of(intent.body["target"][0]["reference"])
        if len(found) != 1:
            raise NotFoundError("Not there, or several times.")
        return f"{intent.kind}/{found[0]['id']}"

    def _settle_provenance(self, number: int, intent: Intent, at: datetime) -> Settled:
        observations = self.lookup.by_identifier("Observation", _identifier(intent))
        if not observations:
            self._close(number, intent, IntentState.SUPERSEDED, at, note="Its Observation had not arrived.")
            return Settled(IntentState.SUPERSEDED)
        found = self.lookup.provenances_of(f"Observation/{observations[0]['id']}")
        if not found:
            return Settled(IntentState.PENDING)
        reference = f"Provenance/{found[0]['id']}"
        self._close(number, intent, IntentState.CONFIRMED, at, reference=reference, version=version_of(found[0]))
        return Settled(IntentState.CONFIRMED, reference)

    def _close(self, number: int, intent: Intent, state: IntentState, at: datetime, **more: str | None) -> None:
        self.outbox.mark(number, state, at, tenant=intent.tenant, **more)


def _may_be_ours(intent: Intent, version: str | None) -> bool:
    """Where versions count up, the one after our condition: a later one, be its content the same, was saved by somebody."""
    if version is None or not version.isdecimal():
        return True
    if intent.if_match is None:
        return version == "1"
    return not intent.if_match.isdecimal() or int(version) == int(intent.if_match) + 1


def _identifier(intent: Intent) -> Identifier:
    system, _, value = intent.identifier.rpartition("|")
    return Identifier(system, value)
