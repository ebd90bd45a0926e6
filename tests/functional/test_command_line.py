"""The command line keeps its contract, VER-01 to VER-08: sources, formats, exit statuses, what goes where."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import responses
import time_machine

from fhir_trial import __version__
from fhir_trial.cli import output
from fhir_trial.cli.main import cli, main
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.terminology import mappings_folder

AS_OF = ("--as-of", "2026-03-02")

Json = dict[str, Any]


class Ended:
    """How a command ended, and what it said where."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def verdicts(self) -> list[Json]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Ended(int(stop.value.code or 0), told.out, told.err)

    return command


def patient(name: str, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": name, "birthDate": "1990-05-01", "gender": "male", **more}


def hemoglobin(of: str, value: int = 121, on: str = "2026-02-24", name: str = "o1") -> Json:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": on,
        "valueQuantity": {"value": value, "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"},
    }


def ended_prednisone(of: str) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "stopped",
        "intent": "order",
        "subject": {"reference": f"Patient/{of}"},
        "authoredOn": "2020-01-01",
        "medicationCodeableConcept": {"text": "prednisone 5 mg oral tablet"},
    }


def bundle(*resources: Json) -> bytes:
    return json.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    ).encode()


def ndjson(*resources: Json) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in resources)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A Bundle of one patient."""
    path = tmp_path / "one.json"
    path.write_bytes(bundle(patient("p1"), hemoglobin("p1")))
    return path


def answer(verdict: Json, criterion: str) -> Json:
    (found,) = (each for each in verdict["criteria"] if each["id"] == criterion)
    return dict(found)


class TestSources:
    """VER-01."""

    def test_every_kind_of_source_at_once_gives_each_patient_once_in_order(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "bundle.json").write_bytes(bundle(patient("d")))
        (tmp_path / "bundles").mkdir()
        (tmp_path / "bundles" / "x.json").write_bytes(bundle(patient("c"), hemoglobin("c")))
        (tmp_path / "bulk").mkdir()
        (tmp_path / "bulk" / "Patient.ndjson.gz").write_bytes(gzip.compress(ndjson(patient("b"))))
        (tmp_path / "bulk" / "Observation.ndjson").write_bytes(ndjson(hemoglobin("b"), hemoglobin("a", name="o2")))
        (tmp_path / "single.ndjson").write_bytes(ndjson(patient("a")))

        ended = run(
            "screen",
            *(tmp_path / name for name in ("bundle.json", "bundles", "bulk", "single.ndjson")),
            *AS_OF,
            "--format",
            "ndjson",
        )

        assert ended.status == 0
        assert [verdict["patient"] for verdict in ended.verdicts] == ["Patient/a", "Patient/b", "Patient/c", "Patient/d"]
        assert [answer(verdict, "C7.4")["answer"] for verdict in ended.verdicts] == ["met", "met", "met", "unknown"]

    @pytest.mark.parametrize(
        "content", [bundle(patient("p1")), ndjson(patient("p1"), hemoglobin("p1"))], ids=["bundle", "ndjson"]
    )
    def test_dash_reads_standard_input(self, content: bytes) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "fhir_trial", "screen", "-", *AS_OF, "--format", "ndjson"],
            input=content,
            capture_output=True,
            check=False,
        )

        assert (ended.returncode, ended.stderr) == (0, b"")
        assert json.loads(ended.stdout)["patient"] == "Patient/p1"

    def test_several_trials_are_answered_by_patient_then_trial(self, run: Any, tmp_path: Path) -> None:
        """VER-08; a trial named twice counts once, and its newest version is taken."""
        (tmp_path / "two.ndjson").write_bytes(ndjson(patient("b"), patient("a")))

        ended = run(
            "screen",
            tmp_path,
            "--trial",
            "nct06789107",
            "--trial",
            "NCT05471050",
            "--trial",
            "nct06789107@seed1",
            *AS_OF,
            "--format",
            "ndjson",
        )

        found = [(verdict["patient"][-1], verdict["trial"]) for verdict in ended.verdicts]
        assert found == [("a", "nct05471050"), ("a", "nct06789107"), ("b", "nct05471050"), ("b", "nct06789107")]

    def test_version_may_be_named(self, run: Any, one: Path) -> None:
        (verdict,) = run("screen", one, "--trial", "nct06789107@seed1", *AS_OF, "--format", "ndjson").verdicts

        assert verdict["version"] == "seed1"

    def test_only_the_patients_named_are_screened(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "three.ndjson").write_bytes(ndjson(patient("a"), patient("b"), patient("c")))

        ended = run("screen", tmp_path, "--patient", "b", "--patient", "Patient/c", *AS_OF, "--format", "ndjson")

        assert [verdict["patient"] for verdict in ended.verdicts] == ["Patient/b", "Patient/c"]


class TestExitStatus:
    """VER-03."""

    def test_0_all_read(self, run: Any, one: Path) -> None:
        ended = run("screen", one, *AS_OF)

        assert (ended.status, ended.err) == (0, "")

    def test_1_some_input_unreadable_and_the_rest_answered(self, run: Any, one: Path, tmp_path: Path) -> None:
        (tmp_path / "bad.json").write_text("{", encoding="utf-8")
        (tmp_path / "lines.ndjson").write_bytes(ndjson(patient("p2")) + b'{"broken\n' + ndjson(patient("p3")))

        ended = run("screen", tmp_path, *AS_OF, "--format", "ndjson")

        assert ended.status == 1
        assert [verdict["patient"] for verdict in ended.verdicts] == ["Patient/p1", "Patient/p2", "Patient/p3"]
        assert f"{tmp_path / 'lines.ndjson'}:2: The line is not JSON; the others are read." in ended.err
        assert "Not taken as data: unreadable files (1), unreadable lines (1)." in ended.err

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--trial", "nct06789170"), "Unknown trial 'nct06789170'. Did you mean 'nct06789107'?"),
            (("--trial", "nct06789107@seed2"), "Trial 'nct06789107' has no version 'seed2'. Did you mean 'seed1'?"),
            (("--site", "bailuhee"), "Unknown site 'bailuhee'. Did you mean 'bailuhe'?"),
            (("--timezone", "Asia/Shangai"), "Unknown time zone 'Asia/Shangai'. Did you mean 'Asia/Shanghai'?"),
            (
                ("--set", "lab_fresh_day=14"),
                "Unknown setting 'lab_fresh_day'. Did you mean 'lab_fresh_days'? Expected one of: screening_days,",
            ),
            (("--set", "nothing=14"), "Unknown setting 'nothing'. Expected one of: screening_days, lab_fresh_days,"),
            (("--set", "c4_reading=C"), "'C' is no value of setting 'c4_reading'. Expected one of: A, B."),
            (("--set", "c4_level=5"), "'5' is no value of setting 'c4_level'. Expected one of: 1, 2, 3, 4."),
            (("--set", "lab_fresh_days=0"), "'0' is no value of setting 'lab_fresh_days'. Expected a whole number from 1 up."),
            (("--set", "lab_fresh_days=two"), "'two' is no value of setting 'lab_fresh_days'."),
            (("--set", "lab_fresh_days"), "'lab_fresh_days' is no setting. Expected NAME=VALUE."),
            (("--as-of", "2 March"), "'2 March' is no date. Expected one such as 2026-03-02."),
            (("--format", "xml"), "'xml' is not one of 'table', 'json', 'ndjson', 'csv'."),
            (("--fromat", "csv"), "No such option"),
            (("--server", "https://ehr.example.invalid"), "Name either files to read or a --server."),
            (("--output", "/nowhere/at/all.json"), "Cannot write to /nowhere/at: No such file or directory."),
        ],
    )
    def test_2_usage(self, arguments: tuple[str, ...], told: str, run: Any, one: Path) -> None:
        ended = run("screen", one, *arguments)

        assert ended.status == 2
        assert told in ended.err
        assert ended.out == ""
        assert "Traceback" not in ended.err

    @pytest.mark.parametrize("arguments", [("screen",), ("explain",), ("trial", "shwo"), ("no-such-command",)])
    def test_2_usage_of_other_commands(self, arguments: tuple[str, ...], run: Any) -> None:
        assert run(*arguments).status == 2

    def test_2_server_without_a_configured_name(self, run: Any) -> None:
        ended = run("screen", "--server", "nobody")

        assert ended.status == 2
        assert "Unknown server 'nobody'" in ended.err

    def test_3_no_patient_found(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "empty.json").write_bytes(bundle())

        ended = run("screen", tmp_path, *AS_OF)

        assert ended.status == 3
        assert ended.err == "fhir-trial: No patient found in the source.\n"

    def test_3_file_that_is_not_there(self, run: Any, tmp_path: Path) -> None:
        ended = run("screen", tmp_path / "none.json", *AS_OF)

        assert ended.status == 3
        assert f"{tmp_path / 'none.json'}: There is no such file or folder." in ended.err

    @pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv"])
    def test_3_a_patient_who_was_asked_for_is_absent_and_the_others_are_answered(self, form: str, run: Any, one: Path) -> None:
        ended = run("screen", one, "--patient", "p1", "--patient", "p2", "--format", form, *AS_OF)

        assert ended.status == 3
        assert "Patient/p1" in ended.out
        assert ended.err == "fhir-trial: 1 of the patients named are not in the source.\n"

    def test_3_explain_of_an_absent_patient(self, run: Any, one: Path) -> None:
        ended = run("explain", one, "--patient", "p2", *AS_OF)

        assert (ended.status, ended.out) == (3, "")
        assert ended.err == "fhir-trial: No such patient in the source.\n"

    def test_4_trial_definition_invalid(self, run: Any, one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = broken_mappings(tmp_path / "mappings")
        monkeypatch.setattr("fhir_trial.definitions.trial_files.mappings_folder", lambda: folder)

        ended = run("screen", one, *AS_OF)

        assert ended.status == 4
        assert ended.err.startswith("fhir-trial: trials/nct06789107/seed1.yaml:")
        assert "Unknown kind of rule 'agee'. Did you mean 'age'?" in ended.err

    @responses.activate
    def test_5_server_unreachable(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("time.sleep", lambda _: None)

        ended = run("screen", "--server", "https://ehr.example.invalid/fhir", *AS_OF)

        assert ended.status == 5
        assert len(ended.err.splitlines()) == 1

    @responses.activate
    def test_5_server_refuses(self, run: Any) -> None:
        responses.get("https://ehr.example.invalid/fhir/metadata", status=403)
        responses.get("https://ehr.example.invalid/fhir/Patient", status=403)

        ended = run("screen", "--server", "https://ehr.example.invalid/fhir", *AS_OF)

        assert ended.status == 5
        assert len(ended.err.splitlines()) == 1

    def test_70_a_defect_of_ours_is_one_line_without_a_word_of_the_patient(
        self, run: Any, one: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fhir_trial.wiring.library.screen_patient", failing)

        ended = run("screen", one, *AS_OF)

        assert ended.status == 70
        assert ended.err == "fhir-trial: a defect in fhir-trial (ZeroDivisionError); --debug shows where.\n"

    @pytest.mark.parametrize("arguments", [("--debug", "screen"), ("screen", "--debug")])
    def test_70_debug_shows_the_traceback_wherever_it_stands(
        self, arguments: tuple[str, ...], one: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fhir_trial.wiring.library.screen_patient", failing)

        with pytest.raises(ZeroDivisionError):
            main([*arguments, str(one)])

    def test_130_stopped_by_hand(self, run: Any, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def stopped(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("fhir_trial.wiring.library.screen_patient", stopped)

        ended = run("screen", one, *AS_OF)

        assert (ended.status, ended.err.strip()) == (130, "Stopped.")

    def test_reader_who_leaves_early_is_no_defect(self, tmp_path: Path) -> None:
        (tmp_path / "many.ndjson").write_bytes(ndjson(*(patient(f"p{number}") for number in range(60))))

        with subprocess.Popen(
            [sys.executable, "-m", "fhir_trial", "screen", str(tmp_path), *AS_OF, "--format", "ndjson"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            told = process.stderr.read()
            status = process.wait()

        assert (status, told) == (141, b"")


def failing(*_: object, **__: object) -> None:
    raise ZeroDivisionError("the haemoglobin of Jane")


def broken_mappings(folder: Path) -> Path:
    """The shipped mappings with a mistake in the first trial."""
    (folder / "trials" / "nct06789107").mkdir(parents=True)
    for shipped in mappings_folder().iterdir():
        if shipped.name != "trials":
            (folder / shipped.name).symlink_to(shipped)
    written = (mappings_folder() / "trials" / "nct06789107" / "seed1.yaml").read_text(encoding="utf-8")
    (folder / "trials" / "nct06789107" / "seed1.yaml").write_text(
        written.replace("      age: {", "      agee: {"), encoding="utf-8"
    )
    return folder


class TestFormats:
    """VER-02, VER-10."""

    @pytest.fixture
    def two(self, tmp_path: Path) -> Path:
        path = tmp_path / "two.ndjson"
        path.write_bytes(ndjson(patient("p1"), hemoglobin("p1"), patient("p2", deceasedBoolean=True)))
        return path

    def test_json_is_one_array_of_the_objects_that_ndjson_has_on_lines(self, run: Any, two: Path) -> None:
        lines = run("screen", two, *AS_OF, "--format", "ndjson")
        array = run("screen", two, *AS_OF, "--format", "json")

        assert json.loads(array.out) == lines.verdicts
        assert len(lines.verdicts) == 2

    def test_json_of_nobody_is_an_empty_array(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "empty.json").write_bytes(bundle())

        assert json.loads(run("screen", tmp_path, *AS_OF, "--format", "json").out) == []

    def test_table_ends_with_the_counts_and_what_was_not_evaluated(self, run: Any, two: Path) -> None:
        lines = run("screen", two, *AS_OF).out.splitlines()

        assert lines == [
            "Patient     Overall        Newest datum  Because of",
            "Patient/p1  indeterminate  2026-02-24    missing C2 to C7.3, C7.5 to C7.12 (17)",
            "Patient/p2  not-eligible   none          blocked by deceased",
            "",
            "potentially-eligible: 0, not-eligible: 1, indeterminate: 1 (of 2)",
            "Not evaluated: exclusion criteria: not in the source text",
            "Computed from recorded data; not clinically reviewed. To be confirmed by the study team.",
        ]

    def test_table_is_at_most_120_columns_wide_and_names_the_trial_only_if_there_are_several(self, run: Any, two: Path) -> None:
        one_trial = run("screen", two, *AS_OF).out
        both = run("screen", two, "--trial", "nct06789107", "--trial", "nct05471050", *AS_OF).out

        assert "nct06789107@seed1" not in one_trial
        assert "nct06789107@seed1" in both
        assert max(map(len, both.splitlines())) <= 120

    def test_csv_has_a_row_for_each_patient_and_a_column_for_each_criterion(self, run: Any, two: Path) -> None:
        rows = list(csv.DictReader(io.StringIO(run("screen", two, *AS_OF, "--format", "csv").out)))

        assert [(row["patient"], row["overall"], row["C1"], row["C7.5"]) for row in rows] == [
            ("Patient/p1", "indeterminate", "met", "unknown (not-recorded)"),
            ("Patient/p2", "not-eligible", "met", "unknown (not-recorded)"),
        ]
        assert rows[1]["blockers"] == "deceased"
        assert rows[0]["missing"].split()[:2] == ["C2", "C3"]

    @pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1"])
    def test_csv_cell_that_a_spreadsheet_would_compute_is_text(self, cell: str) -> None:
        (row,) = csv.reader(io.StringIO(output.csv_row([cell, "C1", "Patient/p1"]), newline=""))

        assert row == [f"'{cell}", "C1", "Patient/p1"]

    @pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv"])
    def test_two_runs_are_byte_identical_in_a_file_and_on_standard_output(
        self, form: str, run: Any, two: Path, tmp_path: Path
    ) -> None:
        target = tmp_path / "verdicts"

        first = run("screen", two, *AS_OF, "--format", form).out
        second = run("screen", two, *AS_OF, "--format", form).out
        silent = run("screen", two, *AS_OF, "--format", form, "--output", target)

        assert first == second != ""
        assert target.read_bytes() == first.encode()
        assert (silent.out, silent.err, silent.status) == ("", "", 0)


class TestOutput:
    def test_file_is_written_whole_or_not_at_all(self, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "in.ndjson").write_bytes(ndjson(patient("p1"), patient("p2")))
        target = tmp_path / "out" / "verdicts.ndjson"
        target.parent.mkdir()
        target.write_text("the old one\n", encoding="utf-8")
        calls = iter((True, False))

        def breaks_at_the_second(verdict: Any) -> Json:
            if not next(calls):
                failing()
            return verdict_json(verdict)

        monkeypatch.setattr(output, "verdict_json", breaks_at_the_second)

        ended = run("screen", tmp_path / "in.ndjson", *AS_OF, "--format", "ndjson", "--output", target)

        assert ended.status == 70
        assert target.read_text(encoding="utf-8") == "the old one\n"
        assert [path.name for path in target.parent.iterdir()] == [target.name]

    def test_file_is_for_its_owner_alone_and_replaces_the_old_one(self, run: Any, one: Path, tmp_path: Path) -> None:
        target = tmp_path / "verdicts.csv"
        target.write_text("the old one", encoding="utf-8")

        run("screen", one, *AS_OF, "--format", "csv", "--output", target)

        assert target.read_text(encoding="utf-8").startswith("patient,trial,")
        assert target.stat().st_mode & 0o077 == 0

    def test_device_is_written_to_and_not_replaced(self, run: Any, one: Path, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            run("screen", one, *AS_OF, "--output", pipe)
            assert os.read(reader, 65536).startswith(b"Patient ")
        finally:
            os.close(reader)
        assert pipe.is_fifo()


class TestDays:
    """VER-04."""

    @pytest.mark.parametrize(
        ("options", "day"),
        [
            ((), "2026-03-02"),
            (("--timezone", "Asia/Shanghai"), "2026-03-03"),
            (("--timezone", "America/New_York"), "2026-03-02"),
            (("--site", "bailuhe"), "2026-03-03"),
            (("--site", "bailuhe", "--timezone", "America/New_York"), "2026-03-02"),
        ],
    )
    def test_as_of_is_today_in_the_zone_of_the_option_before_that_of_the_site(
        self, options: tuple[str, ...], day: str, run: Any, one: Path
    ) -> None:
        with time_machine.travel("2026-03-02T20:00:00Z", tick=False):
            (verdict,) = run("screen", one, *options, "--format", "ndjson").verdicts

        assert verdict["as_of"] == day

    def test_first_dose_is_kept_apart(self, run: Any, one: Path) -> None:
        (planned,) = run("screen", one, *AS_OF, "--first-dose", "2026-03-20", "--format", "ndjson").verdicts
        (unplanned,) = run("screen", one, *AS_OF, "--format", "ndjson").verdicts

        assert (planned["first_dose"], unplanned["first_dose"]) == ("2026-03-20", None)

    def test_data_dated_after_as_of_are_never_evidence(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_bytes(bundle(patient("p1"), hemoglobin("p1", on="2026-03-03")))

        (verdict,) = run("screen", tmp_path, *AS_OF, "--format", "ndjson").verdicts

        assert (answer(verdict, "C7.4")["why"], verdict["data_cutoff"]) == ("not-recorded", None)

    def test_setting_given_goes_before_that_of_the_trial(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_bytes(bundle(patient("p1"), hemoglobin("p1", on="2026-02-10")))

        (usual,) = run("screen", tmp_path, *AS_OF, "--format", "ndjson").verdicts
        (narrow,) = run("screen", tmp_path, *AS_OF, "--set", "lab_fresh_days=14", "--format", "ndjson").verdicts

        assert (answer(usual, "C7.4")["answer"], answer(narrow, "C7.4")["why"]) == ("met", "stale")
        assert narrow["settings"]["lab_fresh_days"] == 14


class TestComplete:
    """VER-05, R12: a claim of completeness is the source's."""

    def c6(self, ended: Ended) -> dict[str, str]:
        return {verdict["patient"]: answer(verdict, "C6")["answer"] for verdict in ended.verdicts}

    def test_complete_makes_the_absence_of_a_current_drug_certain(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_bytes(bundle(patient("p1"), ended_prednisone("p1")))

        without = run("screen", tmp_path, *AS_OF, "--format", "ndjson")
        told = run("screen", tmp_path, *AS_OF, "--complete", "--format", "ndjson")

        assert (self.c6(without), self.c6(told)) == ({"Patient/p1": "unknown"}, {"Patient/p1": "not-met"})

    @pytest.mark.parametrize(
        ("name", "broken", "lost"),
        [
            ("MedicationRequest.ndjson", b'{"resourceType":"MedicationRequest","id"\n', "MedicationRequest"),
            ("MedicationRequest.ndjson", b"{\n", "MedicationRequest"),
            ("lines.ndjson", b"{\n", "Resource"),
            ("whole.json", b"{", "Resource"),
        ],
    )
    def test_lost_piece_that_may_be_anybody_s_takes_the_claim_back_from_everybody(
        self, name: str, broken: bytes, lost: str, run: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "x.json").write_bytes(bundle(patient("p1"), ended_prednisone("p1"), patient("p2")))
        (tmp_path / name).write_bytes(broken)

        ended = run("screen", tmp_path, *AS_OF, "--complete", "--format", "ndjson")

        assert ended.status == 1
        assert self.c6(ended) == {"Patient/p1": "unknown", "Patient/p2": "unknown"}
        assert f"Not taken as complete: what could not be read may belong to any patient ({lost})." in ended.err

    def test_lost_line_that_names_its_patient_leaves_the_others_complete(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_bytes(bundle(patient("p1"), ended_prednisone("p1"), patient("p2")))
        (tmp_path / "more.ndjson").write_bytes(b'{"resourceType":"MedicationRequest","subject":{"reference":"Patient/p2"\n')

        ended = run("screen", tmp_path, *AS_OF, "--complete", "--format", "ndjson")

        assert self.c6(ended) == {"Patient/p1": "not-met", "Patient/p2": "unknown"}
        assert "Not taken as complete" not in ended.err

    def test_explain_takes_the_claim_back_too(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_bytes(bundle(patient("p1"), ended_prednisone("p1")))
        whole = run("explain", tmp_path, "--patient", "p1", "--complete", *AS_OF)
        (tmp_path / "MedicationRequest.ndjson").write_bytes(b"{\n")

        lost = run("explain", tmp_path, "--patient", "p1", "--complete", *AS_OF)

        assert "✗ C6 " in whole.out
        assert "? C6 " in lost.out
        assert "Not taken as complete" in lost.err
        assert (whole.status, lost.status) == (0, 1)


class TestPatients:
    """VER-06."""

    def test_patient_alone_is_answered_in_full(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "alone.json").write_text(json.dumps(patient("p1")), encoding="utf-8")

        (verdict,) = run("screen", tmp_path, *AS_OF, "--format", "ndjson").verdicts

        assert len(verdict["criteria"]) == 26

    def test_data_of_an_absent_patient_are_counted_and_yield_no_line(self, run: Any, one: Path, tmp_path: Path) -> None:
        (tmp_path / "more.json").write_bytes(
            bundle(hemoglobin("ghost", name="o9"), {**hemoglobin("p1"), "id": "o8", "subject": None})
        )

        ended = run("screen", tmp_path, *AS_OF, "--format", "ndjson")

        assert [verdict["patient"] for verdict in ended.verdicts] == ["Patient/p1"]
        assert ended.err == "Not taken as data: patient not in the source (1), no subject (1).\n"
        assert ended.status == 0


class TestExplain:
    def test_each_sentence_of_the_protocol_stands_beside_its_answer_and_the_evidence(self, run: Any, one: Path) -> None:
        # SEC-50
        ended = run("explain", one, "--patient", "Patient/p1", *AS_OF)

        lines = [line.rstrip() for line in ended.out.splitlines()]
        start = lines.index("✓ C7.4  Haemoglobin at least 80 g/L: met")
        assert lines[start : start + 5] == [
            "✓ C7.4  Haemoglobin at least 80 g/L: met",
            "    “Hemoglobin ≥ 80 g/L.”",
            "    The last haemoglobin, 121 g/L on 2026-02-24, is at least 80 g/L.",
            "    · decides: 121 g/L on 2026-02-24, limit >= 80 g/L (Observation/o1)",
            "    The clock alone changes this answer on 2026-03-25.",
        ]
        assert lines[:2] == ["Patient/p1", "nct06789107@seed1 on 2026-03-02: indeterminate"]
        assert lines[-2:] == [
            "Not evaluated: exclusion criteria: not in the source text",
            "Computed from recorded data; not clinically reviewed. To be confirmed by the study team.",
        ]
        assert max(map(len, lines)) <= 110

    def test_blockers_issues_and_mere_information_are_told(self, run: Any, tmp_path: Path) -> None:
        preliminary = {**hemoglobin("p1", name="o2"), "status": "preliminary"}
        odd = {**hemoglobin("p1", name="o3"), "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
        (tmp_path / "x.json").write_bytes(bundle(patient("p1", birthDate="2024-01-01"), preliminary, odd))

        ended = run("explain", tmp_path, "--patient", "p1", *AS_OF)

        assert "Blocked by C1." in ended.out
        assert "Issue: Observation/o3 modifierExtension: " in ended.out
        assert "Also noted: 1 status-preliminary." in ended.out

    def test_many_pieces_that_only_show_are_cut_short(self, run: Any, tmp_path: Path) -> None:
        requests = [{**ended_prednisone("p1"), "id": f"m{number}", "authoredOn": f"201{number}-01-01"} for number in range(9)]
        (tmp_path / "x.json").write_bytes(bundle(patient("p1"), *requests))

        ended = run("explain", tmp_path, "--patient", "p1", *AS_OF)

        assert "more that only show what is known" in ended.out


class TestTrials:
    def test_list_names_every_version(self, run: Any) -> None:
        lines = run("trial", "list").out.splitlines()

        assert "nct06789107@seed1  2025-01-23  Blinatumomab in refractory or active lupus (BRASLE)" in lines
        assert len(lines) == len(list(mappings_folder().glob("trials/*/*.yaml"))) - len(
            list(mappings_folder().glob("trials/*/cases.yaml"))
        )

    def test_show_says_each_criterion_beside_the_protocol_s_words(self, run: Any) -> None:
        told = run("trial", "show").out

        assert (
            "C7.4  Haemoglobin at least 80 g/L: inclusion\n    “Hemoglobin ≥ 80 g/L.” [Source text, inclusion criterion 7,"
            in told
        )
        assert "C9  Written informed consent: inclusion (settled at enrolment)" in told
        assert "Not evaluated: exclusion criteria: not in the source text" in told
        assert max(map(len, told.splitlines())) <= 110

    def test_show_takes_the_site_s_settings(self, run: Any) -> None:
        assert run("trial", "show", "nct06789107", "--site", "nowhere").status == 2

    def test_needs_is_json(self, run: Any) -> None:
        needs = json.loads(run("trial", "needs").out)

        assert list(needs) == ["trial", "version", "resource_types", "needs"]
        assert "Observation" in needs["resource_types"]

    def test_check_of_everything_passes(self, run: Any) -> None:
        ended = run("trial", "check")

        assert (ended.status, ended.err) == (0, "")
        assert ended.out.endswith(" files checked, 0 mistakes.\n")

    def test_check_of_an_unknown_trial_is_a_mistake_of_usage(self, run: Any) -> None:
        assert run("trial", "check", "nct0").status == 2

    def test_failing_case_ends_with_exit_status_1_and_says_what_differs(self, run: Any, tmp_path: Path) -> None:
        folder = mappings_with_case(tmp_path, "not-met")

        ended = run("trial", "test", "nct06789107", "--mappings", folder)

        assert ended.status == 1
        assert "FAIL trials/nct06789107/cases.yaml:1 An adult is old enough" in ended.out
        assert "expected not-met, found met" in ended.out
        assert ended.out.endswith("0 passed, 1 failed\n")

    def test_passing_case_is_named_only_if_asked(self, run: Any, tmp_path: Path) -> None:
        folder = mappings_with_case(tmp_path, "met")

        quiet, verbose = (run("trial", "test", "--mappings", folder, *more) for more in ((), ("--verbose",)))

        assert (quiet.status, quiet.out) == (0, "1 passed, 0 failed\n")
        assert verbose.out.startswith("ok   trials/nct06789107/cases.yaml:1 An adult is old enough\n")

    def test_trial_without_cases_is_told(self, run: Any, tmp_path: Path) -> None:
        folder = mappings_with_case(tmp_path, "met")
        (folder / "trials" / "nct06789107" / "cases.yaml").write_text("[]", encoding="utf-8")

        ended = run("trial", "test", "--mappings", folder)

        assert ended.status == 4
        assert "No case was found." in ended.err


def mappings_with_case(folder: Path, expected: str) -> Path:
    """The shipped mappings with one case for the first trial."""
    (folder / "trials" / "nct06789107").mkdir(parents=True)
    for shipped in mappings_folder().iterdir():
        if shipped.name != "trials":
            (folder / shipped.name).symlink_to(shipped)
    (folder / "trials" / "nct06789107" / "seed1.yaml").symlink_to(mappings_folder() / "trials" / "nct06789107" / "seed1.yaml")
    case = [
        "- name: An adult is old enough",
        "  as_of: 2026-03-02",
        '  patient: {birth_date: "1990-05-01"}',
        f"  expect: {{C1: {expected}}}",
        "",
    ]
    (folder / "trials" / "nct06789107" / "cases.yaml").write_text("\n".join(case), encoding="utf-8")
    return folder


class TestTheRest:
    def test_version(self, run: Any) -> None:
        assert run("--version").out == f"fhir-trial, version {__version__}\n"

    def test_package_runs_as_a_module(self) -> None:
        ended = subprocess.run([sys.executable, "-m", "fhir_trial", "--version"], capture_output=True, text=True, check=True)

        assert ended.stdout == f"fhir-trial, version {__version__}\n"

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion_script_of_each_shell(self, shell: str, run: Any) -> None:
        ended = run("completion", shell)

        assert ended.status == 0
        assert "_FHIR_TRIAL_COMPLETE" in ended.out

    def test_every_command_explains_itself(self, run: Any) -> None:
        for name, command in cli.commands.items():
            assert command.help, name
            assert run(name, "--help").status == 0

    def test_schema_is_printed(self, run: Any) -> None:
        assert json.loads(run("schema").out)["title"] == "Verdict"

    def test_progress_is_shown_on_a_terminal_and_wiped_away(self, one: Path) -> None:
        """Never on standard output, and nowhere if nobody watches."""
        ours, theirs = pty.openpty()
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "fhir_trial", "screen", str(one), *AS_OF],
                stdout=subprocess.PIPE,
                stderr=theirs,
                check=True,
            )
            told = os.read(ours, 4096)
        finally:
            os.close(theirs)
            os.close(ours)

        assert told == b"\r1 screened\r\x1b[K"
        assert ended.stdout.startswith(b"Patient ")

    def test_help_comes_at_once(self) -> None:
        """The libraries that a command needs are imported by that command."""
        heavy = ("ruamel", "rich", "flask", "marshmallow", "pint", "requests")
        program = f"import sys, fhir_trial.cli.main; print([name for name in {heavy} if name in sys.modules])"

        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert ended.stdout.strip() == "[]"


def test_table_shortens_runs_of_neighbours_only() -> None:
    order = ["C1", "C2", "C3", "C4", "C5", "C6"]

    #  ids                         shown
    table = {
        (): "",
        ("C2",): "C2",
        ("C2", "C3"): "C2, C3",
        ("C2", "C3", "C4"): "C2 to C4 (3)",
        ("C1", "C3", "C4", "C5"): "C1, C3 to C5 (4)",
        ("C1", "C2", "C3", "C5", "C6"): "C1 to C3, C5, C6 (5)",
        ("deceased", "C1", "C2"): "deceased, C1, C2",
    }
    for ids, shown in table.items():
        assert output.shortened(ids, order) == shown
