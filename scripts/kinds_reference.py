"""The reference of all kinds of rules in docs/trials.md, from the kinds themselves: their fields, types, defaults and docstrings.

Usage: ``python -m scripts.kinds_reference`` writes it between its two markers; a test tells when it is out of date.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir_trial.criteria.registry import KINDS
from fhir_trial.definitions.names import NAMED_BY, Named

PAGE = Path(__file__).parents[1] / "docs" / "trials.md"
BEGIN, END = "<!-- kinds: made by scripts/kinds_reference.py -->\n", "<!-- end of kinds -->\n"

_PLACES = {
    Named.ANALYTE: "an analyte of `mappings/facts/laboratory.yaml`",
    Named.VALUE_SET: "a value set of `mappings/value_sets/`",
    Named.DRUGS: "a drug class or an ingredient of `mappings/facts/medications.yaml`",
    Named.DRUG_CLASS: "a drug class of `mappings/facts/medications.yaml`",
    Named.INGREDIENT: "an ingredient of `mappings/facts/medications.yaml`",
    Named.SCORE: "a score of `mappings/scores/`",
    Named.TOPIC: "a topic of `mappings/facts/phrases.json`",
    Named.METHOD: "a method of laboratory codes",
    Named.PART: "a part of laboratory codes",
    Named.ROLE: "a role of value set rows",
    Named.CRITERION: "the id of a criterion",
    Named.FREE: "text",
}


def reference() -> str:
    """The whole section, in Markdown."""
    return "\n".join(line for name in sorted(KINDS) for line in _kind(name, KINDS[name]))


def with_reference(page: str) -> str:
    """A page with the section between its markers made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{reference()}\n{END}{after}"


def _kind(name: str, kind: type) -> Iterator[str]:
    text, attributes = _docstring(kind)
    yield f"### `{name}`"
    yield ""
    yield from text.splitlines()
    yield ""
    yield from _table(kind)
    yield ""
    yield from (f"- {attribute}" for attribute in attributes)
    yield ""


def _table(record: type) -> Iterator[str]:
    yield "| key | what may be written | if it is left out |"
    yield "|---|---|---|"
    hints = typing.get_type_hints(record)
    for field in dataclasses.fields(record):
        yield f"| `{field.name}` | {_said(field.name, hints[field.name])} | {_default(field)} |"
    for hint in hints.values():
        for inner in typing.get_args(hint):
            if dataclasses.is_dataclass(inner):
                yield from _inner(typing.cast(type, inner))


def _inner(record: type) -> Iterator[str]:
    hints = typing.get_type_hints(record)
    for field in dataclasses.fields(record):
        yield f"| of each: `{field.name}` | {_said(field.name, hints[field.name])} | {_default(field)} |"


def _said(field: str, hint: Any) -> str:
    """A field's type in words."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        inner = arguments[0]
        return "list of records" if dataclasses.is_dataclass(inner) else f"list: {_said(field, inner)}"
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if type(None) in arguments:
        return _said(field, next(argument for argument in arguments if argument is not type(None)))
    if hint is str:
        return _PLACES[NAMED_BY[field]]
    return {int: "whole number", bool: "`true` or `false`"}[hint]


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "**must be written**"
    if field.default is None or field.default in ((), ""):
        return "nothing"
    if isinstance(field.default, tuple):
        return ", ".join(f"`{item}`" for item in field.default)
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _docstring(kind: type) -> tuple[str, list[str]]:
    """The text of a docstring, and its attributes on a line each."""
    text, _, attributes = (inspect.getdoc(kind) or "").partition("\nAttributes:\n")
    found: list[str] = []
    for line in inspect.cleandoc(attributes).splitlines():
        match = re.match(r"(?P<names>[a-z_]+(?:, [a-z_]+)*): (?P<said>.*)", line)
        if match:
            found.append(", ".join(f"`{name}`" for name in match["names"].split(", ")) + f": {match['said']}")
        elif found and line.strip():
            found[-1] += f" {line.strip()}"
    text = re.sub(r" ?YAML name: ``[a-z-]+``\.", "", text)
    return text.strip().replace("``", "`"), [attribute.replace("``", "`") for attribute in found]


if __name__ == "__main__":
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
