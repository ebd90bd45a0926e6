"""Results as files for the coordinator, where nothing may be written to the server: CSV and JSON lines side by side.

The JSON lines are the record; the CSV is made anew from them. Both are put in place by an atomic rename, readable by their owner
alone. The same result is written once. Source: WB-47; SEC-21 (cells that a spreadsheet would take for formulas).
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fhir_trial.transport import Json
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.writeback.decisions import Action
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
        """One line, or none when it stands there already.

        Raises:
            OSError: The folder cannot be written.
        """
        if self._settings.write_back is WriteBack.OFF:
            return (WriteResult(verdict.patient, Action.WITHHELD, "Writing back is off."),)
        if self._stopped(self._settings.tenant):
            return (WriteResult(verdict.patient, Action.WITHHELD, STOPPED),)
        line = self._line(verdict, trial)
        name = f"{_file_name(self._settings.tenant)}-{_file_name(trial.trial.id)}"
        if dry_run:
            return (WriteResult(f"file:{name}.jsonl", Action.CREATED, "A new line.", line),)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._folder / f".{name}.lock"):
            return (self._added(name, line, witness),)

    def _added(self, name: str, line: Json, witness: Witness) -> WriteResult:
        path = self._folder / f"{name}.jsonl"
        lines = [json.loads(each) for each in path.read_text("utf-8").splitlines()] if path.exists() else []
        table = self._folder / f"{name}.csv"
        if any(each["run"] == line["run"] for each in lines):
            if not table.exists() or table.read_text("utf-8") != _as_csv(lines):  # a crash between the two renames
                _put(table, _as_csv(lines))
            return WriteResult(f"file:{name}.jsonl", Action.UNCHANGED, "The same result is there already.")
        witness("create", "file", "begun")
        lines.append(line)
        try:
            _put(path, "".join(json.dumps(each, ensure_ascii=False, sort_keys=True) + "\n" for each in lines))
            _put(table, _as_csv(lines))
        except OSError:
            witness("create", "file", "failed")
            raise
        witness("create", "file", "done")
        return WriteResult(f"file:{name}.jsonl", Action.CREATED, "A new line.")

    def _line(self, verdict: Verdict, trial: ResolvedTrial) -> Json:
        study = study_identifier(trial).value
        return {
            "run": run_value(self._settings.tenant, study, verdict, trial, None),
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


def _as_csv(lines: list[Mapping[str, Any]]) -> str:
    written = io.StringIO()
    rows = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([safe_cell(line.get(column)) for column in COLUMNS] for line in lines)
    return written.getvalue()


def _put(path: Path, text: str) -> None:
    """All of it or nothing: into a file beside it, to the disk, then renamed."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


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
