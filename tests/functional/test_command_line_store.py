"""The command line with a store: bases, opt-outs and people's answers hold, reads are audited, and counts name nobody."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir_trial.audit import AuditEvent, AuditUnavailableError, patient_key
from fhir_trial.cli.main import main
from fhir_trial.cli.options import os_user
from fhir_trial.config import Settings
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.people.answers import give_on
from fhir_trial.people.bases import BasisKind, NoBasisError
from fhir_trial.people.opt_outs import OptOutKind
from fhir_trial.sandbox import Sandbox
from fhir_trial.sources.files import FileSource
from fhir_trial.sources.server import ServerSource
from fhir_trial.store import StoreAudit
from fhir_trial.store.tables import AuditRow
from fhir_trial.transport import FhirServer, Json
from fhir_trial.trials.adjudication import Person, Says
from fhir_trial.wiring.desk import open_desk
from fhir_trial.wiring.library import screen_raw
from fhir_trial.wiring.service import ScreeningService
from tests.functional.conftest import bundle
from tests.functional.stores import NOW, TREATMENT, TRIAL, kept, store_settings, with_basis

pytestmark = pytest.mark.server

AS_OF = ("--as-of", "2026-03-02")
PREPARATORY = replace(TREATMENT, kind=BasisKind.PREPARATORY)


class Ended:
    """How a command ended, and what it said where."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def verdicts(self) -> dict[str, Json]:
        return {verdict["patient"]: verdict for verdict in map(json.loads, self.out.splitlines())}


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings(fhir: Sandbox, tmp_path: Path) -> Settings:
    return store_settings(fhir, tmp_path)


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in [name for name in os.environ if name.startswith("FHIR_TRIAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FHIR_TRIAL_SERVER", settings.server or "")
    monkeypatch.setenv("FHIR_TRIAL_TENANT", settings.tenant)
    monkeypatch.setenv("FHIR_TRIAL_DATABASE", settings.database or "")
    monkeypatch.setenv("FHIR_TRIAL_KEYS_FILE", str(settings.keys_file))

    def command(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Ended(int(stop.value.code or 0), told.out, told.err)

    return command


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Patients a, b and c."""
    path = tmp_path / "three.json"
    people = [{"resourceType": "Patient", "id": name, "gender": "male", "birthDate": "1990-05-01"} for name in "abc"]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in people]}))
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """References read from a server, in order."""
    seen: list[str] = []
    reads = FhirServer.read

    def noting(server: FhirServer, reference: str) -> Json:
        seen.append(reference)
        return reads(server, reference)

    monkeypatch.setattr(FhirServer, "read", noting)
    return seen


def key(settings: Settings, patient: str) -> str:
    return patient_key(settings.tenant, settings.server_url, patient)


def opt_out(settings: Settings, *patients: str) -> None:
    keys = [key(settings, patient) for patient in patients]
    kept(settings).opt_outs.record_all(keys, TRIAL, OptOutKind.OBJECTION, by="dr-li", at=NOW)


def audited(settings: Settings) -> list[dict[str, str]]:
    with Session(kept(settings).engine) as session:
        return [json.loads(row.line) for row in session.scalars(select(AuditRow).order_by(AuditRow.number))]


def steps(settings: Settings) -> list[tuple[str, str]]:
    return [(line["action"], line["outcome"]) for line in audited(settings)]


class TestBasis:
    """SEC-34."""

    def test_without_one_in_force_nothing_is_read(self, run: Run, settings: Settings, three: Path, free_port: int) -> None:
        nobody_listens = f"http://127.0.0.1:{free_port}/fhir"
        commands = (
            ("screen", three),
            ("screen", three, "--counts"),
            ("screen", "--server", nobody_listens),
            ("explain", three, "--patient", "a"),
            ("server", "check", nobody_listens),
        )

        for command in commands:
            ended = run(*command)
            assert (ended.status, ended.out) == (5, ""), command
            assert "No basis to screen" in ended.err
        with_basis(settings, replace(TREATMENT, last_day=date(2026, 1, 31)))
        assert "expired after 2026-01-31" in run("screen", three).err
        assert audited(settings) == []

    def test_one_that_ends_in_the_middle_of_a_run_ends_the_run(self, settings: Settings, fhir: Sandbox, jane: str) -> None:
        desk = open_desk(with_basis(settings), "li", server=settings.server)
        with desk.open_server(settings.server_settings(fhir.base_url), ()) as server:
            source = ServerSource(server, (jane, "adult"))
            verdicts = desk.verdicts(source, [load_trial(TRIAL)], screen_raw, ("Patient/adult", jane))
            next(verdicts)
            kept(settings).bases.end(TRIAL, by="dr-li", why="The study is closed.", at=NOW)

            with pytest.raises(NoBasisError):
                next(verdicts)

    def test_every_trial_asked_for_needs_one(self, run: Run, settings: Settings, three: Path) -> None:
        with_basis(settings)

        ended = run("screen", three, "--trial", TRIAL, "--trial", "nct05471050")

        assert (ended.status, ended.out) == (5, "")
        assert "nct05471050" in ended.err


class TestOptOuts:
    """SEC-36."""

    def test_files_whoever_opted_out_gets_no_verdict_and_only_the_number_is_told(
        self, run: Run, settings: Settings, three: Path
    ) -> None:
        opt_out(with_basis(settings), "Patient/b")

        ended = run("screen", three, *AS_OF, "--format", "ndjson")

        assert (ended.status, list(ended.verdicts)) == (0, ["Patient/a", "Patient/c"])
        assert ended.err == "Left out, on the site's register of opt-outs: 1 patient.\n"

    def test_of_a_server_they_are_not_read(self, run: Run, settings: Settings, jane: str, read: list[str]) -> None:
        opt_out(with_basis(settings), jane)

        named = run("screen", "--server", settings.server, "--patient", jane, "--patient", "adult", *AS_OF, "--format", "ndjson")
        alone = run("screen", "--server", settings.server, "--patient", jane, *AS_OF)
        explained = run("explain", settings.server, "--server", "--patient", jane, *AS_OF)

        assert (named.status, list(named.verdicts)) == (0, ["Patient/adult"])
        assert (alone.status, explained.status) == (3, 5)
        assert (alone.out, explained.out) == ("", "")
        assert jane not in read
        assert "Patient/adult" in read
        assert not any(jane in each.err for each in (named, alone, explained))
        assert key(settings, jane) not in json.dumps(audited(settings))

    def test_nor_when_candidates_or_everybody_is_asked_for(
        self, run: Run, settings: Settings, jane: str, read: list[str]
    ) -> None:
        opt_out(with_basis(settings), jane)

        found = run("screen", "--server", settings.server, "--candidates", "condition", *AS_OF, "--format", "ndjson")
        everybody = run("screen", "--server", settings.server, *AS_OF, "--format", "ndjson")

        assert "Patient/adult" in everybody.verdicts
        assert jane not in {*found.verdicts, *everybody.verdicts, *read}

    def test_who_opted_out_by_a_record_that_was_merged_into_another_gets_no_verdict_by_that_one(
        self, run: Run, settings: Settings, jane: str, tmp_path: Path
    ) -> None:
        """DATA-45: the surviving record names the one that it replaces."""
        with_basis(settings)
        link = [{"other": {"reference": "Patient/former"}, "type": "replaces"}]
        with FhirServer(settings.server_url) as server:
            patient = server.read(jane)
            server.update({**patient, "link": link}, if_match=patient["meta"]["versionId"])
        file = tmp_path / "merged.json"
        person = {"resourceType": "Patient", "id": "b", "gender": "male", "birthDate": "1990-05-01", "link": link}
        file.write_text(json.dumps(person))
        opted_out = patient_key(settings.tenant, settings.server_url, "Patient/former")
        kept(settings).opt_outs.record(opted_out, TRIAL, OptOutKind.OBJECTION, by="dr-li", at=NOW)

        pulled = run("screen", "--trial", TRIAL, *AS_OF, "--server", settings.server, "--patient", jane, "--format", "ndjson")
        filed = run("screen", "--trial", TRIAL, *AS_OF, file, "--format", "ndjson")

        assert (pulled.verdicts, filed.verdicts) == ({}, {})
        assert "register" in filed.err

    def test_an_entry_for_one_trial_leaves_the_other(self, run: Run, settings: Settings, three: Path) -> None:
        opt_out(with_basis(settings), "Patient/b")
        with_basis(settings, replace(TREATMENT, trial="nct05471050"))

        ended = run("screen", three, "--trial", TRIAL, "--trial", "nct05471050", *AS_OF, "--format", "ndjson")

        screened = [(one["patient"], one["trial"]) for one in map(json.loads, ended.out.splitlines())]
        assert ("Patient/b", "nct05471050") in screened
        assert ("Patient/b", TRIAL) not in screened
        assert len(screened) == 5

    def test_who_opts_out_in_the_middle_of_a_run_is_not_read_any_more(
        self, settings: Settings, fhir: Sandbox, jane: str, read: list[str]
    ) -> None:
        desk = open_desk(with_basis(settings), "li", server=settings.server)
        trial = load_trial(TRIAL)
        with desk.open_server(settings.server_settings(fhir.base_url), ()) as server:
            source = ServerSource(server, (jane, "adult"))
            verdicts = desk.verdicts(source, [trial], screen_raw, ("Patient/adult", jane))
            first = next(verdicts)
            opt_out(settings, jane)
            rest = list(verdicts)

        assert (first.patient, rest) == ("Patient/adult", [])
        assert jane not in read

    def test_files_whose_server_nobody_named_are_refused_as_soon_as_somebody_opted_out(
        self, run: Run, settings: Settings, three: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_basis(settings)
        monkeypatch.delenv("FHIR_TRIAL_SERVER")
        free = run("screen", three, *AS_OF)
        opt_out(settings, "Patient/b")

        refused = run("screen", three, *AS_OF)
        named = run("screen", three, *AS_OF, "--of-server", settings.server, "--format", "ndjson")

        assert (free.status, "no answer of the store is used" in free.err) == (0, True)
        assert (refused.status, refused.out) == (2, "")
        assert "--of-server" in refused.err
        assert (named.status, list(named.verdicts)) == (0, ["Patient/a", "Patient/c"])
        assert run("screen", "--server", settings.server, "--of-server", settings.server).status == 2

    def test_a_server_by_another_name_is_another_one_and_that_is_said(self, run: Run, settings: Settings, three: Path) -> None:
        with_basis(settings)

        other = run("screen", three, *AS_OF, "--of-server", "https://other.example.invalid/fhir")
        same = run("screen", three, *AS_OF, "--of-server", f"{settings.server}/")

        assert "another server than FHIR_TRIAL_SERVER" in other.err
        assert same.err == ""

    def test_who_has_no_id_cannot_be_looked_up_and_is_left_out(self, run: Run, settings: Settings, tmp_path: Path) -> None:
        with_basis(settings)
        nameless = {"fullUrl": "urn:uuid:0a0a0a0a-0000-4000-8000-000000000001", "resource": {"resourceType": "Patient"}}
        path = tmp_path / "nameless.json"
        path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [nameless]}))
        assert run("screen", path, *AS_OF).status == 0
        opt_out(settings, "Patient/b")

        ended = run("screen", path, *AS_OF)

        assert (ended.status, ended.out.count("urn:uuid")) == (3, 0)
        assert "without an id nobody can be looked up in that register: 1 patient." in ended.err
        assert run("explain", path, "--patient", nameless["fullUrl"]).status == 2


class TestAudit:
    """SEC-02, SEC-05."""

    def test_each_patient_of_a_server_is_recorded_before_being_read(
        self, run: Run, settings: Settings, jane: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_basis(settings)
        before: list[list[tuple[str, str]]] = []
        reads = FhirServer.read

        def looking(server: FhirServer, reference: str) -> Json:
            before.append(steps(settings))
            return reads(server, reference)

        monkeypatch.setattr(FhirServer, "read", looking)

        ended = run("screen", "--server", settings.server, "--patient", jane, *AS_OF)

        assert ended.status == 0
        assert before[0] == [("read-patient", "begun")]
        assert steps(settings) == [
            ("read-patient", "begun"),
            ("read-patient", "done"),
            ("screen", "begun"),
            ("screen", "done"),
        ]
        line = audited(settings)[0]
        assert (line["patient"], line["trial"], line["server"]) == (key(settings, jane), TRIAL, settings.server)
        assert (line["subject"], line["role"], line["source"]) == (os_user(), "screener", "cli")
        assert jane not in json.dumps(audited(settings))

    def test_patients_of_files_are_one_step_with_their_number(self, run: Run, settings: Settings, three: Path) -> None:
        with_basis(settings)

        run("screen", three, *AS_OF, "--who", "Mei Lin")

        begun, done = audited(settings)
        assert (begun["action"], begun["outcome"], begun["subject"], "number_of" in begun) == (
            "screen",
            "begun",
            "Mei Lin",
            False,
        )
        assert (done["outcome"], done["number_of"], "patient" in done) == ("done", "3", False)

    @pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
    def test_what_leaves_in_a_machine_s_form_is_an_export(self, run: Run, settings: Settings, three: Path, form: str) -> None:
        with_basis(settings)

        run("screen", three, *AS_OF, "--format", form)

        assert steps(settings) == [("export", "begun"), ("screen", "begun"), ("screen", "done"), ("export", "done")]
        assert audited(settings)[-1]["number_of"] == "3"

    def test_so_is_what_goes_to_a_file(self, run: Run, settings: Settings, three: Path, tmp_path: Path) -> None:
        with_basis(settings)

        assert run("screen", three, *AS_OF, "--output", tmp_path / "out.txt").status == 0
        assert run("screen", three, *AS_OF, "--output", tmp_path / "none" / "out.txt").status == 2

        assert steps(settings)[:4] == [("export", "begun"), ("screen", "begun"), ("screen", "done"), ("export", "done")]
        assert steps(settings)[4:] == [("export", "begun"), ("export", "failed")]

    def test_a_search_for_candidates_is_recorded_before_it_is_sent(self, run: Run, settings: Settings, jane: str) -> None:
        with_basis(settings)

        run("screen", "--server", settings.server, "--candidates", "condition", *AS_OF)

        recorded = steps(settings)
        assert recorded[:2] == [("search-candidates", "begun"), ("search-candidates", "done")]
        read_patients = {line["patient"] for line in audited(settings) if line["action"] == "read-patient"}
        assert key(settings, jane) in read_patients

    def test_explaining_is_reading_and_screening(self, run: Run, settings: Settings, jane: str, three: Path) -> None:
        with_basis(settings)

        assert run("explain", settings.server, "--server", "--patient", jane, *AS_OF).status == 0
        assert run("explain", three, "--patient", "a", *AS_OF).status == 0

        assert steps(settings) == [
            ("screen", "begun"),
            ("read-patient", "begun"),
            ("read-patient", "done"),
            ("screen", "done"),
            ("screen", "begun"),
            ("screen", "done"),
        ]
        assert [line["patient"] for line in audited(settings)] == [key(settings, jane)] * 4 + [key(settings, "Patient/a")] * 2

    def test_what_cannot_be_recorded_does_not_happen(
        self, run: Run, settings: Settings, jane: str, three: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: StoreAudit, __: AuditEvent) -> None:
            raise AuditUnavailableError("The audit log cannot be written.")

        with_basis(settings)
        monkeypatch.setattr(StoreAudit, "record", refuse)

        for command in (
            ("screen", "--server", settings.server, "--patient", jane),
            ("screen", "--server", settings.server, "--candidates", "condition"),
            ("screen", three),
            ("explain", settings.server, "--server", "--patient", jane),
            ("server", "check", settings.server, "--patient", jane),
        ):
            ended = run(*command)
            assert ended.status != 0, command
            assert ended.out == ""
        assert read == []

    def test_a_failed_pull_is_recorded_as_failed_and_the_others_go_on(self, run: Run, settings: Settings, jane: str) -> None:
        with_basis(settings)

        ended = run("screen", "--server", settings.server, "--patient", "nobody", "--patient", jane, *AS_OF)

        assert ended.status == 3
        assert jane in ended.out
        assert ("read-patient", "failed") in steps(settings)

    def test_a_run_whose_reader_left_is_recorded_as_failed_with_how_far_it_came(self, settings: Settings, three: Path) -> None:
        desk = open_desk(with_basis(settings), "li")

        verdicts = desk.verdicts(FileSource([three]), [load_trial(TRIAL)], screen_raw, ())
        next(verdicts)
        verdicts.close()

        assert [(line["outcome"], line.get("number_of")) for line in audited(settings)] == [("begun", None), ("failed", "1")]

    def test_the_kill_switch_stops_the_command_line(self, run: Run, settings: Settings, jane: str, read: list[str]) -> None:
        """SEC-60."""
        with_basis(settings)
        kept(settings).switch.stop("dr-li", "wrong trial", NOW)

        assert run("screen", "--server", settings.server, "--patient", jane).status != 0
        assert run("explain", settings.server, "--server", "--patient", jane).status != 0
        assert run("server", "check", settings.server).status != 0


class TestServerCheck:
    def test_it_is_recorded_and_reads_nobody_who_opted_out(
        self, run: Run, settings: Settings, jane: str, read: list[str]
    ) -> None:
        """SEC-02, SEC-34, SEC-36: counting is enough of a basis."""
        opt_out(with_basis(settings, PREPARATORY), jane)

        sampled = run("server", "check", settings.server, "--patients", "100", "--who", "Mei Lin")
        alone = run("server", "check", settings.server, "--patient", jane)

        assert (sampled.status, alone.status) == (0, 3)
        assert jane not in read
        assert "register of opt-outs" in alone.err
        lines = audited(settings)
        assert (lines[0]["action"], lines[0]["subject"]) == ("search-candidates", "Mei Lin")
        patients = {line["patient"] for line in lines if line["action"] == "read-patient"}
        assert patients
        assert key(settings, jane) not in patients


class TestAnswers:
    def answered(self, settings: Settings, patient: str) -> str:
        """A criterion that was open, which Mei Lin has answered on a screening of the service's."""
        service = ScreeningService(settings)
        first = service.screen(patient, TRIAL, as_of=date(2026, 3, 2), first_dose=None, write=False, request="r")
        store = kept(settings)
        shown = store.screenings.shown(first.id or "")
        assert shown is not None
        left_open = next(name for name, (outcome, _) in shown.computed.items() if outcome.value in ("unknown", "needs-clinician"))
        person = Person("https://login.example.invalid", "u1", "Mei Lin")
        store.answers.give(first.id or "", give_on(shown, left_open, Says.MET, by=person, at=NOW, reason="On paper."))
        return left_open

    def test_service_and_command_line_give_the_same_verdict(self, run: Run, settings: Settings, jane: str) -> None:
        """SEC-51, VER-10: to the last member, with what a person answered."""
        criterion = self.answered(with_basis(settings), jane)

        by_service = ScreeningService(settings).screen(
            jane, TRIAL, as_of=date(2026, 3, 2), first_dose=None, write=False, request="r"
        )
        by_command = run("screen", "--server", settings.server, "--patient", jane, *AS_OF, "--format", "ndjson")

        told = by_command.verdicts[jane]
        assert told == json.loads(json.dumps(verdict_json(by_service.verdict), default=str))
        (answer,) = (one for one in told["criteria"] if one["id"] == criterion)
        assert (answer["answer"], answer["person"]["by"]["name"]) == ("met", "Mei Lin")
        explained = run("explain", settings.server, "--server", "--patient", jane, *AS_OF)
        assert "Mei Lin" in explained.out

    def test_a_file_of_answers_takes_the_place_of_the_store_s_and_that_is_said(
        self, run: Run, settings: Settings, jane: str, tmp_path: Path
    ) -> None:
        criterion = self.answered(with_basis(settings), jane)
        empty = tmp_path / "answers.jsonl"
        empty.touch()

        ended = run("screen", "--server", settings.server, "--patient", jane, *AS_OF, "--format", "ndjson", "--answers", empty)

        (answer,) = (one for one in ended.verdicts[jane]["criteria"] if one["id"] == criterion)
        assert answer["answer"] != "met"
        assert "none of those that people gave in the store" in ended.err

    def test_site_and_time_zone_are_those_of_the_service(
        self, run: Run, settings: Settings, three: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_basis(settings)
        monkeypatch.setenv("FHIR_TRIAL_SITE", "nowhere")

        assert run("screen", three, *AS_OF).status == 2
        monkeypatch.delenv("FHIR_TRIAL_DATABASE")
        assert run("screen", three, *AS_OF).status == 0


class TestCounts:
    """SEC-35, SEC-40, SEC-41."""

    def shown(self, ended: Ended, form: str) -> dict[str, str]:
        if form == "csv":
            return {row["overall"]: row["patients"] for row in csv.DictReader(io.StringIO(ended.out))}
        (told,) = json.loads(ended.out) if form == "json" else [json.loads(ended.out)]
        assert list(told) == ["trial", "version", "as_of", "patients"]
        return dict(told["patients"])

    @pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
    def test_a_preparatory_basis_counts_and_names_nobody(self, run: Run, settings: Settings, three: Path, form: str) -> None:
        opt_out(with_basis(settings, PREPARATORY), "Patient/b")

        ended = run("screen", three, *AS_OF, "--format", form)

        assert ended.status == 0
        assert self.shown(ended, form) == {"potentially-eligible": "<11", "not-eligible": "<11", "indeterminate": "<11"}
        assert "Patient/" not in ended.out + ended.err
        assert "register of opt-outs: <11 patients." in ended.err
        assert [action for action, _ in steps(settings)] == ["screen", "screen"], "no patient leaves: no export"

    def test_the_table_has_neither_names_nor_a_sum(self, run: Run, settings: Settings, tmp_path: Path) -> None:
        with_basis(settings, PREPARATORY)
        people = tmp_path / "people"
        people.mkdir()
        for number in range(26):
            (people / f"p{number}.json").write_text(json.dumps(bundle(f"p{number}")))

        ended = run("screen", people, *AS_OF, "--output", tmp_path / "counts.txt")

        assert (ended.status, ended.out) == (0, "")
        told = (tmp_path / "counts.txt").read_text()
        assert told.startswith(f"{TRIAL}@seed1 on 2026-03-02\n")
        numbers = [word for line in told.splitlines()[1:4] for word in line.split()[1:]]
        assert numbers == ["0", "0", "30"]
        assert not any(word in told for word in ("(of", "27", "Patient/"))

    def test_of_a_server_every_patient_read_is_recorded_and_none_is_shown(self, run: Run, settings: Settings, jane: str) -> None:
        with_basis(settings, PREPARATORY)

        ended = run("screen", "--server", settings.server, "--candidates", "condition", *AS_OF)

        assert ended.status == 0
        assert "Candidates:" not in ended.err, "a sum beside its parts"
        assert not any(word in ended.out + ended.err for word in (jane, jane.split("/")[1], key(settings, jane)))
        assert key(settings, jane) in {line.get("patient") for line in audited(settings)}

    def test_nobody_is_explained_or_named(self, run: Run, settings: Settings, three: Path, tmp_path: Path) -> None:
        with_basis(settings, PREPARATORY)
        ids = tmp_path / "ids"
        ids.write_text("a\n")

        explained = run("explain", three, "--patient", "a", *AS_OF)
        named = run("screen", three, "--patient", "a", *AS_OF)
        listed = run("screen", "--server", settings.server, "--candidates", ids, *AS_OF)

        assert [each.status for each in (explained, named, listed)] == [5, 2, 2]
        assert [each.out for each in (explained, named, listed)] == ["", "", ""]
        assert "it allows counts, and names no patient" in explained.err
        assert audited(settings) == []

    def test_what_is_unreadable_is_told_without_the_name_of_its_file(
        self, run: Run, settings: Settings, three: Path, tmp_path: Path
    ) -> None:
        with_basis(settings, PREPARATORY)
        (tmp_path / "jane-doe.json").write_text("{")

        ended = run("screen", three, tmp_path / "jane-doe.json", *AS_OF)

        assert ended.status == 1
        assert "Not taken as data: unreadable files (<11)." in ended.err
        assert "jane-doe" not in ended.err

    def test_anybody_may_ask_for_counts_and_they_are_as_round(self, run: Run, settings: Settings, three: Path) -> None:
        with_basis(settings)

        with_store = run("screen", three, *AS_OF, "--counts", "--format", "json")

        assert self.shown(with_store, "json")["indeterminate"] == "<11"
        assert run("screen", three, *AS_OF, "--counts", "--patient", "a").status == 2

    def test_one_preparatory_basis_among_several_counts_them_all(self, run: Run, settings: Settings, three: Path) -> None:
        with_basis(with_basis(settings), replace(PREPARATORY, trial="nct05471050"))

        ended = run("screen", three, *AS_OF, "--trial", TRIAL, "--trial", "nct05471050", "--format", "csv")

        assert ended.status == 0
        assert len(ended.out.splitlines()) == 1 + 2 * 3
        assert "Patient/" not in ended.out


def test_without_a_store_nothing_is_asked_and_counts_work_as_well(
    run: Run, three: Path, monkeypatch: pytest.MonkeyPatch, jane: str, settings: Settings
) -> None:
    monkeypatch.delenv("FHIR_TRIAL_DATABASE")

    assert run("screen", three, *AS_OF, "--format", "ndjson").status == 0
    assert run("screen", "--server", settings.server, "--patient", jane, *AS_OF).status == 0
    assert run("screen", three, *AS_OF, "--counts").out.splitlines()[1:4] == [
        "  potentially-eligible  <11",
        "  not-eligible          <11",
        "  indeterminate         <11",
    ]
