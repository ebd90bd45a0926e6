"""What is to run, before anything does; and the file that tells of it."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.errors import SourceError, UsageError
from fhir_trial.sandbox.clients import SandboxAccess
from fhir_trial.sandbox.running import Wanted, reset_folder
from fhir_trial.sandbox.servers_file import servers_toml, write_servers_file

BASE = "http://127.0.0.1:8080/fhir"
#: What a path on a disk may hold.
PATHS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@pytest.mark.parametrize("names", [("North",), ("a b",), ("",), ("../x",), ("1st",), ("a" * 33,)])
def test_a_tenants_name_must_be_fit_for_a_folder_and_a_file(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="tenant's name"):
        Wanted(tenants=names)


def test_two_tenants_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="same name"):
        Wanted(tenants=("north", "north"))


def test_samples_that_are_not_there_are_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="samples are not there"):
        Wanted(samples=tmp_path / "nowhere")


def test_a_tenant_has_a_folder_and_samples_of_its_own_where_there_are_some(tmp_path: Path) -> None:
    (tmp_path / "north").mkdir()
    wanted = Wanted(data_dir=tmp_path / "data", samples=tmp_path, tenants=("north", "south"))

    assert [wanted.samples_of(name) for name in wanted.names] == [tmp_path / "north", tmp_path]
    assert wanted.sandbox(0, "north").data_dir == (tmp_path / "data" / "north").resolve()
    assert Wanted(data_dir=tmp_path).sandbox(0, "sandbox").data_dir == tmp_path.resolve()


def test_the_file_names_base_and_access_and_holds_no_secret(tmp_path: Path) -> None:
    access = SandboxAccess("fhir-trial", tmp_path / "a.pem", "ES384", "k", "http://127.0.0.1:8080/auth/token", ())
    file = tmp_path / "etc" / "servers.toml"

    write_servers_file(file, {"locked": (BASE, access), "open": (BASE, None)})

    assert tomllib.loads(file.read_text())["servers"] == {
        "locked": {
            "base": BASE,
            "access": "backend-services",
            "client_id": "fhir-trial",
            "key_file": str(tmp_path / "a.pem"),
            "algorithm": "ES384",
        },
        "open": {"base": BASE},
    }
    assert [path.name for path in file.parent.iterdir()] == ["servers.toml"]


@given(PATHS)
def test_any_path_comes_back_as_it_was(path: str) -> None:
    access = SandboxAccess("c", Path(path), "ES384", "k", "t", ())

    assert tomllib.loads(servers_toml({"s": (BASE, access)}))["servers"]["s"]["key_file"] == str(Path(path))


def test_a_folder_without_a_sandbox_cannot_be_reset(tmp_path: Path) -> None:
    (tmp_path / "north").mkdir()

    with pytest.raises(UsageError, match="No sandbox has been loaded"):
        reset_folder(tmp_path)
