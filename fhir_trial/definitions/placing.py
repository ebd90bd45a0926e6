"""Where each piece of a rule stands in its file: the rule's objects and the YAML they were built from, walked side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_trial.criteria.combinators import AllOf, AnyOf, AppliesWhen, AtLeast, Not, Part, Reference
from fhir_trial.definitions.yaml_source import KeyPath


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """A rule, or a record inside one, and where it stands.

    Attributes:
        written: What the file says there, with the settings put in.
        name: Under which it stands in ``parts``, or None.
    """

    piece: Any
    written: Any
    path: KeyPath
    name: str | None = None

    def values(self, field: str) -> Iterator[tuple[Any, KeyPath]]:
        """Each value of a field with its own place; a default stands where the piece does."""
        value = getattr(self.piece, field)
        written = self.written.get(field) if isinstance(self.written, Mapping) else None
        for index, item in enumerate(value if isinstance(value, tuple) else (value,)):
            if written is None:
                yield item, self.path
            else:
                yield item, (*self.path, field, index) if isinstance(written, list) else (*self.path, field)

    def inside(self) -> Iterator[Placed]:
        """What stands directly inside."""
        match self.piece:
            case Reference():
                return
            case AllOf() | AnyOf():
                yield from _parts(self.piece.parts, self.written, self.path)
            case AtLeast():
                yield from _parts(self.piece.parts, self.written["of"], (*self.path, "of"))
            case Not():
                yield placed(self.piece.part, self.written, self.path)
            case AppliesWhen():
                yield placed(self.piece.condition, self.written["condition"], (*self.path, "condition"))
                yield placed(self.piece.rule, self.written["rule"], (*self.path, "rule"))
            case kind:
                yield from self._records(kind)

    def everything(self) -> Iterator[Placed]:
        """Itself and all that is inside, from the outside in."""
        yield self
        for inner in self.inside():
            yield from inner.everything()

    def _records(self, kind: Any) -> Iterator[Placed]:
        """The records that a kind's fields hold, such as the classes of a treatment rule."""
        for field in dataclasses.fields(kind):
            for value, path in self.values(field.name):
                if dataclasses.is_dataclass(value):
                    yield Placed(value, _at(self.written, path[len(self.path) :]), path, getattr(value, "part", None))


def placed(part: Part, written: Any, path: KeyPath) -> Placed:
    """A rule that a file writes at ``path``: the id of a criterion, or one kind with its parameters."""
    if isinstance(written, str):
        return Placed(part.rule, written, path)
    (kind,) = (key for key in written if key != "part")
    return Placed(part.rule, written[kind], (*path, kind), part.name)


def _parts(parts: tuple[Part, ...], written: Any, path: KeyPath) -> Iterator[Placed]:
    for index, part in enumerate(parts):
        yield placed(part, written[index], (*path, index))


def _at(written: Any, path: KeyPath) -> Any:
    for step in path:
        written = written[step]
    return written
