"""What is plugged in beside screening, from memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from fhir_trial.audit import Actor, AuditEvent, AuditUnavailableError
from fhir_trial.audit.exported import Head
from fhir_trial.audit.refusals import RefusedSignIns
from fhir_trial.audit.unfinished import Unfinished
from fhir_trial.errors import FhirTrialError
from fhir_trial.people.deciding import Decision
from fhir_trial.people.statuses import Standing, Status
from fhir_trial.web.service import Ports, Trials
from fhir_trial.writeback import Action, WriteResult
from fhir_trial.writeback.outbox import Intent, IntentState, Kept
from tests.unit.web.identities import ISSUER

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PATIENT = "pt-00000000000000aa"
TRIAL = "nct00000000"
SHOWN = "st-0123456789abcdef0123456789abcdef"
FOREIGN = "nct11111111"
VERDICT = {"as_of": "2026-03-02", "overall": "indeterminate", "criteria": [{"id": "C1"}, {"id": "C2"}]}


@dataclass(frozen=True)
class Granted:
    role: str
    trial: str | None = None


@dataclass
class FakeGrants:
    given: dict[tuple[str, str], set[Granted]] = field(default_factory=dict)

    def give(self, role: str, trial: str | None = None, subject: str = "u1", issuer: str = ISSUER) -> None:
        self.given.setdefault((issuer, subject), set()).add(Granted(role, trial))

    def roles(self, issuer: str, subject: str) -> frozenset[Granted]:
        return frozenset(self.given.get((issuer, subject), ()))


@dataclass(frozen=True)
class StoredScreening:
    id: str
    trial: str
    patient: str = PATIENT
    version: str = "v1"
    at: datetime = AT
    verdict: Mapping[str, Any] = field(default_factory=lambda: VERDICT)


@dataclass
class FakeScreenings:
    kept: list[StoredScreening] = field(default_factory=lambda: [StoredScreening("s1", TRIAL), StoredScreening("s2", FOREIGN)])
    views: list[tuple[str, Actor, str]] = field(default_factory=list)
    audit_is_full: bool = False

    def screening(self, identity: str) -> StoredScreening | None:
        return next((one for one in self.kept if one.id == identity), None)

    def viewed(self, identity: str, actor: Actor, request: str) -> None:
        if self.audit_is_full:
            raise AuditUnavailableError("The audit log cannot be written, so nothing was done.")
        self.views.append((identity, actor, request))

    def of_patient(self, patient: str, trials: Trials, actor: Actor, request: str) -> Sequence[StoredScreening]:
        return [one for one in self.kept if one.patient == patient and (trials is None or one.trial in trials)]

    def key_of(self, patient: str) -> str:
        return PATIENT


@dataclass(frozen=True)
class StoredAnswer:
    id: str
    patient: str
    trial: str
    criterion: str
    answer: str
    reason: str | None
    subject: str
    issuer: str | None
    at: datetime = AT


@dataclass
class FakeAnswers:
    kept: list[StoredAnswer] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    screenings: list[str] = field(default_factory=list)

    def give(
        self, screening: str, *, criterion: str, answer: str, reason: str | None, actor: Actor, request: str
    ) -> StoredAnswer:
        self.actors.append(actor)
        self.screenings.append(screening)
        number = f"a{len(self.kept) + 1}"
        self.kept.append(StoredAnswer(number, PATIENT, TRIAL, criterion, answer, reason, actor.subject, actor.issuer))
        return self.kept[-1]

    def of_patient(self, patient: str, trial: str, actor: Actor, request: str) -> Sequence[StoredAnswer]:
        return [one for one in self.kept if (one.patient, one.trial) == (patient, trial)]


@dataclass(frozen=True)
class StoredStep:
    status: Status = Status.CONTACTED
    episode: int = 1
    reason_code: str | None = None
    reason: str | None = "Telephoned."
    since: date = date(2026, 3, 2)
    issuer: str | None = ISSUER
    subject: str = "u1"
    at: datetime = AT
    state: str = "written"
    note: str | None = None


@dataclass(frozen=True)
class UnsentStep(StoredStep):
    patient: str = PATIENT
    trial: str = TRIAL


@dataclass(frozen=True)
class StoredPlace:
    standing: Standing = field(default_factory=lambda: Standing(Status.CONTACTED))
    enrolment: str | None = "candidate"
    others: tuple[str, ...] = ()
    is_lost: bool = False
    is_deceased: bool = False
    differs: bool = False
    possible: tuple[Status, ...] = (Status.CONSENTED, Status.DECLINED)
    may_reopen: bool = False
    token: str = SHOWN
    history: tuple[StoredStep, ...] = (StoredStep(),)


@dataclass
class FakeDecisions:
    made: list[dict[str, Any]] = field(default_factory=list)
    lists: list[tuple[Trials, int, Actor, str]] = field(default_factory=list)

    def unsent(self, trials: Trials, limit: int, actor: Actor, request: str) -> Sequence[UnsentStep]:
        self.lists.append((trials, limit, actor, request))
        return [UnsentStep(trial=trial, state="decided") for trial in (TRIAL, FOREIGN)][:limit]

    def unsent_counts(self) -> Mapping[str, int]:
        return {"decided": 2, "kept": 0}

    def standing(self, patient: str, trial: str, actor: Actor, request: str) -> StoredPlace | None:
        return StoredPlace() if patient == PATIENT else None

    def decide(self, patient: str, trial: str, *, to: Decision, actor: Actor, request: str) -> Sequence[WriteResult] | None:
        if patient != PATIENT:
            return None
        self.made.append({"trial": trial, "to": to, "actor": actor})
        return [WriteResult("ResearchSubject/1", Action.UPDATED, "A person decided.")]


@dataclass
class FakeOutbox:
    trials_asked: list[Trials] = field(default_factory=list)

    def entries(self, trials: Trials, state: str | None, limit: int) -> Sequence[Kept]:
        self.trials_asked.append(trials)
        return [_kept(1, TRIAL), _kept(2, FOREIGN)][:limit]

    def counts(self) -> Mapping[str, int]:
        return {"confirmed": 7, "failed": 1}


def _kept(number: int, trial: str) -> Kept:
    body = {"resourceType": "ResearchSubject", "individual": {"reference": "Patient/planted"}}
    intent = Intent(
        "k", "default", "https://ehr.example.invalid", "Patient/planted", trial, "ResearchSubject", "s|v", "create", body
    )
    return Kept(number, intent, IntentState.CONFIRMED, AT, 1, "ResearchSubject/planted")


@dataclass
class FakeSwitch:
    thrown: list[tuple[str, str, Actor]] = field(default_factory=list)

    def stop(self, reason: str, actor: Actor, request: str) -> None:
        self.thrown.append(("stop", reason, actor))

    def resume(self, reason: str, actor: Actor, request: str) -> None:
        self.thrown.append(("resume", reason, actor))


@dataclass(frozen=True)
class Checked:
    intact: bool = True
    events: int = 12
    first_broken: int | None = None
    head: Head = field(default_factory=lambda: Head(12, "a" * 64))
    unfinished: tuple[Unfinished, ...] = ()


@dataclass
class FakeLog:
    events: list[AuditEvent] = field(default_factory=list)
    is_full: bool = False

    def record(self, event: AuditEvent) -> None:
        if self.is_full:
            raise AuditUnavailableError("The audit log cannot be written, so nothing was done.")
        self.events.append(event)


@dataclass
class FakeTrail:
    found: Checked = field(default_factory=Checked)
    heads: list[Head] = field(default_factory=list)
    log: FakeLog = field(default_factory=FakeLog)
    refusals: RefusedSignIns = field(init=False)

    def __post_init__(self) -> None:
        self.refusals = RefusedSignIns(self.log, lambda: AT, most=3)

    def verify(self, actor: Actor, request: str, heads: Collection[Head] = ()) -> Checked:
        self.heads += heads
        return self.found


@dataclass
class FakeDatabase:
    failure: FhirTrialError | None = None

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeKeys:
    held: list[dict[str, Any]] = field(default_factory=list)

    def jwks(self) -> Mapping[str, Any]:
        return {"keys": self.held}


def all_ports(**changes: Any) -> Ports:
    plain: dict[str, Any] = {
        "grants": FakeGrants(),
        "screenings": FakeScreenings(),
        "answers": FakeAnswers(),
        "decisions": FakeDecisions(),
        "outbox": FakeOutbox(),
        "switch": FakeSwitch(),
        "audit": FakeTrail(),
        "database": FakeDatabase(),
        "keys": FakeKeys(),
    }
    return Ports(**(plain | changes))
