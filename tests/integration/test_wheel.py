"""The wheel carries the trials and the vocabularies, and works where there is no checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HATCHLING = Path(sys.executable).with_name("hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([HATCHLING, "build", "--target", "wheel", "--directory", folder], cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def files_under(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("folder", ["mappings", "sample_bundles"])
def test_every_data_file_travels_in_the_wheel(wheel: Path, folder: str) -> None:
    inside = zipfile.ZipFile(wheel).namelist()
    carried = {name.removeprefix(f"fhir_trial/_{folder}/") for name in inside if name.startswith(f"fhir_trial/_{folder}/")}

    assert files_under(ROOT / folder)
    assert carried == files_under(ROOT / folder)


def test_the_wheel_is_typed_and_carries_its_notices_and_schema(wheel: Path) -> None:
    inside = {Path(name).name for name in zipfile.ZipFile(wheel).namelist()}

    assert {"py.typed", "LICENSE", "NOTICE", "verdict.schema.json"} <= inside


def test_an_unpacked_wheel_lists_its_trials_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    program = "\n".join(
        [
            "import sys, fhir_trial.cli.main as door",
            "print(door.__file__, file=sys.stderr)",
            "sys.argv[1:] = ['trial', 'list']",
            "door.main()",
        ]
    )

    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert str(site) in ended.stderr  # the wheel's code ran, not the checkout's
    assert "nct06789107" in ended.stdout
