"""What an export says of itself as a whole: gaps, errors, deletions, manifests, files that break off (BULK-38, BULK-40)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_trial.errors import SourceError
from fhir_trial.population.folder import DataFile, Folder
from fhir_trial.population.gathering import ASIDE, FIRST, Frame, Gathered, frames_of
from fhir_trial.sources.claims import Claim, claims_of_manifest, names_error_files
from fhir_trial.sources.documents import Document, broken_file, documents, read_remarks
from fhir_trial.sources.report import ReadReport

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Remarks:
    """For every patient of the export.

    Attributes:
        names: Of the files, by number.
        of_files: Number of a file -> gaps of those of whom something stands in it.
        of_all: Gaps of everybody.
        deleted: ``Type/id`` that the export says are gone.
        is_whole: Nothing was lost that may be anybody's: a claim of completeness can hold (R12).
    """

    names: dict[int, str]
    of_files: dict[int, tuple[Claim, ...]] = field(default_factory=dict)
    of_all: tuple[Claim, ...] = ()
    deleted: frozenset[str] = frozenset()
    is_whole: bool = True


def remarks_of(folder: Folder, piles: Path, gathered: Iterable[Gathered], report: ReadReport) -> Remarks:
    """Reads what was laid aside, and the files that are no NDJSON.

    Args:
        piles: The folder of the piles.
        gathered: Every part of every file, in order.
        report: Filled.

    Raises:
        SourceError: The folder holds records in Bundles.
    """
    parts = list(gathered)
    report.resources.update(sum((part.resources for part in parts), Counter()))
    aside = _laid_aside(piles)
    found = [
        _of_file(file, aside[file.number], [part for part in parts if part.part.file == file], report) for file in folder.files
    ]
    beside = list(documents(list(folder.others), report)) if folder.others else []
    everything = (*found, *beside)
    if any(document.entries for document in everything):
        raise SourceError("This folder holds records in Bundles: screen them with `fhir-trial screen`.")
    of_all = [claim for document in everything for claim in document.claims if claim.scope is None]
    for document in everything:
        if document.manifest is not None:
            of_all += _promised(document.manifest, report)
    return Remarks(
        names={file.number: file.name for file in folder.files},
        of_files={
            file.number: tuple(claim for claim in document.claims if claim.scope is not None)
            for file, document in zip(folder.files, found, strict=True)
        },
        of_all=tuple(of_all),
        deleted=frozenset().union(*(document.deleted for document in everything)),
        is_whole=not report.lost_types,
    )


def _laid_aside(piles: Path) -> dict[int, list[tuple[Frame, bool]]]:
    """Number of a file -> its remarks, each with whether a resource of somebody precedes it in its part."""
    found: dict[int, list[tuple[Frame, bool]]] = defaultdict(list)
    for pile in (FIRST, ASIDE):
        for frame in frames_of(piles, pile):
            found[frame.file].append((frame, pile == ASIDE))
    return found


def _of_file(file: DataFile, remarks: list[tuple[Frame, bool]], parts: list[Gathered], report: ReadReport) -> Document:
    starts = [part.part.start for part in parts if part.has_entries]
    first = min(starts, default=None)  # the first part with somebody's resource; those after it are preceded by one
    lines = (
        (frame.line, in_part or (first is not None and first < _start_of(frame, parts)))
        for frame, in_part in sorted(remarks, key=lambda remark: remark[0].place)
    )
    document = read_remarks(file.name, file.number, lines, report)
    if any(part.is_broken for part in parts):
        document.claims += broken_file(file.name, file.number, report)
    return document


def _start_of(frame: Frame, parts: list[Gathered]) -> int:
    return max((part.part.start for part in parts if part.part.start <= frame.place), default=0)


def _promised(manifest: Json, report: ReadReport) -> Iterator[Claim]:
    for claim in claims_of_manifest(manifest, report.resources):
        for kind in claim.types:
            report.note("export-incomplete", "manifest", f"It promises more {kind} than there are files to read.")
        yield claim
    if names_error_files(manifest):
        report.note("export-incomplete", "manifest", "The export reports errors: see its error files.")
