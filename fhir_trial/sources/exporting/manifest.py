"""Manifests in both dialects: what files there are, and where. Unknown members are ignored, an empty output is legal.

Source: FHIR Bulk Data Access 2.0 to 4.0 ballot, Response - Complete (BULK-08, BULK-17, BULK-28, BULK-29).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from fhir_trial.errors import FatalServerError
from fhir_trial.sources.exporting.job import ExportedFile, Section

Json = dict[str, Any]

#: A type that the manifest does not name; files may hold several (BULK-17).
ANY_KIND: Final = "Resource"
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,62}")
#: Of storage at the large makers.
_SIGNING: Final = re.compile(
    r"x-(amz|goog)-.*|s[a-z]|s[a-z]r|ske|skt|sks|skv|skoid|sktid|sig.*|expires|policy|key-pair-id|.*accesskeyid|.*accessid|.*token.*",
    re.IGNORECASE,
)
_SECTIONS: Final = (
    (Section.OUTPUT, ("output",)),
    (Section.DELETED, ("deleted",)),
    (Section.ERROR, ("error", "outcome")),
)
#: What files of a section hold, unless the manifest's own type says it.
_KINDS: Final = {Section.DELETED: "Bundle", Section.ERROR: "OperationOutcome"}


@dataclass(slots=True)
class Manifest:
    """Of one page or all.

    Attributes:
        transaction_time: As it came; None where it did not.
        needs_token: Whether files are asked for as us; with "false" the token is never sent (BULK-30).
        files: Each with its link, by ``key``.
        following: The link to the next page.
    """

    transaction_time: str | None
    needs_token: bool
    files: list[ExportedFile] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    following: str | None = None


def read_manifest(value: Json, url: str) -> Manifest:
    """One page.

    Args:
        url: Where it came from; relative links start there.

    Raises:
        FatalServerError: A file of it has no link.
    """
    moment, needs_token = value.get("transactionTime"), value.get("requiresAccessToken")
    found = Manifest(moment if isinstance(moment, str) else None, needs_token is not False, following=_next(value))
    for section, names in _SECTIONS:
        for entry in (entry for name in names for entry in _dicts(value.get(name))):
            link = entry.get("url")
            if not isinstance(link, str) or not link:
                raise FatalServerError("Export manifest: a file of it has no url.")
            file = _file(section, entry, urljoin(url, link))
            file.key = _unlike(file.key, found.links)
            found.files.append(file)
            found.links[file.key] = urljoin(url, link)
    return found


def joined(pages: Iterable[Manifest]) -> Manifest:
    """All pages as one. If one says that no token may be sent, none is."""
    first, *others = pages
    whole = Manifest(first.transaction_time, first.needs_token, list(first.files), dict(first.links))
    for page in others:
        whole.needs_token = whole.needs_token and page.needs_token
        for file in page.files:
            link = page.links[file.key]
            file.key = _unlike(file.key, whole.links)
            whole.files.append(file)
            whole.links[file.key] = link
    _name(whole.files)
    return whole


def links_for(files: list[ExportedFile], manifest: Manifest) -> dict[str, str] | None:
    """Fresh links for files that a manifest named before; None where it is another manifest now.

    By the path of the link, which stays when a signature is made anew; else, where as many files of the same types are named in
    the same order, by their places.
    """
    if {file.key for file in files} == set(manifest.links):
        return manifest.links
    if [_shape(file) for file in files] == [_shape(file) for file in manifest.files]:
        return {file.key: manifest.links[other.key] for file, other in zip(files, manifest.files, strict=True)}
    return None


def _file(section: Section, entry: Json, link: str) -> ExportedFile:
    kind, count, size = entry.get("type"), entry.get("count"), entry.get("fileSize")
    known = kind if isinstance(kind, str) and _TYPE.fullmatch(kind) else ANY_KIND
    return ExportedFile(
        section,
        _KINDS.get(section, known),
        name="",
        key=_digest(f"{section} {_unsigned(link)}"),
        promised=count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None,
        promised_size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
    )


def _unsigned(link: str) -> str:
    """The link without what is made anew each time: signatures and their time."""
    parts = urlsplit(link)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if not _SIGNING.fullmatch(name)]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(kept), ""))


def _name(files: list[ExportedFile]) -> None:
    """The type first: a line that cannot be read is then a gap of that type alone."""
    for number, file in enumerate(files, 1):
        start = file.kind if file.section is Section.OUTPUT else file.section.value
        file.name = f"{start}.{number:04}.ndjson"


def _unlike(key: str, others: dict[str, str]) -> str:
    """A key that is not taken yet: a manifest may name a file twice."""
    while key in others:
        key = _digest(key)
    return key


def _shape(file: ExportedFile) -> tuple[Any, ...]:
    return file.section, file.kind, file.promised, file.promised_size


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def _next(value: Json) -> str | None:
    links = (link.get("url") for link in _dicts(value.get("link")) if link.get("relation") == "next")
    return next((link for link in links if isinstance(link, str)), None)


def _dicts(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
