"""What differs between the resource held and the one sent or meant: for dry runs, for read-backs, for interrupted writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir_trial.transport import Json
from fhir_trial.writeback.lookup import target_of

#: What a server may put beside our content.
_THE_SERVERS = frozenset({"id", "meta", "text", "implicitRules", "language"})
_INSTANTS = (".issued", ".recorded", ".occurredDateTime", ".date")


@dataclass(frozen=True, slots=True)
class Change:
    """One value that an update changes.

    Attributes:
        path: As in FHIR, "ResearchSubject.progress[1].startDate".
        old, new: JSON values; None where there is none.
    """

    path: str
    old: Any
    new: Any

    def as_json(self) -> Json:
        return {"path": self.path, "old": self.old, "new": self.new}


def changes(held: Any, wanted: Any, path: str) -> Iterator[Change]:
    """Every value that differs, meta left out."""
    if isinstance(held, dict) and isinstance(wanted, dict):
        for key in sorted({*held, *wanted} - {"meta"}):
            yield from changes(held.get(key), wanted.get(key), f"{path}.{key}")
    elif isinstance(held, list) and isinstance(wanted, list):
        for index in range(max(len(held), len(wanted))):
            yield from changes(_at(held, index), _at(wanted, index), f"{path}[{index}]")
    elif held != wanted:
        yield Change(path, held, wanted)


def lost(sent: Any, held: Any, path: str) -> Iterator[str]:
    """Paths of what was sent and is not there. Tags, ids and the spelling of instants and references are the server's affair."""
    if isinstance(sent, dict) and isinstance(held, dict):
        for key, value in sent.items():
            if key not in ("meta", "id"):
                yield from lost(value, held.get(key), f"{path}.{key}")
    elif isinstance(sent, list) and isinstance(held, list) and len(sent) <= len(held):
        for mine, theirs in zip(sent, held, strict=False):
            yield from lost(mine, theirs, path)
    elif path.endswith(".reference"):
        if target_of({"reference": sent}) != target_of({"reference": held}):
            yield path
    elif sent != held and not path.endswith(_INSTANTS):
        yield path


def holds_exactly(held: Json, sent: Json) -> bool:
    """Whether the server holds what was sent, and nothing of anybody else's."""
    kind = str(sent.get("resourceType"))
    return not set(held) - set(sent) - _THE_SERVERS and not any(lost(sent, held, kind)) and not any(lost(held, sent, kind))


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None
