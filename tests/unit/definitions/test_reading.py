"""Finding and reading trials and overlays: newest version, names, settings; what the lints know of the kinds' fields."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fhir_trial.criteria.registry import KINDS
from fhir_trial.definitions.checking import check_trial
from fhir_trial.definitions.english import told
from fhir_trial.definitions.kinds import field_for
from fhir_trial.definitions.names import NAMED_BY
from fhir_trial.definitions.settings import BadSettingError, checked_value, resolve_settings
from fhir_trial.definitions.trial_files import find_trial, load_trial, trial_files
from fhir_trial.definitions.yaml_source import nearest, parse_yaml, written_path
from fhir_trial.errors import DefinitionError, UnknownTrialError
from fhir_trial.terminology import load_terminology, mappings_folder

GOOD = Path(__file__).parents[2] / "definitions" / "good" / "unknown-analyte.yaml"


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """The shipped tables with a trial of two versions; file names and dates disagree on purpose."""
    folder = tmp_path / "trials" / "nct00000000"
    folder.mkdir(parents=True)
    for shipped in mappings_folder().iterdir():
        if shipped.name != "trials":
            (tmp_path / shipped.name).symlink_to(shipped)
    written = GOOD.read_text(encoding="utf-8")
    for version, dated in (("v1", "2026-01-02"), ("v10", "2024-01-01")):
        text = written.replace("version: v1", f"version: {version}").replace("2026-01-02", dated)
        (folder / f"{version}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


class TestFindingTrials:
    def test_without_a_version_the_newest_by_date_is_taken(self, mappings: Path) -> None:
        """VER-01."""
        assert find_trial("nct00000000", mappings).stem == "v1"
        assert load_trial("NCT00000000", mappings=mappings).trial.version == "v1"

    def test_any_version_may_be_named(self, mappings: Path) -> None:
        assert load_trial("nct00000000@v10", mappings=mappings).trial.version == "v10"

    def test_versions_are_listed_oldest_first(self, mappings: Path) -> None:
        assert [(file.trial, file.version) for file in trial_files(mappings)] == [("nct00000000", "v10"), ("nct00000000", "v1")]

    def test_unknown_trial_and_version_are_told_the_right_ones(self, mappings: Path) -> None:
        with pytest.raises(UnknownTrialError, match=r"Unknown trial 'nct0000000'. Did you mean 'nct00000000'\?"):
            find_trial("nct0000000", mappings)
        with pytest.raises(UnknownTrialError, match=r"has no version 'final'. Expected one of: v1, v10\."):
            find_trial("nct00000000@final", mappings)

    def test_file_must_be_named_as_it_says_itself(self, mappings: Path) -> None:
        folder = mappings / "trials" / "nct00000000"
        (folder / "v1.yaml").rename(folder / "v2.yaml")

        (error,) = check_trial(folder / "v2.yaml", mappings, load_terminology())

        told = "The file should be named 'nct00000000/v1.yaml', as it says itself."
        assert str(error) == f"trials/nct00000000/v2.yaml:2:1 version: {told}"

    def test_digest_changes_with_the_settings_and_not_by_itself(self) -> None:
        usual, again, other = (
            load_trial("nct06789107", settings=settings).digest for settings in ({}, {}, {"lab_fresh_days": 14})
        )

        assert usual == again != other

    def test_trial_without_settings_remarks_or_questions_is_told_briefly(self, mappings: Path) -> None:
        lines = told(load_trial("nct00000000", mappings=mappings)).splitlines()

        assert [line for line in lines if not line.startswith("      ")] == (
            [
                "nct00000000@v1: A trial that nobody runs",
                "Source: Protocol v1",
                "",
                "I01  A short title: inclusion",
                "    “The protocol's own words.” [Protocol v1, section 5]",
                lines[5],
                "",
                "I02  A short title: inclusion",
                "    “The protocol's own words.” [Protocol v1, section 5]",
                "    Rule: age >= 18 years on the screening date",
            ]
        )
        assert lines[5].startswith("    Rule: the last haemoglobin is >= 80 g/L")


class TestSettings:
    DECLARED: typing.ClassVar[dict[str, dict[str, typing.Any]]] = {
        "days": {"default": 28, "at_least": 1, "at_most": 42},
        "any_number": {"default": 3},
        "reading": {"default": "A", "one_of": ["A", "B"]},
        "level": {"default": 4, "one_of": [1, 2, 3, 4]},
        "word": {"default": "free"},
    }

    @pytest.mark.parametrize(
        ("name", "given", "value"),
        [
            ("days", "1", 1),
            ("days", 42, 42),
            ("any_number", "0", 0),
            ("reading", "B", "B"),
            ("level", "2", 2),
            ("word", "other", "other"),
        ],
    )
    def test_value_takes_the_setting_s_own_type(self, name: str, given: str | int, value: str | int) -> None:
        assert checked_value(name, self.DECLARED[name], given) == value

    @pytest.mark.parametrize(
        ("name", "given", "wanted"),
        [
            ("days", "0", "a whole number from 1 to 42"),
            ("days", "43", "a whole number from 1 to 42"),
            ("days", "1.5", "a whole number from 1 to 42"),
            ("any_number", "-1", "a whole number from 0 up"),
            ("reading", "a", "one of: A, B"),
            ("level", "5", "one of: 1, 2, 3, 4"),
        ],
    )
    def test_wrong_value_is_told_the_right_ones(self, name: str, given: str, wanted: str) -> None:
        """VER-18."""
        with pytest.raises(BadSettingError) as error:
            checked_value(name, self.DECLARED[name], given)

        assert str(error.value) == f"'{given}' is no value of setting '{name}'. Expected {wanted}."

    def test_later_mappings_win(self) -> None:
        assert resolve_settings(self.DECLARED, {"days": 14}, {"days": "7"})["days"] == 7

    def test_unknown_name_is_told_all_right_ones(self) -> None:
        """VER-18."""
        with pytest.raises(
            BadSettingError, match=r"^Unknown setting 'day'. Did you mean 'days'\? Expected one of: days, any_number, "
        ):
            resolve_settings(self.DECLARED, {"day": 1})

    def test_trial_without_settings_says_so(self) -> None:
        with pytest.raises(BadSettingError, match=r"^Unknown setting 'day'. This trial has no settings\.$"):
            resolve_settings({}, {"day": 1})


class TestKinds:
    def texts(self, record: type) -> Iterator[str]:
        """Names of the fields that hold a text, in the record and in those inside it."""
        hints = typing.get_type_hints(record)
        for field in dataclasses.fields(record):
            hint = hints[field.name]
            inner = [argument for argument in (hint, *typing.get_args(hint)) if isinstance(argument, type)]
            for argument in inner:
                if dataclasses.is_dataclass(argument):
                    yield from self.texts(argument)
            if str in inner or typing.get_origin(hint) is typing.Literal:
                yield field.name

    def test_the_lints_know_what_every_text_field_of_every_kind_names(self) -> None:
        """A new field is one more line of the table in names.py; without it, its wrong names would pass unseen."""
        fields = {name for kind in KINDS.values() for name in self.texts(kind)}

        assert fields - set(NAMED_BY) == set()
        assert set(NAMED_BY) - fields == {"criterion"}  # of a reference

    def test_field_that_a_file_cannot_write_is_a_defect_found_at_once(self) -> None:
        with pytest.raises(TypeError, match="No way to write"):
            field_for(complex, required=True)

    def test_every_kind_can_be_written(self) -> None:
        @dataclass(frozen=True)
        class Own:
            words: tuple[str, ...]
            flag: bool = False
            number: int | None = None

        records: tuple[typing.Any, ...] = (Own, *KINDS.values())
        for record in records:
            for name, hint in typing.get_type_hints(record).items():
                if name in {field.name for field in dataclasses.fields(record)}:
                    assert field_for(hint, required=True) is not None


class TestYaml:
    def test_yaml_is_read_as_1_2(self) -> None:
        """NO is a country, 1_000 a word, 010 ten."""
        content = parse_yaml(b"country: NO\nwhen: 2026-03-02\nnothing: null\nyes: true\n", "x.yaml").content

        assert content == {"country": "NO", "when": "2026-03-02", "nothing": None, "yes": True}

    def test_place_is_that_of_the_key_or_of_the_nearest_above(self) -> None:
        source = parse_yaml(b"a:\n  - b: 1\n    c: [x, y]\n", "x.yaml")

        places = {
            ("a",): (1, 1),
            ("a", 0): (2, 5),
            ("a", 0, "c"): (3, 5),
            ("a", 0, "c", 1): (3, 12),
            ("a", 0, "missing"): (2, 5),
            ("nowhere",): (1, 1),
            (): (1, 1),
        }
        for path, (line, column) in places.items():
            place = source.place(path)
            assert (place.line, place.column) == (line, column)

    def test_path_is_written_as_people_write_it(self) -> None:
        assert written_path(("criteria", 3, "rule", "any", 0)) == "criteria[3].rule.any[0]"

    def test_nearest_of_none_few_and_many(self) -> None:
        many = [f"word{number:03}" for number in range(100)]

        assert nearest("x", []) == ""
        assert nearest("x", ["b", "a"]) == " Expected one of: a, b."
        assert nearest("wrod", ["word", "other"]) == " Did you mean 'word'?"
        assert nearest("zzz", many).startswith(" The nearest are: word")

    def test_text_that_yaml_cannot_hold_is_told(self) -> None:
        with pytest.raises(DefinitionError, match=r"^x.yaml(:\d+:\d+)?: Is not YAML"):
            parse_yaml(b"a: \x00", "x.yaml")
