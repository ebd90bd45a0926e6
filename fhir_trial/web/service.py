"""What the views need done: small ports that ``wiring`` plugs to the rooms, and tests fake.

``Service`` screens and is always there. Everything in ``Plugged`` may be absent: its routes then answer 501. All ports are bound
to one tenant, that of the settings, so that no request can name another (SEC-13).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from flask import Flask, current_app

if TYPE_CHECKING:
    from fhir_trial.audit import Actor
    from fhir_trial.audit.exported import Head
    from fhir_trial.audit.refusals import Refusal
    from fhir_trial.audit.unfinished import Unfinished
    from fhir_trial.definitions.trial_files import TrialFile
    from fhir_trial.inspection import ServerReport
    from fhir_trial.trials.model import ResolvedTrial
    from fhir_trial.verdict.model import Verdict
    from fhir_trial.web.decision_ports import Decisions
    from fhir_trial.writeback import WriteResult
    from fhir_trial.writeback.outbox import Kept

_KEY = "fhir_trial"
_PLUGGED = "fhir_trial_plugged"

#: The trials that the user may see; None for all.
Trials = Collection[str] | None


class Screened(Protocol):
    """``wiring.Screening``."""

    @property
    def verdict(self) -> Verdict: ...

    @property
    def written(self) -> Sequence[WriteResult]: ...

    @property
    def id(self) -> str | None: ...


class Service(Protocol):
    """Screening against one FHIR server. Errors are those of ``errors.py``."""

    def trials(self) -> Sequence[TrialFile]: ...

    def trial(self, name: str) -> ResolvedTrial: ...

    def check_server(self) -> None: ...

    def inspect_server(self, trial: str, *, patients: int, actor: Actor, request: str) -> ServerReport:
        """What the server does with the searches of a trial; nothing is written to it (DATA-20)."""
        ...

    def screen(
        self,
        patient: str,
        trial: str,
        *,
        as_of: date | None,
        first_dose: date | None,
        write: bool,
        request: str,
        actor: Actor | None = None,
    ) -> Screened:
        """``actor``: the signed-in user; None where nobody is asked who they are, and the service acts itself."""
        ...


class Grant(Protocol):
    """A role, on one trial or on all."""

    @property
    def role(self) -> str: ...

    @property
    def trial(self) -> str | None: ...


class Grants(Protocol):
    """Who may do what, by our own grants alone; a stranger has none (SMART-36)."""

    def roles(self, issuer: str, subject: str) -> Collection[Grant]: ...


class KeptScreening(Protocol):
    """A screening as it was kept.

    Attributes:
        id: Ours.
        patient: Our key, ``pt-...``; never the hospital's id (SEC-26).
        trial: Trial id.
        verdict: The object of the verdict contract.
    """

    @property
    def id(self) -> str: ...

    @property
    def patient(self) -> str: ...

    @property
    def trial(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def at(self) -> datetime: ...

    @property
    def verdict(self) -> Mapping[str, Any]: ...


class Screenings(Protocol):
    """The screenings that were kept."""

    def screening(self, identity: str) -> KeptScreening | None: ...

    def viewed(self, identity: str, actor: Actor, request: str) -> None:
        """Audits that it is about to be shown; AuditUnavailableError, and it is not (SEC-02)."""
        ...

    def of_patient(self, patient: str, trials: Trials, actor: Actor, request: str) -> Sequence[KeptScreening]:
        """Newest first, of these trials only; audited before it returns."""
        ...

    def key_of(self, patient: str) -> str:
        """Our key of ``Patient/id``."""
        ...


class KeptAnswer(Protocol):
    """What a person said about one criterion."""

    @property
    def id(self) -> str: ...

    @property
    def criterion(self) -> str: ...

    @property
    def answer(self) -> str: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def subject(self) -> str: ...

    @property
    def issuer(self) -> str | None: ...

    @property
    def at(self) -> datetime: ...


class Answers(Protocol):
    """People's answers; none is changed, a newer one counts."""

    def give(self, screening: str, *, criterion: str, answer: str, reason: str | None, actor: Actor, request: str) -> KeptAnswer:
        """Keeps it, resting on the evidence of that screening; audited before it returns.

        Args:
            screening: Id of a kept screening, known to exist and to have the criterion.
            answer: A value of ``trials.adjudication.Says``.

        Raises:
            UsageError: A decided answer is overridden without a reason (SEC-51).
        """
        ...

    def of_patient(self, patient: str, trial: str, actor: Actor, request: str) -> Sequence[KeptAnswer]:
        """Oldest first; audited before it returns."""
        ...


class OutboxView(Protocol):
    """What is to be written, was, or failed."""

    def entries(self, trials: Trials, state: str | None, limit: int) -> Sequence[Kept]:
        """Newest first."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How many by state."""
        ...


class KillSwitch(Protocol):
    """Stops all writing of the tenant (SEC-60). Both are audited before they return."""

    def stop(self, reason: str, actor: Actor, request: str) -> None: ...

    def resume(self, reason: str, actor: Actor, request: str) -> None: ...


class AuditCheck(Protocol):
    """Whether the audit log is as it was written; head: the last event that fits; unfinished: begun, without outcome."""

    @property
    def intact(self) -> bool: ...

    @property
    def events(self) -> int: ...

    @property
    def first_broken(self) -> int | None: ...

    @property
    def head(self) -> Head: ...

    @property
    def unfinished(self) -> Sequence[Unfinished]: ...


class Refusals(Protocol):
    """``audit.refusals.RefusedSignIns``."""

    def record(self, tenant: str, refusal: Refusal, request: str) -> None: ...

    def settle(self, tenant: str) -> None: ...


class AuditTrail(Protocol):
    """The audit log, to be checked, and where refused sign-ins are recorded."""

    @property
    def refusals(self) -> Refusals: ...

    def verify(self, actor: Actor, request: str, heads: Collection[Head] = ()) -> AuditCheck: ...


class Database(Protocol):
    """Whether the database can be used."""

    def check(self) -> None:
        """An error of ``errors.py`` when it cannot."""
        ...


class PublicKeys(Protocol):
    """Our own keys, as others may know them (SMART-48)."""

    def jwks(self) -> Mapping[str, Any]: ...


class Plugged(Protocol):
    """What this installation can do besides screening; each may be None."""

    @property
    def grants(self) -> Grants | None: ...

    @property
    def screenings(self) -> Screenings | None: ...

    @property
    def answers(self) -> Answers | None: ...

    @property
    def decisions(self) -> Decisions | None: ...

    @property
    def outbox(self) -> OutboxView | None: ...

    @property
    def switch(self) -> KillSwitch | None: ...

    @property
    def audit(self) -> AuditTrail | None: ...

    @property
    def database(self) -> Database | None: ...

    @property
    def keys(self) -> PublicKeys | None: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """A ``Plugged`` to fill; by default nothing is plugged in."""

    grants: Grants | None = None
    screenings: Screenings | None = None
    answers: Answers | None = None
    decisions: Decisions | None = None
    outbox: OutboxView | None = None
    switch: KillSwitch | None = None
    audit: AuditTrail | None = None
    database: Database | None = None
    keys: PublicKeys | None = None


def keep_service(app: Flask, service: Service, ports: Plugged) -> None:
    """Keeps both with the application."""
    app.extensions[_KEY] = service
    app.extensions[_PLUGGED] = ports


def service() -> Service:
    """The service of the application that answers this request."""
    return cast(Service, current_app.extensions[_KEY])


def plugged() -> Plugged:
    """What is plugged in beside it."""
    return cast(Plugged, current_app.extensions[_PLUGGED])
