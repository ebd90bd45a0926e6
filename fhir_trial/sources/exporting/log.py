"""The log of an export as other clients write theirs: a line an event, with no link, no id and nothing of a patient (BULK-47).

``download_error``, ``status_error`` and ``kickoff_error`` tell whoever reads the folder that something is missing; a try that
another one mended is none of them.
Source: the log format of the Bulk Data client of SMART Health IT.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from fhir_trial.sources.exporting.job import JobFolder
from fhir_trial.transport.downloads import disk_error

_OWNER_ONLY: Final = 0o600


class Log:
    """Appends to the log of a folder."""

    def __init__(self, folder: JobFolder, identity: str, now: Callable[[], datetime]) -> None:
        self._folder, self._identity, self._now = folder, identity, now

    def event(self, name: str, **detail: Any) -> None:
        """One line.

        Raises:
            SourceError: The disk is full.
        """
        line = {
            "exportId": self._identity,
            "timestamp": self._now().isoformat(timespec="seconds"),
            "eventId": name,
            "eventDetail": detail,
        }
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            with os.fdopen(os.open(self._folder.log, flags, _OWNER_ONLY), "ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise disk_error(error) from None
