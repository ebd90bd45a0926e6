"""A whole hospital from the command line: the answers of `screen`, what is kept, and who may see what of it."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import structlog
from fhir.resources.R4B.group import Group
from fhir.resources.R4B.list import List
from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir_trial.audit import patient_key
from fhir_trial.cli.main import main
from fhir_trial.config import Settings
from fhir_trial.people.answers import give_on
from fhir_trial.people.bases import BasisKind
from fhir_trial.people.opt_outs import OptOutKind
from fhir_trial.population.kept_runs import read_run, rows_of_run
from fhir_trial.sandbox import Sandbox
from fhir_trial.store.tables import AuditRow
from fhir_trial.trials.adjudication import Person, Says
from fhir_trial.wiring.service import ScreeningService
from tests.functional.stores import NOW, TREATMENT, TRIAL, kept, store_settings, with_basis

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]
AS_OF = ("--as-of", "2026-03-02")
PREPARATORY = replace(TREATMENT, kind=BasisKind.PREPARATORY)
LINA = "Patient/lina-potentially-eligible"
STORIES = (
    "lina-potentially-eligible",
    "omar-platelets-low-immune",
    "four-years-old",
    "died-last-autumn",
    "lupus-refuted",
    "newcomer-without-records",
    "lvef-missing",
)


class Ended:
    """How a command ended, and what it said where."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def table(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.out)))


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in [name for name in os.environ if name.startswith("FHIR_TRIAL_")]:
        monkeypatch.delenv(name)

    def command(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Ended(int(stop.value.code or 0), told.out, told.err)

    return command


@pytest.fixture
def settings(fhir: Sandbox, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With a store."""
    made = store_settings(fhir, tmp_path)
    monkeypatch.setenv("FHIR_TRIAL_SERVER", made.server or "")
    monkeypatch.setenv("FHIR_TRIAL_TENANT", made.tenant)
    monkeypatch.setenv("FHIR_TRIAL_DATABASE", made.database or "")
    monkeypatch.setenv("FHIR_TRIAL_KEYS_FILE", str(made.keys_file))
    return made


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Some of the sample patients as an export would have them: a file a type."""
    by_type: dict[str, list[str]] = defaultdict(list)
    for story in STORIES:
        for entry in json.loads((ROOT / "sample_bundles" / f"{story}.json").read_text())["entry"]:
            by_type[entry["resource"]["resourceType"]].append(json.dumps(entry["resource"]))
    folder = tmp_path / "export"
    folder.mkdir()
    for kind, lines in by_type.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def screened(run: Run, export: Path, tmp_path: Path) -> Path:
    """A run over everybody, without a store."""
    assert run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", "--processes", 1, *AS_OF).status == 0
    return tmp_path / "run"


def an_answer(evidence: str) -> dict[str, Any]:
    """Of a person, to a criterion of lvef-missing, as a line of a file."""
    return {
        "patient": "Patient/lvef-missing",
        "trial": TRIAL,
        "version": "seed1",
        "criterion": "C7.6a",
        "answer": "met",
        "reason": "Seen on paper.",
        "by": {"issuer": "https://login.example.invalid", "subject": "u1", "name": "Mei Lin"},
        "at": "2026-03-02T14:30:00+01:00",
        "evidence": evidence,
    }


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("complete", [(), ("--complete",)], ids=["usual", "complete"])
def test_a_hospital_gets_the_answers_that_screen_gives(
    run: Run, export: Path, tmp_path: Path, processes: int, complete: tuple[str, ...]
) -> None:
    # BULK-58
    ended = run(
        *("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", "--processes", processes), *complete, *AS_OF
    )
    verdicts = run("screen", export, "--format", "ndjson", *complete, *AS_OF).out.splitlines()

    assert ended.status == 0
    one_by_one = {
        verdict["patient"]: (verdict["overall"], {one["id"]: (one["answer"], one.get("why")) for one in verdict["criteria"]})
        for verdict in map(json.loads, verdicts)
    }
    together = {
        row.patient: (row.overall, {answer.criterion: (answer.outcome, answer.why) for answer in row.answers})
        for row in rows_of_run(tmp_path / "run")
    }
    assert together == one_by_one
    assert len(together) == len(STORIES)


def test_what_is_claimed_complete_and_is_not_is_taken_as_screen_takes_it(run: Run, export: Path, tmp_path: Path) -> None:
    # BULK-34, R12: a line that nobody can read may have been anybody's.
    with (export / "Condition.ndjson").open("a") as opened:
        opened.write("{\n")

    ended = run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", "--processes", 2, "--complete", *AS_OF)
    one_by_one = run("screen", export, "--format", "csv", "--complete", *AS_OF)

    assert ended.status == one_by_one.status == 1
    assert "Not taken as complete" in ended.err
    found = {row.patient: {one.criterion: (one.outcome, one.why) for one in row.answers} for row in rows_of_run(tmp_path / "run")}
    for line in one_by_one.table:
        for criterion, (outcome, why) in found[line["patient"]].items():
            assert line[criterion] == (f"{outcome} ({why})" if why else outcome), (line["patient"], criterion)


def test_who_shows_no_sign_is_counted_and_not_called_ineligible(run: Run, export: Path, tmp_path: Path) -> None:
    ended = run("hospital", "screen", export, "--keep", tmp_path / "run", "--processes", 1, *AS_OF)

    looked_at = {row.patient for row in rows_of_run(tmp_path / "run")}
    assert "Patient/newcomer-without-records" not in looked_at
    assert "Patient/lupus-refuted" in looked_at
    assert f"No sign               {len(STORIES) - len(looked_at)} (not looked at, which is no answer)" in ended.out
    assert "Not seen: Patients whose lupus stands in letters and reports alone" in ended.out
    assert read_run(tmp_path / "run").candidates == len(looked_at)


def test_a_summary_as_json_is_the_exact_report(run: Run, export: Path, tmp_path: Path) -> None:
    ended = run("hospital", "screen", export, "--keep", tmp_path / "run", "--format", "json", "--everyone", *AS_OF)

    assert ended.json == run("hospital", "report", tmp_path / "run", "--format", "json", "--exact").json
    (trial,) = ended.json["trials"]
    assert trial["overall"]["potentially-eligible"] == "1"
    assert trial["deceased"] == "1"


def test_several_trials_are_answered_from_one_reading(run: Run, export: Path, tmp_path: Path) -> None:
    ended = run(
        *("hospital", "screen", export, "--keep", tmp_path / "run", "--trial", TRIAL, "--trial", "nct05471050"),
        *("--format", "json", *AS_OF),
    )

    assert [trial["trial"] for trial in ended.json["trials"]] == ["nct05471050", TRIAL]


@pytest.mark.parametrize(
    ("spoil", "status", "told"),
    [
        ("empty", 1, "No NDJSON is in this folder"),
        ("nobody", 3, "No patient is in the folder"),
        ("nobody, line", 3, "unreadable lines (1)"),
        ("line", 1, "unreadable lines (1)"),
        ("kept", 2, "holds a run already"),
        ("trial", 2, "Unknown trial"),
    ],
)
def test_each_end_has_its_status(run: Run, export: Path, tmp_path: Path, spoil: str, status: int, told: str) -> None:
    # VER-03
    folder, trial = export, TRIAL
    if spoil == "empty":
        folder = tmp_path / "empty"
        folder.mkdir()
    if "nobody" in spoil:
        (export / "Patient.ndjson").unlink()
    if "line" in spoil:
        with (export / "Observation.ndjson").open("a") as opened:
            opened.write('{"resourceType": \n')
    if spoil == "kept":
        run("hospital", "screen", export, "--keep", tmp_path / "run", *AS_OF)
    if spoil == "trial":
        trial = "nct00000000"

    ended = run("hospital", "screen", folder, "--keep", tmp_path / "run", "--trial", trial, *AS_OF)

    assert ended.status == status
    assert told in ended.err


def test_a_report_is_rounded_unless_exact_counts_are_asked_for(run: Run, screened: Path) -> None:
    # SEC-40
    rounded = run("hospital", "report", screened, "--format", "csv").table
    exact = run("hospital", "report", screened, "--format", "csv", "--exact").table

    assert [line["patients"] for line in rounded if line["measure"] == "potentially-eligible"][:1] == ["<11"]
    assert [line["patients"] for line in exact if line["measure"] == "potentially-eligible"][:1] == ["1"]


def test_a_report_as_a_page_is_written_whole_for_its_owner(run: Run, screened: Path, tmp_path: Path) -> None:
    ended = run("hospital", "report", screened, "--output", tmp_path / "page.html")

    assert (ended.status, ended.out) == (0, "")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600


def test_no_report_names_a_patient(run: Run, screened: Path) -> None:
    # SEC-44
    told = [run("hospital", "report", screened, "--format", form).out for form in ("html", "csv", "json", "sear-csv")]

    assert all(told)
    assert not [story for story in STORIES for text in told if story in text]


def test_candidates_are_handed_over_in_each_form(run: Run, screened: Path) -> None:
    lines = run("hospital", "candidates", screened).table
    group = run("hospital", "candidates", screened, "--format", "group", "--include-open").json
    found = run("hospital", "candidates", screened, "--format", "list").json

    assert [line["patient"] for line in lines] == [LINA]
    Group.model_validate(group)
    assert group["quantity"] > 1
    List.model_validate(found)
    assert [entry["item"]["reference"] for entry in found["entry"]] == [LINA]


def test_cells_that_a_spreadsheet_would_compute_are_kept_from_it(run: Run, export: Path, tmp_path: Path) -> None:
    # SEC-21: a patient whose name in the export begins a formula.
    lines = (export / "Patient.ndjson").read_text() + json.dumps({"resourceType": "Patient", "id": "x", "gender": "male"}) + "\n"
    (export / "Patient.ndjson").write_text(lines)
    run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", "--processes", 1, *AS_OF)
    rows_file = tmp_path / "run" / "rows.ndjson"
    rows_file.write_text(rows_file.read_text().replace('"Patient/x"', '"=HYPERLINK(1)"'))

    log = run("hospital", "report", tmp_path / "run", "--format", "sear-csv", "--exact").out
    candidates = run("hospital", "candidates", tmp_path / "run", "--include-open").out

    assert "'=HYPERLINK(1)" in log
    assert "'=HYPERLINK(1)" in candidates


def test_what_changed_is_counted_and_named_only_in_rows(run: Run, export: Path, screened: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    run("hospital", "screen", export, "--keep", later, "--everyone", "--as-of", "2027-06-01")

    exact = run("hospital", "changes", screened, later, "--exact")
    rounded = run("hospital", "changes", screened, later)
    lines = run("hospital", "changes", screened, later, "--format", "csv").table
    counts = run("hospital", "changes", screened, later, "--format", "json", "--exact").json

    assert "1  nct06789107: potentially-eligible -> indeterminate" in exact.out
    assert "fewer than 11 is not listed" in rounded.out
    assert "->" not in rounded.out
    assert LINA in {line["patient"] for line in lines}
    assert {line["cause"] for line in lines} == {"clock"}
    assert counts["exact"] is True
    assert counts["overall"]


def test_a_run_of_a_trial_that_is_defined_otherwise_now_is_not_reported(run: Run, screened: Path) -> None:
    content = json.loads((screened / "run.json").read_text())
    content["trials"][0]["definition"] = "another"
    (screened / "run.json").write_text(json.dumps(content))

    ended = run("hospital", "report", screened)

    assert (ended.status, ended.out) == (1, "")
    assert "defined otherwise" in ended.err


def test_a_run_with_a_site_its_zone_and_settings_is_reported_under_them(run: Run, export: Path, tmp_path: Path) -> None:
    more = ("--site", "bailuhe", "--timezone", "Asia/Shanghai", "--set", "sledai_days=20")
    assert run("hospital", "screen", export, "--keep", tmp_path / "run", *more, *AS_OF).status == 0

    ended = run("hospital", "report", tmp_path / "run", "--format", "json")

    assert ended.status == 0
    assert read_run(tmp_path / "run").trials[0].timezone == "Asia/Shanghai"


def test_candidates_of_a_run_of_several_trials_need_its_name(run: Run, export: Path, tmp_path: Path) -> None:
    run("hospital", "screen", export, "--keep", tmp_path / "run", "--trial", TRIAL, "--trial", "nct05471050", *AS_OF)

    assert run("hospital", "candidates", tmp_path / "run").status == 2
    assert run("hospital", "candidates", tmp_path / "run", "--trial", TRIAL).table[0]["patient"] == LINA


def test_people_s_answers_of_a_file_count(run: Run, export: Path, tmp_path: Path) -> None:
    # VER-10: with 2 processes as with `screen`.
    answers = tmp_path / "answers.jsonl"
    run("hospital", "screen", export, "--keep", tmp_path / "plain", "--processes", 2, *AS_OF)
    (plain,) = (row for row in rows_of_run(tmp_path / "plain") if row.patient == "Patient/lvef-missing")
    (computed,) = (one.evidence for one in plain.answers if one.criterion == "C7.6a")
    answers.write_text(json.dumps(an_answer(computed)) + "\n")

    run("hospital", "screen", export, "--keep", tmp_path / "run", "--answers", answers, "--processes", 2, *AS_OF)

    (row,) = (row for row in rows_of_run(tmp_path / "run") if row.patient == "Patient/lvef-missing")
    assert row.people == ("C7.6a",)
    assert {one.criterion: one.outcome for one in row.answers}["C7.6a"] == "met"
    changed = run("hospital", "changes", tmp_path / "plain", tmp_path / "run", "--format", "csv").table
    assert {(line["patient"], line["cause"]) for line in changed} == {("Patient/lvef-missing", "person")}
    log = run("hospital", "report", tmp_path / "run", "--format", "sear-csv").table
    assert {line["answered_by_people"] for line in log} == {"", "C7.6a"}


# --- with a store ---


def audited(settings: Settings) -> list[dict[str, Any]]:
    with Session(kept(settings).engine) as session:
        return [json.loads(row.line) for row in session.scalars(select(AuditRow).order_by(AuditRow.number))]


def test_without_a_basis_nobody_is_screened(settings: Settings, run: Run, export: Path, tmp_path: Path) -> None:
    # SEC-34
    ended = run("hospital", "screen", export, "--keep", tmp_path / "run", *AS_OF)

    assert ended.status == 5
    assert not (tmp_path / "run").exists()


def test_a_run_is_one_event_with_its_number_and_the_run_it_is_kept_in(
    settings: Settings, run: Run, export: Path, tmp_path: Path
) -> None:
    # SEC-02
    with_basis(settings)

    ended = run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", "--who", "Dr. Li", *AS_OF)

    begun, done = (event for event in audited(settings) if event["action"] == "screen")
    assert ended.status == 0
    assert (begun["outcome"], done["outcome"]) == ("begun", "done")
    assert done["number_of"] == str(len(STORIES))
    assert done.get("patient") is None
    assert done["request"] == read_run(tmp_path / "run").request


def test_who_opted_out_is_neither_kept_nor_shown(settings: Settings, run: Run, export: Path, tmp_path: Path) -> None:
    # SEC-36
    with_basis(settings)
    key = patient_key(settings.tenant, settings.server_url, LINA)
    kept(settings).opt_outs.record(key, TRIAL, OptOutKind.OBJECTION, by="dr-li", at=NOW)

    ended = run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", *AS_OF)

    assert LINA not in {row.patient for row in rows_of_run(tmp_path / "run")}
    assert LINA.encode() not in (tmp_path / "run" / "rows.ndjson").read_bytes()
    assert "on the site's register of opt-outs: 1 patient." in ended.err
    assert run("hospital", "candidates", tmp_path / "run").table == []


def test_who_opts_out_after_a_run_is_not_handed_over_any_more(settings: Settings, run: Run, export: Path, tmp_path: Path) -> None:
    # SEC-36
    with_basis(settings)
    run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", *AS_OF)
    assert run("hospital", "candidates", tmp_path / "run").table[0]["patient"] == LINA
    key = patient_key(settings.tenant, settings.server_url, LINA)
    kept(settings).opt_outs.record(key, None, OptOutKind.NO_CONTACT, by="dr-li", at=NOW)

    assert run("hospital", "candidates", tmp_path / "run").table == []
    exact = run("hospital", "report", tmp_path / "run", "--format", "json", "--exact").json
    assert exact["trials"][0]["overall"]["potentially-eligible"] == "0"
    log = run("hospital", "report", tmp_path / "run", "--format", "sear-csv").table
    assert len(log) == len(STORIES) - 1


@pytest.mark.parametrize("processes", [1, 2])
def test_people_s_answers_of_the_store_count_as_they_do_for_screen(
    settings: Settings, fhir: Sandbox, run: Run, export: Path, tmp_path: Path, processes: int
) -> None:
    # VER-10
    assert not fhir.load(ROOT / "sample_bundles" / "lina-potentially-eligible.json").refused
    service = ScreeningService(with_basis(settings))
    first = service.screen(LINA, TRIAL, as_of=date(2026, 3, 2), first_dose=None, write=False, request="r")
    store, criterion = kept(settings), "C9"
    shown = store.screenings.shown(first.id or "")
    assert shown is not None
    person = Person("https://login.example.invalid", "u1", "Mei Lin")
    store.answers.give(first.id or "", give_on(shown, criterion, Says.MET, by=person, at=NOW, reason="On paper."))

    run("hospital", "screen", export, "--keep", tmp_path / "run", "--processes", processes, *AS_OF)
    verdicts = map(json.loads, run("screen", export, "--format", "ndjson", *AS_OF).out.splitlines())

    (row,) = (row for row in rows_of_run(tmp_path / "run") if row.patient == LINA)
    (verdict,) = (verdict for verdict in verdicts if verdict["patient"] == LINA)
    assert row.people == (criterion,)
    assert {one.criterion: one.outcome for one in row.answers} == {one["id"]: one["answer"] for one in verdict["criteria"]}


def test_a_log_names_patients_by_our_key_where_there_is_one(settings: Settings, run: Run, export: Path, tmp_path: Path) -> None:
    # SEC-44
    with_basis(settings)
    run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", *AS_OF)

    log = run("hospital", "report", tmp_path / "run", "--format", "sear-csv").table

    assert all(line["subject"].startswith("pt-") for line in log)
    exported = [event for event in audited(settings) if event["action"] == "export" and event["outcome"] == "done"]
    assert [event["number_of"] for event in exported] == [str(len(STORIES))]


def test_on_a_preparatory_basis_counts_alone_are_kept_and_nobody_is_named(
    settings: Settings, run: Run, export: Path, tmp_path: Path
) -> None:
    # SEC-35, SEC-41
    with_basis(settings, PREPARATORY)

    ended = run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", *AS_OF)

    assert ended.status == 0
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["counts.json"]
    told = ended.out + ended.err + (tmp_path / "run" / "counts.json").read_text()
    assert not [story for story in STORIES if story in told]
    assert "potentially-eligible  <11" in ended.out
    assert "Lines read" not in ended.out
    assert run("hospital", "report", tmp_path / "run").out.startswith("<!doctype html>")
    assert run("hospital", "report", tmp_path / "run", "--exact").status == 2
    assert run("hospital", "candidates", tmp_path / "run").status == 2
    assert run("hospital", "report", tmp_path / "run", "--format", "sear-csv").status == 2


def test_a_run_with_rows_names_nobody_once_the_basis_is_preparatory(
    settings: Settings, run: Run, export: Path, tmp_path: Path
) -> None:
    # SEC-35
    with_basis(settings)
    run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", *AS_OF)
    with_basis(settings, PREPARATORY)

    assert run("hospital", "report", tmp_path / "run", "--format", "csv").status == 0
    assert run("hospital", "report", tmp_path / "run", "--exact").status == 2
    for command in (
        ("candidates", "run"),
        ("report", "run", "--format", "sear-csv"),
        ("changes", "run", "run", "--format", "csv"),
    ):
        arguments = [tmp_path / word if word == "run" else word for word in command]
        assert run("hospital", *arguments).status == 5


def test_nothing_is_screened_while_the_site_is_stopped(settings: Settings, run: Run, export: Path, tmp_path: Path) -> None:
    # SEC-60
    with_basis(settings)
    kept(settings).switch.stop("dr-li", "a test", NOW)

    ended = run("hospital", "screen", export, "--keep", tmp_path / "run", "--everyone", *AS_OF)

    assert ended.status == 5
    assert "kill switch" in ended.err
    assert not (tmp_path / "run").exists()
