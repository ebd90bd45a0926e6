"""Screening a whole hospital from files. With a store, bases and opt-outs hold, and a run is one line of the audit log a trial.

Source: SEC-02, SEC-05, SEC-34 to SEC-36. The line says how many rows there were, and its request is kept with the run, whose rows
are the manifest: who must know whom it was about looks there.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fhir_trial.audit import AuditAction
from fhir_trial.config import Settings
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.errors import SourceError
from fhir_trial.population.asking import LEFT_OUT, Admits, Population, Question, Told, admit_all
from fhir_trial.population.funnel import Funnels
from fhir_trial.population.kept_counts import keep_counts
from fhir_trial.population.kept_runs import KeptRun, TrialAsked, check_free, keep_run, run_of
from fhir_trial.population.report import Report, report_of
from fhir_trial.population.rows import Row
from fhir_trial.population.screening import screened
from fhir_trial.transport.connection import StoppedError
from fhir_trial.trials.adjudication import Adjudicators
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.version import SOFTWARE
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.desk import Desk, TryingOut
from fhir_trial.wiring.kept import Kept, open_kept
from fhir_trial.wiring.library import knowing_our_own

if TYPE_CHECKING:
    from fhir_trial.verdict.model import Verdict

_BATCH = 1000  # rows looked up at once
_STOPPED = "Everything is stopped by the site's kill switch."


Passing = Callable[[Iterable[Row]], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Screened:
    """What became of a run.

    Attributes:
        counting: Nobody is named: no row was kept, and the report is rounded.
    """

    run: KeptRun
    found: Population
    report: Report
    counting: bool


class HospitalDesk(TryingOut):
    """Without a store: nobody has recorded a basis or an opt-out, and nothing is audited.

    Attributes:
        request: What the audit log calls this run; None without one.
    """

    request: str | None = None

    def admits(self) -> Admits:
        """Who may be screened, as the register says now: for the processes that screen."""
        return admit_all

    @contextmanager
    def passing(self, trials: Sequence[ResolvedTrial], *, screening: bool) -> Iterator[Passing]:
        """Around a run or an export: what lets those rows through that may be made, or handed out, at that moment.

        Args:
            screening: They are being made; else what was made is handed out.

        Raises:
            NoBasisError: A basis has ended meanwhile.
            StoppedError: Somebody has stopped the site.
        """
        yield iter

    def key_of(self, patient: str) -> str | None:
        """Ours; None where nobody knows whose patient it is."""
        return None


class _AnswersOfAProcess:
    """What people answered, as the store has it, for processes that begin as copies of this one: each has its own connection.

    Args:
        database: URL of the store.
        server: FHIR base whose patients they are.
    """

    def __init__(self, database: str, kept: Kept, server: str) -> None:
        self._database, self._kept = database, replace(kept, server=server)
        self._process, self._book = os.getpid(), self._kept.answers

    def about(self, patient: str, trial: ResolvedTrial) -> Adjudicators:
        """For each criterion answered for this patient and this version of the trial, what becomes of it on a day."""
        if self._process != os.getpid():
            from fhir_trial.store import open_store

            own = replace(self._kept, engine=open_store(self._database))
            self._process, self._book = os.getpid(), own.answers
        return self._book.about(patient, trial)


class RecordingDesk(Desk, HospitalDesk):
    """With a store.

    Args:
        server: FHIR base whose patients they are; None where nobody said it, and the register is empty.
        who: Name of the person, as they or the operating system give it.
        database: URL of the store.
    """

    def __init__(self, kept: Kept, server: str | None, who: str, database: str) -> None:
        super().__init__(kept, server, who)
        self.request = self._request
        self.answers = _AnswersOfAProcess(database, kept, server) if server is not None else None

    def admits(self) -> Admits:
        entries = [entry for entry in self._kept.opt_outs.all() if entry.lifted_at is None]
        everywhere = frozenset(entry.patient for entry in entries if entry.trial is None)
        somewhere = frozenset((entry.patient, entry.trial) for entry in entries)

        def admitted(patient: str, trial: str) -> bool:
            key = self._key(patient)
            if key is None:
                return not entries
            return key not in everywhere and (key, trial) not in somewhere

        return admitted

    @contextmanager
    def passing(self, trials: Sequence[ResolvedTrial], *, screening: bool) -> Iterator[Passing]:
        with self._jobs(AuditAction.SCREEN if screening else AuditAction.EXPORT, trials) as jobs:

            def passed(rows: Iterable[Row]) -> Iterator[Row]:
                admitted = cast("Iterator[Verdict]", self._admitted(rows, trials))
                yield from cast("Iterator[Row]", jobs.counted(admitted))  # it looks at the trial and its version alone

            yield passed

    def key_of(self, patient: str) -> str | None:
        return self._key(patient)

    def _admitted(self, rows: Iterable[Row], trials: Sequence[ResolvedTrial]) -> Iterator[Row]:
        waiting = iter(rows)
        while batch := list(islice(waiting, _BATCH)):
            if self._kept.switch.is_stopped():
                raise StoppedError(_STOPPED)
            patients = list(dict.fromkeys(row.patient for row in batch))
            may = {
                (patient, trial.trial.id)
                for patient, for_trials in zip(patients, self._trials_for(patients, trials), strict=True)
                for trial in for_trials
            }
            yield from (row for row in batch if row.overall != LEFT_OUT and (row.patient, row.trial) in may)


def open_hospital_desk(settings: Settings, who: str, of_server: str | None) -> HospitalDesk:
    """By the settings: with a store, or for trying out.

    Args:
        of_server: URL or name of the server that the patients come from; that of the settings by default.

    Raises:
        UsageError: A name is unknown; or there are opt-outs, and nobody says whose patients they are.
    """
    kept = open_kept(settings)
    if kept is None or settings.database is None:
        return HospitalDesk()
    server = settings.url_of(of_server) if of_server is not None else kept.server
    return RecordingDesk(kept, server, who, settings.database)


def screen_folder(folder: Path, question: Question, desk: HospitalDesk, keep: Path, told: Told, *, counting: bool) -> Screened:
    """Screens a folder of NDJSON, and keeps the run; one without any patient is not kept.

    Args:
        keep: Folder to keep it in: rows and what they rest on or, when counting, a rounded report alone.
        counting: The bases allow counts alone.

    Raises:
        SourceError: No NDJSON is there; it holds Bundles; a file changed while it was read; the disk is full.
        UsageError: A run is in that folder already, or nothing can be written there.
        NoBasisError: A basis has ended meanwhile.
        StoppedError: Somebody has stopped the site.
    """
    check_free(keep)
    if desk.halted is not None and desk.halted():
        raise StoppedError(_STOPPED)
    began, counted = now(), Funnels(question.trials)
    asked = replace(question, admits=desk.admits())
    with desk.passing(question.trials, screening=True) as passing, screened(folder, asked, told) as (found, rows):
        run = run_of(asked, found, source=str(folder), software=SOFTWARE, began=began, request=desk.request)
        through = counted.counted(passing(rows))
        if not found.patients:
            report = report_of(run, counted.all, exact=not counting)
        elif counting:
            deque(through, maxlen=0)
            report = report_of(run, counted.all, exact=False)
            keep_counts(keep, report)
        else:
            run = keep_run(keep, run, through)
            report = report_of(run, counted.all, exact=True)
    return Screened(run, found, report, counting)


def trials_of(run: KeptRun, settings: Settings) -> list[ResolvedTrial]:
    """The trials of a run as they were when they were asked for.

    Raises:
        SourceError: One is defined otherwise now.
    """
    return [_as_it_was(trial, settings) for trial in run.trials]


def _as_it_was(asked: TrialAsked, settings: Settings) -> ResolvedTrial:
    name = f"{asked.id}@{asked.version}"
    trial = load_trial(name, site=asked.site, settings=asked.settings, timezone=asked.timezone)
    if trial.digest != asked.definition:
        raise SourceError(f"{name} is defined otherwise now than when this run was made: screen again.")
    return knowing_our_own(trial, settings)
