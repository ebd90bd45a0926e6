"""A bulk export of our own client, asked of servers of different makes: screened, it gives what one patient at a time gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir_trial import load_trial
from fhir_trial.cli.main import main
from fhir_trial.config import samples_folder
from fhir_trial.criteria.needs import Needs
from fhir_trial.population.asking import Question
from fhir_trial.population.rows import Row, row_of
from fhir_trial.population.screening import screened
from fhir_trial.records.model import LoadState
from fhir_trial.records.own_results import OwnMarks
from fhir_trial.records.reading import read_record
from fhir_trial.sandbox import Sandbox, SandboxClient, load_samples
from fhir_trial.sandbox.servers_file import write_servers_file
from fhir_trial.screening.screen import judge
from fhir_trial.sources import ServerSource
from fhir_trial.sources.exporting.asking import Level, asked_for
from fhir_trial.sources.exporting.clocks import Clock
from fhir_trial.sources.exporting.job import Job, JobState
from fhir_trial.sources.exporting.running import Wish, export
from fhir_trial.sources.search_plan import trial_plan
from fhir_trial.store.tables import AuditRow
from fhir_trial.transport import FhirServer, ServerSettings
from fhir_trial.transport.export_settings import ExportSettings
from fhir_trial.transport.exports import BulkServer
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.clock import now
from tests.functional.stores import NOW, kept, store_settings, with_basis
from tests.servers.bulk_hospital import Reply, Sent, as_json, ndjson, running_hospital
from tests.servers.loading import place_all
from tests.servers.peers import Peer

Json = dict[str, Any]
AS_OF = date(2026, 3, 2)
SAMPLES = sorted(samples_folder().glob("*.json"))


@pytest.fixture
def trials() -> tuple[ResolvedTrial, ...]:
    return tuple(load_trial(name) for name in ("nct05471050", "nct06789107"))


@pytest.fixture
def bulk(peer: Peer, server: FhirServer) -> Iterator[BulkServer]:
    # HAPI asks for two minutes between two looks at the status.
    with BulkServer(replace(server.settings, export=ExportSettings(longest_wait=1.0))) as connected:
        yield connected


def exported(
    bulk: BulkServer,
    folder: Path,
    trials: tuple[ResolvedTrial, ...],
    level: Level = Level.PATIENTS,
    group: str | None = None,
    **more: object,
) -> Job:
    asked = asked_for([trial_plan(trial) for trial in trials], bulk.base, level, group, filtered=bool(more.get("filtered")))
    since = more.get("since")
    return export(bulk, folder, asked, Clock(now), Wish(str(since) if since else None), lambda words: None)


def rows_of_folder(folder: Path, trials: tuple[ResolvedTrial, ...]) -> dict[tuple[str, str], Row]:
    with screened(folder, Question(trials, AS_OF, everyone=True, processes=1)) as (_, rows):
        return {(row.patient, row.trial): row for row in rows}


def rows_of_server(server: FhirServer, trials: tuple[ResolvedTrial, ...]) -> dict[tuple[str, str], Row]:
    """By search. A search says that there is no more, which files do not (R12): here it claims no more than they do."""
    found: dict[tuple[str, str], Row] = {}
    for raw in ServerSource(server).patients(Needs.union(trial.needs for trial in trials)):
        silent = replace(raw, states={}, default_state=LoadState.NO_CLAIM)
        for trial in trials:
            record = read_record(silent, trial.zone, complete=False, own=OwnMarks(trial.own_bases))
            verdict = judge(record, trial, as_of=AS_OF, first_dose=None, reference=raw.reference)
            found[raw.reference, trial.trial.id] = row_of(verdict, record)
    return found


def alike(row: Row) -> Row:
    """Without the digest of what was read: it holds what was found of no type, too."""
    return structs.replace(row, inputs="")


@pytest.mark.slow
@pytest.mark.parametrize("level", [Level.PATIENTS, Level.SYSTEM])
def test_an_export_of_everybody_is_screened_as_the_server_is_patient_by_patient(
    bulk: BulkServer, trials: tuple[ResolvedTrial, ...], tmp_path: Path, level: Level
) -> None:
    """BULK-01, BULK-06, BULK-41, BULK-56: Backend Services where it asks who we are; drugs that orders refer to are read."""
    load_samples(bulk, samples_folder())

    job = exported(bulk, tmp_path / "one", trials, level)

    assert job.state is JobState.COMPLETE
    by_export, by_search = rows_of_folder(tmp_path / "one", trials), rows_of_server(bulk, trials)
    assert len(by_export) == 2 * sum(file.resources for file in job.files if file.kind == "Patient")
    assert {name: alike(row) for name, row in by_export.items()} == {name: alike(row) for name, row in by_search.items()}


def patient(identity: str) -> Json:
    return {"resourceType": "Patient", "id": identity, "gender": "female", "birthDate": "1990-01-01"}


def result(identity: str, whose: str, code: str, system: str = "http://loinc.org") -> Json:
    coding = {"system": system, "code": code}
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [coding]},
        "subject": {"reference": f"Patient/{whose}"},
    }


def names_in(folder: Path, kind: str) -> set[str]:
    return {json.loads(line)["id"] for path in folder.glob(f"{kind}.*.ndjson") for line in path.read_text().splitlines()}


def test_a_group_is_exported_without_the_others_and_whoever_joins_it_whole(
    peer: Peer, bulk: BulkServer, trials: tuple[ResolvedTrial, ...], tmp_path: Path
) -> None:
    """BULK-06, BULK-12, BULK-13."""
    place_all(bulk, [patient("ann"), patient("bea"), result("a", "ann", "777-3"), result("b", "bea", "777-3")])
    place_all(bulk, [group("ann")])

    first = exported(bulk, tmp_path / "one", trials, Level.GROUP, "g", since="auto")
    sleep(1.1)
    again = exported(bulk, tmp_path / "two", trials, Level.GROUP, "g", since="auto")
    place_all(bulk, [group("ann", "bea")])
    joined = exported(bulk, tmp_path / "three", trials, Level.GROUP, "g", since="auto")

    assert names_in(tmp_path / "one", "Observation") == {"a"}
    assert (first.since, again.since is not None, joined.since) == (None, True, None)
    assert names_in(tmp_path / "three", "Observation") == {"a", "b"}


def test_changes_alone_come_since_the_servers_own_moment(
    bulk: BulkServer, trials: tuple[ResolvedTrial, ...], tmp_path: Path
) -> None:
    """BULK-12. (At the level of patients HAPI sends more than has changed, which does no harm.)"""
    place_all(bulk, [patient("ann"), result("a", "ann", "777-3")])
    sleep(1.1)  # what is sent is a moment in whole seconds
    moment = exported(bulk, tmp_path / "one", trials, Level.SYSTEM).transaction_time
    sleep(1.1)
    place_all(bulk, [result("b", "ann", "777-3")])

    exported(bulk, tmp_path / "two", trials, Level.SYSTEM, since=moment)

    assert names_in(tmp_path / "two", "Observation") == {"b"}


def test_a_filter_brings_every_result_with_a_known_code_and_the_rest_counts_as_not_loaded(
    bulk: BulkServer, trials: tuple[ResolvedTrial, ...], tmp_path: Path
) -> None:
    """BULK-10, BULK-11, BULK-50: the same facts of what is known, and nothing concluded from what did not come."""
    local = result("local", "ann", "PLT", "https://lab.example.invalid")
    place_all(bulk, [patient("ann"), result("a", "ann", "777-3"), result("b", "ann", "718-7"), local])

    whole = exported(bulk, tmp_path / "whole", trials)
    sieved = exported(bulk, tmp_path / "filtered", trials, filtered=True)

    assert (whole.state, sieved.state) == (JobState.COMPLETE, JobState.COMPLETE)
    assert names_in(tmp_path / "whole", "Observation") == {"a", "b", "local"}
    assert names_in(tmp_path / "filtered", "Observation") >= {"a", "b"}
    rows = rows_of_folder(tmp_path / "filtered", trials)
    assert any(each.why == "not-loaded" for row in rows.values() for each in row.answers)
    assert not any(
        each.why == "not-loaded" for row in rows_of_folder(tmp_path / "whole", trials).values() for each in row.answers
    )


def group(*names: str) -> Json:
    members = [{"entity": {"reference": f"Patient/{name}"}} for name in names]
    return {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": members}


def test_a_server_that_does_not_let_us_delete_an_export_spoils_nothing(tmp_path: Path, trials: tuple[ResolvedTrial, ...]) -> None:
    """BULK-46: with the scopes that reading needs, and no other."""
    pytest.importorskip("sekmet")
    with Sandbox(auth=SandboxClient(scopes=("system/*.rs",))) as sandbox:
        assert sandbox.access is not None
        sandbox.load(SAMPLES[0])
        with BulkServer(ServerSettings(sandbox.base_url, access=sandbox.access.services())) as server:
            job = exported(server, tmp_path / "one", trials)

    assert (job.state, job.is_ended) == (JobState.COMPLETE, False)


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Named "ward" in a servers file; it asks for a token."""
    pytest.importorskip("sekmet")
    with Sandbox(auth=SandboxClient(scopes=("system/*.rds",))) as sandbox:
        sandbox.load(SAMPLES[0])
        write_servers_file(tmp_path / "servers.toml", {"ward": (sandbox.base_url, sandbox.access)})
        with (tmp_path / "servers.toml").open("a") as file:
            file.write('scopes = ["system/*.rds"]\n')  # it wants r and d of everything for the status and its deletion
        monkeypatch.setenv("FHIR_TRIAL_SERVERS_FILE", str(tmp_path / "servers.toml"))
        yield sandbox


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["hospital", *map(str, words)])
    return int(ended.value.code or 0)


@pytest.mark.server
def test_the_command_exports_a_folder_that_is_screened(
    locked: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """BULK-01, BULK-46, BULK-58."""
    folder = tmp_path / "exports" / "one"

    assert command("export", "--server", "ward", "--patients", "--folder", folder) == 0
    said = capfd.readouterr().out
    assert "Patient: 1" in said.splitlines()
    assert "Export: complete" in said.splitlines()
    assert command("export", "--server", "ward", "--patients", "--folder", folder) == 0  # once more does nothing
    assert command("screen", folder, "--keep", tmp_path / "run", "--everyone", "--processes", 1) == 0
    assert command("export", "--server", "ward", "--patients", "--folder", folder.with_name("two"), "--since", "auto") == 0
    assert "Everything was asked for" not in capfd.readouterr().out


@pytest.mark.server
def test_the_command_tells_what_is_wrong_with_it(locked: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "exports" / "one"

    assert command("export", "--server", "ward", "--folder", folder) == 2
    assert command("export", "--server", "ward", "--patients", "--system", "--folder", folder) == 2
    assert command("export", "--server", "ward", "--patients", "--folder", folder, "--since", "yesterday") == 2
    assert command("export", "--server", "ward", "--folder", folder.with_name("none"), "--cancel") == 2
    assert command("export", "--server", "ward", "--group", "none", "--folder", folder) == 5
    assert command("export", "--server", "ward", "--folder", folder, "--cancel") == 0
    assert "one of --group" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("nth", range(1, 7))
def test_a_process_that_is_killed_while_it_waits_for_an_answer_is_gone_on_with(tmp_path: Path, nth: int) -> None:
    """BULK-07, BULK-36, BULK-49: SIGKILL at each request; the same command again, and it is as if nothing had been."""
    folder = tmp_path / "exports" / "one"
    files = {"Patient": patient("ann"), "Observation": result("a", "ann", "777-3")}
    with running_hospital() as hospital:
        child: list[subprocess.Popen[bytes]] = []

        def deadly(reply: Reply) -> Callable[[Sent], Reply]:
            def answer(sent: Sent) -> Reply:
                if len(hospital.sent) == nth and len(child) == 1:
                    child[0].kill()
                    child[0].wait()
                return reply

            return answer

        status = f"{hospital.base}/status"
        output = [{"type": kind, "url": f"{hospital.base}/files/{kind}", "count": 1} for kind in files]
        whole = {"transactionTime": "2026-03-02T08:00:00Z", "requiresAccessToken": False, "output": output}
        hospital.on("GET", "/fhir/Patient/$export", deadly(Reply(202, headers={"Content-Location": status})))
        hospital.on("GET", "/fhir/status", deadly(Reply(202)), deadly(as_json(whole)))
        hospital.on("DELETE", "/fhir/status", deadly(Reply(202)))
        for kind, resource in files.items():
            hospital.on("GET", f"/fhir/files/{kind}", deadly(ndjson(resource)))
        words = ["hospital", "export", "--server", hospital.base, "--patients", "--folder", str(folder)]
        own = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_TRIAL_")}
        for _ in range(2):
            child.append(subprocess.Popen([sys.executable, "-m", "fhir_trial", *words], env=own, stdout=subprocess.DEVNULL))
            child[-1].wait(timeout=60)

        begun = len(hospital.requests("GET", "/fhir/Patient/$export"))

    assert [process.returncode for process in child] == [-signal.SIGKILL, 0]
    assert begun == (2 if nth == 1 else 1)  # a kick-off whose answer nobody read
    assert {path.name for path in folder.glob("*.ndjson")} >= {"Patient.0001.ndjson", "Observation.0002.ndjson"}
    assert names_in(folder, "Observation") == {"a"}


@pytest.mark.server
def test_with_a_store_an_export_needs_a_basis_obeys_the_kill_switch_and_is_audited(
    locked: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-05, SEC-34, SEC-60."""
    settings = store_settings(locked, tmp_path)
    monkeypatch.setenv("FHIR_TRIAL_SERVER", "ward")
    monkeypatch.setenv("FHIR_TRIAL_TENANT", settings.tenant)
    monkeypatch.setenv("FHIR_TRIAL_DATABASE", settings.database or "")
    monkeypatch.setenv("FHIR_TRIAL_KEYS_FILE", str(settings.keys_file))
    words = ("export", "--server", "ward", "--patients", "--folder", tmp_path / "exports" / "one")

    assert command(*words) == 5
    assert not (tmp_path / "exports" / "one").exists()
    with_basis(settings)
    kept(settings).switch.stop("dr-li", "a drill", NOW)
    assert command(*words) == 5
    kept(settings).switch.resume()
    assert command(*words) == 0
    with Session(kept(settings).engine) as session:
        assert {json.loads(row.line)["action"] for row in session.scalars(select(AuditRow))} == {"search-candidates"}
