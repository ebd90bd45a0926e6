"""Results as files for the coordinator, where nothing may be written to the server: CSV and JSON lines side by side.

The JSON lines are the record; the CSV is made anew from them. Both are put in place by an atomic rename, readable by their owner
alone. A result that says what the patient's last one said is not written again.
Source: WB-47; SEC-21 (cells that a spreadsheet would take for formulas).
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fhir_trial.errors import FhirTrialError
from fhir_trial.transport import Json
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.writeback.decisions import Action, is_listed
from fhir_trial.writeback.identifiers import run_value, study_identifier
from fhir_trial.writeback.sending import STOPPED, Witness, WriteResult, no_witness
from fhir_trial.writeback.settings import WriteBack, WriteSettings

COLUMNS: Final = (
    "run",
    "patient",
    "study",
    "trial",
    "version",
    "as_of",
    "data_cutoff",
    "overall",
    "blockers",
    "missing",
    "software",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class ExportError(FhirTrialError):
    """The files for the coordinator cannot be written; nothing of the result is half there."""

    issue_type = "no-store"
    exit_status = 5


class FileOutbox:
    """The route of files.

    Args:
        stopped: Tells whether a tenant's kill switch is thrown.
    """

    name = "file-export"

    def __init__(
        self, folder: Path, settings: WriteSettings, *, software: str, stopped: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._folder = folder
        self._stopped = stopped
        self._settings = settings
        self._software = software

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
        """One line, or none when the patient's last one says the same.

        Raises:
            ExportError: The folder cannot be written, or what is in it is not ours.
        """
        if self._settings.write_back is WriteBack.OFF:
            return (WriteResult(verdict.patient, Action.WITHHELD, "Writing back is off."),)
        if self._stopped(self._settings.tenant):
            return (WriteResult(verdict.patient, Action.WITHHELD, STOPPED),)
        name = f"{_file_name(self._settings.tenant)}-{_file_name(trial.trial.id)}"
        try:
            if dry_run:
                return (self._added(name, verdict, trial, None),)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(self._folder / f".{name}.lock"):
                if self._stopped(self._settings.tenant):
                    return (WriteResult(verdict.patient, Action.WITHHELD, STOPPED),)
                return (self._added(name, verdict, trial, witness),)
        except OSError as error:
            raise ExportError(
                f"The folder for files (export_folder) cannot be used: {error.strerror or 'no reason given'}. "
                "Make room or give leave to write there, then screen again."
            ) from None

    def _added(self, name: str, verdict: Verdict, trial: ResolvedTrial, witness: Witness | None) -> WriteResult:
        """Without a witness, a dry run."""
        record, table = self._folder / f"{name}.jsonl", self._folder / f"{name}.csv"
        lines = _read(record)
        before, last = [None, None, *(line["run"] for line in lines if line["patient"] == verdict.patient)][-2:]
        if last is not None and last == self._run(verdict, trial, before):
            if witness is not None:
                _mend(table, lines)
            return WriteResult(f"file:{record.name}", Action.UNCHANGED, "The same result is there already.")
        if last is None and not is_listed(verdict.overall, self._settings):
            return WriteResult(verdict.patient, Action.WITHHELD, "No line is begun for a patient who is not on the list.")
        line = self._line(verdict, trial, self._run(verdict, trial, last))
        reason = "A new line." if last is None else "The result has changed: a new line."
        if witness is None:
            return WriteResult(f"file:{record.name}", Action.CREATED, reason, line)
        witness("create", "file", "begun")
        try:
            _put(record, "".join(json.dumps(each, ensure_ascii=False, sort_keys=True) + "\n" for each in (*lines, line)))
            _put(table, _as_csv([*lines, line]))
        except OSError:
            witness("create", "file", "failed")
            raise
        witness("create", "file", "done")
        return WriteResult(f"file:{record.name}", Action.CREATED, reason)

    def _run(self, verdict: Verdict, trial: ResolvedTrial, before: str | None) -> str:
        return run_value(self._settings.tenant, study_identifier(trial).value, verdict, trial, before)

    def _line(self, verdict: Verdict, trial: ResolvedTrial, run: str) -> Json:
        study = study_identifier(trial).value
        return {
            "run": run,
            "patient": verdict.patient,
            "study": study,
            "trial": verdict.trial,
            "version": verdict.version,
            "as_of": verdict.as_of.isoformat(),
            "data_cutoff": None if verdict.data_cutoff is None else verdict.data_cutoff.isoformat(),
            "overall": str(verdict.overall),
            "blockers": list(verdict.blockers),
            "missing": list(verdict.missing),
            "software": self._software,
        }


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe before = + - @, tab and line ends (SEC-21)."""
    text = "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _read(record: Path) -> list[Json]:
    try:
        lines: list[Json] = [json.loads(line) for line in record.read_text("utf-8").split("\n") if line]
        if all(isinstance(line["run"], str) and isinstance(line["patient"], str) for line in lines):
            return lines
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError):
        pass
    raise ExportError(f"{record.name} is not as we wrote it: move it out of the folder for files (export_folder) and look at it.")


def _as_csv(lines: Iterable[Mapping[str, Any]]) -> str:
    written = io.StringIO()
    rows = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([safe_cell(line.get(column)) for column in COLUMNS] for line in lines)
    return written.getvalue()


def _mend(table: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """After a crash between the two renames."""
    whole = _as_csv(lines)
    if not table.exists() or table.read_bytes() != whole.encode():
        _put(table, whole)


def _put(path: Path, text: str) -> None:
    """All of it or nothing: into a file beside it, to the disk, then renamed."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text).lstrip(".") or "_"
