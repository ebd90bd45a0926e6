"""Which of two copies of a resource counts: the full one, the higher version, the later update, the one read last (DATA-16)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from fhir_trial.times import read_span

Json = dict[str, Any]
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def replaces(later: Json, earlier: Json) -> bool:
    """Whether ``later`` (read after ``earlier``) takes its place."""
    mine, theirs = _meta(later), _meta(earlier)
    if _is_subsetted(mine) != _is_subsetted(theirs):  # a summary never overwrites the whole (BULK-15)
        return _is_subsetted(theirs)
    version, other = _number(mine), _number(theirs)
    if version is not None and other is not None and version != other:
        return version > other
    return _updated(mine) >= _updated(theirs)


def is_ordered(one: Json, other: Json) -> bool:
    """Whether version or date tells which of two copies is the newer."""
    mine, theirs = _meta(one), _meta(other)
    return _number(mine) != _number(theirs) or _updated(mine) != _updated(theirs)


def _meta(resource: Json) -> Json:
    meta = resource.get("meta")
    return meta if isinstance(meta, dict) else {}


def _number(meta: Json) -> int | None:
    version = meta.get("versionId")
    return int(version) if isinstance(version, str) and re.fullmatch(r"\d{1,18}", version) else None


def _updated(meta: Json) -> datetime:
    span = read_span(meta.get("lastUpdated"), UTC)
    return span.instant if span and span.instant else _LONG_AGO


def _is_subsetted(meta: Json) -> bool:
    tags = meta.get("tag")
    return isinstance(tags, list) and any(isinstance(tag, dict) and tag.get("code") == "SUBSETTED" for tag in tags)
