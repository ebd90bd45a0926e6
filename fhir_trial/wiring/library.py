"""What the public API and the command line do: a source, trials, and a verdict for each patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_trial.config import Settings, read_settings
from fhir_trial.criteria.needs import Needs
from fhir_trial.errors import PatientNotFoundError, UsageError
from fhir_trial.screening.ports import AnswerBook, PatientSource, RawPatient
from fhir_trial.screening.screen import screen_patient
from fhir_trial.sources.files import FileSource
from fhir_trial.sources.search_plan import observation_codes, trial_plan
from fhir_trial.sources.server import ServerSource
from fhir_trial.terminology import mappings_folder
from fhir_trial.transport.scopes import system_scopes
from fhir_trial.transport.server import FhirServer
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.wiring.clock import today

if TYPE_CHECKING:
    from fhir_trial.people.answers import PeoplesAnswers


Source = str | Path | bytes | list[str | Path] | tuple[str | Path, ...] | PatientSource


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
    for raw, trial in pairs(source, trials, only):
        whole = complete and holds_whole_records(source)
        yield screen_raw(raw, trial, as_of=as_of, first_dose=first_dose, complete=whole, answers=answers)


def pairs(
    source: PatientSource, trials: Sequence[ResolvedTrial], only: Iterable[str] = ()
) -> Iterator[tuple[RawPatient, ResolvedTrial]]:
    """Each patient with each trial, by patient reference, then trial (VER-08); the source is read once for all trials.

    Args:
        only: Ids or references of the patients wanted; everybody by default.
    """
    wanted = {reference_of(name) for name in only}
    in_order = sorted(trials, key=lambda trial: (trial.trial.id, trial.trial.version))
    for raw in source.patients(Needs.union(trial.needs for trial in trials)):
        if not wanted or raw.reference in wanted:
            for trial in in_order:
                yield raw, trial


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
    paths: Sequence[str | Path],
    server: str | None,
    patients: Sequence[str] = (),
    trials: Sequence[ResolvedTrial] = (),
    halted: Callable[[], bool] | None = None,
) -> Iterator[FileSource | ServerSource]:
    """Files, or a server by URL or configured name, asked for what the trials read; closed afterwards.

    Args:
        halted: Asked before each request to the server (SEC-60).
    """
    if server is None:
        yield FileSource(paths)
        return
    scopes = system_scopes({kind for trial in trials for kind in trial_plan(trial).read_types})
    with FhirServer(read_settings().server_settings(server), scopes=scopes, halted=halted) as opened:
        codes = tuple(dict.fromkeys(code for trial in trials for code in observation_codes(trial)))
        yield ServerSource(opened, patients, codes=codes)


def _source(source: Source) -> PatientSource:
    if isinstance(source, bytes):
        return FileSource(["-"], standard_input=BytesIO(source))
    if isinstance(source, str | Path):
        return FileSource([source])
    return FileSource(source) if isinstance(source, list | tuple) else source


def knowing_our_own(trial: ResolvedTrial, settings: Settings | None = None) -> ResolvedTrial:
    """The trial with every base under which a result is ours (R40): that in force first, by the settings of this process."""
    return replace(trial, own_bases=_own_bases(settings or read_settings(), trial))


def _own_bases(settings: Settings, trial: ResolvedTrial) -> tuple[str, ...]:
    """The base in force first: the service's, else the site's; then every other under which a result is ours (R40)."""
    first = (settings.identifier_base,) if settings.identifier_base else ()
    return tuple(dict.fromkeys(base.rstrip("/") for base in (*first, *trial.own_bases, *settings.former_bases)))
