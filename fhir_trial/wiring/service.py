"""The service: one server's patients screened, and written back to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, JsonLinesAudit, patient_key
from fhir_trial.config import Settings
from fhir_trial.screening.ports import AnswerBook
from fhir_trial.sources.search_plan import trial_plan
from fhir_trial.sources.server import ServerSource
from fhir_trial.terminology import mappings_folder
from fhir_trial.transport.access import BackendServices
from fhir_trial.transport.scopes import system_scopes
from fhir_trial.transport.server import FhirServer
from fhir_trial.transport.settings import ServerSettings
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.version import SOFTWARE
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.kept import KeptPorts, open_kept
from fhir_trial.wiring.library import knowing_our_own, screen_raw
from fhir_trial.writeback import WriteBack, WriteResult, WriteSettings
from fhir_trial.writeback.routes import Route, open_route

if TYPE_CHECKING:
    from fhir_trial.definitions.trial_files import TrialFile


#: What the FHIR route writes.
WRITTEN_TYPES = ("Observation", "Provenance", "ResearchStudy", "ResearchSubject")

_Recorder = Callable[[AuditAction, str | None, AuditOutcome], None]


@dataclass(frozen=True, slots=True)
class Screening:
    """A verdict, and what became of each resource that it was to be written as."""

    verdict: Verdict
    written: tuple[WriteResult, ...]


class ScreeningService:
    """Screens the patients of one FHIR server and writes back to the same server; each step is audited before it is taken.

    Args:
        answers: What people have answered, asked anew for each screening.

    Raises:
        UsageError: The server, the site or the zone is not known.
        WriteRefusedError: The settings would write under a base that is not the site's own.
    """

    def __init__(self, settings: Settings, audit: AuditLog | None = None, answers: AnswerBook | None = None) -> None:
        self._settings, self._answers = settings, answers
        self._kept = open_kept(settings)
        self._audit = audit or (self._kept.audit if self._kept else JsonLinesAudit())
        self._trials: dict[str, ResolvedTrial] = {}
        self._routes: dict[WriteSettings, Route] = {}
        self._opening = threading.Lock()
        halted = self._kept.switch.is_stopped if self._kept else None
        self._server = FhirServer(self._server_settings, scopes=self._scopes(), halted=halted)

    @property
    def ports(self) -> KeptPorts | None:
        """What the service can show of the store; None without one."""
        return KeptPorts(self._kept, self._audit) if self._kept else None

    @property
    def _server_settings(self) -> ServerSettings:
        return self._settings.server_settings(self._settings.server_url)

    def _scopes(self) -> tuple[str, ...]:
        """What to ask for where the server wants to know who we are, and the settings do not say."""
        if not isinstance(self._server_settings.access, BackendServices) or self._server_settings.access.scopes:
            return ()
        names = dict.fromkeys(file.trial for file in self.trials())
        read = {kind for name in names for kind in trial_plan(self.trial(name)).read_types}
        return system_scopes(read, () if self._settings.write_back is WriteBack.OFF else WRITTEN_TYPES)

    def trials(self) -> list[TrialFile]:
        """Every version of every trial."""
        from fhir_trial.definitions.trial_files import trial_files

        return trial_files(mappings_folder())

    def trial(self, name: str) -> ResolvedTrial:
        """The trial with the site's overlay and the service's settings, read once."""
        from fhir_trial.definitions.trial_files import load_trial

        if name not in self._trials:
            trial = load_trial(name, site=self._settings.site, timezone=self._settings.timezone)
            self._trials[name] = knowing_our_own(trial, self._settings)
        return self._trials[name]

    def prepare(self) -> None:
        """Reads the newest version of every trial, so that a mistake in the settings or a trial shows at the start."""
        for name in dict.fromkeys(file.trial for file in self.trials()):
            trial = self.trial(name)
            if self._settings.write_back is not WriteBack.OFF:
                self._write_settings(trial).check(is_loopback=self._server.settings.is_loopback)

    def check_server(self) -> None:
        """Asks the FHIR server what it is, anew and without patience.

        Raises:
            ServerError: It does not answer, or is no FHIR server.
        """
        impatient = replace(self._server_settings, connect_timeout=2.0, read_timeout=5.0, retries=0)
        with FhirServer(impatient) as server:
            server.capabilities()

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
    ) -> Screening:
        """Pulls one patient by the trial's needs, screens, and writes back; without ``write``, shows what would be written.

        Args:
            patient: ``Patient/id``.
            request: Id of the request, for the audit log.
            actor: The person who asks; the service itself where nobody signs in.

        Raises:
            UnknownTrialError, PatientNotFoundError, ServerError, WriteRefusedError, AuditUnavailableError: As their names say.
        """
        resolved = self.trial(trial)
        record = self._recorder(patient, resolved, request, actor)
        record(AuditAction.READ_PATIENT, "Patient", AuditOutcome.BEGUN)
        try:
            raw = ServerSource(self._server).patient(patient, resolved.needs)
        except Exception:
            record(AuditAction.READ_PATIENT, "Patient", AuditOutcome.FAILED)
            raise
        record(AuditAction.READ_PATIENT, "Patient", AuditOutcome.DONE)
        verdict = screen_raw(raw, resolved, as_of=as_of, first_dose=first_dose, answers=self._answers)
        record(AuditAction.SCREEN, None, AuditOutcome.DONE)

        def witness(action: str, target: str, outcome: str) -> None:
            record(AuditAction(action), target, AuditOutcome(outcome))

        route = self._route(resolved)
        return Screening(verdict, route.write(verdict, resolved, now=now(), witness=witness, dry_run=not write))

    def _route(self, trial: ResolvedTrial) -> Route:
        """One for all trials of the site, since it writes one verdict after another.

        A server that is only read needs no identifier base of the site's own.
        """
        settings = self._write_settings(trial)
        with self._opening:
            if settings not in self._routes:
                outbox = self._kept.outbox if self._kept else None
                self._routes[settings] = open_route(self._server, settings, software=SOFTWARE, outbox=outbox)
            return self._routes[settings]

    def _write_settings(self, trial: ResolvedTrial) -> WriteSettings:
        return WriteSettings(
            write_back=self._settings.write_back,
            create_study=self._settings.create_study,
            observations=self._settings.observations,
            base=trial.own_bases[0],
            former_bases=trial.own_bases[1:],
            tenant=self._settings.tenant,
            transactions=self._settings.transactions,
            note_code=self._settings.note_code or "",
            export_folder=self._settings.export_folder,
        )

    def _recorder(self, patient: str, trial: ResolvedTrial, request: str, actor: Actor | None) -> _Recorder:
        """Records one step after another on this patient, for this trial."""
        event = AuditEvent(
            at=now(),
            actor=actor or Actor(tenant=self._settings.tenant, subject="fhir-trial service"),
            action=AuditAction.READ_PATIENT,
            outcome=AuditOutcome.BEGUN,
            patient=patient_key(self._settings.tenant, self._server.base, patient),
            trial=trial.trial.id,
            criteria=trial.trial.version,
            software=SOFTWARE,
            request=request,
            source="api",
        )

        def record(action: AuditAction, target: str | None, outcome: AuditOutcome) -> None:
            self._audit.record(replace(event, at=now(), action=action, target=target, outcome=outcome))

        return record
