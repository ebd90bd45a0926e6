"""The last look at a resource before it leaves: its shape by the model library, its codes, targets and ids by our own lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from fhir_trial.errors import WriteRefusedError
from fhir_trial.transport import Json, decode_json
from fhir_trial.writeback.codes import (
    DATA_OPERATION,
    ENTITY_ROLES,
    EXTENSION_TARGETS,
    PARTICIPANT_TYPE,
    REQUIRED_CODES,
    SUBJECT_STATE,
    SUBJECT_STATE_TYPE,
    WRITTEN_TYPES,
    Release,
    reference_targets,
    required_codes,
)

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_VERSION = re.compile(r"/_history/[A-Za-z0-9\-.]{1,64}$")


def checked(resource: Json, release: Release = Release.R4) -> Json:
    """The resource as the model of its type and release writes it.

    Raises:
        WriteRefusedError: It is not fit to be sent; says where, without a value.
    """
    kind = str(resource.get("resourceType"))
    problems = [*_by_our_lists(resource, kind, release)]
    if problems:
        raise WriteRefusedError(f"A resource of ours is not fit to be sent: {', '.join(problems)}.", expression=kind)
    return _through_the_model(resource, kind, release)


def _through_the_model(resource: Json, kind: str, release: Release) -> Json:
    try:
        model = _model(kind, release).model_validate(resource)
        written: Json = decode_json(model.model_dump_json().encode())
    except (
        ValueError,
        KeyError,
    ):  # the library's own ValidationError is a ValueError; its words quote values, so they are not kept
        raise WriteRefusedError(f"A resource of ours does not fit its {release} model.", expression=kind) from None
    if written != resource:
        raise WriteRefusedError(f"The {release} model writes a resource of ours otherwise than we built it.", expression=kind)
    return written


def _model(kind: str, release: Release) -> Any:
    if release is Release.R4:
        from fhir.resources.R4B import get_fhir_model_class as model_of_r4

        return model_of_r4(kind)
    from fhir.resources import get_fhir_model_class as model_of_r5

    return model_of_r5(kind)


def _by_our_lists(resource: Json, kind: str, release: Release) -> Iterator[str]:
    if kind not in WRITTEN_TYPES:
        yield "type"
    if "id" in resource and not (isinstance(resource["id"], str) and _ID.fullmatch(resource["id"])):
        yield "id"
    if kind != "Provenance" and resource.get("status") not in required_codes(release).get(f"{kind}.status", frozenset()):
        yield "status"
    yield from _of_provenance(resource, release) if kind == "Provenance" else ()
    yield from ("progress" for each in resource.get("progress", ()) if not _is_known_progress(each))
    yield from ("identifier" for each in resource.get("identifier", ()) if not _is_identifier(each))
    for path, targets in reference_targets(release).items():
        owner, element = path.split(".")
        if owner == kind and element in resource:
            values = resource[element] if isinstance(resource[element], list) else [resource[element]]
            yield from (element for value in values if not _names_one_of(value, targets))
    yield from ("extension" for each in resource.get("extension", ()) if not _is_known_extension(each))
    yield from (f"empty {path}" for path in _empty(resource, kind))


def _of_provenance(resource: Json, release: Release) -> Iterator[str]:
    """FHIR demands a target, an agent and a known role; the codes are those that we use, and no verifier among them."""
    yield from (element for element in ("target", "agent", "recorded", "entity") if not resource.get(element))
    if not _has_code(resource.get("activity"), DATA_OPERATION, {"CREATE"}):
        yield "activity"
    yield from ("agent" for each in resource.get("agent", ()) if not _has_code(each.get("type"), PARTICIPANT_TYPE, {"assembler"}))
    for entity in resource.get("entity", ()):
        what = entity.get("what", {})
        if entity.get("role") not in ENTITY_ROLES[release]:
            yield "entity.role"
        reference = _VERSION.sub("", str(what.get("reference", "")))
        if not (
            _names_one_of({"reference": reference}, None)
            or ("reference" not in what and _is_identifier(what.get("identifier", {})))
        ):
            yield "entity.what"


def _is_known_progress(item: Json) -> bool:
    states = REQUIRED_CODES["ResearchSubject.status"]
    return _has_code(item.get("type"), SUBJECT_STATE_TYPE, {"Enrollment", "Milestone"}) and (
        "subjectState" not in item or _has_code(item["subjectState"], SUBJECT_STATE, states)
    )


def _has_code(concept: Any, system: str, codes: Collection[str]) -> bool:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return any(coding.get("system") == system and coding.get("code") in codes for coding in codings)


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
