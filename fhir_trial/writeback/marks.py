"""The mark of a computed result (R40), and how it comes off what a person has decided since.

FHIR lets a server keep the tags that an update leaves out, and offers ``$meta-delete`` for them.
Source: FHIR R4 and R5 resource.html (tags), resource-operation-meta-delete.html.
"""

from __future__ import annotations

from collections.abc import Iterable

from fhir_trial.transport import FhirServer, Json
from fhir_trial.writeback.codes import origin_tag


def marks_on(resource: Json, bases: Iterable[str]) -> list[Json]:
    """Its tags that call it computed, under any base of ours, as they stand there."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    ours = [origin_tag(base) for base in bases]
    dicts = [tag for tag in (tags if isinstance(tags, list) else ()) if isinstance(tag, dict)]
    return [tag for tag in dicts if {key: tag.get(key) for key in ("system", "code")} in ours]


def without_marks(resource: Json, bases: Iterable[str]) -> Json:
    """The same, no longer called computed."""
    marks = marks_on(resource, bases)
    if not marks:
        return resource
    meta = dict(resource["meta"])
    meta["tag"] = [tag for tag in meta["tag"] if tag not in marks]
    if not meta["tag"]:
        del meta["tag"]
    return {**resource, "meta": meta}


def take_off(server: FhirServer, reference: str, marks: Iterable[Json]) -> None:
    """``$meta-delete`` of the marks on ``Type/id``.

    Raises:
        ServerError: The server does not offer it, or failed.
    """
    named = [{"system": mark["system"], "code": mark["code"]} for mark in marks]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": named}}]}
    server.operate(reference, "$meta-delete", parameters)
