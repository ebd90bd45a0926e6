"""A digest of a computed answer: whether what a person had before them is still what is computed."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from fhir_trial.criteria.answers import Answer, Evidence, readable

_DIGEST = re.compile(r"ev-[0-9a-f]{32}")


def evidence_digest(answer: Answer) -> str:
    """``ev-`` and 32 hex digits, of the outcome, the why and the evidence of an answer and of its parts. No clock and no prose.

    Evidence counts by reference and version; where a resource has no version, what is shown of it stands for one.
    """
    content = json.dumps(_content(answer), ensure_ascii=True, separators=(",", ":"))
    return "ev-" + hashlib.sha256(content.encode()).hexdigest()[:32]


def is_digest(text: str) -> bool:
    """Whether a text has the form of one."""
    return _DIGEST.fullmatch(text) is not None


def _content(answer: Answer) -> list[Any]:
    evidence = sorted({json.dumps(_piece(piece)) for piece in answer.evidence})
    parts = [[name, _content(part)] for name, part in answer.parts]
    return [answer.outcome.value, answer.why.value if answer.why else None, evidence, parts]


def _piece(piece: Evidence) -> list[str | None]:
    if piece.origin.version is not None:
        return [piece.origin.reference, piece.origin.version]
    return [piece.origin.reference, None, piece.original, readable(piece.dated) if piece.dated else None]
