"""A verdict, or a person's decision, onto one FHIR server.

Read first; create with If-None-Exist, update by id with If-Match, never a blind PUT; read back what was written and compare.
Source: FHIR R4 RESTful API; WB-01 to WB-16, WB-23 to WB-28.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from fhir_trial.errors import ConflictError, UsageError, WriteRefusedError
from fhir_trial.people.statuses import By, Standing, Status, moved
from fhir_trial.transport import FhirServer, Json
from fhir_trial.trials.model import Identifier, ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.writeback.case import Case
from fhir_trial.writeback.codes import Release, release_of
from fhir_trial.writeback.decisions import Action, Decision, version_of
from fhir_trial.writeback.enrolment import (
    enrolment_code,
    enrolment_of,
    moved_to,
    patient_of,
    research_subject_r4,
    research_subject_r5,
)
from fhir_trial.writeback.identifiers import study_identifier, subject_system, subject_value
from fhir_trial.writeback.locks import lock_of
from fhir_trial.writeback.lookup import ELSEWHERE, Lookup, names
from fhir_trial.writeback.marks import without_marks
from fhir_trial.writeback.memory_outbox import MemoryOutbox
from fhir_trial.writeback.obstacles import obstacle_to_writing
from fhir_trial.writeback.outbox import Outbox
from fhir_trial.writeback.reconciling import Reconciler
from fhir_trial.writeback.sending import Errand, Sender, Witness, WriteResult, no_witness
from fhir_trial.writeback.settings import WriteSettings
from fhir_trial.writeback.standing import own_names, said_against, said_by_others, study_on_server, tidy_up


@dataclass(frozen=True, slots=True)
class PersonsDecision:
    """What a named person decided about a patient on a trial.

    Attributes:
        patient: ``Patient/id``.
        before: The standing that the person was shown.
        to: The status decided.
        when: Since when it is so.
        reason: A code, where the status needs one.
        shown: ``ResearchSubject/id`` and version that the person was shown; None where there was none.
        registered_on: When the patient was registered; by default the day of the step to on-study, later what the subject's
            period says.
    """

    patient: str
    before: Standing
    to: Status
    when: date
    reason: str | None = None
    shown: tuple[str, str] | None = None
    registered_on: date | None = None


_APPEARED = "A subject has appeared since none was shown: look again before deciding."


class Writer:
    """Writes to one server, one thing after another: conditional creates in parallel are not atomic everywhere (WB-07).

    Args:
        software: Name and version, "fhir-trial 0.1.0".
        outbox: What is about to be written and what was; forgotten with the process unless given.

    Raises:
        WriteRefusedError: The identifier base is not fit for this server.
    """

    def __init__(self, server: FhirServer, settings: WriteSettings, *, software: str, outbox: Outbox | None = None) -> None:
        settings.check(is_loopback=server.settings.is_loopback)
        self._server = server
        self._settings = settings
        self._software = software
        self._outbox = outbox or MemoryOutbox()
        self._lookup = Lookup(server, settings.bases)
        self._reconciler = Reconciler(self._lookup, self._outbox)
        self._refused: dict[str, str] = {}
        self._owed: dict[str, int] = {}
        self._has_resumed = False
        self._lock = lock_of(server.base)

    @property
    def refused(self) -> dict[str, str]:
        """Interaction and type ("create Observation") -> why it is not tried any more in this process (WB-02)."""
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
        """Writes what the settings allow, and says of each resource what became of it.

        Args:
            now: Aware; stands in Observation.issued.
            witness: Told of each step; an error of its own stops the write (SEC-05).
            dry_run: Reads, decides and checks, but sends nothing (WB-11).
            episode: Number of the screening episode, from 1.

        Raises:
            ServerError: The server failed; what was written before that stays, and a second run completes it.
        """
        with self._lock:
            obstacle = self._obstacle(verdict.patient)
            if obstacle is not None:
                return (WriteResult(verdict.patient, Action.WITHHELD, obstacle),)
            if not dry_run and not self._has_resumed:
                self._resume(now)
            errand = Errand(self._settings.tenant, verdict.patient, trial.trial.id, now)
            sender = self._sender(errand, witness, dry_run=dry_run)
            case = Case(self._settings, self._software, self._lookup, sender, verdict, trial, episode, self._owed)
            return tuple(case.results())

    def decide(
        self,
        decision: PersonsDecision,
        trial: ResolvedTrial,
        *,
        now: datetime,
        witness: Witness = no_witness,
        dry_run: bool = False,
    ) -> WriteResult:
        """Writes a named person's status, on the version that the person was shown and on no other (WB-01, WB-14).

        Raises:
            IllegalStatusError: The status cannot follow, or lacks its reason.
            UsageError: The patient was on study, and nobody says since when.
            ConflictError: The subject is another than the one shown: the person looks again; or another's subject beside it says
                something else. Nothing was written.
            WriteRefusedError: The server names no versions, so the person's view cannot be held to.
            ServerError: The server failed.
        """
        after = moved(decision.before, decision.to, By.PERSON, decision.reason)
        with self._lock:
            obstacle = self._obstacle(decision.patient)
            if obstacle is not None:
                return WriteResult(decision.patient, Action.WITHHELD, obstacle)
            if not dry_run and not self._has_resumed:
                self._resume(now)
            errand = Errand(self._settings.tenant, decision.patient, trial.trial.id, now, by_person=True)
            sender = self._sender(errand, witness, dry_run=dry_run)
            found = study_on_server(self._lookup, trial, self._settings.bases)
            study = None if found is None else f"ResearchStudy/{found['id']}"
            if study is None:
                return WriteResult("ResearchSubject", Action.WITHHELD, "The study is not on the server, or is there twice.")
            made = self._moved(decision, after, study) if decision.shown else self._made(decision, after, trial, study)
            self._check_others(decision, after, trial, study)
            result = sender.attempt("ResearchSubject", "ResearchSubject", made)
            if result.by_another:
                raise ConflictError(_APPEARED)
            return result

    def resume(self, now: datetime) -> int:
        """Settles what an earlier process left open, by asking the server; sends nothing (WB-03).

        Called by itself before the first write.

        Returns:
            How many intents were found open.

        Raises:
            TemporaryServerError: The server stays away; what was not settled stays open.
        """
        with self._lock:
            return self._resume(now)

    def _resume(self, now: datetime) -> int:
        if self._outbox.stopped(self._settings.tenant):
            return 0
        count = 0
        for kept in tuple(self._outbox.interrupted(self._settings.tenant, self._server.base)):
            count += 1
            settled = self._reconciler.resume(kept, now)
            if kept.intent.kind == "Provenance" and settled.state.is_open:
                self._owed[kept.intent.identifier.rpartition("|")[2]] = kept.number
        self._has_resumed = True
        return count

    def _sender(self, errand: Errand, witness: Witness, *, dry_run: bool) -> Sender:
        release = release_of(self._server.capabilities().fhir_version) or Release.R4
        return Sender(self._server, self._outbox, self._reconciler, witness, errand, release, self._refused, dry_run)

    def _obstacle(self, patient: str) -> str | None:
        stopped = self._outbox.stopped(self._settings.tenant)
        return obstacle_to_writing(self._server, self._settings, self._lookup, patient, stopped=stopped)

    def _check_others(self, decision: PersonsDecision, after: Standing, trial: ResolvedTrial, study: str) -> None:
        """Another's subject beside ours says something else: one of the two is wrong, and a person must say which (WB-14)."""
        there = self._lookup.subjects_of(decision.patient, study)
        held = decision.shown[0].rpartition("/")[2] if decision.shown else None
        ours = next((enrolment_of(each) for each in there if each["id"] == held), None)
        names = own_names(self._settings, trial, decision.patient, after.episode)
        against = said_against(ours, said_by_others(self._lookup, there, names, besides=held))
        if against:
            raise ConflictError(tidy_up(against))

    def _moved(self, decision: PersonsDecision, after: Standing, study: str) -> Decision:
        reference, version = decision.shown or ("", "")
        held = self._lookup.read(reference)
        if held is None or not (names(patient_of(held), decision.patient) and names(held.get("study"), study)):
            raise ConflictError("The subject that was shown is not there any more: look again before deciding.")
        if self._lookup.is_elsewhere(patient_of(held)):
            raise ConflictError(ELSEWHERE)
        if version_of(held) is None:
            raise WriteRefusedError("The server names no versions, so nobody can tell whether the subject changed meanwhile.")
        if version_of(held) != version:
            raise ConflictError(f"The subject has changed since it was shown (now {enrolment_of(held)}): look again.")
        code = enrolment_code(decision.to, is_registered=after.is_registered)
        moved_on = moved_to(held, code, decision.when, registered_on=_registered_on(decision, after, held))
        body = without_marks(moved_on, self._settings.bases)
        return Decision(Action.UPDATED, f"A person decided: {decision.to}.", body, held, version)

    def _made(self, decision: PersonsDecision, after: Standing, trial: ResolvedTrial, study: str) -> Decision:
        """A subject of a person's making, where none was shown; one that has appeared meanwhile is a conflict."""
        if self._lookup.subjects_of(decision.patient, study) and after.episode == 1:
            raise ConflictError(_APPEARED)
        name = study_identifier(trial).value
        value = subject_value(self._settings.tenant, name, decision.patient, after.episode)
        if self._lookup.own_subjects(value):
            raise ConflictError(_APPEARED)
        identifiers = (Identifier(subject_system(self._settings.bases[0]), value),)
        registered_on = _registered_on(decision, after, {})
        if after.is_registered and registered_on is None:
            raise UsageError(
                "The date of registration is needed: the patient was on study, and no subject on the server says when."
            )
        release = release_of(self._server.capabilities().fhir_version)
        build = research_subject_r5 if release is Release.R5 else research_subject_r4
        body = build(decision.to, decision.when, study, decision.patient, identifiers, registered_on=registered_on)
        return Decision(Action.CREATED, f"A person decided: {decision.to}.", body)


def _registered_on(decision: PersonsDecision, after: Standing, held: Json) -> date | None:
    """None before registration, and where nobody says when it was: then the period is left as it is."""
    if not after.is_registered:
        return None
    if decision.registered_on is not None or decision.to is Status.ON_STUDY:
        return decision.registered_on or decision.when
    period = held.get("period")
    start = period.get("start") if isinstance(period, dict) else None
    try:
        return date.fromisoformat(str(start)[:10])
    except ValueError:
        return None
