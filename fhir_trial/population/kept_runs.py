"""A run in a folder of its own: the rows, and all that they rest on, so that a later run's changes can be told apart.

The rows name patients: the folder is for its owner's eyes alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import msgspec

from fhir_trial.errors import SourceError, UsageError
from fhir_trial.population.asking import Population, Question
from fhir_trial.population.rows import Row
from fhir_trial.trials.model import ResolvedTrial

_ROWS = "rows.ndjson"
_RUN = "run.json"
#: Where a run that may name nobody keeps its rounded report, and nothing else.
COUNTS = "counts.json"
FOLDER_MODE = 0o700
_FILE_MODE = 0o600


class TrialAsked(msgspec.Struct, frozen=True):
    """A trial as it was when it was asked for.

    Attributes:
        definition: Digest of all that decides an answer besides the data.
        timezone: IANA name.
    """

    id: str
    version: str
    definition: str
    site: str | None
    settings: Mapping[str, str | int]
    timezone: str | None = None


class KeptRun(msgspec.Struct, frozen=True):
    """What a run was, and found.

    Attributes:
        source: The folder or server that was read, by name.
        left_out: What could not be read or belonged to nobody, by reason.
        lost_types: Types of which some piece was lost that may be anybody's.
        rows: How many.
        request: What the audit log calls this run; None where there is no store.
    """

    software: str
    began: datetime
    source: str
    as_of: date
    first_dose: date | None
    everyone: bool
    complete: bool
    trials: tuple[TrialAsked, ...]
    patients: int
    candidates: int | None
    signs: Mapping[str, int]
    lines: int
    left_out: Mapping[str, int]
    lost_types: tuple[str, ...]
    rows: int
    request: str | None = None


def check_free(folder: Path) -> None:
    """Whether a run can be kept there, asked before it begins.

    Raises:
        UsageError: The folder is no folder, or holds a run already.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError("This is no folder: name another.", expression=str(folder))
    if (folder / _RUN).exists() or (folder / COUNTS).exists():
        raise UsageError("This folder holds a run already: name another.", expression=str(folder))


def keep_run(folder: Path, run: KeptRun, rows: Sequence[Row] | Iterator[Row]) -> KeptRun:
    """Writes a run; it is there whole, or not at all. With the number of rows it has.

    Raises:
        UsageError: The folder holds a run already, or cannot be written.
    """
    check_free(folder)
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        count = 0
        with os.fdopen(os.open(folder / _ROWS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE), "wb") as opened:
            for row in rows:
                opened.write(msgspec.json.encode(row) + b"\n")
                count += 1
        kept = msgspec.structs.replace(run, rows=count)
        put_whole(folder / _RUN, kept)  # from now on it is a run
    except OSError as error:
        raise UsageError(f"The run cannot be kept: {error.strerror}.", expression=str(folder)) from None
    return kept


def put_whole(path: Path, content: msgspec.Struct) -> None:
    """Writes a file of JSON for its owner alone; it is there whole, or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.touch(_FILE_MODE)
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))
    unfinished.rename(path)


def read_run(folder: Path) -> KeptRun:
    """What a run was.

    Raises:
        SourceError: The folder holds none, or not a whole one.
        UsageError: It holds counts alone.
    """
    if (folder / COUNTS).exists():
        raise UsageError("This run was on a basis that allows counts alone: nobody's row was kept.", expression=str(folder))
    try:
        return msgspec.json.decode((folder / _RUN).read_bytes(), type=KeptRun)
    except (OSError, msgspec.DecodeError):
        raise SourceError("This folder holds no run, or one that was not finished.", expression=str(folder)) from None


def rows_of_run(folder: Path) -> Iterator[Row]:
    """Its rows, by patient, then trial.

    Raises:
        SourceError: A row is missing or broken.
    """
    run, count = read_run(folder), 0
    try:
        with (folder / _ROWS).open("rb") as opened:
            for line in opened:
                yield msgspec.json.decode(line, type=Row)
                count += 1
    except (OSError, msgspec.DecodeError):
        raise SourceError("The rows of this run cannot be read.", expression=str(folder / _ROWS)) from None
    if count != run.rows:
        raise SourceError(f"The run has {run.rows} rows, and {count} are there.", expression=str(folder / _ROWS))


def run_of(
    question: Question, found: Population, *, source: str, software: str, began: datetime, request: str | None = None
) -> KeptRun:
    """What is kept of a run besides its rows, whose number is not known yet."""
    return KeptRun(
        software=software,
        began=began,
        source=source,
        as_of=question.as_of,
        first_dose=question.first_dose,
        everyone=question.everyone,
        complete=question.complete,
        trials=tuple(_asked(trial) for trial in question.trials),
        patients=found.patients,
        candidates=found.candidates,
        signs=found.signs,
        lines=found.lines,
        left_out=dict(found.report.counts),
        lost_types=tuple(sorted(found.report.lost_types)),
        rows=0,
        request=request,
    )


def _asked(trial: ResolvedTrial) -> TrialAsked:
    return TrialAsked(trial.trial.id, trial.trial.version, trial.digest, trial.site, dict(trial.settings), str(trial.zone))
