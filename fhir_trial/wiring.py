"""Plugs the real rooms together, and reads the clock: the only place that asks for today."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, JsonLinesAudit, patient_key
from fhir_trial.config import Settings, read_settings
from fhir_trial.criteria.needs import Needs
from fhir_trial.errors import PatientNotFoundError, UsageError
from fhir_trial.screening.ports import AnswerBook, PatientSource, RawPatient
from fhir_trial.screening.screen import screen_patient
from fhir_trial.sources.files import FileSource
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
from fhir_trial.writeback import WriteBack, WriteResult, WriteSettings
from fhir_trial.writeback.routes import Route, open_route

if TYPE_CHECKING:
    from fhir_trial.definitions.trial_files import TrialFile
    from fhir_trial.people.answers import PeoplesAnswers
    from fhir_trial.store import Engine, KillSwitch, StoreAudit, StoreOutbox


#: What the FHIR route writes.
WRITTEN_TYPES = ("Observation", "Provenance", "ResearchStudy", "ResearchSubject")

Source = str | Path | bytes | list[str | Path] | tuple[str | Path, ...] | PatientSource


def today(zone: tzinfo) -> date:
    """The calendar date in a site's zone (R44)."""
    return datetime.now(zone).date()


def screen(
    source: Source,
    trial: ResolvedTrial,
    *,
    as_of: date | None = None,
    first_dose: date | None = None,
    complete: bool = False,
    answers: AnswerBook | None = None,
) -> Iterator[Verdict]:
    """A verdict for each patient of a source, in the order of their references.

    Args:
        source: Files and folders (VER-01), the bytes of a Bundle or of NDJSON, or any source of patients.
        trial: From ``load_trial``.
        as_of: S; today in the trial's zone by default.
        first_dose: D, if planned.
        complete: The source holds each patient's whole record.
        answers: What people have answered: ``PeoplesAnswers``.
    """
    yield from screen_each(_source(source), [trial], as_of=as_of, first_dose=first_dose, complete=complete, answers=answers)


def screen_each(
    source: PatientSource,
    trials: Sequence[ResolvedTrial],
    *,
    as_of: date | None = None,
    first_dose: date | None = None,
    complete: bool = False,
    only: Iterable[str] = (),
    answers: AnswerBook | None = None,
) -> Iterator[Verdict]:
    """A verdict for each patient and trial, by patient reference, then trial (VER-08); the source is read once for all trials.

    Args:
        only: Ids or references of the patients wanted; everybody by default.
    """
    wanted = {reference_of(name) for name in only}
    for raw in source.patients(Needs.union(trial.needs for trial in trials)):
        if wanted and raw.reference not in wanted:
            continue
        whole = complete and holds_whole_records(source)
        for trial in sorted(trials, key=lambda trial: (trial.trial.id, trial.trial.version)):
            yield screen_raw(raw, trial, as_of=as_of, first_dose=first_dose, complete=whole, answers=answers)


def reference_of(name: str) -> str:
    """``p1`` and ``Patient/p1`` are one patient; a fullUrl is its own reference."""
    return name if "/" in name or ":" in name else f"Patient/{name}"


def holds_whole_records(source: PatientSource) -> bool:
    """Whether a claim of completeness can hold for a source that has been read.

    It cannot if a piece was lost and nobody knows whose it was: the claim is the source's, not a patient's (R12).
    """
    return not (isinstance(source, FileSource | ServerSource) and source.report.lost_types)


def find_patient(source: PatientSource, name: str, trial: ResolvedTrial) -> RawPatient:
    """The one patient of that id or reference.

    Raises:
        PatientNotFoundError: None in the source.
    """
    wanted = reference_of(name)
    for raw in source.patients(trial.needs):
        if raw.reference == wanted:
            return raw
    raise PatientNotFoundError("No such patient in the source.")


def screen_raw(
    raw: RawPatient,
    trial: ResolvedTrial,
    *,
    as_of: date | None = None,
    first_dose: date | None = None,
    complete: bool = False,
    answers: AnswerBook | None = None,
) -> Verdict:
    """The verdict on one patient; ``as_of`` is today in the trial's zone by default."""
    return screen_patient(raw, trial, as_of=as_of or today(trial.zone), first_dose=first_dose, complete=complete, answers=answers)


def read_answers_file(path: Path, trials: Sequence[ResolvedTrial]) -> tuple[PeoplesAnswers, list[str]]:
    """People's answers of a file of JSON Lines, and sentences on what of it is not applied to these trials.

    Raises:
        UsageError: The file cannot be read, or names a trial or a criterion that does not exist; with its line.
    """
    from fhir_trial.definitions.trial_files import trial_files
    from fhir_trial.people.answer_lines import read_answers
    from fhir_trial.people.answers import PeoplesAnswers

    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        raise UsageError("The file of answers cannot be read as UTF-8 text.", expression=str(path)) from None
    answers = PeoplesAnswers(read_answers(lines, str(path)))
    return answers, answers.left_out(trials, {file.trial for file in trial_files(mappings_folder())})


@contextmanager
def open_source(
    paths: Sequence[str | Path], server: str | None, patients: Sequence[str] = (), trials: Sequence[ResolvedTrial] = ()
) -> Iterator[FileSource | ServerSource]:
    """Files, or a server by URL or configured name, asked for what the trials read; closed afterwards."""
    if server is None:
        yield FileSource(paths)
        return
    scopes = system_scopes({kind for trial in trials for kind in trial_plan(trial).read_types})
    with FhirServer(read_settings().server_settings(server), scopes=scopes) as opened:
        yield ServerSource(opened, patients)


def _source(source: Source) -> PatientSource:
    if isinstance(source, bytes):
        return FileSource(["-"], standard_input=BytesIO(source))
    if isinstance(source, str | Path):
        return FileSource([source])
    return FileSource(source) if isinstance(source, list | tuple) else source


def knowing_our_own(trial: ResolvedTrial, settings: Settings | None = None) -> ResolvedTrial:
    """The trial with every base under which a result is ours (R40): that in force first, by the settings of this process."""
    return replace(trial, own_bases=_own_bases(settings or read_settings(), trial))


_Recorder = Callable[[AuditAction, str | None, AuditOutcome], None]


@dataclass(frozen=True, slots=True)
class Screening:
    """A verdict, and what became of each resource that it was to be written as."""

    verdict: Verdict
    written: tuple[WriteResult, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """The store of a tenant, open.

    Attributes:
        engine: Its database.
    """

    engine: Engine
    tenant: str
    outbox: StoreOutbox
    audit: StoreAudit
    switch: KillSwitch


def open_kept(settings: Settings) -> Kept | None:
    """The store that the settings name, brought to its newest form; None when they name none.

    Raises:
        UsageError: The URL or the keys file is wrong.
        StoreUnavailableError: The database does not answer.
    """
    if settings.database is None:
        return None
    if settings.keys_file is None:
        raise UsageError("What is kept is sealed: set FHIR_TRIAL_KEYS_FILE. `fhir-trial site new-key` makes a line for it.")
    from fhir_trial.store import KillSwitch, StoreAudit, StoreOutbox, migrate, open_store, read_keyring

    keys = read_keyring(settings.keys_file)
    engine = open_store(settings.database)
    migrate(engine)
    return Kept(engine, settings.tenant, StoreOutbox(engine, keys), StoreAudit(engine), KillSwitch(engine, settings.tenant))


class KeptPorts:
    """What the service shows of the store. Screenings, answers, decisions and grants are not kept yet: those routes say so."""

    grants = screenings = answers = decisions = keys = None

    def __init__(self, kept: Kept, log: AuditLog) -> None:
        from fhir_trial.store.ports import AuditedSwitch, AuditOfTenant, DatabaseCheck, OutboxOfTenant

        self.outbox = OutboxOfTenant(kept.outbox, kept.tenant)
        self.switch = AuditedSwitch(kept.switch, log, now)
        self.audit = AuditOfTenant(kept.engine, log, now)
        self.database = DatabaseCheck(kept.engine)


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


def _own_bases(settings: Settings, trial: ResolvedTrial) -> tuple[str, ...]:
    """The base in force first: the service's, else the site's; then every other under which a result is ours (R40)."""
    first = (settings.identifier_base,) if settings.identifier_base else ()
    return tuple(dict.fromkeys(base.rstrip("/") for base in (*first, *trial.own_bases, *settings.former_bases)))


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)
