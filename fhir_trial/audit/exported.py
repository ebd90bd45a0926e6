"""What leaves an audit chain: its rows, and its heads, which are kept elsewhere (SEC-01)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from fhir_trial.errors import UsageError

_HEAD: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain, to be kept elsewhere: with it, rows removed from the end, and a chain written anew, are found."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def read(cls, text: str) -> Self:
        """A head as we print it.

        Raises:
            UsageError: It is none.
        """
        found = _HEAD.fullmatch(text)
        if found is None:
            raise UsageError("A head is what `fhir-trial site verify-audit` prints: NUMBER:HASH, the hash 64 hexadecimal digits.")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True)
class ChainedLine:
    """A row of a chain.

    Attributes:
        line: ``line_of`` its event, as JSON.
        hash: Over the row and the hash before it, in hexadecimal.
    """

    number: int
    line: str
    hash: str

    def fields(self) -> dict[str, str]:
        """The event, name by name.

        Raises:
            json.JSONDecodeError: The line was not written by us.
        """
        read = json.loads(self.line)
        return read if isinstance(read, dict) else {}


@dataclass(frozen=True, slots=True)
class DatedHead:
    """A line of a file of heads: ``DATE TENANT NUMBER:HASH``."""

    on: date
    tenant: str
    head: Head

    def __str__(self) -> str:
        return f"{self.on.isoformat()} {self.tenant} {self.head}"

    @classmethod
    def read(cls, line: str) -> Self:
        """A line of the file; a tenant's name may have spaces.

        Raises:
            UsageError: It is none.
        """
        day, _, rest = line.partition(" ")
        tenant, _, head = rest.rpartition(" ")
        try:
            return cls(date.fromisoformat(day), tenant, Head.read(head))
        except (ValueError, UsageError):
            raise UsageError("A file of heads has lines DATE TENANT NUMBER:HASH, from `fhir-trial site export-head`.") from None
