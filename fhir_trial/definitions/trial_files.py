"""Finding, reading and resolving trial files: ``mappings/trials/<id>/<version>.yaml``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from marshmallow import ValidationError

from fhir_trial.definitions.kinds import messages_of
from fhir_trial.definitions.schemas import TrialSchema, flattened
from fhir_trial.definitions.settings import BadSettingError, Value, resolve_settings, with_settings
from fhir_trial.definitions.sites import NO_SITE, Site, load_site
from fhir_trial.definitions.yaml_source import DefinitionErrors, KeyPath, Problem, YamlFile, nearest, read_yaml
from fhir_trial.errors import UnknownTrialError, UsageError
from fhir_trial.terminology import Terminology, load_terminology, mappings_folder
from fhir_trial.terminology.loading import COMPILED
from fhir_trial.terminology.phrases import PHRASES
from fhir_trial.trials.candidates import CandidateRule
from fhir_trial.trials.model import Criterion, CriterionType, Identifier, ResolvedTrial, Stage, Trial

CASES = "cases.yaml"


@dataclass(frozen=True, slots=True)
class TrialFile:
    """A version of a trial on disk; ``dated`` orders the versions."""

    trial: str
    version: str
    path: Path
    dated: str
    title: str


def trial_files(mappings: Path) -> list[TrialFile]:
    """Every version of every trial, by trial, oldest first."""
    folders = sorted(folder for folder in (mappings / "trials").iterdir() if folder.is_dir())
    return [file for folder in folders for file in _versions(folder, mappings)]


def _versions(folder: Path, mappings: Path) -> list[TrialFile]:
    files = [_head(path, mappings) for path in sorted(folder.glob("*.yaml")) if path.name != CASES]
    return sorted(files, key=lambda file: (file.dated, file.version))


def _head(path: Path, mappings: Path) -> TrialFile:
    content = read_yaml(path, _shown(path, mappings)).content
    head = content if isinstance(content, dict) else {}
    return TrialFile(path.parent.name, path.stem, path, str(head.get("dated", "")), str(head.get("short_title", "")))


def find_trial(name: str, mappings: Path) -> Path:
    """The file of ``ID`` (its newest version) or ``ID@VERSION``.

    Raises:
        UnknownTrialError: With the nearest right name.
    """
    trial, _, version = name.lower().partition("@")
    folders = sorted(folder.name for folder in (mappings / "trials").iterdir() if folder.is_dir())
    if trial not in folders:
        raise UnknownTrialError(f"Unknown trial '{trial}'.{nearest(trial, folders)}")
    paths = sorted(path for path in (mappings / "trials" / trial).glob("*.yaml") if path.name != CASES)
    if version:
        paths = [path for path in paths if path.stem.lower() == version] or _no_such_version(trial, version, paths)
    if len(paths) == 1:
        return paths[0]
    return _versions(mappings / "trials" / trial, mappings)[-1].path


def _no_such_version(trial: str, version: str, paths: list[Path]) -> NoReturn:
    raise UnknownTrialError(f"Trial '{trial}' has no version '{version}'.{nearest(version, [path.stem for path in paths])}")


def load_trial(
    name: str,
    *,
    site: str | None = None,
    settings: Mapping[str, Value] | None = None,
    timezone: str | None = None,
    mappings: Path | None = None,
) -> ResolvedTrial:
    """A trial with the site's overlay and the settings applied, ready to screen for.

    Args:
        name: ``nct06789107`` for its newest version, or ``nct06789107@seed1``.
        site: Name of a folder below mappings/sites.
        settings: Named settings that differ from the site's and the trial's defaults.
        timezone: IANA name; before the site's own, by default UTC (R37).
        mappings: The mappings folder; by default the one shipped.

    Raises:
        UnknownTrialError, UsageError: No such trial, site, setting or zone.
        DefinitionError: The definition is wrong; every mistake with file, line and column.
    """
    folder = mappings or mappings_folder()
    path = find_trial(name, folder)
    terminology = load_terminology(folder)
    overlay = load_site(site, folder, terminology) if site else NO_SITE
    source = read_yaml(path, _shown(path, folder))
    return resolve(source, path, overlay, terminology, dict(settings or {}), timezone, folder)


def resolve_file(source: YamlFile, path: Path, terminology: Terminology, folder: Path) -> ResolvedTrial:
    """A trial file with its own defaults and no site."""
    return resolve(source, path, NO_SITE, terminology, {}, None, folder)


def resolve(
    source: YamlFile,
    path: Path,
    site: Site,
    terminology: Terminology,
    settings: Mapping[str, Value],
    timezone: str | None,
    folder: Path,
) -> ResolvedTrial:
    """One file's content, checked and put together with everything else that decides an answer."""
    values = _settings(source, site, settings)
    trial = build_trial(source, values)
    if path.is_relative_to(folder) and (trial.id, trial.version) != (path.parent.name, path.stem):
        named = f"{trial.id}/{trial.version}.yaml"
        raise source.error(Problem(("version",), f"The file should be named '{named}', as it says itself."))
    return ResolvedTrial(
        trial=trial,
        terminology=terminology.with_overlay(site.overlay) if site.overlay else terminology,
        zone=_zone(timezone or site.time_zone),
        settings=values,
        site=site.name,
        digest=_digest(source, site, values, folder),
        own_bases=site.own_bases,
    )


def build_trial(source: YamlFile, settings: Mapping[str, Value]) -> Trial:
    """The trial that a file describes.

    Raises:
        DefinitionErrors: Every mistake, each at its place.
    """
    if isinstance(source.content, dict) and "settings" in source.content:
        _loaded(TrialSchema(only=("settings",)), {"settings": source.content["settings"]}, source)
    loaded = _loaded(TrialSchema(), _with_settings(source, settings), source)
    repeated = _repeated([criterion["id"] for criterion in loaded["criteria"]])
    if repeated is not None:
        raise source.error(Problem(("criteria", repeated, "id"), "This id is given twice."))
    return Trial(
        id=loaded["trial"],
        version=loaded["version"],
        title=loaded["title"],
        short_title=loaded["short_title"],
        source=loaded["source"],
        identifiers=tuple(Identifier(**identifier) for identifier in loaded["identifiers"]),
        former_identifiers=tuple(Identifier(**identifier) for identifier in loaded["former_identifiers"]),
        criteria=tuple(_criterion(criterion) for criterion in loaded["criteria"]),
        condition=tuple(loaded["condition"].values()) if loaded["condition"] else None,
        not_evaluated=tuple(loaded["not_evaluated"]),
        questions=tuple(loaded["questions"]),
        candidates=_candidates(loaded["candidates"]),
    )


def _candidates(loaded: dict[str, Any] | None) -> CandidateRule | None:
    if loaded is None:
        return None
    return CandidateRule(tuple(loaded["value_sets"]), loaded["words"] == "count", loaded["misses"])


def _loaded(schema: TrialSchema, content: Any, source: YamlFile) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(content)
    except ValidationError as error:
        raise DefinitionErrors(source.errors(Problem(*found) for found in flattened(messages_of(error)))) from None
    return loaded


def _criterion(loaded: dict[str, Any]) -> Criterion:
    return Criterion(
        **{name: loaded[name] for name in ("id", "text", "source", "title", "counts")},
        type=CriterionType(loaded["type"]),
        stage=Stage(loaded["stage"]),
        rule=loaded["rule"].rule,
        notes=tuple(loaded["notes"]),
        questions=tuple(loaded["questions"]),
    )


def declared_settings(source: YamlFile) -> dict[str, Mapping[str, Any]]:
    """The settings that a trial file declares, as written; those without a default are the schema's to refuse."""
    declared = source.content.get("settings") if isinstance(source.content, dict) else None
    if not isinstance(declared, dict):
        return {}
    return {name: setting for name, setting in declared.items() if isinstance(setting, dict) and "default" in setting}


def _settings(source: YamlFile, site: Site, given: Mapping[str, Value]) -> dict[str, Value]:
    declared = declared_settings(source)
    trial = str(source.content.get("trial")) if isinstance(source.content, dict) else ""
    ours = site.settings.get(trial, {})
    if site.source is not None:
        _check_site_settings(site.source, trial, declared, ours)
    try:
        return resolve_settings(declared, ours, given)
    except BadSettingError as error:
        raise UsageError(str(error)) from None


def _check_site_settings(overlay: YamlFile, trial: str, declared: Mapping[str, Any], settings: Mapping[str, Value]) -> None:
    """A site's setting that the trial does not have is told at its place in the overlay."""
    for name, value in settings.items():
        try:
            resolve_settings(declared, {name: value})
        except BadSettingError as error:
            raise overlay.error(Problem(("settings", trial, name), str(error))) from None


def _with_settings(source: YamlFile, values: Mapping[str, Value]) -> Any:
    content = source.content
    if not isinstance(content, dict) or not isinstance(content.get("criteria"), list):
        return content
    places = [("criteria", index) for index in range(len(content["criteria"]))]
    criteria = [_filled_in(source, place, content["criteria"][place[1]], values) for place in places]
    if "candidates" not in content:
        return {**content, "criteria": criteria}
    candidates = _filled_in(source, ("candidates",), content["candidates"], values)
    return {**content, "candidates": candidates, "criteria": criteria}


def _filled_in(source: YamlFile, place: KeyPath, written: Any, values: Mapping[str, Value]) -> Any:
    try:
        return with_settings(written, values)
    except BadSettingError as error:
        path = _path_of_setting(written, str(error)) or ()
        raise source.error(Problem((*place, *path), str(error))) from None


def _path_of_setting(written: Any, message: str, path: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    if isinstance(written, str) and written.startswith("$") and f"'{written[1:]}'" in message:
        return path
    steps = written.items() if isinstance(written, dict) else enumerate(written) if isinstance(written, list) else ()
    for step, inner in steps:
        if (found := _path_of_setting(inner, message, (*path, step))) is not None:
            return found
    return None


def _repeated(ids: list[str]) -> int | None:
    return next((index for index, name in enumerate(ids) if name in ids[:index]), None)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"Unknown time zone '{name}'.{nearest(name, sorted(available_timezones()))}") from None


def _digest(source: YamlFile, site: Site, settings: Mapping[str, Value], folder: Path) -> str:
    hashed = hashlib.sha256(source.digest_input)
    hashed.update(site.digest_input)
    for table in (COMPILED, PHRASES):
        hashed.update((folder / table).read_bytes())
    hashed.update(msgspec.json.encode(sorted(settings.items())))
    return hashed.hexdigest()


def _shown(path: Path, mappings: Path) -> str:
    return path.relative_to(mappings).as_posix() if path.is_relative_to(mappings) else str(path)
