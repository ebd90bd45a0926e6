"""What is well-formed and still wrong in a site's overlay: a local code that leads nowhere is an error, never ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from fhir_trial.definitions.yaml_source import KeyPath, Problem, nearest
from fhir_trial.terminology import Terminology
from fhir_trial.terminology.units import conversion

Loaded = Mapping[str, Any]


def overlay_problems(loaded: Loaded, terminology: Terminology) -> Iterator[Problem]:
    """Every mistake of an overlay that its schema accepts."""
    yield from _unknown_names(loaded, terminology)
    yield from _repeated_codes(loaded)
    yield from _spellings(loaded, terminology)
    yield from _normal_limits(loaded, terminology)
    try:
        ZoneInfo(loaded["time_zone"])
    except (KeyError, ValueError, OSError):
        right = nearest(loaded["time_zone"], sorted(available_timezones()))
        yield Problem(("time_zone",), f"Unknown time zone '{loaded['time_zone']}'.{right}")


def _unknown_names(loaded: Loaded, terminology: Terminology) -> Iterator[Problem]:
    right = {
        "analyte": list(terminology.laboratory_definitions),
        "value set": list(terminology.value_sets),
        "ingredient": list(terminology.drugs.ingredients),
        "word table": list(terminology.maps),
    }
    for what, name, path in _names(loaded):
        if name not in right[what]:
            yield Problem(path, f"Unknown {what} '{name}'.{nearest(name, right[what])}")


def _names(loaded: Loaded) -> Iterator[tuple[str, str, KeyPath]]:
    for section in ("laboratory", "normal_limits"):
        for index, row in enumerate(loaded[section]):
            yield "analyte", row["analyte"], (section, index, "analyte")
    for index, row in enumerate(loaded["conditions"]):
        yield "value set", row["value_set"], ("conditions", index, "value_set")
    for index, row in enumerate(loaded["medications"]):
        for position, name in enumerate(row["ingredients"]):
            yield "ingredient", name, ("medications", index, "ingredients", position)
    yield from (("analyte", name, ("unit_aliases", name)) for name in loaded["unit_aliases"])
    yield from (("word table", name, ("words", name)) for name in loaded["words"])


def _repeated_codes(loaded: Loaded) -> Iterator[Problem]:
    """A local code that stands for two things. A diagnosis may be in several value sets."""
    for section, also in (("laboratory", ()), ("medications", ()), ("conditions", ("value_set",))):
        seen: set[tuple[str, ...]] = set()
        for index, row in enumerate(loaded[section]):
            key = (row["system"], row["code"], *(row[name] for name in also))
            if key in seen:
                yield Problem((section, index, "code"), f"The code '{row['code']}' is given twice.")
            seen.add(key)


def _spellings(loaded: Loaded, terminology: Terminology) -> Iterator[Problem]:
    """A local spelling must stand for a unit that its analyte can have."""
    for analyte, spellings in loaded["unit_aliases"].items():
        definition = terminology.laboratory_definitions.get(analyte)
        for spelling, unit in spellings.items() if definition else ():
            if definition and conversion(unit, definition) is None:
                said = f"The unit '{unit}' does not become {definition.unit} for {analyte}."
                yield Problem(("unit_aliases", analyte, spelling), said)


_PAIRS = (("low", "high"), ("valid_from", "valid_to"), ("age_from", "age_below"))


def _normal_limits(loaded: Loaded, terminology: Terminology) -> Iterator[Problem]:
    for index, row in enumerate(loaded["normal_limits"]):
        path = ("normal_limits", index)
        definition = terminology.laboratory_definitions.get(row["analyte"])
        if definition is not None and conversion(row["unit"], definition) is None:
            yield Problem((*path, "unit"), f"The unit '{row['unit']}' does not become {definition.unit} for {row['analyte']}.")
        if row["low"] is None and row["high"] is None:
            yield Problem(path, "Expected low, high or both.")
        for first, last in _PAIRS:
            if row[first] is not None and row[last] is not None and not _before(first, row[first], row[last]):
                yield Problem((*path, last), f"{last} is not above {first}: nothing lies between them.")


def _before(first: str, one: Fraction, other: Fraction) -> bool:
    return one <= other if first == "valid_from" else one < other  # both days are included
