"""YAML 1.2 files as plain data, with the line and column of every key and value.

Codes and versions are quoted by their authors; a bare decimal is refused, since YAML would make a binary float of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fhir_trial.errors import DefinitionError

KeyPath = tuple[str | int, ...]

#: So many right words are no help in a sentence.
_MANY = 20


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a definition file, at a path of keys and indexes."""

    path: KeyPath
    message: str


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file's content and where each piece of it stands.

    Attributes:
        name: As shown in messages: the path below the mappings folder, or as given.
        content: Plain dicts, lists, strings, integers, booleans, dates as strings, None.
        keys, values: Place of the key, and of the value, at a path.
    """

    name: str
    content: Any
    keys: dict[KeyPath, Place]
    values: dict[KeyPath, Place]
    digest_input: bytes

    def place(self, path: KeyPath) -> Place:
        """Of the key or list item at a path, or of the nearest above it."""
        while path:
            found = self.keys.get(path) or self.values.get(path)
            if found:
                return found
            path = path[:-1]
        return Place(1, 1)

    def error(self, problem: Problem) -> DefinitionError:
        place = self.place(problem.path)
        where = f"{self.name}:{place.line}:{place.column}"
        shown = written_path(problem.path)
        return DefinitionError(problem.message, expression=f"{where} {shown}".rstrip())

    def errors(self, problems: Iterable[Problem]) -> list[DefinitionError]:
        """Each mistake once, in the order of the file."""
        return [self.error(problem) for problem in sorted(dict.fromkeys(problems), key=lambda each: self.place(each.path))]


class DefinitionErrors(DefinitionError):
    """All the mistakes of one file, in its order."""

    def __init__(self, errors: list[DefinitionError]) -> None:
        super().__init__(errors[0].message, expression=errors[0].expression)
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def errors_of(error: DefinitionError) -> list[DefinitionError]:
    """The mistakes one by one."""
    return error.errors if isinstance(error, DefinitionErrors) else [error]


def read_yaml(path: Path, name: str | None = None) -> YamlFile:
    """Reads one file.

    Raises:
        DefinitionError: The file is missing or is not YAML 1.2, with file, line and column.
    """
    shown = name or str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DefinitionError(f"Cannot be read: {error.strerror}.", expression=shown) from None
    return parse_yaml(raw, shown)


def parse_yaml(raw: bytes, name: str) -> YamlFile:
    """Parses the bytes of a file."""
    reader = YAML(typ="rt", pure=True)
    reader.version = "1.2"
    reader.allow_duplicate_keys = False
    try:
        tree = reader.load(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DefinitionError("Is not UTF-8 text.", expression=name) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        said = str(error.problem or error.context).splitlines()[0].strip()
        raise DefinitionError(f"Is not YAML: {said}.", expression=where) from None
    except YAMLError:
        raise DefinitionError("Is not YAML.", expression=name) from None
    keys: dict[KeyPath, Place] = {}
    values: dict[KeyPath, Place] = {(): Place(1, 1)}
    content = _plain(tree, (), name, keys, values)
    return YamlFile(name, content, keys, values, raw)


def _plain(node: Any, path: KeyPath, name: str, keys: dict[KeyPath, Place], values: dict[KeyPath, Place]) -> Any:
    if isinstance(node, CommentedMap):
        for key in node:
            line, column = node.lc.key(key)
            keys[(*path, str(key))] = Place(line + 1, column + 1)
            line, column = node.lc.value(key)
            values[(*path, str(key))] = Place(line + 1, column + 1)
        return {str(key): _plain(value, (*path, str(key)), name, keys, values) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            line, column = node.lc.item(index)
            values[(*path, index)] = Place(line + 1, column + 1)
        return [_plain(value, (*path, index), name, keys, values) for index, value in enumerate(node)]
    if isinstance(node, float):
        place = values.get(path, Place(1, 1))
        raise DefinitionError(
            "A decimal must stand in quotes, or its digits are lost.", expression=f"{name}:{place.line}:{place.column}"
        )
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    return str(node)


def written_path(path: KeyPath) -> str:
    """``("criteria", 3, "rule")`` as ``criteria[3].rule``."""
    shown = ""
    for step in path:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else str(step)
    return shown


def nearest(word: str, right: list[str] | tuple[str, ...]) -> str:
    """What to write instead, after a sentence: the nearest right word, else the right words themselves, or three of many."""
    close = get_close_matches(word, right, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    if len(right) > _MANY:
        return f" The nearest are: {', '.join(get_close_matches(word, right, n=3, cutoff=0))}."
    return f" Expected one of: {', '.join(sorted(right))}." if right else ""
