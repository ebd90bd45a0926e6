"""The less trodden paths of the terminology room."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from fhir_trial.terminology import Coding, Overlay, Terminology, load_terminology, loading, mappings_folder
from fhir_trial.terminology import folder as folder_module
from fhir_trial.terminology.loading import COMPILED
from fhir_trial.terminology.systems import ICD10


def test_an_overlay_may_respell_a_scale_that_starts_elsewhere() -> None:
    terminology = load_terminology().with_overlay(Overlay("site", unit_aliases={"temperature": {"华氏度": "[degF]"}}))

    definition = terminology.laboratory("temperature")

    assert definition.offsets["华氏度"] == definition.offsets["[degF]"] == Fraction(-160, 9)


def test_without_mappings_the_package_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folder_module, "_PACKAGE", tmp_path / "fhir_trial")

    with pytest.raises(FileNotFoundError, match="No mappings found"):
        mappings_folder()


def test_tables_of_another_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / COMPILED).parent.mkdir()
    (tmp_path / COMPILED).write_bytes(msgspec.json.encode({"laboratory": {}}))

    with pytest.raises(msgspec.ValidationError):
        load_terminology(tmp_path)


def test_an_extended_who_code_counts_as_the_row_of_the_us_list_that_it_extends() -> None:
    value_set = load_terminology().value_set("not_childbearing_potential")

    assert value_set.find_coding(Coding(ICD10, "Q51.003")) is not None
    assert value_set.find_coding(Coding(ICD10, "Q52.003")) is None


def test_a_terminology_is_asked_by_name() -> None:
    terminology: Terminology = load_terminology()

    for ask in (terminology.laboratory, terminology.value_set, terminology.score):
        with pytest.raises(KeyError):
            ask("no-such-name")


def test_a_table_holds_no_numbers_of_another_kind() -> None:
    with pytest.raises(NotImplementedError):
        loading._fraction(bytes, "1")
