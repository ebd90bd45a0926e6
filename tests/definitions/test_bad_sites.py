"""Each way to write a site's overlay wrong is told at its file, line and column; the good overlay beside them passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_trial.definitions.checking import check_everything, check_site
from fhir_trial.definitions.sites import load_site
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.errors import DefinitionError, UsageError
from fhir_trial.terminology import load_terminology, mappings_folder

OVERLAYS = {path.stem: path for path in (Path(__file__).parent / "bad_sites").glob("*.yaml")}
BAD = sorted(set(OVERLAYS) - {"good"})


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """A mappings folder with the shipped tables and trials, and no site yet."""
    for shipped in mappings_folder().iterdir():
        if shipped.name != "sites":
            (tmp_path / shipped.name).symlink_to(shipped)
    return tmp_path


def with_site(mappings: Path, name: str) -> str:
    folder = mappings / "sites" / name
    folder.mkdir(parents=True)
    (folder / "overlay.yaml").write_bytes(OVERLAYS[name].read_bytes())
    return name


@pytest.mark.parametrize("name", BAD)
def test_mistake_is_told_at_its_place_with_the_right_word(name: str, mappings: Path) -> None:
    lines = OVERLAYS[name].read_text(encoding="utf-8").splitlines()
    expected = [f"sites/{name}/overlay.yaml:{line[2:]}" for line in lines if line.startswith("# ")]

    found = check_site(with_site(mappings, name), mappings, load_terminology())

    assert [str(error) for error in found] == expected
    assert expected


def test_good_overlay_passes_and_is_applied(mappings: Path) -> None:
    site = with_site(mappings, "good")

    assert check_everything((), mappings).errors == ()
    trial = load_trial("nct06789107", site=site, mappings=mappings)

    assert (trial.site, str(trial.zone), trial.own_bases) == (
        "good",
        "Asia/Shanghai",
        ("https://hospital.example.invalid/fhir-trial",),
    )
    assert (trial.settings["lab_fresh_days"], trial.settings["c4_reading"]) == (14, "B")


@pytest.mark.parametrize("name", ["unknown-setting", "value-that-a-setting-forbids"])
def test_setting_that_the_trial_does_not_have_stops_the_screening_at_its_place(name: str, mappings: Path) -> None:
    with_site(mappings, name)

    with pytest.raises(DefinitionError, match=rf"^sites/{name}/overlay.yaml:5:\d+ settings.nct06789107"):
        load_trial("nct06789107", site=name, mappings=mappings)


def test_every_site_counts_among_the_files_checked(mappings: Path) -> None:
    before = check_everything((), mappings).checked
    with_site(mappings, "good")
    with_site(mappings, "unknown-analyte")

    report = check_everything((), mappings)

    assert report.checked == before + 2
    assert len(report.errors) == 1


def test_unknown_site_is_told_the_nearest_one(mappings: Path) -> None:
    with_site(mappings, "good")

    with pytest.raises(UsageError, match=r"^Unknown site 'goood'. Did you mean 'good'\?$"):
        load_site("goood", mappings, load_terminology())
