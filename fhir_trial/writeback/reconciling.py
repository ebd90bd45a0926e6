"""What became of a write whose end nobody saw: asked of the server, by identifier (WB-03, WB-04)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fhir_trial.trials.model import Identifier
from fhir_trial.writeback.changes import holds_exactly
from fhir_trial.writeback.decisions import version_of
from fhir_trial.writeback.lookup import Lookup
from fhir_trial.writeback.outbox import Intent, IntentState, Outbox

_PERSONS = "person-"


def persons_key(digest: str) -> str:
    """The key of an intent that a named person's decision made."""
    return _PERSONS + digest


def is_persons(intent: Intent) -> bool:
    """Whether a named person decided it: its version is never remembered as the machine's, which may take back its own only."""
    return intent.key.startswith(_PERSONS)


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Closes intents by what the server holds."""

    lookup: Lookup
    outbox: Outbox

    def settle(
        self, number: int, intent: Intent, at: datetime, *, otherwise: IntentState = IntentState.SUPERSEDED
    ) -> IntentState:
        """The intent's state now: confirmed when the server holds exactly its body, else ``otherwise``, to be decided again.

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
                self.outbox.mark(number, IntentState.CONFIRMED, at, reference=reference, version=known)
                return IntentState.CONFIRMED
        note = "The server holds something else." if found else "It had not arrived."
        self.outbox.mark(number, otherwise, at, note=note)
        return otherwise

    def _settle_provenance(self, number: int, intent: Intent, at: datetime) -> IntentState:
        observations = self.lookup.by_identifier("Observation", _identifier(intent))
        if not observations:
            self.outbox.mark(number, IntentState.SUPERSEDED, at, note="Its Observation had not arrived.")
            return IntentState.SUPERSEDED
        found = self.lookup.provenances_of(f"Observation/{observations[0]['id']}")
        if not found:
            return IntentState.PENDING
        self.outbox.mark(
            number, IntentState.CONFIRMED, at, reference=f"Provenance/{found[0]['id']}", version=version_of(found[0])
        )
        return IntentState.CONFIRMED


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
