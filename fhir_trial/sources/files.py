"""Bundles, folders, NDJSON and standard input as a source of patients (VER-01)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from fhir_trial.criteria.needs import Needs
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources.documents import documents
from fhir_trial.sources.grouping import Grouping
from fhir_trial.sources.report import ReadReport


class FileSource:
    """Patients from files. ``report`` is complete once ``patients`` has been called and its first patient taken.

    Args:
        sources: Paths of files and folders; "-" is standard input. Several may be mixed.
        standard_input: What "-" reads; the process's own unless given.
    """

    def __init__(self, sources: Sequence[str | Path], *, standard_input: IO[bytes] | None = None) -> None:
        self._sources = list(sources)
        self._standard_input = standard_input
        self.report = ReadReport()

    def patients(self, needs: Needs) -> Iterator[RawPatient]:
        """Each patient once, in the order of the reference. No needs at all means every type."""
        self.report = ReadReport()
        grouping = Grouping(frozenset(needs.resource_types), self.report)
        opened: list[Path | IO[bytes]] = [self._opened(source) for source in self._sources]
        for document in documents(opened, self.report):
            grouping.add(document)
        yield from grouping.patients()

    def _opened(self, source: str | Path) -> Path | IO[bytes]:
        if str(source) == "-":
            return self._standard_input or sys.stdin.buffer
        return Path(source)
