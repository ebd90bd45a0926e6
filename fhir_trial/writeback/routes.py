"""The ways on which a result may leave, behind one interface, and the choice among them (WB-02, WB-47).

What a server says of itself is a hint: a route's first refusal switches it off for the process, with its reason in the results.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from fhir_trial.transport import Capabilities, FhirServer
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.writeback.codes import release_of
from fhir_trial.writeback.decisions import Action
from fhir_trial.writeback.document_note import DocumentNote
from fhir_trial.writeback.file_outbox import FileOutbox
from fhir_trial.writeback.memory_outbox import MemoryOutbox
from fhir_trial.writeback.outbox import Outbox
from fhir_trial.writeback.sending import Witness, WriteResult, no_witness
from fhir_trial.writeback.settings import Observations, WriteBack, WriteSettings
from fhir_trial.writeback.standing import HeldSubject, held_subject, last_result_day
from fhir_trial.writeback.writer import Writer


class RouteName(StrEnum):
    """In order of preference."""

    FHIR = "fhir"
    DOCUMENT_NOTE = "document-note"
    FILE_EXPORT = "file-export"
    RPE = "rpe"
    NONE = "none"


class Route(Protocol):
    """A way on which a result leaves."""

    @property
    def name(self) -> str: ...

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
        """What became of each thing; arguments as of ``Writer.write``. The same content again writes nothing.

        Raises:
            ServerError: The server failed.
            ExportError: A file could not be written.
        """
        ...


class FhirRoute(Writer):
    """Subject, result and Provenance as FHIR resources, step by step or in one transaction."""

    name = "fhir"

    def held(self, patient: str, trial: ResolvedTrial, episode: int) -> HeldSubject | None:
        """Where the patient stands by the server's account; see ``held_subject``."""
        return held_subject(self._server, self._settings, trial, patient, episode)

    def has_died(self, patient: str) -> bool:
        """Whether the server's record of the patient says so now."""
        return self._lookup.has_died(patient)

    def last_result_day(self, patient: str, trial: ResolvedTrial) -> date | None:
        """The newest day of the data that a result of ours rests on; None where no result is there."""
        return last_result_day(self._lookup, self._settings, trial, patient)


class NoRoute:
    """Nothing leaves: our own store is the record."""

    name = "none"

    def __init__(self, reason: str = "Writing back is off.") -> None:
        self._reason = reason

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
        """Withheld, always."""
        return (WriteResult(verdict.patient, Action.WITHHELD, self._reason),)


@dataclass(frozen=True, slots=True)
class RouteReport:
    """Whether a route can be taken at a tenant, and why."""

    route: RouteName
    is_supported: bool
    why: str


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """The route taken, and the report on each."""

    route: RouteName
    reports: tuple[RouteReport, ...]

    @property
    def why(self) -> str:
        return next(report.why for report in self.reports if report.route is self.route)


def choose_route(capabilities: Capabilities, settings: WriteSettings) -> RouteChoice:
    """The first route in order of preference that the server and the settings allow."""
    reports = (
        _about_fhir(capabilities, settings),
        _about_note(capabilities, settings),
        _about_files(settings),
        RouteReport(RouteName.RPE, False, "Enrolment messages by IHE RPE are not built."),
        RouteReport(RouteName.NONE, True, _why_nothing(settings)),
    )
    if settings.write_back is WriteBack.OFF:
        return RouteChoice(RouteName.NONE, reports)
    return RouteChoice(next(report.route for report in reports if report.is_supported), reports)


def open_route(server: FhirServer, settings: WriteSettings, *, software: str, outbox: Outbox | None = None) -> Route:
    """The route chosen, ready to write. With writing off, the server is not asked.

    Raises:
        WriteRefusedError: The identifier base is not fit for this server.
        ServerError: The server does not say what it offers.
    """
    if settings.write_back is WriteBack.OFF:
        return NoRoute()
    kept = outbox or MemoryOutbox()
    choice = choose_route(server.capabilities(), settings)
    match choice.route:
        case RouteName.FHIR:
            return FhirRoute(server, settings, software=software, outbox=kept)
        case RouteName.DOCUMENT_NOTE:
            return DocumentNote(server, settings, software=software, outbox=kept)
        case RouteName.FILE_EXPORT if settings.export_folder is not None:
            return FileOutbox(settings.export_folder, settings, software=software, stopped=kept.stopped)
        case _:
            return NoRoute(choice.why)


def _about_fhir(capabilities: Capabilities, settings: WriteSettings) -> RouteReport:
    name = RouteName.FHIR
    release = release_of(capabilities.fhir_version)
    if release is None:
        return RouteReport(name, False, "The server speaks neither FHIR R4 nor R5.")
    wanted = ("ResearchSubject",) if settings.observations is Observations.WITH_SUBJECT else ("ResearchSubject", "Observation")
    taken = [kind for kind in wanted if capabilities.offers(kind, "create")]
    if "ResearchSubject" not in taken:
        return RouteReport(name, False, "The server does not offer create of ResearchSubject.")
    at_once = settings.transactions and "transaction" in capabilities.system
    how = "in one transaction" if at_once else "step by step"
    return RouteReport(name, True, f"The server offers create of {', '.join(taken)} ({release}); it is written {how}.")


def _about_note(capabilities: Capabilities, settings: WriteSettings) -> RouteReport:
    name = RouteName.DOCUMENT_NOTE
    if not settings.note_code:
        return RouteReport(name, False, "The site has set no LOINC code for notes (note_code).")
    if release_of(capabilities.fhir_version) is None or not capabilities.offers("DocumentReference", "create"):
        return RouteReport(name, False, "The server does not offer create of DocumentReference.")
    return RouteReport(name, True, "The server offers create of DocumentReference, and the site has set a code for notes.")


def _about_files(settings: WriteSettings) -> RouteReport:
    if settings.export_folder is None:
        return RouteReport(RouteName.FILE_EXPORT, False, "The site has set no folder for files (export_folder).")
    return RouteReport(RouteName.FILE_EXPORT, True, "The site has set a folder for files.")


def _why_nothing(settings: WriteSettings) -> str:
    if settings.write_back is WriteBack.OFF:
        return "Writing back is off."
    return "No route is open at this site: nothing leaves."
