"""Importing the core takes no model library, no web framework and no unit registry."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

MODELS = {"fhir", "fhir_core", "pydantic", "pint", "ucumvert", "lark"}
DOORS = {"flask", "werkzeug", "marshmallow", "requests", "urllib3", "ruamel", "click", "rich", "sekmet"}


def pure_rooms() -> list[str]:
    contracts = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    rooms: list[str] = next(contract["source_modules"] for contract in contracts if contract["id"] == "pure-core")
    return rooms


def loaded_by(statements: str) -> set[str]:
    """The top-level modules in memory after a fresh interpreter has run the statements."""
    program = f"import sys\n{statements}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


@pytest.mark.parametrize("room", pure_rooms())
def test_a_pure_room_loads_neither_models_nor_doors(room: str) -> None:
    loaded = loaded_by(f"import {room}")

    assert not loaded & (MODELS | DOORS)


def test_the_public_api_loads_no_models() -> None:
    loaded = loaded_by("from fhir_trial import load_trial, screen")

    assert not loaded & MODELS


def test_the_command_line_loads_no_models_before_a_command_needs_them() -> None:
    loaded = loaded_by("import fhir_trial.cli.main")

    assert not loaded & (MODELS | {"flask", "requests", "sekmet"})
