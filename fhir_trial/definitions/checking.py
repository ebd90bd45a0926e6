"""Lints: what is well-formed and still wrong in a trial. Every finding stands at file, line and column.

unknown concept, unreachable branch, contradictory limits, empty window, cycle, criterion without source (the schema demands it),
a code that fails its check digit, a setting nobody uses.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from fhir_trial.criteria.combinators import AllOf, AnyOf, AppliesWhen, AtLeast, Not, Part, Reference
from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.limits import Limit
from fhir_trial.definitions.settings import with_settings
from fhir_trial.definitions.sites import load_site, site_names
from fhir_trial.definitions.trial_files import CASES, DefinitionErrors, find_trial, resolve_file
from fhir_trial.definitions.yaml_source import KeyPath, Problem, YamlFile, nearest, read_yaml
from fhir_trial.errors import DefinitionError
from fhir_trial.terminology import Terminology, load_terminology
from fhir_trial.terminology.check_digits import loinc_check_digit_is_right, snomed_check_digit_is_right
from fhir_trial.terminology.systems import LOINC, SNOMED, normalise_system
from fhir_trial.trials.model import ResolvedTrial


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How many files were looked at, and what is wrong in them."""

    checked: int
    errors: tuple[DefinitionError, ...]


def check_everything(names: Iterable[str], mappings: Path) -> CheckReport:
    """Checks the trials named (ids, or paths of files), or every trial and every site's overlay."""
    terminology = load_terminology(mappings)
    named = list(names)
    paths = [Path(name) if name.endswith((".yaml", ".yml")) else find_trial(name, mappings) for name in named]
    if not named:
        paths = [path for path in sorted((mappings / "trials").glob("*/*.yaml")) if path.name != CASES]
    errors: list[DefinitionError] = []
    for path in paths:
        errors += check_trial(path, mappings, terminology)
    sites = [] if named else site_names(mappings)
    for site in sites:
        try:
            load_site(site, mappings, terminology)
        except DefinitionError as error:
            errors += _each(error)
    return CheckReport(len(paths) + len(sites), tuple(errors))


def check_trial(path: Path, mappings: Path, terminology: Terminology) -> list[DefinitionError]:
    """Every mistake of one trial file."""
    shown = path.relative_to(mappings).as_posix() if path.is_relative_to(mappings) else str(path)
    try:
        source = read_yaml(path, shown)
        resolved = resolve_file(source, path, terminology, mappings)
    except DefinitionError as error:
        return _each(error)
    return [source.error(problem) for problem in _problems(source, resolved)]


def _each(error: DefinitionError) -> list[DefinitionError]:
    return error.errors if isinstance(error, DefinitionErrors) else [error]


def _problems(source: YamlFile, resolved: ResolvedTrial) -> Iterator[Problem]:
    yield from _cycles(resolved)
    yield from _unused_settings(source)
    yield from _codes(source.content, ())
    for index, criterion in enumerate(resolved.trial.criteria):
        path: KeyPath = ("criteria", index, "rule")
        written = with_settings(source.content["criteria"][index]["rule"], resolved.settings)
        for found in dict.fromkeys(_rule_problems(criterion.rule, resolved)):
            yield Problem(path + _path_of(written, found.word), found.message)


@dataclass(frozen=True, slots=True)
class _Found:
    """A mistake in a rule, and the word of the file that it is about."""

    word: Any
    message: str


def _rule_problems(rule: Kind, resolved: ResolvedTrial) -> Iterator[_Found]:
    yield from _unknown_names(rule, resolved)
    for inner in _tree(rule):
        yield from _windows(inner)
        yield from _branches(inner)
        yield from _limits(inner, resolved.terminology)
        if isinstance(inner, AllOf):
            yield from _contradictions(inner, resolved.terminology)


def _tree(rule: Any) -> Iterator[Any]:
    """A rule and every dataclass inside it."""
    yield rule
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if dataclasses.is_dataclass(inner):
                yield from _tree(inner)


def _unknown_names(rule: Kind, resolved: ResolvedTrial) -> Iterator[_Found]:
    terminology = resolved.terminology
    classes = {ingredient.drug_class for ingredient in terminology.drugs.ingredients.values()}
    right: dict[str, list[str]] = {
        "analyte": list(terminology.laboratory_definitions),
        "value set": list(terminology.value_sets),
        "drug class": [*sorted(classes), *terminology.drugs.ingredients],
    }
    for need in rule.needs().needs:
        for what, names in (("analyte", need.laboratory), ("value set", need.value_sets), ("drug class", need.drug_classes)):
            for name in names:
                if name not in right[what]:
                    yield _Found(name, f"Unknown {what} '{name}'.{nearest(name, right[what])}")
    for inner in _tree(rule):
        named = inner.criterion if isinstance(inner, Reference) else None
        if named is not None and named not in resolved.by_id:
            yield _Found(named, f"Unknown criterion '{named}'.{nearest(named, list(resolved.by_id))}")


def _windows(rule: Any) -> Iterator[_Found]:
    """Empty windows, and a stale band that no day can fall into."""
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if field.name.endswith(("_days", "_months", "_weeks", "_years")) or field.name in ("days", "months", "weeks"):
            if isinstance(value, int) and value < 1 and "years" not in field.name:
                yield _Found(field.name, f"The window is empty: {field.name} is {value}. Expected at least 1.")
    fresh, stale = getattr(rule, "fresh_days", None), getattr(rule, "stale_days", None)
    if isinstance(fresh, int) and isinstance(stale, int) and stale <= fresh:
        yield _Found("stale_days", f"Cannot be reached: stale_days {stale} is not later than fresh_days {fresh}.")


def _branches(rule: Any) -> Iterator[_Found]:
    """Branches that can never decide anything."""
    if isinstance(rule, AtLeast) and rule.count > len(rule.parts):
        yield _Found("count", f"Cannot be reached: at least {rule.count} of only {len(rule.parts)} parts.")
    if isinstance(rule, AllOf | AnyOf | AtLeast):
        seen: list[Kind] = []
        for part in rule.parts:
            if part.rule in seen:
                yield _Found(_word_of(part), "Cannot be reached: the same part stands here twice.")
            seen.append(part.rule)
    if isinstance(rule, AnyOf | AllOf):
        for one, other in itertools.combinations(rule.parts, 2):
            if isinstance(other.rule, Not) and other.rule.part.rule == one.rule:
                always = "always" if isinstance(rule, AnyOf) else "never"
                yield _Found("not", f"A part and its opposite stand side by side: the whole {always} holds.")
    if isinstance(rule, AppliesWhen) and rule.condition.rule == rule.rule.rule:
        yield _Found("condition", "Cannot be reached: the rule applies where it holds itself.")


def _word_of(part: Part) -> Any:
    return part.name or (part.rule.criterion if isinstance(part.rule, Reference) else None)


def _limits(rule: Any, terminology: Terminology) -> Iterator[_Found]:
    """Limits in a unit that the analyte cannot have."""
    definition = terminology.laboratory_definitions.get(str(getattr(rule, "analyte", "")))
    for name in _BOUNDS:
        written = getattr(rule, name, None)
        if definition is not None and isinstance(written, str):
            try:
                Limit.parse(written).for_analyte(definition)
            except ValueError as error:
                yield _Found(written, str(error))


def _contradictions(rule: AllOf, terminology: Terminology) -> Iterator[_Found]:
    """Limits of one analyte, or of age, that nobody can meet together."""
    lows: dict[str, Fraction] = {}
    highs: dict[str, Fraction] = {}
    for part in rule.parts:
        for subject, name, bound in _bounds(part.rule, terminology):
            if name in _LOWER:
                lows[subject] = max(bound, lows.get(subject, bound))
            else:
                highs[subject] = min(bound, highs.get(subject, bound))
            if subject in lows and subject in highs and lows[subject] > highs[subject]:
                yield _Found(name, f"The limits of {subject} contradict each other: no value meets this {name} and the other limit.")


_LOWER = ("at_least", "above", "at_least_years")
_BOUNDS = (*_LOWER, "at_most", "below", "at_most_years")


def _bounds(rule: Any, terminology: Terminology) -> Iterator[tuple[str, str, Fraction]]:
    """(what, which limit, the limit in the analyte's unit or in years)."""
    subject = getattr(rule, "analyte", None) or "age"
    for name in _BOUNDS:
        value = getattr(rule, name, None)
        if isinstance(value, int) and name.endswith("_years"):
            yield subject, name, Fraction(value)
        elif isinstance(value, str) and subject in terminology.laboratory_definitions:
            try:
                yield subject, name, Limit.parse(value).for_analyte(terminology.laboratory(subject))
            except ValueError:
                continue  # told by _limits


def _cycles(resolved: ResolvedTrial) -> Iterator[Problem]:
    """Criteria that answer each other."""
    edges = {
        criterion.id: [inner.criterion for inner in _tree(criterion.rule) if isinstance(inner, Reference)]
        for criterion in resolved.trial.criteria
    }
    for index, criterion in enumerate(resolved.trial.criteria):
        reached, ahead = set[str](), list(edges[criterion.id])
        while ahead:
            name = ahead.pop()
            if name == criterion.id:
                yield Problem(("criteria", index, "rule"), f"Criterion {criterion.id} rests on itself: a cycle.")
                break
            if name not in reached:
                reached.add(name)
                ahead += edges.get(name, [])


def _unused_settings(source: YamlFile) -> Iterator[Problem]:
    used = set(_settings_used(source.content["criteria"]))
    for name in source.content.get("settings", {}):
        if name not in used:
            yield Problem(("settings", name), f"Setting '{name}' is used by no criterion.")


def _settings_used(written: Any) -> Iterator[str]:
    if isinstance(written, str) and written.startswith("$"):
        yield written[1:]
    for inner in written.values() if isinstance(written, dict) else written if isinstance(written, list) else ():
        yield from _settings_used(inner)


_CHECKED = {LOINC: ("LOINC", loinc_check_digit_is_right), SNOMED: ("SNOMED CT", snomed_check_digit_is_right)}


def _codes(written: Any, path: KeyPath) -> Iterator[Problem]:
    """Codes written in the file itself, against their check digit."""
    if isinstance(written, Mapping):
        system, code = written.get("system"), written.get("code")
        checked = _CHECKED.get(normalise_system(system)) if isinstance(system, str) else None
        if checked and isinstance(code, str) and not checked[1](code):
            yield Problem((*path, "code"), f"'{code}' is no {checked[0]} code: its check digit is wrong.")
    steps = written.items() if isinstance(written, Mapping) else enumerate(written) if isinstance(written, list) else ()
    for step, inner in steps:
        yield from _codes(inner, (*path, step))


def _path_of(written: Any, word: Any, path: KeyPath = ()) -> KeyPath:
    """Where a key or value stands below a rule; the rule itself if nowhere."""
    return _search(written, word, path) or ()


def _search(written: Any, word: Any, path: KeyPath) -> KeyPath | None:
    if written == word and path:
        return path
    steps = written.items() if isinstance(written, dict) else enumerate(written) if isinstance(written, list) else ()
    for step, inner in steps:
        if step == word or (found := _search(inner, word, (*path, step))) is not None:
            return (*path, step) if step == word else found
    return None
