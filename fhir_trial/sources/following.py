"""Resources that a patient's resources refer to, read in batches: the Medication of an order, the members of a panel.

A report's results and an Observation's members are fetched when absent (DATA-63); each once, and a cap leaves the type partial
(DATA-32).

What cannot be read stays an unresolved reference, which makes a drug criterion unknown, never "not taken" (DATA-33).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from fhir_trial.errors import FatalServerError, ServerError
from fhir_trial.records.model import LoadState
from fhir_trial.sources.claims import worse
from fhir_trial.sources.patient_links import last_two, without_version
from fhir_trial.transport import FhirServer, NotAuthorisedError, RestrictedError
from fhir_trial.transport.connection import StoppedError

Json = dict[str, Any]

_FOLLOWED = ("Medication", "Substance", "ResearchStudy", "PractitionerRole", "Specimen", "Observation")
#: Elements, most of what a record consists of, that by R4 name nothing of these types: data types without a Reference in them
#: (Meta, Narrative, CodeableConcept, Quantity, Dosage ...), and those that name the patient or the visit.
_NAMING_NONE = frozenset(
    {
        *("meta", "text", "identifier", "code", "category", "type", "class", "subject", "patient", "encounter"),
        *("clinicalStatus", "verificationStatus", "valueQuantity", "valueCodeableConcept", "interpretation", "referenceRange"),
        *("component", "medicationCodeableConcept", "dosageInstruction"),
    }
)
_BATCH = 50
_MOST_OF_A_TYPE = 500
_HOPS = 3


def follow(server: FhirServer, resources: Iterable[Json], known: dict[str, Json]) -> dict[str, LoadState]:
    """Reads what is referred to and not yet known, into ``known`` (Type/id -> resource).

    Returns:
        States of the types that could not be read entirely.
    """
    states: dict[str, LoadState] = {}
    frontier = list(resources)
    room = Counter(dict.fromkeys(_FOLLOWED, _MOST_OF_A_TYPE))
    for _ in range(_HOPS):
        wanted = _missing(server, frontier, known)
        frontier = []
        for kind, ids in wanted.items():
            read, state = _read(server, kind, ids[: room[kind]])
            if len(ids) > room[kind]:
                state = worse(state, LoadState.PARTIAL)
            room[kind] -= min(len(ids), room[kind])
            if state is not None:
                states[kind] = worse(states.get(kind), state)
            for resource in read:
                known[f"{kind}/{resource['id']}"] = resource
            frontier += read
        if not frontier:
            return states
    for kind in _missing(server, frontier, known):  # a chain longer than anything a laboratory sends
        states[kind] = worse(states.get(kind), LoadState.PARTIAL)
    return states


def state_of(error: ServerError) -> LoadState:
    """What a refusal means for the type asked for. The kill switch is none: what it stops has no state (SEC-60)."""
    if isinstance(error, StoppedError):
        raise error
    if isinstance(error, RestrictedError):
        return LoadState.RESTRICTED
    return LoadState.NOT_AUTHORISED if isinstance(error, NotAuthorisedError) else LoadState.FAILED


def _missing(server: FhirServer, resources: Iterable[Json], known: dict[str, Json]) -> dict[str, list[str]]:
    wanted: dict[str, dict[str, None]] = {}
    read: dict[str, tuple[str, str] | None] = {}  # a patient's resources name the same few others again and again
    for resource in resources:
        for link in _links(resource):
            if link not in read:
                read[link] = _followed(link, server, known)
            if (target := read[link]) is None:
                continue
            kind, identity = target
            if kind == "Specimen" and any(key.startswith("effective") for key in resource):
                continue  # a specimen matters only for the date of a result that has none
            wanted.setdefault(kind, {})[identity] = None
    return {kind: list(ids) for kind, ids in wanted.items()}


def _followed(link: str, server: FhirServer, known: dict[str, Json]) -> tuple[str, str] | None:
    """Type and id of what a link names, if it is to be read."""
    reference = local_reference(link, server)
    if reference is None or reference in known:
        return None
    kind, identity = reference.split("/")
    return (kind, identity) if kind in _FOLLOWED else None


def local_reference(link: str, server: FhirServer) -> str | None:
    """``Type/id`` of a reference into this server; None for contained, urn and other servers' resources."""
    link = without_version(link)
    for base in (server.base, *server.settings.aliases):
        link = link.removeprefix(f"{base}/")
    return link if link.count("/") == 1 and last_two(link) == link and not link.startswith("#") else None


def _read(server: FhirServer, kind: str, ids: list[str]) -> tuple[list[Json], LoadState | None]:
    found: dict[str, Json] = {}
    state: LoadState | None = None
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        try:
            answer = server.search(kind, [("_id", ",".join(batch))])
        except FatalServerError:
            break  # a server that only reads: one by one, below
        except ServerError as error:
            state = state_of(error)
            continue
        found |= {resource["id"]: resource for resource in answer.matches if resource.get("id") in batch}
        if "_id" in answer.ignored:
            break  # it would send everything that it has again and again
    for identity in ids:
        if identity not in found and state is None:
            try:
                resource = server.read(f"{kind}/{identity}")
            except ServerError as error:
                state = state_of(error) if not _is_missing(error) else state
                continue
            if resource.get("id") == identity:
                found[identity] = resource
    return list(found.values()), state


def _is_missing(error: ServerError) -> bool:
    return error.issue_type == "not-found"


def _links(resource: Json) -> Iterator[str]:
    """Every ``reference`` in a resource that may be followed. The list of nodes grows while it is walked."""
    nodes: list[Any] = [value for element, value in resource.items() if element not in _NAMING_NONE]
    for node in nodes:
        if isinstance(node, list):
            nodes += node
        elif isinstance(node, dict):
            if isinstance(reference := node.get("reference"), str):
                yield reference
            nodes += node.values()
