r"""Files and standard input as documents: one Bundle, or one NDJSON file, with every resource in it.

A bad line or a bad file is one entry of the report, and never stops the rest. Lines end at \n alone: displays may hold other
characters that str.splitlines would take for line ends.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from fhir_trial.records.model import LoadState
from fhir_trial.sources.claims import Claim, claims_of_outcome
from fhir_trial.sources.patient_links import KNOWN_TYPES
from fhir_trial.sources.report import ANY_TYPE, ReadReport
from fhir_trial.transport.bodies import decode_json

Json = dict[str, Any]

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
_LINES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_LONGEST_LINE = 64 * 1024 * 1024
_BROKEN_PATIENT = re.compile(rb"Patient/([A-Za-z0-9\-.]{1,64})")
_BROKEN_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_UNREADABLE = (OSError, EOFError, zlib.error)
_BREAKS_OFF = "The file breaks off: its compression is broken, or it cannot be read to its end."


@dataclass(slots=True)
class Entry:
    """A resource as it came, its fullUrl if it stood in a Bundle, and where it stood."""

    resource: Json
    full_url: str | None
    place: str


@dataclass(slots=True)
class Document:
    """The scope in which a fullUrl or urn is looked up first.

    Attributes:
        deleted: ``Type/id`` that the document says are gone (BULK-38).
        manifest: A Bulk Data manifest, when the document is one.
    """

    name: str
    entries: list[Entry] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    manifest: Json | None = None


#: Stands for resources that are read elsewhere.
_SOMEBODY = Entry({"resourceType": "Patient"}, None, "")


def documents(sources: list[Path | IO[bytes]], report: ReadReport) -> Iterator[Document]:
    """Every document of the sources, in the order given; a folder's files by name.

    Args:
        sources: Files, folders, or an open binary stream (standard input).
    """
    number = 0
    for source in sources:
        for name, opened in _opened(source, report):
            for document in _Reader(name, number, report).read(opened):
                yield document
                number += 1


def read_remarks(name: str, number: int, lines: Iterable[tuple[bytes, bool]], report: ReadReport) -> Document:
    """What lines of an NDJSON file that are nobody's record say of the export: its gaps, its errors, what was deleted.

    Args:
        number: The file's place among all.
        lines: Each with whether any resource of somebody stands before it.
        report: Told of lines that are not JSON, or no resource.
    """
    reader, found = _Reader(name, number, report), Document(name)
    for line, has_entries in lines:
        said = Document(name, [_SOMEBODY] if has_entries else [])
        reader.take(line, said)
        found.entries += [entry for entry in said.entries if entry is not _SOMEBODY]
        found.claims += said.claims
        found.deleted |= said.deleted
        found.manifest = said.manifest or found.manifest
    return found


def broken_file(name: str, number: int, report: ReadReport) -> list[Claim]:
    """What a file that breaks off leaves open."""
    return _Reader(name, number, report).broken()


def _opened(source: Path | IO[bytes], report: ReadReport) -> Iterator[tuple[str, Path | IO[bytes]]]:
    if not isinstance(source, Path):
        yield "-", source
    elif source.is_dir():
        for path in sorted(source.rglob("*")):
            inside = path.relative_to(source)
            if path.is_file() and path.name.endswith(_SUFFIXES) and not any(part.startswith(".") for part in inside.parts):
                yield str(path), path
    elif source.is_file():
        yield str(source), source
    else:
        report.note("file-unreadable", str(source), "There is no such file or folder.")


def _unpacked(path: Path) -> IO[bytes]:
    """The bytes, unpacked if they are gzip, whatever the name says."""
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == _GZIP
    return cast("IO[bytes]", gzip.open(path)) if is_gzip else path.open("rb")


def _content_of(opened: Path | IO[bytes]) -> bytes:
    if isinstance(opened, Path):
        with _unpacked(opened) as stream:
            return stream.read()
    content = opened.read()
    return gzip.decompress(content) if content.startswith(_GZIP) else content


class _Reader:
    """Reads one file."""

    def __init__(self, name: str, number: int, report: ReadReport) -> None:
        self._name, self._number, self._report = name, number, report
        first_word = re.match(r"[A-Z][A-Za-z]+", Path(name).name)
        self._type = first_word[0] if first_word and first_word[0] in KNOWN_TYPES else None

    def read(self, opened: Path | IO[bytes]) -> Iterator[Document]:
        if isinstance(opened, Path) and opened.name.endswith(_LINES):
            yield self._lines_of(opened)
            return
        try:
            content = _content_of(opened).removeprefix(_BOM)
        except _UNREADABLE:
            yield self._unreadable("The file cannot be read, or its compression is broken.")
            return
        yield self._whole(content)

    def _whole(self, content: bytes) -> Document:
        """A file that is not named as NDJSON: one JSON value, else lines if any line is a resource of its own."""
        document = Document(self._name)
        try:
            value = decode_json(content)
        except ValueError:
            lines = content.split(b"\n")
            if len(lines) > 1 and any(_is_resource(line) for line in lines):
                for line_number, line in enumerate(lines, 1):
                    self._line(line, line_number, document)
                return document
            return self._unreadable("The file is neither JSON nor NDJSON." if content.strip() else "The file is empty.")
        for item in value if isinstance(value, list) else [value]:
            self._value(item, None, self._name, document)
        return document

    def _lines_of(self, path: Path) -> Document:
        document = Document(self._name)
        try:
            with _unpacked(path) as stream:
                for line_number, line in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), b""), 1):
                    self._line(line.removeprefix(_BOM) if line_number == 1 else line, line_number, document)
        except _UNREADABLE:
            broken = self._unreadable(_BREAKS_OFF)
            document.claims += broken.claims
        return document

    def _line(self, line: bytes, number: int, document: Document) -> None:
        if not line.strip():
            return
        place = f"{self._name}:{number}"
        try:
            value = decode_json(line)
        except ValueError:
            self._report.note("line-unreadable", place, "The line is not JSON; the others are read.")
            self._lost(line, document)
            return
        self._value(value, None, place, document)

    def _value(self, value: object, full_url: str | None, place: str, document: Document) -> None:
        """One JSON value: a resource, a Bundle of them, a manifest, an event of an export log, or nothing we know."""
        if not isinstance(value, dict):
            self._report.note("not-a-resource", place, "This is no FHIR resource: resourceType is missing.")
            return
        kind = value.get("resourceType")
        if kind == "Bundle":
            self._bundle(value, place, document)
        elif kind == "OperationOutcome":
            document.claims += claims_of_outcome(value, self._number if document.entries else None)
            self._report.count("server-remark")
        elif isinstance(kind, str):
            document.entries.append(Entry(value, full_url, place))
        elif "transactionTime" in value and "output" in value:
            document.manifest = value
        elif "eventId" in value and "exportId" in value:
            self._log_event(value, place, document)
        else:
            self._report.note("not-a-resource", place, "This is no FHIR resource: resourceType is missing.")

    def _bundle(self, bundle: Json, place: str, document: Document) -> None:
        entries = bundle.get("entry")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            where = f"{place} entry {index}"
            if not isinstance(entry, dict):
                self._report.note("not-a-resource", where, "A Bundle entry is an object; this one is not.")
                continue
            self._entry(entry, where, document)

    def _entry(self, entry: Json, where: str, document: Document) -> None:
        if "request" in entry or "response" in entry:  # as in a transaction or its answer, or in a history
            request, response = entry.get("request"), entry.get("response")
            if isinstance(request, dict) and request.get("method") == "DELETE" and isinstance(request.get("url"), str):
                document.deleted.add(request["url"])
                return
            if isinstance(response, dict) and isinstance(response.get("outcome"), dict):
                document.claims += claims_of_outcome(response["outcome"], self._number)
        resource, full_url = entry.get("resource"), entry.get("fullUrl")
        if isinstance(resource, dict) and resource.get("resourceType") == "OperationOutcome":
            document.claims += claims_of_outcome(resource, self._number)
            self._report.count("server-remark")
        elif resource is not None:
            self._value(resource, full_url if isinstance(full_url, str) else None, where, document)

    def _log_event(self, event: Json, place: str, document: Document) -> None:
        """A line of a Bulk Data client's log: only a failed download tells of a gap, and it does not say of which type."""
        if event["eventId"] in ("download_error", "export_error", "status_error", "kickoff_error"):
            self._report.note("export-incomplete", place, "The export's log tells of a failure: some of it may be missing.")
            document.claims.append(Claim(LoadState.PARTIAL))

    def _lost(self, line: bytes, document: Document) -> None:
        """A broken line is a gap of the patient whom it names; if it names none, its type can no longer be called complete."""
        named_type = _BROKEN_TYPE.search(line)
        lost = named_type[1].decode() if named_type else self._type
        patients = frozenset(f"Patient/{match.decode()}" for match in _BROKEN_PATIENT.findall(line))
        if patients:
            document.claims.append(Claim(LoadState.PARTIAL, frozenset({lost} if lost else ()), patients))
        else:
            self._report.lost_types.add(lost or ANY_TYPE)

    def take(self, line: bytes, document: Document) -> None:
        """One line of a file whose other lines are read elsewhere."""
        self._line(line, 0, document)

    def broken(self) -> list[Claim]:
        """The file breaks off."""
        return self._unreadable(_BREAKS_OFF).claims

    def _unreadable(self, text: str) -> Document:
        """A file that could not be read: a gap in the type that its name names."""
        self._report.note("file-unreadable", self._name, text)
        document = Document(self._name)
        if self._type is not None:
            document.claims.append(Claim(LoadState.FAILED, frozenset({self._type})))
        else:
            self._report.lost_types.add(ANY_TYPE)
        return document


def _is_resource(line: bytes) -> bool:
    try:
        value = decode_json(line)
    except ValueError:
        return False
    return isinstance(value, dict) and "resourceType" in value
