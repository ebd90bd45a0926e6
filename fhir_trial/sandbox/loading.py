"""Samples into a server: each resource under its own id, so that Patient/p1 in the file is Patient/p1 on the server.

References by fullUrl or urn become ``Type/id``, and everything is PUT in batches: loading twice changes nothing, and one resource
that the server refuses does not take the others with it (WB-19). A server may refuse what refers to something that it does not
have yet: that is sent again once more is there, and what refers to one another goes in one transaction.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fhir_trial.errors import ServerError
from fhir_trial.sources.documents import Document, Entry, documents
from fhir_trial.sources.report import ReadReport

Json = dict[str, Any]

_BATCH = 200
_LEGAL_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class TakesBundles(Protocol):
    """A server that batches can be sent to."""

    def process(self, bundle: Json, /) -> Json:
        """The answer to a batch."""


@dataclass(slots=True)
class LoadReport:
    """What was stored, by type; what was not, one sentence each."""

    loaded: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)


def load_samples(server: TakesBundles, path: Path) -> LoadReport:
    """Stores every resource of a Bundle file, an NDJSON file or a folder of them."""
    report, reading = LoadReport(), ReadReport()
    refused: dict[str, _Refused] = {}
    sent = 0
    for document in documents([path], reading):
        entries = list(_requests(document))
        sent += len(entries)
        refused |= _send(server, entries, report)
    while 0 < len(refused) < sent:
        sent = len(refused)
        refused = _send(server, _entries(refused), report)
    if refused:
        refused = _at_once(server, refused, report)
    report.refused += [f"{url}: the server answered {each.status}." for url, each in refused.items()]
    report.refused += [str(trouble) for trouble in reading.troubles]
    return report


def _requests(document: Document) -> Iterator[Json]:
    urls = [f"{entry.resource['resourceType']}/{_identity(entry)}" for entry in document.entries]
    renamed = {entry.full_url: url for entry, url in zip(document.entries, urls, strict=True) if entry.full_url is not None}
    for entry, url in zip(document.entries, urls, strict=True):
        resource = {**_with_references(entry.resource, renamed), "id": url.split("/")[1]}
        yield {"resource": resource, "request": {"method": "PUT", "url": url}}


def _identity(entry: Entry) -> str:
    """Its own id; else the uuid of its fullUrl; else one made from where it stood."""
    own, url = entry.resource.get("id"), entry.full_url or ""
    for candidate in (own, url.removeprefix("urn:uuid:"), url.rsplit("/", 1)[-1]):
        if isinstance(candidate, str) and _LEGAL_ID.fullmatch(candidate):
            return candidate
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{Path(entry.place).name} {own} {url}"))


def _with_references(node: Any, renamed: dict[str, str]) -> Any:
    if isinstance(node, dict):
        copy = {key: _with_references(value, renamed) for key, value in node.items()}
        if isinstance(reference := copy.get("reference"), str) and reference in renamed:
            copy["reference"] = renamed[reference]
        return copy
    if isinstance(node, list):
        return [_with_references(item, renamed) for item in node]
    return node


@dataclass(frozen=True, slots=True)
class _Refused:
    """An entry, and the HTTP status of its last answer."""

    entry: Json
    status: str


def _entries(refused: dict[str, _Refused]) -> list[Json]:
    return [each.entry for each in refused.values()]


def _send(server: TakesBundles, entries: list[Json], report: LoadReport) -> dict[str, _Refused]:
    """In batches; what the server refuses, by its URL."""
    refused: dict[str, _Refused] = {}
    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        answer = server.process({"resourceType": "Bundle", "type": "batch", "entry": batch})
        answers = answer.get("entry") or []
        for index, entry in enumerate(batch):
            response = answers[index].get("response", {}) if index < len(answers) else {}
            status = str(response.get("status", "no answer"))
            if status.startswith("2"):
                report.loaded[entry["resource"]["resourceType"]] += 1
            else:
                refused[entry["request"]["url"]] = _Refused(entry, status)
    return refused


def _at_once(server: TakesBundles, refused: dict[str, _Refused], report: LoadReport) -> dict[str, _Refused]:
    """In one transaction: all of them, or none."""
    entries = _entries(refused)
    try:
        server.process({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    except ServerError:
        return refused
    report.loaded.update(entry["resource"]["resourceType"] for entry in entries)
    return {}
