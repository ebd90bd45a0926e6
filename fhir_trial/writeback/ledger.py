"""Which version of which resource the machine itself wrote last: what tells its own untouched flag from a person's work."""

from __future__ import annotations

from typing import Protocol


class Ledger(Protocol):
    """Remembers versions written."""

    def remember(self, server: str, reference: str, version: str | None) -> None: ...

    def version(self, server: str, reference: str) -> str | None:
        """The version that the machine wrote last; None when it does not know."""
        ...


class MemoryLedger:
    """For as long as the process lives; a store takes its place later."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], str] = {}

    def remember(self, server: str, reference: str, version: str | None) -> None:
        if version is None:
            self._versions.pop((server, reference), None)
        else:
            self._versions[server, reference] = version

    def version(self, server: str, reference: str) -> str | None:
        return self._versions.get((server, reference))
