"""What a screening was made of: each resource by name and version, so that it can be made again (SEC-52).

No content is repeated: a resource that the server versions is named by that version, any other by a digest of its content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from fhir_trial.records.model import Issue
from fhir_trial.records.references import References
from fhir_trial.screening.ports import Json, RawPatient

#: Keys in one order; a Decimal as the number it is. 8.10 and 8.1 are two contents: the precision is part of a result.
_CANONICAL = msgspec.json.Encoder(order="deterministic", decimal_format="number")


class Input(msgspec.Struct, frozen=True, order=True, gc=False):
    """One thing that was read.

    Attributes:
        reference: ``Type/id``, or the fullUrl; ``Type?`` is the question after a whole type, ``?`` after any other type, and
            ``issues`` what the source found wrong.
        version: ``meta.versionId``; for a question what became of it, a ``LoadState``; empty where a digest stands for it.
        digest: ``sha256-`` and 64 hex digits of the content; empty where a version names it.
    """

    reference: str
    version: str = ""
    digest: str = ""


def inputs_of(raw: RawPatient) -> tuple[Input, ...]:
    """Everything that the screening of a patient reads, sorted, each once.

    The same inputs, criteria and software give the same result on the same day: so what was not loaded belongs to them.
    """
    name = References(raw).name
    resources = {id(one): one for one in (*raw.patients, *raw.resources, *raw.by_reference.values())}
    read = {_input(name(one), one) for one in resources.values()}
    return tuple(sorted(read.union(_questions(raw))))


def inputs_digest(inputs: Iterable[Input]) -> str:
    """``in-`` and 32 hex digits over all inputs, in whatever order they come."""
    content = _canonical([[one.reference, one.version, one.digest] for one in sorted(inputs)])
    return "in-" + hashlib.sha256(content).hexdigest()[:32]


def _input(name: str, resource: Json) -> Input:
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    if isinstance(version, str) and version:
        return Input(name, version)
    return Input(name, digest=_digest(resource))


def _questions(raw: RawPatient) -> Iterator[Input]:
    yield Input("?", raw.default_state.value)
    for kind, state in raw.states.items():
        yield Input(f"{kind}?", state.value)
    if raw.issues:
        yield Input("issues", digest=_digest([_issue(issue) for issue in raw.issues]))


def _issue(issue: Issue) -> list[str | None]:
    return [issue.code, issue.severity, issue.reference, issue.path, issue.text]


def _digest(content: Any) -> str:
    return "sha256-" + hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(content: Any) -> bytes:
    try:
        return _CANONICAL.encode(content)
    except (ValueError, OverflowError):  # half a surrogate pair, or a number beyond 64 bits
        return json.dumps(content, sort_keys=True, ensure_ascii=True, default=str).encode()
