"""The container files name what there is: settings, requirements, targets. No container engine runs them here."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fhir_trial.config import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker" / "compose.yaml")
    return found


def test_service_database_and_sandbox_are_composed(services: dict[str, Any]) -> None:
    assert set(services["services"]) == {"service", "database", "sandbox"}


def test_every_variable_of_ours_is_a_setting(services: dict[str, Any]) -> None:
    known = {PREFIX + item.name.upper() for item in fields(Settings)}
    given = {name for each in services["services"].values() for name in each.get("environment", ())}

    assert {name for name in given if name.startswith(PREFIX)} <= known
    assert "FHIR_TRIAL_KEYS_FILE" in given


def test_no_secret_stands_in_an_environment_or_an_image(services: dict[str, Any]) -> None:
    """SEC-57: they come as files."""
    values = [str(value) for each in services["services"].values() for value in each.get("environment", {}).values()]

    assert not [value for value in values if re.search(r"://[^/@]*:[^/@]+@", value)]
    assert set(services["secrets"]) == {name for each in services["services"].values() for name in each.get("secrets", ())}
    assert "secrets" in (ROOT / ".dockerignore").read_text().split()


def test_what_is_copied_and_built_is_there(services: dict[str, Any]) -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, re.MULTILINE))
    wanted = {each["build"]["target"] for each in services["services"].values() if "build" in each}

    assert wanted <= targets
    assert all((ROOT / name).is_file() for name in re.findall(r"COPY (requirements/\S+)", DOCKERFILE))


def test_the_service_can_speak_to_its_database() -> None:
    assert re.search(r"^psycopg-binary==", (ROOT / "requirements" / "service.txt").read_text(), re.MULTILINE)
