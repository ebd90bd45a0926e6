"""SMART scopes for resources, in both syntaxes: what was granted says what an absence may mean (SMART-24, SMART-28).

Source: SMART App Launch 2.2, Scopes for requesting FHIR Resources; version 1 spells ``.read``, ``.write`` and ``.*``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SCOPE = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?)(?:\?(\S+))?")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope.

    Attributes:
        context: patient, user or system.
        resource_type: A FHIR type, or ``*``.
        letters: Of "cruds", in that order.
        filter: Of a granular scope: "category=..."; then an absence is no proof (SMART-31).
        written: As it stood.
    """

    context: str
    resource_type: str
    letters: str
    filter: str | None
    written: str

    def __str__(self) -> str:
        return self.written


def read_scopes(written: str) -> tuple[Scope, ...]:
    """The resource scopes in a space-separated list, in any order; others (``openid``) are not among them."""
    return tuple(scope for word in written.split() if (scope := _read(word)) is not None)


def allows(scopes: Iterable[Scope], resource_type: str, letter: str) -> bool:
    """Whether an interaction with a type was granted without a filter: c, r, u, d or s."""
    return any(
        scope.resource_type in (resource_type, "*") and letter in scope.letters and scope.filter is None for scope in scopes
    )


def system_scopes(read: Iterable[str], written: Iterable[str] = ()) -> tuple[str, ...]:
    """One scope for each type, never a wildcard (SMART-30): ``rs`` for types that are read, ``crus`` for those written."""
    ours = set(written)
    return tuple(f"system/{kind}.{'crus' if kind in ours else 'rs'}" for kind in sorted({*read, *ours}))


def _read(word: str) -> Scope | None:
    match = _SCOPE.fullmatch(word)
    if match is None or not match[3]:
        return None
    return Scope(match[1], match[2], _V1.get(match[3], match[3]), match[4], word)
