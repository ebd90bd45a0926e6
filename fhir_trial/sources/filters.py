"""The filters of a search, applied again to what came: a server may ignore one, or read it in its own way (DATA-05, DATA-06)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_trial.sources.search_plan import Search

Json = dict[str, Any]


def answering(resources: list[Json], searches: Iterable[Search]) -> list[Json]:
    """The resources that answer one of the searches. What cannot be judged, for want of a coded category, is kept."""
    asked = [[(name, frozenset(value.split(","))) for name, value in search.filters] for search in searches]
    if [] in asked:  # one of the searches is for the whole type
        return resources
    return [each for each in resources if not (held := _categories(each)) or any(_answers(held, filters) for filters in asked)]


def _answers(categories: frozenset[str], filters: Iterable[tuple[str, frozenset[str]]]) -> bool:
    for name, wanted in filters:
        if (name == "category" and not categories & wanted) or (name == "category:not" and categories & wanted):
            return False
    return True


def _categories(resource: Json) -> frozenset[str]:
    return frozenset(
        [
            code
            for concept in _dicts(resource.get("category"))
            for coding in _dicts(concept.get("coding"))
            if isinstance(code := coding.get("code"), str)
        ]
    )


def _dicts(value: object) -> list[Json]:
    listed = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
    return [item for item in listed if isinstance(item, dict)]
