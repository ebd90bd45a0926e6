"""What differs between servers and says nothing of a patient changes no word of a verdict (DATA-23, VER-08)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fhir_trial.config import samples_folder
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.screening.ports import RawPatient
from fhir_trial.screening.screen import screen_patient
from fhir_trial.sources import FileSource
from fhir_trial.trials.model import ResolvedTrial

BASE = "https://ehr.example.invalid/fhir"
FILES = sorted(samples_folder().glob("*.json"))


@pytest.fixture(scope="module", params=["nct06789107", "nct05471050"])
def trial(request: pytest.FixtureRequest) -> ResolvedTrial:
    return load_trial(request.param)


def turned(raw: RawPatient) -> RawPatient:
    return replace(raw, resources=tuple(reversed(raw.resources)))


def shuffled(raw: RawPatient) -> RawPatient:
    mixed = list(raw.resources)
    random.Random(7).shuffle(mixed)
    return replace(raw, resources=tuple(mixed))


def with_absolute_references(raw: RawPatient) -> RawPatient:
    """Under the source's own base, as it stands in its fullUrls; those of some samples are urns, and have none."""
    if not any(name.startswith(BASE) for name in raw.by_reference):
        return raw
    changed = {id(resource): absolute(resource) for resource in raw.resources}
    return replace(
        raw,
        resources=tuple(changed.values()),
        by_reference={name: changed.get(id(resource), resource) for name, resource in raw.by_reference.items()},
        names={id(changed[key]): name for key, name in raw.names.items() if key in changed},
    )


def absolute(node: Any) -> Any:
    if isinstance(node, list):
        return [absolute(each) for each in node]
    if not isinstance(node, dict):
        return node
    copy = {key: absolute(value) for key, value in node.items()}
    reference = copy.get("reference")
    if isinstance(reference, str) and not reference.startswith(("#", "urn:", "http")):
        copy["reference"] = f"{BASE}/{reference}"
    return copy


@pytest.mark.parametrize("changed", [turned, shuffled, with_absolute_references])
def test_neither_the_order_of_resources_nor_the_form_of_references_changes_a_word(
    trial: ResolvedTrial, changed: Callable[[RawPatient], RawPatient]
) -> None:
    """DATA-23, VER-08: of every sample."""
    differing = [
        raw.reference
        for raw in FileSource(FILES).patients(trial.needs)
        if verdict_of(raw, trial) != verdict_of(changed(raw), trial)
    ]

    assert differing == []


def verdict_of(raw: RawPatient, trial: ResolvedTrial) -> dict[str, Any]:
    return verdict_json(screen_patient(raw, trial, as_of=date(2026, 3, 2)))
