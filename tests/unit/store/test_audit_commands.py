"""``fhir-trial site``: stop, resume, verify-audit, export-audit and export-head, as commands (SEC-01, SEC-06, SEC-60)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent as FhirAuditEvent
from sqlalchemy import Engine, delete, update
from sqlalchemy.orm import Session

from fhir_trial.audit import Actor, AuditAction, AuditEvent, AuditOutcome
from fhir_trial.cli.main import main
from fhir_trial.store import StoreAudit, new_key_line, open_store
from fhir_trial.store.chain import lines
from fhir_trial.store.tables import AuditRow
from fhir_trial.wiring import clock

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status, standard output, standard error."""
    keys = tmp_path / "keys"
    keys.write_text(new_key_line("k1") + "\n")
    keys.chmod(0o600)
    monkeypatch.setenv("FHIR_TRIAL_DATABASE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("FHIR_TRIAL_KEYS_FILE", str(keys))
    monkeypatch.setenv("FHIR_TRIAL_TENANT", "north")
    monkeypatch.setenv("FHIR_TRIAL_IDENTIFIER_BASE", "https://trials.example.invalid/")

    def running(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["site", *words])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out.strip(), captured.err.strip()

    return running


@pytest.fixture
def kept(run: Run, tmp_path: Path) -> Engine:
    """The store that the commands open, after one stop and one resume: four rows."""
    assert run("stop", "--who", "Li", "--why", "Wrong results.")[0] == 0
    assert run("resume", "--who", "Li", "--why", "Mended.")[0] == 0
    return open_store(f"sqlite:///{tmp_path / 'store.db'}")


def events(engine: Engine) -> list[dict[str, str]]:
    return [row.fields() for row in lines(engine, "north")]


def exported(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for event in found:
        FhirAuditEvent.model_validate(event)
    return found


def numbers(path: Path) -> list[int]:
    """The places in the chain of the events of a file."""
    details = [event["entity"][-1]["detail"] for event in exported(path)]
    return [int(each["valueString"]) for detail in details for each in detail if each["type"] == "number"]


def test_stopping_and_resuming_keep_who_and_why(kept: Engine) -> None:
    """SEC-60."""
    said = [(event["action"], event["outcome"], event["subject"], event["reason"], event["source"]) for event in events(kept)]

    assert said == [
        ("stop", "begun", "Li", "Wrong results.", "cli"),
        ("stop", "done", "Li", "Wrong results.", "cli"),
        ("resume", "begun", "Li", "Mended.", "cli"),
        ("resume", "done", "Li", "Mended.", "cli"),
    ]
    assert len({event["request"] for event in events(kept)}) == 2


@pytest.mark.usefixtures("kept")
def test_each_printed_head_can_be_given_back(run: Run) -> None:
    """SEC-01."""
    status, head, said = run("verify-audit", "--who", "auditor")

    assert (status, head.startswith("5:"), said) == (0, True, "")
    assert run("verify-audit", "--head", head)[0] == 0
    assert run("verify-audit", "--head", "9:abc")[0] == 2


def test_a_head_of_another_chain_is_found(run: Run, kept: Engine) -> None:
    """SEC-01."""
    _, head, _ = run("verify-audit")
    with Session(kept) as session, session.begin():
        session.execute(delete(AuditRow).where(AuditRow.number >= 5))
    run("stop", "--who", "Li", "--why", "Again.")

    status, printed, said = run("verify-audit", "--head", head)

    assert (status, printed, said) == (1, "", "The audit chain is broken: row 5 is not the one that was exported.")


def test_what_has_no_outcome_is_told_with_its_request(run: Run, kept: Engine) -> None:
    """SEC-05."""
    begun = AuditEvent(clock.now(), Actor("north", "x"), AuditAction.CREATE, AuditOutcome.BEGUN, request="r-77")
    StoreAudit(kept).record(begun)

    status, _, said = run("verify-audit")

    assert status == 0
    assert "Begun, and without outcome: 1." in said
    assert "create, request r-77" in said


def test_many_without_outcome_are_counted_and_some_named(run: Run, kept: Engine) -> None:
    for number in range(25):
        begun = AuditEvent(clock.now(), Actor("north", "x"), AuditAction.CREATE, AuditOutcome.BEGUN, request=f"r-{number}")
        StoreAudit(kept).record(begun)

    _, _, said = run("verify-audit")

    assert ("without outcome: 25" in said, said.count("request r-"), said.endswith("and 5 more")) == (True, 20, True)


@pytest.mark.usefixtures("kept")
def test_the_daily_heads_are_added_once_and_checked_together(run: Run, tmp_path: Path) -> None:
    """SEC-01."""
    heads = tmp_path / "heads"

    first, again = run("export-head", "-o", str(heads)), run("export-head", "-o", str(heads))
    run("verify-audit")
    grown = run("export-head", "-o", str(heads))

    assert (first[1].startswith("Added: "), again[1].startswith("There already: "), grown[1].startswith("Added: ")) == (True,) * 3
    assert [[*line.split()[1:2], line.split()[2].partition(":")[0]] for line in heads.read_text().splitlines()] == [
        ["north", "4"],
        ["north", "6"],
    ]
    assert run("verify-audit", "--heads", str(heads))[0] == 0


def test_any_line_of_the_heads_finds_a_chain_written_anew(run: Run, kept: Engine, tmp_path: Path) -> None:
    """SEC-01."""
    heads = tmp_path / "heads"
    run("export-head", "-o", str(heads))
    with Session(kept) as session, session.begin():
        session.execute(delete(AuditRow))
    for _ in range(3):
        run("stop", "--who", "Li", "--why", "Again.")

    assert run("verify-audit")[0] == 0
    assert run("verify-audit", "--heads", str(heads))[0] == 1


def test_an_empty_chain_has_a_head_too(run: Run, tmp_path: Path) -> None:
    heads = tmp_path / "heads"

    run("export-head", "-o", str(heads))

    assert heads.read_text().split()[-1] == "0:" + "0" * 64
    assert run("verify-audit", "--heads", str(heads))[0] == 0


def test_heads_without_a_line_of_this_tenant_check_nothing_and_say_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "heads").write_text("2026-03-02 south 4:" + "0" * 64 + "\n")

    assert run("verify-audit", "--heads", str(tmp_path / "heads"))[0] == 2


def test_the_export_is_whole_in_fhir_and_recorded(run: Run, kept: Engine, tmp_path: Path) -> None:
    """SEC-04, SEC-06."""
    path = tmp_path / "audit.ndjson"

    status, said, _ = run("export-audit", "-o", str(path), "--who", "auditor")

    assert (status, said, numbers(path)) == (0, "Exported: 5 events.", [1, 2, 3, 4, 5])
    first = exported(path)[0]
    assert first["subtype"] == [{"system": "https://trials.example.invalid/audit-action", "code": "stop"}]
    assert first["outcomeDesc"] == "Wrong results."
    assert [(event["action"], event["outcome"], event["subject"]) for event in events(kept)[4:]] == [
        ("export-audit", "begun", "auditor"),
        ("export-audit", "done", "auditor"),
    ]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("options", "exported_numbers"),
    [
        (["--from", "2", "--to", "3"], [2, 3]),
        (["--from", "4"], [4, 5]),
        (["--since", "2000-01-01"], [1, 2, 3, 4, 5]),
        (["--since", "2999-01-01"], []),
        (["--patient", "pt-0123456789abcdef"], []),
    ],
)
def test_a_part_can_be_exported(run: Run, tmp_path: Path, options: list[str], exported_numbers: list[int]) -> None:
    """SEC-06."""
    path = tmp_path / "audit.ndjson"

    assert run("export-audit", *options, "-o", str(path))[0] == 0

    assert numbers(path) == exported_numbers


def test_the_accesses_to_one_patient_are_exported_for_an_accounting_of_disclosures(
    run: Run, kept: Engine, tmp_path: Path
) -> None:
    """SEC-07."""
    for patient in ("pt-0123456789abcdef", "pt-0000000000000000", "pt-0123456789abcdef"):
        read = AuditEvent(clock.now(), Actor("north", "x"), AuditAction.READ_PATIENT, AuditOutcome.DONE, patient=patient)
        StoreAudit(kept).record(read)
    path = tmp_path / "audit.ndjson"

    run("export-audit", "--patient", "pt-0123456789abcdef", "-o", str(path))

    assert numbers(path) == [5, 7]


@pytest.mark.usefixtures("kept")
def test_a_range_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    assert run("export-audit", "--from", "3", "--to", "2", "-o", str(tmp_path / "a"))[0] == 2


def test_a_broken_chain_is_exported_and_the_exit_status_says_so(run: Run, kept: Engine, tmp_path: Path) -> None:
    """SEC-01."""
    with Session(kept) as session, session.begin():
        session.execute(update(AuditRow).where(AuditRow.number == 2).values(hash="0" * 64))

    status, _, said = run("export-audit", "-o", str(tmp_path / "audit.ndjson"))

    assert (status, said) == (1, "The audit chain is broken: row 2 was altered.")
    assert numbers(tmp_path / "audit.ndjson") == [1, 2, 3, 4, 5]


def test_an_export_that_cannot_be_written_has_failed(run: Run, kept: Engine, tmp_path: Path) -> None:
    """SEC-05."""
    assert run("export-audit", "-o", str(tmp_path / "nowhere" / "audit.ndjson"))[0] == 2

    assert [(event["action"], event["outcome"]) for event in events(kept)[4:]] == [
        ("export-audit", "begun"),
        ("export-audit", "failed"),
    ]
