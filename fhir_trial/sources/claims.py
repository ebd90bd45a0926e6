"""What a source says of its own gaps: error files, OperationOutcomes, manifests, files that could not be read (VER-05).

Only such a statement makes anything "not-loaded" in files; their silence claims nothing (R12).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fhir_trial.records.model import LoadState
from fhir_trial.sources.patient_links import KNOWN_TYPES
from fhir_trial.transport.outcomes import OutcomeIssue, issues_of

_WORD = re.compile(r"[A-Z][A-Za-z]+")
_PATIENT = re.compile(r"Patient/([A-Za-z0-9\-.]{1,64})")
_FORBIDDEN = frozenset({"forbidden", "login", "security", "expired"})
_WORST_LAST = (LoadState.PARTIAL, LoadState.FAILED, LoadState.NOT_AUTHORISED, LoadState.RESTRICTED)


@dataclass(frozen=True, slots=True)
class Claim:
    """A gap.

    Attributes:
        state: PARTIAL, FAILED, NOT_AUTHORISED or RESTRICTED.
        types: The types concerned; empty means all.
        patients: References (``Patient/id``) concerned; empty means all of the scope.
        scope: Number of the document that says so; None means everything read.
    """

    state: LoadState
    types: frozenset[str] = frozenset()
    patients: frozenset[str] = frozenset()
    scope: int | None = None


def claims_of_outcome(resource: dict[str, Any], scope: int | None) -> Iterator[Claim]:
    """The gaps that an OperationOutcome among the data tells of; a warning tells of none, unless something is withheld."""
    for raw, issue in zip(_dicts(resource.get("issue")), issues_of(resource), strict=True):
        if not (issue.is_failure or issue.says_restricted or issue.says_cut_short):
            continue
        words = " ".join(_strings([raw.get("diagnostics"), raw.get("details"), raw.get("expression"), raw.get("location")]))
        patients = frozenset(f"Patient/{identity.rstrip('.')}" for identity in _PATIENT.findall(words))
        types = frozenset(_WORD.findall(_PATIENT.sub(" ", words))) & KNOWN_TYPES
        state = _state(issue) if types else LoadState.PARTIAL if not issue.says_restricted else LoadState.RESTRICTED
        yield Claim(state, types, patients, scope)


def claims_of_manifest(manifest: dict[str, Any], read: dict[str, int]) -> Iterator[Claim]:
    """The gaps between what a Bulk Data manifest promises and what was read: a promised type of which less came.

    Args:
        read: Resources read, by type.
    """
    promised: dict[str, int] = {}
    for output in _dicts(manifest.get("output")):
        resource_type, count = output.get("type"), output.get("count", 1)
        if isinstance(resource_type, str):
            promised[resource_type] = promised.get(resource_type, 0) + (count if isinstance(count, int) else 1)
    for resource_type, count in sorted(promised.items()):
        have = read.get(resource_type, 0)
        if have < count:
            yield Claim(LoadState.PARTIAL if have else LoadState.FAILED, frozenset({resource_type}))


def names_error_files(manifest: dict[str, Any]) -> bool:
    """Whether the export itself reports errors (BULK-40)."""
    return any(True for key in ("error", "outcome") for _ in _dicts(manifest.get(key)))


def states_for(claims: Iterable[Claim], reference: str, scopes: frozenset[int]) -> tuple[dict[str, LoadState], LoadState]:
    """What the claims mean for one patient: states by type, and the state of every other type.

    Args:
        scopes: Numbers of the documents that hold something of this patient.
    """
    states: dict[str, LoadState] = {}
    default = LoadState.NO_CLAIM
    for claim in claims:
        if (claim.patients and reference not in claim.patients) or (claim.scope is not None and claim.scope not in scopes):
            continue
        for resource_type in claim.types:
            states[resource_type] = worse(states.get(resource_type), claim.state)
        if not claim.types:
            default = worse(default, claim.state)
    return states, default


def worse(one: LoadState | None, other: LoadState) -> LoadState:
    """The state of a type of which two things are said."""
    if one is None or one not in _WORST_LAST:
        return other
    return max(one, other, key=_WORST_LAST.index) if other in _WORST_LAST else one


def _state(issue: OutcomeIssue) -> LoadState:
    if issue.says_restricted:
        return LoadState.RESTRICTED
    if issue.codes & _FORBIDDEN:
        return LoadState.NOT_AUTHORISED
    return LoadState.PARTIAL if issue.says_cut_short else LoadState.FAILED


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
