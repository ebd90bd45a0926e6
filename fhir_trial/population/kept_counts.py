"""A run that may name nobody: its rounded report in a folder, and nothing else (SEC-35)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fhir_trial.errors import SourceError, UsageError
from fhir_trial.population.kept_runs import COUNTS, FOLDER_MODE, check_free, put_whole
from fhir_trial.population.report import Report


def keep_counts(folder: Path, report: Report) -> None:
    """Writes a rounded report; it is there whole, or not at all.

    Raises:
        ValueError: The report is exact.
        UsageError: The folder holds a run already, or cannot be written.
    """
    if report.exact:
        raise ValueError("Only a rounded report may be kept here.")
    check_free(folder)
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        put_whole(folder / COUNTS, report)
    except OSError as error:
        raise UsageError(f"The counts cannot be kept: {error.strerror}.", expression=str(folder)) from None


def read_counts(folder: Path) -> Report | None:
    """The report; None where the folder holds no counts.

    Raises:
        SourceError: They are broken.
    """
    try:
        return msgspec.json.decode((folder / COUNTS).read_bytes(), type=Report)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError):
        raise SourceError("The counts of this run cannot be read.", expression=str(folder / COUNTS)) from None
