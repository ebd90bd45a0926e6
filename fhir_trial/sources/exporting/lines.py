"""What the lines of a fetched file are, counted as they pass: resources of the promised type, others, and what is no JSON.

Nothing is changed or left out: whoever reads the folder meets each line (BULK-34, BULK-35).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from fhir_trial.sources.exporting.job import Section
from fhir_trial.sources.exporting.manifest import ANY_KIND
from fhir_trial.transport import decode_json
from fhir_trial.transport.outcomes import issues_of

#: As long as whoever reads the folder takes them.
LONGEST_LINE: Final = 64 * 1024 * 1024


class LineTooLongError(Exception):
    """A line is longer than LONGEST_LINE."""


class _Meta(msgspec.Struct, gc=False):
    lastUpdated: str | None = None  # noqa: N815  # FHIR's own spelling


class _Head(msgspec.Struct, gc=False):
    resourceType: str = ""  # noqa: N815  # FHIR's own spelling
    meta: _Meta | None = None


_HEADS: Final = msgspec.json.Decoder(_Head)
#: Heads a block of files that are organised by patient, and is no record (BULK-17).
_HEADER: Final = "Parameters"


class Lines:
    """Counts the lines of one file.

    Attributes:
        resources: Lines that are resources, those of another type among them.
        unreadable: Lines that are not JSON, or no resource.
        unexpected: Resources of another type than ``kind``.
        dated: Whether any has meta.lastUpdated.
        issues: Of OperationOutcomes: "error processing" -> number.
    """

    def __init__(self, section: Section, kind: str) -> None:
        self._section, self._kind = section, kind
        self._rest = bytearray()
        self.resources = self.unreadable = self.unexpected = 0
        self.dated = False
        self.issues: Counter[str] = Counter()

    def take(self, piece: bytes) -> None:
        """The next bytes.

        Raises:
            LineTooLongError: As it says.
        """
        whole, newline, rest = piece.rpartition(b"\n")
        if newline:
            for line in (bytes(self._rest) + whole).split(b"\n"):
                self._line(line)
            self._rest = bytearray(rest)
        else:
            self._rest += piece
        if len(self._rest) > LONGEST_LINE:
            raise LineTooLongError

    def finish(self) -> None:
        """There are no more."""
        self._line(bytes(self._rest))
        self._rest.clear()

    def _line(self, line: bytes) -> None:
        line = line.strip()
        if not line:
            return
        try:
            head = _HEADS.decode(line)
        except msgspec.ValidationError:
            head = _by_hand(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            head = _Head()
        if not head.resourceType:
            self.unreadable += 1
            return
        if self._kind == ANY_KIND and head.resourceType == _HEADER:
            return
        self.resources += 1
        self.dated = self.dated or (head.meta is not None and head.meta.lastUpdated is not None)
        if head.resourceType != self._kind and self._kind != ANY_KIND:
            self.unexpected += 1
        if head.resourceType == "OperationOutcome":
            self._outcome(line)

    def _outcome(self, line: bytes) -> None:
        if self._kind == ANY_KIND:
            self.unexpected += 1
        for issue in issues_of(decode_json(line)):
            for code in sorted(issue.codes) or ["(none)"]:
                self.issues[f"{issue.severity or 'error'} {code}"] += 1


def _by_hand(line: bytes) -> _Head:
    """JSON of another shape: a list for an object, a number for a word."""
    try:
        value = decode_json(line)
    except ValueError:
        return _Head()
    kind = value.get("resourceType") if isinstance(value, dict) else None
    return _Head(kind if isinstance(kind, str) else "")
