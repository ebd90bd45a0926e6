"""What a process under torture does: the service's own path from the server to the store and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from fhir_trial.config import Settings
from fhir_trial.criteria.needs import Needs
from fhir_trial.definitions import trial_files
from fhir_trial.errors import ConflictError
from fhir_trial.people.statuses import Standing, Status
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources.server import ServerSource
from fhir_trial.transport import FhirServer
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.kept import open_kept
from fhir_trial.wiring.library import knowing_our_own
from fhir_trial.wiring.service import ScreeningService
from fhir_trial.writeback import Observations, PersonsDecision, WriteBack, Writer, WriteSettings

TRIAL = "nct06789107"
TENANT = "torture"
#: The samples tell their stories as of this day.
AS_OF = date(2026, 3, 2)
SOFTWARE = "fhir-trial torture"


@dataclass(frozen=True, slots=True)
class Work:
    """What to do, and where.

    Attributes:
        server: FHIR base URL.
        database: URL of the store.
        keys_file: Of the store.
        patients: ``Patient/id``, in order.
        transactions: One transaction rather than step by step.
        reads_again: Whether the patient's record is searched anew, rather than remembered from the first process.
        shown: ``ResearchSubject/id`` that a person decides about, as contacted, having been shown its first version; the
            patient is the only one. None: the patients are screened.
    """

    server: str
    database: str
    keys_file: str
    patients: tuple[str, ...]
    transactions: bool = False
    reads_again: bool = True
    shown: str | None = None

    def settings(self) -> Settings:
        return Settings(
            server=self.server,
            database=self.database,
            keys_file=Path(self.keys_file),
            tenant=TENANT,
            write_back=WriteBack.WORK_LIST,
            create_study=True,
            observations=Observations.ALL,
            transactions=self.transactions,
        )


_RECORDS: dict[str, RawPatient] = {}
#: Holds something while records are to be remembered.
_REMEMBERED: list[bool] = []


def do(work: Work) -> list[list[str]]:
    """Does it; type and action of each result, in order."""
    _REMEMBERED[:] = [] if work.reads_again else [True]
    return _decided(work, work.shown) if work.shown is not None else _screened(work)


def remember_readings() -> None:
    """Each trial, and each record where the work allows it, is read once for all processes that are forked from this one."""
    setattr(trial_files, "load_trial", cache(trial_files.load_trial))  # noqa: B010 (mypy lets no module be assigned to)
    plain = ServerSource.patient

    def patient(self: ServerSource, reference: str, needs: Needs) -> RawPatient:
        if not _REMEMBERED:
            return plain(self, reference, needs)
        if reference not in _RECORDS:
            _RECORDS[reference] = plain(self, reference, needs)
        return _RECORDS[reference]

    setattr(ServerSource, "patient", patient)  # noqa: B010


def forget_records() -> None:
    """The servers have changed."""
    _RECORDS.clear()


def _screened(work: Work) -> list[list[str]]:
    service = ScreeningService(work.settings())
    done = [
        service.screen(patient, TRIAL, as_of=AS_OF, first_dose=None, write=True, request="torture") for patient in work.patients
    ]
    return [_told(result) for screening in done for result in screening.written]


def _decided(work: Work, subject: str) -> list[list[str]]:
    """A person who does not know what became of the decision looks again, and decides again only where it is not there yet."""
    settings = work.settings()
    kept = open_kept(settings)
    assert kept is not None
    trial = knowing_our_own(trial_files.load_trial(TRIAL), settings)
    about = PersonsDecision(
        patient=work.patients[0], before=Standing(Status.POTENTIAL), to=Status.CONTACTED, when=AS_OF, shown=(subject, "1")
    )
    how = WriteSettings(WriteBack.WORK_LIST, observations=Observations.ALL, base=trial.own_bases[0], tenant=TENANT)
    with FhirServer(settings.server_url) as server:
        writer = Writer(server, how, software=SOFTWARE, outbox=kept.outbox)
        try:
            return [_told(writer.decide(about, trial, now=now()))]
        except ConflictError:
            held = server.read(subject)
            assert held["status"] == "candidate", "a conflict, though nobody else decides"
            return [["ResearchSubject", "conflict"]]


def _told(result: Any) -> list[str]:
    return [result.reference.split("/")[0].split("?")[0], str(result.action)]
