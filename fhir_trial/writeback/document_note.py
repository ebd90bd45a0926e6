"""A note for people, where a server takes neither subjects nor results: one DocumentReference per content (WB-29).

Source: FHIR R4 and R5 DocumentReference.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime

from fhir_trial.criteria.answers import Outcome
from fhir_trial.transport import FhirServer, Json
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.verdict.overall import DECEASED
from fhir_trial.writeback.codes import LOINC, Release, origin_tag, release_of
from fhir_trial.writeback.decisions import Action, Decision, is_listed
from fhir_trial.writeback.identifiers import note_system, run_value, runs_begin, study_identifier
from fhir_trial.writeback.locks import lock_of
from fhir_trial.writeback.lookup import AN_ERROR, Lookup, identifiers_of, is_error, target_of
from fhir_trial.writeback.memory_outbox import MemoryOutbox
from fhir_trial.writeback.obstacles import obstacle_to_writing
from fhir_trial.writeback.outbox import Outbox
from fhir_trial.writeback.persons_words import neutral
from fhir_trial.writeback.provenance import issued_now
from fhir_trial.writeback.reconciling import Reconciler
from fhir_trial.writeback.sending import Errand, Sender, Witness, WriteResult, no_witness
from fhir_trial.writeback.settings import WriteSettings

TITLE = "Research pre-screening, not part of the clinical record"


class DocumentNote:
    """The route of a note.

    Raises:
        WriteRefusedError: The identifier base is not fit for this server.
    """

    name = "document-note"

    def __init__(self, server: FhirServer, settings: WriteSettings, *, software: str, outbox: Outbox | None = None) -> None:
        settings.check(is_loopback=server.settings.is_loopback)
        self._server = server
        self._settings = settings
        self._software = software
        self._outbox = outbox or MemoryOutbox()
        self._lookup = Lookup(server, settings.bases)
        self._refused: dict[str, str] = {}
        self._lock = lock_of(server.base)
        self._has_resumed = False

    @property
    def refused(self) -> dict[str, str]:
        """Interaction and type -> why it is not tried any more in this process (WB-02)."""
        return dict(self._refused)

    def write(
        self,
        verdict: Verdict,
        trial: ResolvedTrial,
        *,
        now: datetime,
        witness: Witness = no_witness,
        dry_run: bool = False,
        episode: int = 1,
    ) -> tuple[WriteResult, ...]:
        """One note, or none when the newest says the same; arguments and errors as of ``Writer.write``."""
        with self._lock:
            stopped = self._outbox.stopped(self._settings.tenant)
            obstacle = obstacle_to_writing(self._server, self._settings, self._lookup, verdict.patient, stopped=stopped)
            if obstacle is not None:
                return (WriteResult(verdict.patient, Action.WITHHELD, obstacle),)
            reconciler = Reconciler(self._lookup, self._outbox)
            if not dry_run and not self._has_resumed:
                self._resume(reconciler, now)
            release = release_of(self._server.capabilities().fhir_version) or Release.R4
            errand = Errand(self._settings.tenant, verdict.patient, trial.trial.id, now)
            sender = Sender(self._server, self._outbox, reconciler, witness, errand, release, self._refused, dry_run)
            kind = "DocumentReference"
            return (sender.settle(kind, kind, lambda: self._about_note(verdict, trial, now, release)),)

    def _resume(self, reconciler: Reconciler, now: datetime) -> None:
        for kept in tuple(self._outbox.interrupted(self._settings.tenant, self._server.base)):
            if kept.intent.kind == "DocumentReference":
                reconciler.resume(kept, now)
        self._has_resumed = True

    def _about_note(self, verdict: Verdict, trial: ResolvedTrial, now: datetime, release: Release) -> Decision:
        study = study_identifier(trial).value
        systems = [note_system(base) for base in self._settings.bases]
        notes = self._lookup.notes_of(verdict.patient, systems, _description(study))
        begin = _as_note(runs_begin(self._settings.tenant, study, verdict.patient))  # another tenant's begin otherwise
        written = [each for each in notes if (self._value_of(each) or "").startswith(begin)]
        last = _newest([each for each in written if not is_error(each)])
        if last is None and not is_listed(verdict.overall, self._settings):
            return Decision(Action.WITHHELD, "No note is begun for a patient who is not on the list.")
        if last is None and (DECEASED in verdict.blockers or self._lookup.has_died(verdict.patient)):
            return Decision(Action.WITHHELD, "No note is begun for a patient who has died.")
        if last is None and any(self._value_of(each) is None for each in notes):
            return Decision(Action.WITHHELD, "A note stands there without its identifier: the server does not keep it.")
        earlier = None if last is None else _replaced_by(last)
        before = next((each for each in written if f"DocumentReference/{each['id']}" == earlier), None)
        if last is not None and self._value_of(last) == self._value(study, verdict, trial, self._value_of(before)):
            return Decision(Action.UNCHANGED, "The same note is there already.", held=last)
        value = self._value(study, verdict, trial, self._value_of(last))
        for wrong in written:
            if is_error(wrong) and self._value_of(wrong) == value:
                return Decision(Action.WITHHELD, AN_ERROR, held=wrong)
        note = self._note(verdict, trial, now, value)
        if last is None:
            return Decision(Action.CREATED, "A new note.", note)
        note["relatesTo"] = [_replacing(f"DocumentReference/{last['id']}", release)]
        return Decision(Action.CREATED, "The note has changed.", note)

    def _note(self, verdict: Verdict, trial: ResolvedTrial, now: datetime, value: str) -> Json:
        return {
            "resourceType": "DocumentReference",
            "meta": {"tag": [origin_tag(self._settings.bases[0])]},
            "identifier": [{"system": note_system(self._settings.bases[0]), "value": value}],
            "status": "current",
            "docStatus": "preliminary",
            "type": {"coding": [{"system": LOINC, "code": self._settings.note_code}], "text": TITLE},
            "subject": {"reference": verdict.patient},
            "date": issued_now(now),
            "description": _description(study_identifier(trial).value),
            "content": [{"attachment": _attachment(note_text(verdict, trial, self._software))}],
        }

    def _value_of(self, note: Json | None) -> str | None:
        systems = {note_system(base) for base in self._settings.bases}
        found = () if note is None else identifiers_of(note)
        return next((each.value for each in found if each.system in systems), None)

    def _value(self, study: str, verdict: Verdict, trial: ResolvedTrial, before: str | None) -> str:
        return _as_note(run_value(self._settings.tenant, study, verdict, trial, before))


def note_text(verdict: Verdict, trial: ResolvedTrial, software: str) -> str:
    """What people read: plain text, line by line."""
    return "\n".join(_lines(verdict, trial, software)) + "\n"


def _lines(verdict: Verdict, trial: ResolvedTrial, software: str) -> Iterator[str]:
    yield TITLE
    yield f"Trial: {trial.trial.title} ({study_identifier(trial).value}), criteria {verdict.version}"
    yield f"Computed by {software} from data up to {verdict.data_cutoff or verdict.as_of}; nobody has confirmed it."
    yield f"Result: {str(verdict.overall).replace('-', ' ')}"
    for criterion, answer in verdict.answers:
        outcome = "no data" if answer.outcome is Outcome.UNKNOWN else str(answer.outcome).replace("-", " ")
        yield f"- {criterion.id} {criterion.title or criterion.text}: {outcome} ({neutral(answer.reason, verdict)})"
    for text in verdict.not_evaluated:
        yield f"- Not evaluated: {text}"


def _description(study: str) -> str:
    return f"{TITLE}: {study}"


def _as_note(run: str) -> str:
    return run.replace("run-", "note-", 1)


def _newest(notes: list[Json]) -> Json | None:
    """The one that no other replaces; of several, the one dated last."""
    replaced = {target for note in notes if (target := _replaced_by(note)) is not None}
    return max((each for each in notes if f"DocumentReference/{each['id']}" not in replaced), key=_age, default=None)


def _attachment(text: str) -> Json:
    return {
        "contentType": "text/plain; charset=utf-8",
        "data": base64.b64encode(text.encode()).decode(),
        "title": TITLE,
    }


def _replacing(reference: str, release: Release) -> Json:
    code = {"coding": [{"system": "http://hl7.org/fhir/document-relationship-type", "code": "replaces"}]}
    return {"code": "replaces" if release is Release.R4 else code, "target": {"reference": reference}}


def _replaced_by(note: Json) -> str | None:
    items = note.get("relatesTo")
    first = items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}
    return target_of(first.get("target"))


def _age(note: Json) -> tuple[str, str]:
    return str(note.get("date")), str(note["id"])
