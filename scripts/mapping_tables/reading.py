"""The sources on disk, and what every table needs to read them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fhir_trial.terminology import systems

MAPPINGS = Path(__file__).resolve().parent.parent.parent / "mappings"
# How the YAML files name code systems.
SHORT_SYSTEMS = {
    "": "",
    "loinc": systems.LOINC,
    "snomed": systems.SNOMED,
    "rxnorm": systems.RXNORM,
    "icd10cm": systems.ICD10CM,
    "icd10": systems.ICD10,
    "interpretation": systems.INTERPRETATION,
    "v2_abnormal_flags": systems.V2_ABNORMAL_FLAGS,
    "timing": systems.TIMING,
    "status_reason": systems.STATUS_REASON,
    "absent_unknown": systems.ABSENT_UNKNOWN,
}


class SourceError(ValueError):
    """A source contradicts itself or another one."""


def require(holds: bool, problem: str) -> None:
    """Stop with the problem unless it holds."""
    if not holds:
        raise SourceError(problem)


def read_csv(name: str) -> list[dict[str, str]]:
    """The rows of a table in mappings/sources/."""
    with (MAPPINGS / "sources" / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def read_yaml(name: str) -> Any:
    """A file under mappings/."""
    return YAML(typ="safe").load(MAPPINGS / name)


def by_member(groups: dict[str, Iterable[str]]) -> dict[str, str]:
    """Code to group, each code in one group only."""
    found: dict[str, str] = {}
    for group, members in groups.items():
        for member in members:
            first = found.setdefault(member, group)
            require(first == group, f"{member} is in {first} and {group}")
    return found


def compiling(pattern: str) -> str:
    """The pattern itself, having compiled."""
    re.compile(pattern, re.IGNORECASE)
    return pattern
