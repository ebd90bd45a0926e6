"""The filters of a search, applied again to what came: a server may ignore one, or read it in its own way (DATA-05, DATA-06)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_trial.sources.search_plan import Search

Json = dict[str, Any]


def answers_any(resource: Json, searches: Iterable[Search]) -> bool:
    """Whether a resource answers one of the searches. What cannot be judged, for want of a coded category, is kept."""
    categories = _categories(resource)
    return not categories or any(_answers(categories, search) for search in searches)


def _answers(categories: frozenset[str], search: Search) -> bool:
    for name, value in search.filters:
        wanted = frozenset(value.split(","))
        if (name == "category" and not categories & wanted) or (name == "category:not" and categories & wanted):
            return False
    return True


def _categories(resource: Json) -> frozenset[str]:
    return frozenset(
        code
        for concept in _dicts(resource.get("category"))
        for coding in _dicts(concept.get("coding"))
        if isinstance(code := coding.get("code"), str)
    )


def _dicts(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
