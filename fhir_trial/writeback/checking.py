"""The last look at a resource before it leaves: its shape by the model library, its codes, targets and ids by our own lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fhir_trial.errors import WriteRefusedError
from fhir_trial.transport import Json, decode_json
from fhir_trial.writeback.codes import EXTENSION_TARGETS, REFERENCE_TARGETS, REQUIRED_CODES

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


def checked(resource: Json) -> Json:
    """The resource as the R4 model of its type writes it.

    Raises:
        WriteRefusedError: It is not fit to be sent; says where, without a value.
    """
    kind = str(resource.get("resourceType"))
    problems = [*_by_our_lists(resource, kind)]
    if problems:
        raise WriteRefusedError(f"A resource of ours is not fit to be sent: {', '.join(problems)}.", expression=kind)
    return _through_the_model(resource, kind)


def _through_the_model(resource: Json, kind: str) -> Json:
    from fhir.resources.R4B import get_fhir_model_class

    try:
        model = get_fhir_model_class(kind).model_validate(resource)
        written: Json = decode_json(model.model_dump_json().encode())
    except (
        ValueError,
        KeyError,
    ):  # the library's own ValidationError is a ValueError; its words quote values, so they are not kept
        raise WriteRefusedError("A resource of ours does not fit its R4 model.", expression=kind) from None
    if written != resource:
        raise WriteRefusedError("The R4 model writes a resource of ours otherwise than we built it.", expression=kind)
    return written


def _by_our_lists(resource: Json, kind: str) -> Iterator[str]:
    if "id" in resource and not (isinstance(resource["id"], str) and _ID.fullmatch(resource["id"])):
        yield "id"
    if resource.get("status") not in REQUIRED_CODES.get(f"{kind}.status", frozenset()):
        yield "status"
    yield from ("identifier" for each in resource.get("identifier", ()) if not _is_identifier(each))
    for path, targets in REFERENCE_TARGETS.items():
        owner, element = path.split(".")
        if owner == kind and element in resource:
            values = resource[element] if isinstance(resource[element], list) else [resource[element]]
            yield from (element for value in values if not _names_one_of(value, targets))
    yield from ("extension" for each in resource.get("extension", ()) if not _is_known_extension(each))
    yield from (f"empty {path}" for path in _empty(resource, kind))


def _is_identifier(identifier: Json) -> bool:
    use = identifier.get("use")
    return bool(identifier.get("system") and identifier.get("value")) and (use is None or use in REQUIRED_CODES["identifier.use"])


def _is_known_extension(extension: Json) -> bool:
    url = extension.get("url")
    return url in EXTENSION_TARGETS and _names_one_of(extension.get("valueReference"), EXTENSION_TARGETS[url])


def _names_one_of(value: Any, targets: frozenset[str] | None) -> bool:
    match = _REFERENCE.fullmatch(value.get("reference", "")) if isinstance(value, dict) else None
    return match is not None and (targets is None or match[1] in targets)


def _empty(node: Any, path: str) -> Iterator[str]:
    """FHIR allows no empty string, list or object."""
    if node in ("", [], {}) or node is None:
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _empty(value, f"{path}.{key}")
    elif isinstance(node, list):
        for item in node:
            yield from _empty(item, path)
