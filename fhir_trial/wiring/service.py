"""The service: one server's patients screened, and written back to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from fhir_trial.audit import Actor, AuditAction, AuditLog, Journal, JsonLinesAudit, patient_key
from fhir_trial.config import Settings
from fhir_trial.errors import ConflictError, WriteRefusedError
from fhir_trial.screening.ports import AnswerBook
from fhir_trial.sources.search_plan import observation_codes, trial_plan
from fhir_trial.sources.server import ServerSource
from fhir_trial.terminology import mappings_folder
from fhir_trial.transport import NotFoundError
from fhir_trial.transport.access import BackendServices
from fhir_trial.transport.scopes import system_scopes
from fhir_trial.transport.server import FhirServer
from fhir_trial.transport.settings import ServerSettings
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.version import SOFTWARE
from fhir_trial.wiring.asking import Asking
from fhir_trial.wiring.clock import now, today
from fhir_trial.wiring.keeping import Keeping, NotKeeping
from fhir_trial.wiring.kept import open_kept
from fhir_trial.wiring.library import knowing_our_own, screen_raw
from fhir_trial.wiring.linked_records import linked_records
from fhir_trial.wiring.ports import KeptPorts
from fhir_trial.wiring.recording import PatientSteps
from fhir_trial.wiring.watched import WatchedServer
from fhir_trial.writeback import Action, WriteBack, WriteResult, WriteSettings
from fhir_trial.writeback.codes import FLAGGED
from fhir_trial.writeback.routes import FhirRoute, Route, open_route

if TYPE_CHECKING:
    from fhir_trial.definitions.trial_files import TrialFile
    from fhir_trial.inspection import ServerReport


#: What the FHIR route writes.
WRITTEN_TYPES = ("Observation", "Provenance", "ResearchStudy", "ResearchSubject")

_TO_COME = "Screened as of a day to come, about which nothing is known yet: nothing is written."
_DOSED_BEFORE = "The first dose would lie before the screening: nothing is written."
_GONE_BY = "Screened as of a day that is earlier than that of a screening known already: nothing is written."
_FORGOTTEN = "A person has decided, and the FHIR server does not say so any more: the machine writes nothing, a person looks."


@dataclass(frozen=True, slots=True)
class Screening:
    """A verdict, and what became of each resource that it was to be written as.

    Attributes:
        id: Ours, of the screening as it is kept; None where nothing is kept.
    """

    verdict: Verdict
    written: tuple[WriteResult, ...]
    id: str | None = None


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
        self._keeping = Keeping(self._kept) if self._kept else NotKeeping()
        self._asking = Asking(Journal(self._audit, now), settings.server_url)
        self._trials: dict[str, ResolvedTrial] = {}
        self._routes: dict[WriteSettings, Route] = {}
        self._opening = threading.Lock()
        halted = self._kept.switch.is_stopped if self._kept else None
        self._server = FhirServer(self._server_settings, scopes=self._scopes(), halted=halted)

    @property
    def ports(self) -> KeptPorts | None:
        """What the service can show of the store; None without one."""
        if self._kept is None:
            return None
        return KeptPorts(self._kept, self._audit, self._settings, self.trial, self._route)

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
        """Reads the newest version of every trial, so that a mistake in the settings or a trial shows at the start.

        Raises:
            WriteRefusedError: The settings must not write to this server; or nothing would remember what was under way (WB-03).
        """
        for name in dict.fromkeys(file.trial for file in self.trials()):
            trial = self.trial(name)
            if self._settings.write_back is not WriteBack.OFF:
                self._write_settings(trial).check(is_loopback=self._server.settings.is_loopback)
        self._check_kept()

    def _check_kept(self) -> None:
        """Intents outlive the process, or nothing is written beyond this machine (WB-03)."""
        writes = self._settings.write_back is not WriteBack.OFF
        if writes and not self._server.settings.is_loopback and self._kept is None:
            raise WriteRefusedError(
                "Writing back to a hospital's server needs a store, which remembers what was under way when a process ends: "
                "set FHIR_TRIAL_DATABASE and FHIR_TRIAL_KEYS_FILE, or FHIR_TRIAL_WRITE_BACK=off."
            )

    def check_server(self) -> None:
        """Asks the FHIR server what it is, anew and without patience.

        Raises:
            ServerError: It does not answer, or is no FHIR server.
        """
        impatient = replace(self._server_settings, connect_timeout=2.0, read_timeout=5.0, retries=0)
        with FhirServer(impatient) as server:
            server.capabilities()

    def inspect_server(self, trial: str, *, patients: int, actor: Actor, request: str) -> ServerReport:
        """What the server does with the searches of a trial, tried on a few patients; nothing is written (DATA-20).

        Raises:
            UnknownTrialError, ServerError, AuditUnavailableError: As their names say.
            NoBasisError: Nothing allows to read patients for this trial.
        """
        from fhir_trial.inspection import check_server

        resolved = self.trial(trial)
        steps = self._asking.about(actor, request, None, resolved.trial.id, resolved.trial.version)

        @contextmanager
        def reading(reference: str) -> Iterator[None]:
            key = self._key(reference)
            if self._keeping.is_opted_out(key, resolved):
                raise NotFoundError("This patient is on the site's register of opt-outs, and is not read.")
            with self._asking.about(actor, request, key, resolved.trial.id).begin(AuditAction.READ_PATIENT, "Patient"):
                yield

        halted = self._kept.switch.is_stopped if self._kept else None
        with steps.begin(AuditAction.SEARCH_CANDIDATES, "Patient"):
            self._keeping.admit_counting(resolved)
            with WatchedServer(self._server_settings, self._scopes(), halted, reading) as server:
                return check_server(server, resolved, patients=patients, write_back=self._write_settings(resolved))

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
        key = self._key(patient)
        who = actor or Actor(tenant=self._settings.tenant, subject="fhir-trial service")
        steps = self._asking.about(who, request, key, resolved.trial.id, resolved.trial.version)
        with steps.begin(AuditAction.SCREEN):
            basis = self._keeping.admit(key, resolved)
            with steps.begin(AuditAction.READ_PATIENT, "Patient"):
                source = ServerSource(self._server, codes=observation_codes(resolved))
                raw = source.patient(patient, resolved.needs)
            for other in linked_records(raw, (self._server.base, *self._server.settings.aliases)):
                self._keeping.admit(self._key(other), resolved)
            verdict = screen_raw(
                raw, resolved, as_of=as_of, first_dose=first_dose, answers=self._answers or self._keeping.answers
            )
            kept = self._keeping.keep(verdict, raw, resolved, basis, steps.event)
        self._keeping.admit(key, resolved)  # a basis may have ended meanwhile, a patient may have opted out
        return Screening(verdict, self._written(verdict, resolved, steps, write=write), kept)

    def _key(self, patient: str) -> str:
        """Ours, of ``Patient/id``."""
        return patient_key(self._settings.tenant, self._server.base, patient)

    def _written(self, verdict: Verdict, trial: ResolvedTrial, steps: PatientSteps, *, write: bool) -> tuple[WriteResult, ...]:
        """What became of the verdict on the server; what stands there of earlier ones is read first, and that is a step too."""
        key = steps.event.patient or ""
        day = today(trial.zone)
        held_back = _what_if(verdict, day) or self._keeping.held_back(key, trial)
        if held_back is None and verdict.as_of < (self._keeping.last_day(key, trial, day) or verdict.as_of):
            held_back = _GONE_BY
        if held_back is not None:
            return (WriteResult(verdict.patient, Action.WITHHELD, held_back),)
        route = self._route(trial)
        reads = self._settings.write_back is not WriteBack.OFF
        with steps.begin(AuditAction.READ_PATIENT, "ResearchSubject") if reads else nullcontext(), steps.witness() as witness:
            if verdict.as_of < day and _has_later_result(route, verdict, trial):
                return (WriteResult(verdict.patient, Action.WITHHELD, _GONE_BY),)
            episode = self._keeping.episode(key, trial)
            if self._keeping.has_decided(key, trial) and _has_forgotten(route, verdict.patient, trial, episode):
                return (WriteResult(verdict.patient, Action.WITHHELD, _FORGOTTEN),)
            return route.write(verdict, trial, now=now(), witness=witness, dry_run=not write, episode=episode)

    def _route(self, trial: ResolvedTrial) -> Route:
        """One for all trials of the site, since it writes one verdict after another.

        A server that is only read needs no identifier base of the site's own.
        """
        self._check_kept()
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


def _what_if(verdict: Verdict, day: date) -> str | None:
    """Why a verdict is no result to be written: it answers what would be, on days that are not those of a screening now."""
    if verdict.as_of > day:
        return _TO_COME
    return _DOSED_BEFORE if verdict.first_dose is not None and verdict.first_dose < verdict.as_of else None


def _has_later_result(route: Route, verdict: Verdict, trial: ResolvedTrial) -> bool:
    """Whether a result of ours on the server rests on data of a later day than that of the screening."""
    if not isinstance(route, FhirRoute):
        return False
    last = route.last_result_day(verdict.patient, trial)
    return last is not None and verdict.as_of < last


def _has_forgotten(route: Route, patient: str, trial: ResolvedTrial, episode: int) -> bool:
    """Whether a decision that was written is there no more: a server set up anew, or restored from a day before (WB-01)."""
    if not isinstance(route, FhirRoute):
        return False
    try:
        held = route.held(patient, trial, episode)
    except ConflictError:
        return False  # there are several, which the machine leaves anyhow
    return held is None or held.enrolment == FLAGGED
