"""The ways on which a result may leave: WB-02, WB-29, WB-47, SEC-21, SEC-60."""

import base64
import csv
import errno
import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.transport import Capabilities, NotSupportedError
from fhir_trial.writeback import Action, MemoryOutbox, Observations, WriteBack, WriteSettings
from fhir_trial.writeback.checking import checked
from fhir_trial.writeback.codes import Release
from fhir_trial.writeback.document_note import TITLE, DocumentNote
from fhir_trial.writeback.file_outbox import COLUMNS, ExportError, FileOutbox, safe_cell
from fhir_trial.writeback.routes import FhirRoute, NoRoute, Route, RouteName, choose_route, open_route
from tests.unit.writeback.fake_server import FakeServer
from tests.unit.writeback.verdicts import not_eligible, trial, verdict

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
BASE = "https://trials.hospital.invalid"
NOTE_CODE = "00000-0"
SETTINGS = WriteSettings(WriteBack.WORK_LIST, observations=Observations.ALL, base=BASE)
NOTES = replace(SETTINGS, note_code=NOTE_CODE)
CREATE = frozenset({"create"})


def stated(*kinds: str, version: str | None = "4.0.1") -> Capabilities:
    return Capabilities(version, dict.fromkeys(kinds, CREATE))


# --- the choice ---------------------------------------------------------------------------


#  offered                                   note code  folder   route
CHOICES = [
    (("ResearchSubject", "Observation"),     "",        None,    "fhir"),
    (("ResearchSubject",),                   NOTE_CODE, "files", "fhir"),
    (("Observation", "DocumentReference"),   NOTE_CODE, "files", "document-note"),
    (("DocumentReference",),                 "",        "files", "file-export"),
    ((),                                     NOTE_CODE, "files", "file-export"),
    (("DocumentReference",),                 "",        None,    "none"),
]  # fmt: skip


@pytest.mark.parametrize(("offered", "code", "folder", "route"), CHOICES)
def test_the_first_route_that_server_and_site_allow_is_taken(
    offered: tuple[str, ...], code: str, folder: str | None, route: str
) -> None:
    """WB-47."""
    settings = replace(SETTINGS, note_code=code, export_folder=None if folder is None else Path(folder))

    choice = choose_route(stated(*offered), settings)

    assert str(choice.route) == route
    assert [report.route for report in choice.reports] == list(RouteName)
    assert all(report.why.endswith(".") for report in choice.reports)


def test_each_route_says_why_it_can_or_cannot_be_taken() -> None:
    """WB-02."""
    choice = choose_route(stated("Observation", version="4.0.1"), SETTINGS)

    assert {str(report.route): (report.is_supported, report.why) for report in choice.reports} == {
        "fhir": (False, "The server does not offer create of ResearchSubject."),
        "document-note": (False, "The site has set no LOINC code for notes (note_code)."),
        "file-export": (False, "The site has set no folder for files (export_folder)."),
        "rpe": (False, "Enrolment messages by IHE RPE are not built."),
        "none": (True, "No route is open at this site: nothing leaves."),
    }


def test_a_transaction_is_named_only_where_it_will_be_used() -> None:
    """WB-20."""
    offered = Capabilities("5.0.0", {"ResearchSubject": CREATE}, system=frozenset({"transaction"}))

    assert choose_route(offered, replace(SETTINGS, transactions=True)).why == (
        "The server offers create of ResearchSubject (R5); it is written in one transaction."
    )
    assert choose_route(offered, SETTINGS).why.endswith("it is written step by step.")


@pytest.mark.parametrize("version", ["3.0.2", None])
def test_an_old_server_gets_no_resource(version: str | None) -> None:
    """WB-25."""
    assert choose_route(stated("ResearchSubject", "DocumentReference", version=version), NOTES).route is RouteName.NONE


def test_off_is_the_default_and_asks_no_server() -> None:
    """WB-01."""
    server = FakeServer()
    route = open_route(server, WriteSettings(base=BASE), software="x")

    (only,) = route.write(verdict(), trial(), now=NOW)

    assert isinstance(route, NoRoute)
    assert (only.action, only.reason, server.requests) == (Action.WITHHELD, "Writing back is off.", [])


@pytest.mark.parametrize(
    ("without", "settings", "kind"),
    [
        ((), SETTINGS, FhirRoute),
        (("ResearchSubject",), NOTES, DocumentNote),
        (("ResearchSubject",), replace(SETTINGS, export_folder=Path("never-made")), FileOutbox),
        (("ResearchSubject",), SETTINGS, NoRoute),
    ],
)
def test_the_route_chosen_is_opened(without: tuple[str, ...], settings: WriteSettings, kind: type[Any]) -> None:
    """WB-47."""
    route: Route = open_route(FakeServer(without=without), settings, software="x")

    assert type(route) is kind
    assert route.name == str(choose_route(FakeServer(without=without).capabilities(), settings).route)


# --- the note -----------------------------------------------------------------------------


def text_of(note: dict[str, Any]) -> str:
    return base64.b64decode(note["content"][0]["attachment"]["data"]).decode()


@pytest.mark.parametrize("version", ["4.0.1", "5.0.0"])
def test_a_note_says_that_it_is_no_part_of_the_record_and_is_written_once_per_content(version: str) -> None:
    """WB-29."""
    server, outbox = FakeServer(version=version), MemoryOutbox()

    def run(given: Any) -> Action:
        return DocumentNote(server, NOTES, software="fhir-trial test", outbox=outbox).write(given, trial(), now=NOW)[0].action

    done = [run(each) for each in (verdict(), verdict(), not_eligible(), not_eligible(), verdict(), verdict())]

    assert done == [Action.CREATED, Action.UNCHANGED] * 3
    first, second, third = server.all("DocumentReference")
    checked({key: value for key, value in first.items() if key != "meta"}, Release.R4 if version[0] == "4" else Release.R5)
    assert first["type"] == {"coding": [{"system": "http://loinc.org", "code": NOTE_CODE}], "text": TITLE}
    assert first["subject"] == {"reference": "Patient/p1"}
    assert first["meta"]["tag"] == [{"system": f"{BASE}/CodeSystem/origin", "code": "computed"}]
    assert text_of(first).splitlines()[0] == "Research pre-screening, not part of the clinical record"
    assert "- C7.2 Title C7.2: no data (no CD19 count on file)" in text_of(first)
    assert "nobody has confirmed it" in text_of(first)
    assert [each["relatesTo"][0]["target"] for each in (second, third)] == [
        {"reference": f"DocumentReference/{each['id']}"} for each in (first, second)
    ]


@pytest.mark.parametrize("where", ["before create DocumentReference", "after create DocumentReference"])
def test_a_crash_leaves_one_note(where: str) -> None:
    """WB-03."""
    server, outbox = FakeServer(), MemoryOutbox()

    def crash(point: str) -> None:
        if point == where:
            raise KeyboardInterrupt

    server.tick = crash
    with pytest.raises(KeyboardInterrupt):
        DocumentNote(server, NOTES, software="x", outbox=outbox).write(verdict(), trial(), now=NOW)
    server.tick = lambda _: None
    DocumentNote(server, NOTES, software="x", outbox=outbox).write(verdict(), trial(), now=NOW)

    assert len(server.all("DocumentReference")) == 1
    assert not list(outbox.interrupted("default", server.base))


def test_the_first_refusal_switches_the_note_off_with_a_reason() -> None:
    """WB-02."""
    server = FakeServer()
    server.refuses = {"create DocumentReference": NotSupportedError("DocumentReference create: the server answered 405.")}
    route = DocumentNote(server, NOTES, software="x")

    results = [route.write(verdict(), trial(), now=NOW)[0] for _ in range(2)]

    assert {result.action for result in results} == {Action.WITHHELD}
    assert "405" in results[1].reason
    assert server.requests == ["create DocumentReference"]
    assert list(route.refused) == ["create DocumentReference"]


def test_a_dry_run_of_a_note_shows_it_and_sends_nothing() -> None:
    """WB-11."""
    server = FakeServer()

    (shown,) = DocumentNote(server, NOTES, software="x").write(verdict(), trial(), now=NOW, dry_run=True)

    assert shown.resource is not None
    assert text_of(shown.resource).startswith(TITLE)
    assert server.requests == []


def test_no_note_for_a_merged_patient_or_a_stopped_site() -> None:
    """WB-06, SEC-60."""
    server, outbox = FakeServer(), MemoryOutbox()
    route = DocumentNote(server, NOTES, software="x", outbox=outbox)
    server.put({**server.held["Patient/p1"], "active": False})

    inactive = route.write(verdict(), trial(), now=NOW)[0]
    outbox.stop("default")
    stopped = route.write(verdict(), trial(), now=NOW)[0]

    assert (inactive.action, stopped.reason) == (Action.WITHHELD, "Writing is stopped for this site.")
    assert server.requests == []


# --- files --------------------------------------------------------------------------------


def rows(folder: Path) -> list[dict[str, str]]:
    (table,) = folder.glob("*.csv")
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_change_of_a_result_stands_once_in_both_files_which_only_their_owner_reads(tmp_path: Path) -> None:
    """WB-47."""
    folder = tmp_path / "out"

    def run(given: Any) -> Action:
        return FileOutbox(folder, SETTINGS, software="fhir-trial test").write(given, trial(), now=NOW)[0].action

    done = [run(each) for each in (verdict(), verdict(), not_eligible(), verdict(), verdict())]

    # A patient who is undecided again stands last as that, and not as not eligible.
    assert done == [Action.CREATED, Action.UNCHANGED, Action.CREATED, Action.CREATED, Action.UNCHANGED]
    lines = [json.loads(line) for line in (folder / "default-nct00000000.jsonl").read_text("utf-8").splitlines()]
    assert [line["overall"] for line in lines] == [row["overall"] for row in rows(folder)]
    assert [line["overall"] for line in lines] == ["indeterminate", "not-eligible", "indeterminate"]
    assert len({line["run"] for line in lines}) == 3
    assert [row["missing"] for row in rows(folder)] == ["C7.2", "", "C7.2"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(folder.glob("*.new"))


def test_a_crash_between_the_two_files_is_mended_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WB-03."""
    replaced = Path.replace

    def crash_at_the_table(path: Path, target: Path) -> Path:
        if target.suffix == ".csv":
            raise KeyboardInterrupt
        return replaced(path, target)

    monkeypatch.setattr(Path, "replace", crash_at_the_table)
    with pytest.raises(KeyboardInterrupt):
        FileOutbox(tmp_path, SETTINGS, software="x").write(verdict(), trial(), now=NOW)
    monkeypatch.undo()

    again = FileOutbox(tmp_path, SETTINGS, software="x").write(verdict(), trial(), now=NOW)[0]

    assert again.action is Action.UNCHANGED
    assert len(rows(tmp_path)) == 1


@pytest.mark.parametrize("where", ["fsync", "open", "mkdir", "replace"])
def test_a_folder_that_cannot_be_written_is_an_error_of_ours_and_leaves_nothing_half_written(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WB-47: the disk is full, or the folder somebody else's."""
    folder = tmp_path / "out"
    if where != "mkdir":
        FileOutbox(folder, SETTINGS, software="x").write(verdict(), trial(), now=NOW)
    before = {path.name: path.read_bytes() for path in folder.glob("default*")}
    told: list[str] = []

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/secret/p1")

    owner = Path if where in ("mkdir", "replace") else os
    monkeypatch.setattr(owner, where, full)
    with pytest.raises(ExportError, match="No space left on device") as caught:
        FileOutbox(folder, SETTINGS, software="x").write(
            not_eligible(), trial(), now=NOW, witness=lambda *step: told.append(step[2])
        )
    monkeypatch.undo()

    assert "export_folder" in caught.value.message
    assert "secret" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in folder.glob("default*")} == before
    assert [*folder.glob("*.new"), *folder.glob(".*.new")] == []
    assert told in ([], ["begun", "failed"])
    again = FileOutbox(folder, SETTINGS, software="x").write(not_eligible(), trial(), now=NOW)[0]
    assert again.action is Action.CREATED


def test_the_error_of_a_folder_has_its_place_in_the_contract_of_errors() -> None:
    assert (ExportError.issue_type, ExportError.exit_status) == ("no-store", 5)


@pytest.mark.parametrize("content", [b"{", b"[1]\n", b"\xff\xfe\n", b'{"patient": "Patient/p1"}\n'])
def test_a_file_that_is_not_as_we_wrote_it_is_left_and_named(content: bytes, tmp_path: Path) -> None:
    record = tmp_path / "default-nct00000000.jsonl"
    record.write_bytes(content)

    with pytest.raises(ExportError, match=r"default-nct00000000\.jsonl is not as we wrote it"):
        FileOutbox(tmp_path, SETTINGS, software="x").write(verdict(), trial(), now=NOW)

    assert record.read_bytes() == content


def test_a_line_with_an_odd_line_end_in_it_is_read_as_one(tmp_path: Path) -> None:
    """U+2028 ends a line for Python, and none for JSON."""
    route = FileOutbox(tmp_path, SETTINGS, software="x\u2028y")

    done = [route.write(each, trial(), now=NOW)[0].action for each in (verdict(), not_eligible(), verdict())]

    assert done == [Action.CREATED] * 3
    assert len(rows(tmp_path)) == 3


def test_the_switch_is_asked_again_once_the_file_is_ours(tmp_path: Path) -> None:
    """SEC-60: thrown while another process held the file."""
    asked: list[str] = []

    def thrown_at_the_second_look(tenant: str) -> bool:
        asked.append(tenant)
        return len(asked) > 1

    route = FileOutbox(tmp_path, SETTINGS, software="x", stopped=thrown_at_the_second_look)

    assert route.write(verdict(), trial(), now=NOW)[0].reason == "Writing is stopped for this site."
    assert not list(tmp_path.glob("default*"))


def test_names_of_files_leave_no_folder(tmp_path: Path) -> None:
    settings = replace(SETTINGS, tenant="../../etc")

    FileOutbox(tmp_path / "out", settings, software="x").write(verdict(), trial(), now=NOW)

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "_.._etc-nct00000000.csv").exists()


@pytest.mark.parametrize("settings", [WriteSettings(base=BASE), replace(SETTINGS, tenant="stopped")])
def test_no_file_where_writing_is_off_or_stopped(settings: WriteSettings, tmp_path: Path) -> None:
    """SEC-60, WB-01."""
    route = FileOutbox(tmp_path, settings, software="x", stopped=lambda tenant: tenant == "stopped")

    assert route.write(verdict(), trial(), now=NOW)[0].action is Action.WITHHELD
    assert not list(tmp_path.iterdir())


def test_a_dry_run_makes_no_file(tmp_path: Path) -> None:
    """WB-11."""
    (shown,) = FileOutbox(tmp_path / "out", SETTINGS, software="x").write(verdict(), trial(), now=NOW, dry_run=True)

    assert shown.resource is not None
    assert set(shown.resource) == set(COLUMNS)
    assert not (tmp_path / "out").exists()


@given(st.text() | st.sampled_from(["=1+1", "+1", "-1", "@x", "\tx", "\rx", "=HYPERLINK(1)"]) | st.lists(st.text(), max_size=3))
def test_no_cell_begins_as_a_formula(value: str | list[str]) -> None:
    """SEC-21."""
    assert not safe_cell(value).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize(("value", "cell"), [("=1+1", "'=1+1"), ("1", "1"), (None, ""), (["a", "b"], "a; b"), (["=a"], "'=a")])
def test_a_cell_that_would_be_a_formula_gets_an_apostrophe_and_others_stay(value: Any, cell: str) -> None:
    """SEC-21."""
    assert safe_cell(value) == cell
