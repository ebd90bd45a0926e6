"""Steps that were begun and have no outcome: the process died, the outcome was not recorded, or they are under way (SEC-05)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from fhir_trial.audit.events import AuditOutcome

#: What an outcome has in common with its intent.
_SAME = ("request", "action", "target", "patient", "trial", "issuer", "subject")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A step without outcome.

    Attributes:
        number: Of its intent in the chain.
        request: Id of the request or run, or None.
        at: ISO 8601, UTC.
    """

    number: int
    request: str | None
    action: str
    at: str


class OpenSteps:
    """Is told every line of a chain in order, and says afterwards what is still open. Keeps the open ones only."""

    def __init__(self) -> None:
        self._open: defaultdict[tuple[str | None, ...], list[Unfinished]] = defaultdict(list)

    def see(self, number: int, line: Mapping[str, str]) -> None:
        """One line, as ``line_of`` made it."""
        key = tuple(line.get(name) for name in _SAME)
        if line.get("outcome") == AuditOutcome.BEGUN:
            self._open[key].append(Unfinished(number, line.get("request"), line.get("action", ""), line.get("at", "")))
        elif key in self._open:
            self._open[key].pop()
            if not self._open[key]:
                del self._open[key]

    def left(self, but: str | None = None) -> tuple[Unfinished, ...]:
        """In the order of the chain.

        Args:
            but: A request that is under way, and is left out: that of the caller.
        """
        found = (one for each in self._open.values() for one in each if but is None or one.request != but)
        return tuple(sorted(found, key=lambda one: one.number))
