"""What the resources of an export refer to and the export leaves out, read by searches afterwards (BULK-20, BULK-41).

Two passes over the files, in memory that grows with what is missing: names of what is referred to, then which of them are there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from fhir_trial.sources.exporting.lines import LONGEST_LINE
from fhir_trial.sources.following import follow, local_reference
from fhir_trial.transport import FhirServer, decode_json, encode_json

Json = dict[str, Any]

#: What a criterion may rest on: the drug of an order, its ingredients, the results of a report, the study of a subject.
FOLLOWED: Final = ("Medication", "Substance", "ResearchStudy", "Observation")
#: Names of each type; a server that keeps a Medication for each order has millions, and reading them one by one is no way.
MOST: Final = 20_000
#: In one go; leaves room for what these refer to in turn.
_AT_ONCE: Final = 100
_REFERENCE: Final = re.compile(rb'"reference"\s*:\s*"([^"]{1,2000})"')
_NAMED: Final = tuple(f"{kind}/".encode() for kind in FOLLOWED)


class _Named(msgspec.Struct, gc=False):
    id: str = ""


_NAMES: Final = msgspec.json.Decoder(_Named)


@dataclass(slots=True)
class Referred:
    """What came of it.

    Attributes:
        resources: Read.
        unresolved: Type -> names that nothing answered to, or that there was no room for.
        refused: Types of which the server did not let all be read, or of which there are too many.
    """

    resources: list[Json] = field(default_factory=list)
    unresolved: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)


def read_referred(server: FhirServer, files: Iterable[Path], most: int = MOST) -> Referred:
    """Reads what is missing.

    Args:
        files: NDJSON, unpacked.
        most: Names of one type that are kept in mind.

    Raises:
        ServerError: The kill switch is thrown.
    """
    paths = list(files)
    found = Referred()
    wanted = _wanted(server, paths, most, found)
    _take_away_present(paths, wanted)
    known: dict[str, Json] = {}
    for kind, names in wanted.items():
        for batch in _batches(sorted(names)):
            holder = {"resourceType": "Basic", "extension": [{"valueReference": {"reference": name}} for name in batch]}
            states = follow(server, [holder], known)
            found.refused |= states.keys() & wanted.keys()
        found.unresolved[kind] += sum(name not in known for name in names)
    found.resources = list(known.values())
    found.unresolved = +found.unresolved
    return found


def write_referred(found: Referred) -> Iterator[tuple[str, bytes, int]]:
    """Type, NDJSON and number, of each type that was read."""
    by_kind: dict[str, list[Json]] = {}
    for resource in found.resources:
        by_kind.setdefault(resource["resourceType"], []).append(resource)
    for kind, resources in sorted(by_kind.items()):
        yield kind, b"".join(encode_json(each) + b"\n" for each in resources), len(resources)


def _wanted(server: FhirServer, paths: Iterable[Path], most: int, found: Referred) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for path in paths:
        for line in _lines(path):
            for link in _links(line):
                reference = local_reference(link, server)
                kind = reference.split("/")[0] if reference is not None else ""
                if reference is None or kind not in FOLLOWED:
                    continue
                names = wanted.setdefault(kind, set())
                if len(names) < most or reference in names:
                    names.add(reference)
                else:
                    found.unresolved[kind] += 1
                    found.refused.add(kind)
    return wanted


def _take_away_present(paths: Iterable[Path], wanted: dict[str, set[str]]) -> None:
    for path in paths:
        kind = path.name.split(".", 1)[0]
        if names := wanted.get(kind):
            for line in _lines(path):
                names.discard(f"{kind}/{_identity(line)}")


def _links(line: bytes) -> Iterator[str]:
    if b"\\" in line:
        yield from _by_hand(line)
    elif any(name in line for name in _NAMED):
        for link in _REFERENCE.findall(line):
            yield link.decode(errors="replace")


def _by_hand(line: bytes) -> Iterator[str]:
    """A line in which a character may be written in more than one way."""
    try:
        nodes: list[Any] = [decode_json(line)]
    except ValueError:
        return
    for node in nodes:  # grows while it is walked
        if isinstance(node, list):
            nodes += node
        elif isinstance(node, dict):
            if isinstance(reference := node.get("reference"), str):
                yield reference
            nodes += node.values()


def _identity(line: bytes) -> str:
    try:
        return _NAMES.decode(line).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.readline(LONGEST_LINE), b"")


def _batches(names: list[str]) -> Iterator[list[str]]:
    waiting = iter(names)
    while batch := list(islice(waiting, _AT_ONCE)):
        yield batch
