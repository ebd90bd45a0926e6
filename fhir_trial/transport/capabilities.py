"""What a server says of itself in its CapabilityStatement (DATA-20, WB-02). A hint, never a proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Per type, interactions and search parameters.

    Attributes:
        fhir_version: "4.0.1"; None when not stated.
        interactions: Type -> codes such as "search-type", "create", "update".
        parameters: Type -> names of search parameters.
        system: Interactions with the base itself: "transaction", "batch", "search-system".
        conditional_creates: Types that take If-None-Exist.
        versioned: Types whose versions are kept, so that If-Match can be relied upon.
        software: Name and version of the server's software, as far as it says.
    """

    fhir_version: str | None = None
    interactions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    parameters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    system: frozenset[str] = frozenset()
    conditional_creates: frozenset[str] = frozenset()
    versioned: frozenset[str] = frozenset()
    software: str | None = None

    def offers(self, resource_type: str, interaction: str) -> bool:
        return interaction in self.interactions.get(resource_type, frozenset())

    def searches_by(self, resource_type: str, parameter: str) -> bool:
        return parameter in self.parameters.get(resource_type, frozenset())


def read_capabilities(statement: Mapping[str, Any]) -> Capabilities:
    """Reads a CapabilityStatement with tolerance: what is missing is not offered."""
    interactions: dict[str, frozenset[str]] = {}
    parameters: dict[str, frozenset[str]] = {}
    system: frozenset[str] = frozenset()
    conditional: set[str] = set()
    versioned: set[str] = set()
    for rest in _dicts(statement.get("rest")):
        if rest.get("mode") == "client":  # what it asks of other servers
            continue
        system |= _words(rest.get("interaction"), "code")
        for resource in _dicts(rest.get("resource")):
            resource_type = resource.get("type")
            if isinstance(resource_type, str):
                interactions[resource_type] = _words(resource.get("interaction"), "code")
                parameters[resource_type] = _words(resource.get("searchParam"), "name")
                conditional |= {resource_type} if resource.get("conditionalCreate") is True else set()
                versioned |= {resource_type} if resource.get("versioning") in ("versioned", "versioned-update") else set()
    version = statement.get("fhirVersion")
    return Capabilities(
        version if isinstance(version, str) else None,
        interactions,
        parameters,
        system,
        frozenset(conditional),
        frozenset(versioned),
        _software(statement.get("software")),
    )


def _software(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    return " ".join(word for word in (value.get("name"), value.get("version")) if isinstance(word, str)) or None


def _words(items: object, key: str) -> frozenset[str]:
    return frozenset(word for item in _dicts(items) if isinstance(word := item.get(key), str))


def _dicts(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
