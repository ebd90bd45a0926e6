"""The walls between the rooms, as pyproject.toml draws them, stop what they are there to stop.

A contract that names a module wrongly is kept for ever. So each is broken once, in a house of empty rooms.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

DOWN = "Imports point down"
PLAIN = "From screening down it is plain Python"
CONNECTION = "Only transport opens a connection"
MODELS = "Only writeback imports FHIR models"
API = "Only the doors import the public API"


def rooms() -> list[str]:
    """Every room of the layers contract, lowest last."""
    contracts = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    return [room.strip(" ()") for layer in layers for room in layer.replace("|", ":").split(":")]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A package with every room, each empty, under our own contracts."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.read_text())
    package = tmp_path / "fhir_trial"
    package.mkdir()
    (package / "__init__.py").write_text("load_trial = None\n")
    for room in rooms():
        (package / room).mkdir()
        (package / room / "__init__.py").touch()
    return tmp_path


def lint(house: Path) -> tuple[int, str]:
    ended = subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def broken(output: str) -> set[str]:
    return {line.removesuffix(" BROKEN") for line in output.splitlines() if line.endswith(" BROKEN")}


def test_an_empty_house_breaks_nothing(house: Path) -> None:
    code, output = lint(house)

    assert (code, broken(output)) == (0, set()), output


@pytest.mark.parametrize(
    ("room", "statement", "wall"),
    [
        # imports point down
        ("logic", "import fhir_trial.times", DOWN),
        ("quantities", "import fhir_trial.times", DOWN),
        ("records", "import fhir_trial.facts", DOWN),
        ("criteria", "import fhir_trial.trials", DOWN),
        ("verdict", "import fhir_trial.screening", DOWN),
        ("screening", "import fhir_trial.transport", DOWN),
        ("screening", "import fhir_trial.definitions", DOWN),
        ("transport", "import fhir_trial.sources", DOWN),
        ("sources", "import fhir_trial.writeback", DOWN),
        ("definitions", "import fhir_trial.wiring", DOWN),
        ("wiring", "import fhir_trial.web", DOWN),
        # from screening down it is plain Python
        ("screening", "import flask", PLAIN),
        ("trials", "import marshmallow", PLAIN),
        ("trials", "import ruamel.yaml", PLAIN),
        ("facts", "import fhir.resources.R4B.observation", PLAIN),
        ("verdict", "import rich.console", PLAIN),
        ("verdict", "import click", PLAIN),
        ("criteria", "import socket", PLAIN),
        # one room opens connections
        ("sources", "import requests", CONNECTION),
        ("writeback", "import requests", CONNECTION),
        ("sandbox", "import urllib3", CONNECTION),
        ("cli", "import httpx", CONNECTION),
        # models are for what we send
        ("sources", "from fhir.resources.R4B import bundle", MODELS),
        ("web", "import fhir_core", MODELS),
        # the public API stands above
        ("wiring", "from fhir_trial import load_trial", API),
        ("criteria", "import fhir_trial", API),
    ],
)
def test_a_wall_stops(house: Path, room: str, statement: str, wall: str) -> None:
    (house / "fhir_trial" / room / "intruder.py").write_text(statement + "\n")

    code, output = lint(house)

    assert code == 1, output
    assert wall in broken(output), output


@pytest.mark.parametrize(
    ("room", "statement"),
    [
        ("transport", "import requests, urllib3"),
        ("writeback", "from fhir.resources.R4B import observation"),
        ("definitions", "import ruamel.yaml, marshmallow"),
        ("cli", "import click, rich, fhir_trial, fhir_trial.web, fhir_trial.sandbox, fhir_trial.wiring"),
        ("sources", "import fhir_trial.transport, fhir_trial.screening"),
        ("criteria", "import fhir_trial.facts, fhir_trial.logic, fhir_trial.errors, msgspec, decimal"),
        ("quantities", "import ucumvert"),
    ],
)
def test_a_wall_lets_through(house: Path, room: str, statement: str) -> None:
    (house / "fhir_trial" / room / "neighbour.py").write_text(statement + "\n")

    code, output = lint(house)

    assert code == 0, output


def test_a_room_that_no_layer_names_is_found(house: Path) -> None:
    (house / "fhir_trial" / "utils.py").touch()

    code, output = lint(house)

    assert code == 1
    assert "fhir_trial.utils" in output
