"""``trial check``: every mistake of a trial file or of a site's overlay, each at file, line and column.

A name that leads nowhere, an unreachable branch, contradictory limits, an empty window, a cycle, a code that fails its check
digit, a setting that nobody uses or whose default it forbids. A criterion without a source is the schema's to refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_trial.criteria.combinators import Part
from fhir_trial.definitions.lints import rule_problems
from fhir_trial.definitions.placing import placed
from fhir_trial.definitions.settings import BadSettingError, checked_value, resolve_settings, with_settings
from fhir_trial.definitions.sites import load_site, site_names
from fhir_trial.definitions.trial_files import CASES, declared_settings, find_trial, resolve_file
from fhir_trial.definitions.yaml_source import KeyPath, Problem, YamlFile, errors_of, nearest, read_yaml
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
    sites = [] if named else site_names(mappings)
    errors = [error for path in paths for error in check_trial(path, mappings, terminology)]
    errors += [error for site in sites for error in check_site(site, mappings, terminology)]
    return CheckReport(len(paths) + len(sites), tuple(errors))


def check_trial(path: Path, mappings: Path, terminology: Terminology) -> list[DefinitionError]:
    """Every mistake of one trial file, in the file's order."""
    shown = path.relative_to(mappings).as_posix() if path.is_relative_to(mappings) else str(path)
    try:
        source = read_yaml(path, shown)
        resolved = resolve_file(source, path, terminology, mappings)
    except DefinitionError as error:
        return errors_of(error)
    return source.errors(_problems(source, resolved))


def check_site(name: str, mappings: Path, terminology: Terminology) -> list[DefinitionError]:
    """Every mistake of one site's overlay, in the file's order."""
    try:
        site = load_site(name, mappings, terminology)
    except DefinitionError as error:
        return errors_of(error)
    source = site.source
    if source is None:
        return []
    return source.errors((*_site_settings(source, mappings), *_codes(source.content, ())))


def _problems(source: YamlFile, resolved: ResolvedTrial) -> Iterator[Problem]:
    yield from _settings(source)
    yield from _codes(source.content, ())
    yield from _candidates(resolved)
    rules = []
    for index, criterion in enumerate(resolved.trial.criteria):
        written = with_settings(source.content["criteria"][index]["rule"], resolved.settings)
        rules.append((criterion, placed(Part(criterion.rule), written, ("criteria", index, "rule"))))
    yield from rule_problems(rules, resolved)


def _candidates(resolved: ResolvedTrial) -> Iterator[Problem]:
    """Value sets of the candidates that are not there, and such as no criterion looks at."""
    rule = resolved.trial.candidates
    if rule is None:
        return
    known = list(resolved.terminology.value_sets)
    read = {name for need in resolved.needs.needs if need.resource_type == "Condition" for name in need.value_sets}
    for index, name in enumerate(rule.value_sets):
        if name not in known:
            yield Problem(("candidates", "value_sets", index), f"Unknown value set '{name}'.{nearest(name, known)}")
        elif name not in read:
            yield Problem(("candidates", "value_sets", index), f"No criterion looks for a diagnosis of '{name}'.")


def _settings(source: YamlFile) -> Iterator[Problem]:
    """Settings that nobody uses, and defaults that their own declaration forbids."""
    used = set(_settings_used([source.content["criteria"], source.content.get("candidates")]))
    for name, setting in declared_settings(source).items():
        if name not in used:
            yield Problem(("settings", name), f"Setting '{name}' is used by no criterion.")
        try:
            checked_value(name, setting, setting["default"])
        except BadSettingError as error:
            yield Problem(("settings", name, "default"), str(error))


def _settings_used(written: Any) -> Iterator[str]:
    if isinstance(written, str) and written.startswith("$"):
        yield written[1:]
    for inner in written.values() if isinstance(written, dict) else written if isinstance(written, list) else ():
        yield from _settings_used(inner)


def _site_settings(source: YamlFile, mappings: Path) -> Iterator[Problem]:
    """A site's settings against every version of the trial that they are for: one that has them is enough."""
    for trial, values in source.content.get("settings", {}).items():
        paths = [path for path in sorted((mappings / "trials" / trial).glob("*.yaml")) if path.name != CASES]
        if not paths:
            trials = sorted(folder.name for folder in (mappings / "trials").iterdir() if folder.is_dir())
            yield Problem(("settings", trial), f"Unknown trial '{trial}'.{nearest(trial, trials)}")
            continue
        declared: dict[str, Mapping[str, Any]] = {}
        for path in paths:
            declared |= declared_settings(read_yaml(path, path.relative_to(mappings).as_posix()))
        for name, value in values.items():
            try:
                resolve_settings(declared, {name: value})
            except BadSettingError as error:
                yield Problem(("settings", trial, name), str(error))


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
