"""Screening from the command line. With a store, bases, opt-outs and people's answers hold, and every read is audited.

Source: SEC-02, SEC-05, SEC-34 to SEC-36. What stands in the audit log: of patients pulled from a server, a step for each one read
and one for each verdict; of files, one step a trial for all of them, with their number, and nothing of who they were.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from itertools import islice

from fhir_trial.audit import Actor, AuditAction, Journal, patient_key
from fhir_trial.config import Settings
from fhir_trial.criteria.needs import Needs
from fhir_trial.errors import PatientNotFoundError, UsageError
from fhir_trial.people.opt_outs import check_not_opted_out
from fhir_trial.screening.ports import AnswerBook, RawPatient
from fhir_trial.sources.files import FileSource
from fhir_trial.sources.server import ServerSource
from fhir_trial.transport import FhirServer, NotAuthorisedError, NotFoundError, RestrictedError
from fhir_trial.transport.settings import ServerSettings
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.wiring.asking import Asking
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.jobs import Jobs
from fhir_trial.wiring.kept import Kept, open_kept
from fhir_trial.wiring.library import pairs
from fhir_trial.wiring.linked_records import linked_records
from fhir_trial.wiring.recording import PatientSteps
from fhir_trial.wiring.watched import WatchedServer

Screen = Callable[[RawPatient, ResolvedTrial], Verdict]

_BATCH = 100  # patients of files looked up at once, and screened on one look at the basis


class TryingOut:
    """Without a store: nobody has recorded a basis or an opt-out, and nothing is audited.

    Attributes:
        keeps: Whether there is a store.
        answers: What people have answered, as the store has it; None where it has nothing to say of these patients.
        halted: Asked before each request to a server; None: nobody can stop it.
        left_out: Keys of the patients on the register who were left out.
        without_id: How many patients were left out since nobody can look them up.
    """

    keeps = False
    answers: AnswerBook | None = None
    halted: Callable[[], bool] | None = None

    def __init__(self) -> None:
        self.left_out: set[str] = set()
        self.without_id = 0

    def counts_only(self, trials: Sequence[ResolvedTrial]) -> bool:
        """Whether the bases of the trials allow counts alone.

        Raises:
            NoBasisError: One of the trials has none in force.
        """
        return False

    def admit(self, reference: str, trial: ResolvedTrial) -> None:
        """For one patient, who will be named.

        Raises:
            NoBasisError, CountsOnlyError, OptedOutError: As for ``Gate.admit``.
            UsageError: The patient cannot be looked up in the register.
        """

    def admitted(self, references: Iterable[str], trials: Sequence[ResolvedTrial]) -> list[str]:
        """Those who may be screened for one of the trials at least, in the order of the reference, each once."""
        return sorted(set(references))

    def finding(self, trials: Sequence[ResolvedTrial]) -> AbstractContextManager[object]:
        """Around a search for patients."""
        return nullcontext()

    def looking(self, reference: str, trial: ResolvedTrial, *, pulls: bool) -> AbstractContextManager[object]:
        """Around the reading and screening of one patient; ``pulls`` where a server is read."""
        return nullcontext()

    def exporting(self, trials: Sequence[ResolvedTrial]) -> AbstractContextManager[Jobs]:
        """Around the writing of verdicts to somewhere; each is to pass ``Jobs.counted``."""
        return nullcontext(Jobs())

    def verdicts(
        self, source: FileSource | ServerSource, trials: Sequence[ResolvedTrial], screen: Screen, only: Sequence[str]
    ) -> Generator[Verdict, None, None]:
        """A verdict for each patient and trial, by patient reference, then trial.

        Args:
            only: References of the patients wanted. None at all: everybody, and of a server with a store, nobody.
        """
        for raw, trial in pairs(source, trials, only):
            yield screen(raw, trial)

    def open_server(self, settings: ServerSettings, scopes: tuple[str, ...], trial: ResolvedTrial | None = None) -> FhirServer:
        """A server, to be closed by the caller.

        Args:
            trial: Its patients are read one by one for this trial, by somebody who does not know of opt-outs.
        """
        return FhirServer(settings, scopes=scopes)


class Desk(TryingOut):
    """With a store.

    Args:
        server: FHIR base whose patients they are; None where nobody said it, and the register is empty.
        who: Name of the person, as they or the operating system give it.
    """

    keeps = True

    def __init__(self, kept: Kept, server: str | None, who: str) -> None:
        super().__init__()
        self._kept, self._server, self._naming = kept, server, True
        self._actor = Actor(kept.tenant, who, role="screener")
        self._journal = Journal(kept.audit, now)
        self._request = f"cli-{secrets.token_hex(8)}"
        self.halted = kept.switch.is_stopped
        if server is None and self._register_has_entries():
            raise UsageError(
                "Whose patients do these files hold? The site's register of opt-outs has entries: "
                "name the FHIR server they come from with --of-server, or set FHIR_TRIAL_SERVER."
            )
        self.answers = replace(kept, server=server).answers if server is not None else None

    def counts_only(self, trials: Sequence[ResolvedTrial]) -> bool:
        bases = [self._kept.gate.basis(trial, naming=False) for trial in trials]
        self._naming = all(basis.names_patients for basis in bases)
        return not self._naming

    def admit(self, reference: str, trial: ResolvedTrial) -> None:
        self._kept.gate.basis(trial)
        key = self._key(reference)
        if key is not None:
            check_not_opted_out(self._kept.opt_outs.kind_of(key, trial.trial.id))
        elif self._register_has_entries():
            raise UsageError("This patient has no id of the FHIR server, and cannot be looked up in the register of opt-outs.")

    def admitted(self, references: Iterable[str], trials: Sequence[ResolvedTrial]) -> list[str]:
        wanted = sorted(set(references))
        return [reference for reference, for_trials in zip(wanted, self._trials_for(wanted, trials), strict=True) if for_trials]

    @contextmanager
    def finding(self, trials: Sequence[ResolvedTrial]) -> Iterator[None]:
        with ExitStack() as stack:
            for trial in trials:
                stack.enter_context(self._about(None, trial).begin(AuditAction.SEARCH_CANDIDATES, "Patient"))
            yield

    @contextmanager
    def looking(self, reference: str, trial: ResolvedTrial, *, pulls: bool) -> Iterator[None]:
        steps = self._about(reference, trial)
        with steps.begin(AuditAction.SCREEN), steps.begin(AuditAction.READ_PATIENT, "Patient") if pulls else nullcontext():
            yield

    def exporting(self, trials: Sequence[ResolvedTrial]) -> AbstractContextManager[Jobs]:
        return self._jobs(AuditAction.EXPORT, trials)

    def verdicts(
        self, source: FileSource | ServerSource, trials: Sequence[ResolvedTrial], screen: Screen, only: Sequence[str]
    ) -> Generator[Verdict, None, None]:
        in_order = sorted(trials, key=lambda trial: (trial.trial.id, trial.trial.version))
        if isinstance(source, ServerSource):
            yield from self._pulled(source, in_order, screen, only)
        else:
            yield from self._filed(source, in_order, screen, only)

    def open_server(self, settings: ServerSettings, scopes: tuple[str, ...], trial: ResolvedTrial | None = None) -> FhirServer:
        if trial is None:
            return FhirServer(settings, scopes=scopes, halted=self.halted)
        return WatchedServer(settings, scopes, self.halted, lambda reference: self._reading(reference, trial))

    def _pulled(
        self, source: ServerSource, trials: Sequence[ResolvedTrial], screen: Screen, only: Sequence[str]
    ) -> Generator[Verdict, None, None]:
        """One patient after another, and of each nothing but what the trials need for which they may be screened."""
        for reference in sorted(set(only)):
            (may,) = self._trials_for([reference], trials)
            if not may:
                continue
            try:
                with self._about(reference, may[0] if len(may) == 1 else None).begin(AuditAction.READ_PATIENT, "Patient"):
                    raw = source.patient(reference, Needs.union(trial.needs for trial in may))
            except (PatientNotFoundError, NotAuthorisedError, RestrictedError) as error:
                if len(only) == 1:
                    raise
                source.report.note(f"patient-{error.issue_type}", "Patient", error.message)  # one of many does not stop the rest
                continue
            for trial in self._by_no_other_record(raw, may):
                with self._about(reference, trial).begin(AuditAction.SCREEN):
                    verdict = screen(raw, trial)
                if self._trials_for([reference], [trial])[0]:  # the pull took its time: somebody may have opted out
                    yield verdict

    def _filed(
        self, source: FileSource, trials: Sequence[ResolvedTrial], screen: Screen, only: Sequence[str]
    ) -> Generator[Verdict, None, None]:
        """All that the files hold; the number of verdicts on each trial is recorded."""
        wanted = set(only)
        with self._jobs(AuditAction.SCREEN, trials) as jobs:
            found = source.patients(Needs.union(trial.needs for trial in trials))
            asked = (raw for raw in found if not wanted or raw.reference in wanted)
            while batch := list(islice(asked, _BATCH)):
                may = self._trials_for([raw.reference for raw in batch], trials)
                for raw, for_trials in zip(batch, may, strict=True):
                    yield from jobs.counted(screen(raw, trial) for trial in self._by_no_other_record(raw, for_trials))

    def _trials_for(self, references: Sequence[str], trials: Sequence[ResolvedTrial]) -> list[list[ResolvedTrial]]:
        """For each patient, the trials for which they may be screened now; who may not for one of them is noted.

        Raises:
            NoBasisError: A basis has ended meanwhile.
        """
        keys = [self._key(reference) for reference in references]
        known = [key for key in keys if key is not None]
        for trial in trials:
            self._kept.gate.basis(trial, naming=self._naming)
        left_out = {trial.trial.id: self._kept.gate.opted_out(known, trial) for trial in trials}
        self.left_out |= set().union(*left_out.values())
        nameless = len(keys) - len(known)
        shut = bool(nameless) and self._register_has_entries()
        self.without_id += nameless if shut else 0
        return [
            [] if key is None and shut else [trial for trial in trials if key not in left_out[trial.trial.id]] for key in keys
        ]

    def _by_no_other_record(self, raw: RawPatient, trials: Sequence[ResolvedTrial]) -> list[ResolvedTrial]:
        """Of the trials, those for which no other record of the same person is on the register: records are merged."""
        keys = [key for other in linked_records(raw, self._bases()) if (key := self._key(other)) is not None]
        may = [trial for trial in trials if not (keys and self._kept.gate.opted_out(keys, trial))]
        if len(may) < len(trials) and (key := self._key(raw.reference)) is not None:
            self.left_out.add(key)
        return may

    def _bases(self) -> tuple[str, ...]:
        return () if self._server is None else (self._server,)

    @contextmanager
    def _reading(self, reference: str, trial: ResolvedTrial) -> Iterator[None]:
        if not self._trials_for([reference], [trial])[0]:
            raise NotFoundError("This patient is on the site's register of opt-outs, and is not read.")
        with self._about(reference, trial).begin(AuditAction.READ_PATIENT, "Patient"):
            yield

    def _jobs(self, action: AuditAction, trials: Sequence[ResolvedTrial]) -> Jobs:
        return Jobs(self._journal, {_name(trial): replace(self._about(None, trial).event, action=action) for trial in trials})

    def _about(self, reference: str | None, trial: ResolvedTrial | None) -> PatientSteps:
        key = self._key(reference) if reference is not None else None
        asking = Asking(self._journal, self._server or "", "cli")
        steps = asking.about(self._actor, self._request, key, *(_name(trial) if trial else ()))
        return steps if self._server is not None else PatientSteps(self._journal, replace(steps.event, server=None))

    def _key(self, reference: str) -> str | None:
        """Ours; None for a patient who has no id on the server."""
        if self._server is None or not reference.startswith("Patient/"):
            return None
        return patient_key(self._kept.tenant, self._server, reference)

    def _register_has_entries(self) -> bool:
        return any(one.lifted_at is None for one in self._kept.opt_outs.all())


def open_desk(settings: Settings, who: str, *, server: str | None = None, of_server: str | None = None) -> TryingOut:
    """By the settings: with a store, or for trying out.

    Args:
        server: URL or name of the server that is read; None where files are.
        of_server: URL or name of the server that the files' patients come from; that of the settings by default.

    Raises:
        UsageError: A name is unknown; or there are opt-outs, and nobody says whose patients the files hold.
    """
    kept = open_kept(settings)
    if kept is None:
        return TryingOut()
    named = server or of_server
    return Desk(kept, settings.url_of(named) if named is not None else kept.server, who)


def everybody(server: FhirServer) -> tuple[str, ...]:
    """References of all patients that a server lists.

    Raises:
        ServerError: It does not list them, or not to the end.
    """
    found = server.search("Patient", [])
    if found.failure is not None:
        raise found.failure
    return tuple(sorted({f"Patient/{patient['id']}" for patient in found.matches if isinstance(patient.get("id"), str)}))


def _name(trial: ResolvedTrial) -> tuple[str, str]:
    return trial.trial.id, trial.trial.version
