"""What lies in the folder beside the data: the manifest as kept, and what is known to be missing.

Both are read by whoever reads the folder: a type of which less came than was promised, or of which a file is missing, is partial.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fhir_trial.sources.exporting.job import ExportedFile, FileState, Job, Section
from fhir_trial.sources.exporting.manifest import ANY_KIND
from fhir_trial.transport import encode_json

Json = dict[str, Any]

MANIFEST: Final = "manifest.json"
REMARKS: Final = "remarks.ndjson"


def kept_manifest(job: Job) -> Json:
    """The manifest for whoever reads the folder: names of files for links, and of each how much is to be in it (BULK-32)."""
    entries: dict[str, list[Json]] = {section: [] for section in Section}
    for file in job.files:
        if file.kind == ANY_KIND and file.state is FileState.WHOLE:
            continue  # of no type, so that nothing can be counted against it
        count = file.promised if file.promised is not None else file.resources if file.state is FileState.WHOLE else None
        entries[file.section].append({"type": file.kind, "url": file.name} | ({} if count is None else {"count": count}))
    for kind, count in sorted(job.hydrated.items()):
        entries[Section.OUTPUT].append({"type": kind, "url": hydrated_name(kind), "count": count})
    return {"transactionTime": job.transaction_time or "", "requiresAccessToken": False, **entries}


def hydrated_name(kind: str) -> str:
    """The file of resources that others refer to."""
    return f"{kind}.referred.ndjson"


def remarks_of(job: Job) -> bytes:
    """An OperationOutcome a gap, each naming its type; empty where nothing is missing (BULK-50)."""
    lines = [
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "incomplete", "diagnostics": words}]}
        for words in _gaps(job)
    ]
    return b"".join(encode_json(line) + b"\n" for line in lines)


def _gaps(job: Job) -> Iterator[str]:
    for kind in job.asked.filtered_types:
        yield f"{kind}: only what has a known code was exported."
    for file in job.files:
        if file.state is not FileState.WHOLE or file.trouble:
            yield f"{_named(file)}: a file of the export is missing, or is not what was promised."
    for kind in job.lost:
        yield f"{kind}: some that others refer to could not be read."


def _named(file: ExportedFile) -> str:
    """The type; of an error file or of deletions nobody knows which type they are about."""
    return file.kind if file.section is Section.OUTPUT and file.kind != ANY_KIND else "the whole"
