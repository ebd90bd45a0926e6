"""The pages for authors and readers say what the software does."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import fhir_trial
from fhir_trial.cli.main import main
from fhir_trial.contract.schema import verdict_schema
from fhir_trial.criteria.registry import KINDS
from fhir_trial.definitions.checking import check_site, check_trial
from fhir_trial.definitions.kinds import COMBINATORS
from fhir_trial.definitions.schemas import CriterionSchema, SettingSchema, TrialSchema
from fhir_trial.definitions.sites import OverlaySchema
from fhir_trial.terminology import load_terminology, mappings_folder
from scripts.kinds_reference import with_reference

ROOT = Path(__file__).parents[3]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)


def test_reference_of_kinds_is_up_to_date() -> None:
    """If not: python -m scripts.kinds_reference."""
    assert with_reference(page("trials.md")) == page("trials.md")


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_is_documented_with_all_its_keys(name: str) -> None:
    section = page("trials.md").partition(f"### `{name}`\n")[2].partition("\n### ")[0]

    assert section
    for field in dataclasses.fields(KINDS[name]):  # type: ignore[arg-type]
        assert f"| `{field.name}` |" in section


@pytest.mark.parametrize("combinator", COMBINATORS)
def test_every_combinator_is_documented(combinator: str) -> None:
    assert f"`{combinator}: " in page("trials.md")


@pytest.mark.parametrize("schema", [TrialSchema, CriterionSchema, SettingSchema])
def test_every_key_of_a_trial_file_is_documented(schema: type[Any]) -> None:
    told = page("trials.md")

    for key in schema().fields:
        assert f"{key}:" in told or f"`{key}`" in told, key


def test_every_key_of_an_overlay_is_documented() -> None:
    told = page("sites.md")

    for key, field in OverlaySchema().fields.items():
        assert f"| `{key}` |" in told
        nested = getattr(getattr(field, "inner", None), "schema", None)
        for inner in nested.fields if nested else ():
            assert f"`{inner}`" in told, inner


def test_trial_shown_on_the_page_passes_the_check(tmp_path: Path) -> None:
    (written,) = (block for block in blocks("trials.md", "yaml") if block.startswith("trial:"))
    path = tmp_path / "v1.yaml"
    path.write_text(written, encoding="utf-8")

    (unused,) = check_trial(path, mappings_folder(), load_terminology())

    assert "Setting 'reading' is used by no criterion." in str(unused)  # shown for its shape alone


def test_overlay_shown_on_the_page_passes_the_check(tmp_path: Path) -> None:
    (written,) = blocks("sites.md", "yaml")
    (tmp_path / "trials").symlink_to(mappings_folder() / "trials")
    (tmp_path / "sites" / "shown").mkdir(parents=True)
    (tmp_path / "sites" / "shown" / "overlay.yaml").write_text(written, encoding="utf-8")

    assert [str(error) for error in check_site("shown", tmp_path, load_terminology())] == []


def test_verdict_shown_on_the_page_is_a_real_one() -> None:
    (written,) = blocks("verdict.md", "json")
    shown = json.loads(written)
    (verdict,) = fhir_trial.screen(
        ROOT / "sample_bundles" / "lvef-missing.json", fhir_trial.load_trial("nct06789107"), as_of=date(2026, 3, 2)
    )
    real = fhir_trial.verdict_json(verdict)

    ids = [criterion["id"] for criterion in shown["criteria"]]
    assert ids == ["C7.4", "C7.6a"]
    assert shown == {**real, "criteria": [criterion for criterion in real["criteria"] if criterion["id"] in ids]}


def test_every_key_of_the_verdict_is_documented() -> None:
    told = page("verdict.md")
    schema = verdict_schema()

    for shape in (schema, schema["$defs"]["criterion"], schema["$defs"]["evidence"], schema["$defs"]["issue"]):
        for key in shape["properties"]:
            assert f"`{key}`" in told, key


def test_every_key_of_the_needs_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["trial", "needs", "--site", "bailuhe"])
    needs = json.loads(capsys.readouterr().out)
    (shown,) = (json.loads(block) for block in blocks("needs.md", "json"))

    assert list(shown) == list(needs)
    for need in needs["needs"]:
        assert list(need) == list(shown["needs"][0])
    for key in ("resource_types", *shown["needs"][0]):
        assert f"| `{key}` |" in page("needs.md")
    assert any("bailuhe" in code["system"] for need in needs["needs"] for code in need["codes"])


def test_exit_statuses_of_errors_are_documented() -> None:
    told = page("verdict.md")

    for status in (0, 1, 2, 3, 4, 5, 70):
        assert f"\n| {status} |" in told
