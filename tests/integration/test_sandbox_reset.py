"""Back to the state just after loading: while the sandbox runs, while it is stopped, and from the command line."""

import json
import stat
from pathlib import Path

import pytest

from fhir_trial.cli.main import main
from fhir_trial.errors import UsageError
from fhir_trial.sandbox import Sandbox
from fhir_trial.sandbox.snapshots import _BACK
from fhir_trial.transport import FhirServer

pytestmark = pytest.mark.server

STUDY = {"resourceType": "ResearchStudy", "status": "active"}


def patient(folder: Path) -> Path:
    file = folder / "patient.ndjson"
    file.write_text(json.dumps({"resourceType": "Patient", "id": "p1", "gender": "female"}))
    return file


def test_what_was_written_changed_and_deleted_since_is_undone_while_it_runs(tmp_path: Path) -> None:
    # So that a test of the write-back begins from a known state.
    pytest.importorskip("sekmet")
    with Sandbox(tmp_path / "data") as sandbox, FhirServer(sandbox.base_url) as server:
        sandbox.load(patient(tmp_path))
        for gender in ("male", "other"):
            server.create(STUDY)
            server.place({"resourceType": "Patient", "id": "p1", "gender": gender})

            sandbox.reset()

            read = server.read("Patient/p1")
            assert (read["gender"], read["meta"]["versionId"]) == ("female", "1")
            assert server.search("ResearchStudy", []).matches == ()
            assert len(server.search("Patient", [("gender", "female")]).matches) == 1
            assert server.create(STUDY).created


def test_a_stopped_sandbox_is_reset_from_the_command_line_all_tenants_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sekmet")
    folder = tmp_path / "data" / "north"
    with Sandbox(folder) as sandbox, FhirServer(sandbox.base_url) as server:
        sandbox.load(patient(tmp_path))
        server.create(STUDY)
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", "reset", "--data-dir", str(tmp_path / "data")])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{folder}\n"
    assert stat.S_IMODE((folder / "after-loading.db").stat().st_mode) == 0o600
    with Sandbox(folder) as again, FhirServer(again.base_url) as server:
        assert server.search("ResearchStudy", []).matches == ()
        assert server.read("Patient/p1")["gender"] == "female"


def test_a_sandbox_that_was_never_loaded_has_nothing_to_return_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sekmet.db").touch()
    with pytest.raises(UsageError, match="nothing was loaded"):
        Sandbox(tmp_path).reset()

    with pytest.raises(SystemExit) as ended:
        main(["sandbox", "reset", "--data-dir", str(tmp_path)])

    assert ended.value.code == 2
    assert "No sandbox has been loaded" in capsys.readouterr().err


def test_every_table_of_the_server_goes_back(tmp_path: Path) -> None:
    store = pytest.importorskip("sekmet.fhir.store")
    connection = store.Store(str(tmp_path / "sekmet.db")).conn
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()

    assert {f"DELETE FROM main.{name}" for name in tables if not name.startswith("sqlite_")} == set(_BACK[::2])
