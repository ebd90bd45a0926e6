"""``fhir-trial site``: grants, bases, opt-outs, clients. Each change stands in the audit log before it is made, and after."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.audit import patient_key
from fhir_trial.cli.main import main
from fhir_trial.people.bases import BasisKind
from fhir_trial.people.opt_outs import OptOutKind
from fhir_trial.store import (
    Given,
    SmartClients,
    StoreBases,
    StoreGrants,
    StoreOptOuts,
    new_key_line,
    open_store,
    read_keyring,
)
from fhir_trial.store.tables import AuditRow

SERVER = "https://ehr.example.invalid/fhir"
IDP = "https://idp.example.invalid"
TRIAL = "nct06789107"
JANE = patient_key("north", SERVER, "Patient/jane-doe")

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in [name for name in os.environ if name.startswith("FHIR_TRIAL_")]:
        monkeypatch.delenv(name)
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text(new_key_line("k1"))
    monkeypatch.setenv("FHIR_TRIAL_DATABASE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("FHIR_TRIAL_KEYS_FILE", str(keys))
    monkeypatch.setenv("FHIR_TRIAL_TENANT", "north")
    monkeypatch.setenv("FHIR_TRIAL_SERVER", f"{SERVER}/")

    def _run(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["site", *words])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return _run


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_store(f"sqlite:///{tmp_path / 'store.db'}")


def audited(engine: Engine) -> list[dict[str, Any]]:
    with Session(engine) as session:
        return [json.loads(row.line) for row in session.scalars(select(AuditRow).order_by(AuditRow.number))]


def told(engine: Engine) -> list[tuple[str, str, str | None]]:
    return [(line["action"], line["outcome"], line.get("reason")) for line in audited(engine)]


class TestGrants:
    def test_a_grant_is_given_listed_and_revoked(self, run: Run, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        """SEC-12, SEC-08."""
        granted = run("grant", IDP, "li", "screener", "--trial", TRIAL, "--name", "Dr Li", "--who", "Adams")
        assert granted == 0
        assert StoreGrants(engine, "north").roles(IDP, "li") == [Given("screener", TRIAL)]
        capsys.readouterr()
        assert run("grants") == 0
        assert f"screener  {TRIAL}  Dr Li  li       {IDP}" in capsys.readouterr().out

        assert run("revoke", IDP, "li", "screener", "--trial", TRIAL.upper(), "--who", "Baker", "--why", "left") == 0

        assert StoreGrants(engine, "north").roles(IDP, "li") == []
        capsys.readouterr()
        run("grants")
        assert "Dr Li" not in capsys.readouterr().out
        run("grants", "--all")
        assert "Baker" in capsys.readouterr().out

    def test_who_gave_what_to_whom_is_in_the_audit_log_before_and_after(self, run: Run, engine: Engine) -> None:
        """SEC-08."""
        run("grant", IDP, "li", "screener", "--who", "Adams", "--why", "joined", "--name", "Dr Li")
        run("revoke", IDP, "li", "screener", "--who", "Baker", "--why", "left")

        assert told(engine) == [
            ("grant", "begun", f"screener for li of {IDP}, called Dr Li: joined"),
            ("grant", "done", f"screener for li of {IDP}, called Dr Li: joined"),
            ("revoke", "begun", f"screener for li of {IDP}: left"),
            ("revoke", "done", f"screener for li of {IDP}: left"),
        ]
        first, second, third, _ = audited(engine)
        assert (first["subject"], first["role"], first["source"], first["tenant"]) == ("Adams", "admin", "cli", "north")
        assert first["request"] == second["request"] != third["request"]

    def test_a_change_that_fails_is_recorded_as_failed(
        self, run: Run, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("revoke", IDP, "li", "screener", "--who", "Baker", "--why", "left") == 2

        assert "`fhir-trial site grants`" in capsys.readouterr().err
        assert [outcome for _, outcome, _ in told(engine)] == ["begun", "failed"]

    def test_a_trial_that_is_not_there_is_an_error_with_the_nearest_name(
        self, run: Run, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("grant", IDP, "li", "screener", "--trial", "nct06789108", "--who", "Adams") == 2
        assert "Did you mean 'nct06789107'?" in capsys.readouterr().err
        assert run("grant", IDP, "li", "screener", "--trial", f"{TRIAL}@seed1", "--who", "Adams") == 2
        assert "without a version" in capsys.readouterr().err

    def test_a_grant_to_an_issuer_whose_tokens_are_refused_is_remarked(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FHIR_TRIAL_ISSUERS", IDP)

        run("grant", f"{IDP}/", "li", "screener", "--who", "Adams")

        assert "FHIR_TRIAL_ISSUERS" in capsys.readouterr().err
        run("grant", IDP, "li", "screener", "--who", "Adams")
        assert "FHIR_TRIAL_ISSUERS" not in capsys.readouterr().err

    @pytest.mark.parametrize(
        "words",
        [
            ("grant", IDP, "li", "screener"),
            ("grant", IDP, "li", "boss", "--who", "Adams"),
            ("grant", IDP, "li", "screener", "--who", " "),
            ("grant", IDP, "li\nroot", "screener", "--who", "Adams"),
            ("revoke", IDP, "li", "screener", "--who", "Adams"),
        ],
    )
    def test_what_is_incomplete_is_refused_before_anything_is_done(
        self, run: Run, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        assert run(*words) == 2
        assert not (tmp_path / "store.db").exists()

    def test_without_a_store_it_is_said_what_to_set(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("FHIR_TRIAL_DATABASE")

        assert run("grants") == 2
        assert "FHIR_TRIAL_DATABASE" in capsys.readouterr().err


class TestBases:
    def test_a_basis_is_recorded_replaced_listed_and_ended(
        self, run: Run, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """SEC-34."""
        days = ("--from", "2026-03-01", "--until", "2099-12-31")
        assert run("basis", "record", TRIAL, "partial-waiver", "--reference", "IRB-12", *days, "--who", "Adams") == 0
        assert "partial-waiver IRB-12, 2026-03-01 to 2099-12-31" in capsys.readouterr().out
        assert run("basis", "record", TRIAL, "treatment", "--who", "Adams") == 0
        found = StoreBases(engine, "north").in_force(TRIAL)
        assert found is not None
        assert found.kind is BasisKind.TREATMENT
        capsys.readouterr()
        run("basis", "list")
        listed = capsys.readouterr().out
        assert "treatment" in listed
        assert "IRB-12" not in listed
        run("basis", "list", "--all")
        assert "IRB-12" in capsys.readouterr().out

        assert run("basis", "end", TRIAL, "--who", "Baker", "--why", "trial over") == 0

        assert StoreBases(engine, "north").in_force(TRIAL) is None

    def test_the_audit_log_says_which_basis_it_was(self, run: Run, engine: Engine) -> None:
        """SEC-34."""
        run("basis", "record", TRIAL, "preparatory", "--from", "2026-03-01", "--until", "2099-01-01", "--who", "Adams")
        run("basis", "end", TRIAL, "--who", "Baker", "--why", "trial over")

        assert told(engine)[1::2] == [
            ("record-basis", "done", "preparatory, 2026-03-01 to 2099-01-01"),
            ("end-basis", "done", "trial over"),
        ]
        assert {line["trial"] for line in audited(engine)} == {TRIAL}

    def test_a_basis_begins_today_in_the_zone_of_the_site(
        self, run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zones = []

        def friday(zone: Any) -> date:
            zones.append(str(zone))
            return date(2026, 3, 6)

        monkeypatch.setattr("fhir_trial.wiring.clock.today", friday)
        monkeypatch.setenv("FHIR_TRIAL_TIMEZONE", "Pacific/Auckland")

        run("basis", "record", TRIAL, "treatment", "--who", "Adams")

        found = StoreBases(engine, "north").in_force(TRIAL)
        assert found is not None
        assert found.first_day == date(2026, 3, 6)
        assert zones == ["Pacific/Auckland"]

    def test_a_waiver_that_is_not_complete_is_refused(self, run: Run, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        """SEC-34."""
        assert run("basis", "record", TRIAL, "partial-waiver", "--until", "2099-12-31", "--who", "Adams") == 2
        assert "--reference" in capsys.readouterr().err
        assert run("basis", "record", TRIAL, "partial-waiver", "--reference", "IRB-12", "--who", "Adams") == 2
        assert "--until" in capsys.readouterr().err
        assert StoreBases(engine, "north").all() == []

    def test_a_basis_that_does_not_count_today_is_remarked(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        run("basis", "record", TRIAL, "treatment", "--from", "2099-01-01", "--who", "Adams")

        assert "nobody is screened now" in capsys.readouterr().err


class TestOptOuts:
    def test_a_patient_is_entered_listed_and_lifted_and_never_named(
        self, run: Run, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """SEC-36."""
        register = StoreOptOuts(engine, "north")
        assert run("opt-out", "add", "Patient/jane-doe", "--kind", "objection", "--who", "Adams") == 0
        assert run("opt-out", "add", "jane-doe", "--kind", "objection", "--trial", TRIAL, "--who", "Adams") == 0
        assert register.kind_of(JANE, "nct1") is OptOutKind.OBJECTION
        assert run("opt-out", "list") == 0
        assert run("opt-out", "lift", "jane-doe", "--trial", TRIAL, "--who", "Baker", "--why", "asked to") == 0
        said = capsys.readouterr()
        assert "1 of them are on the register for all trials" in said.err
        assert run("opt-out", "lift", "jane-doe", "--who", "Baker", "--why", "asked to") == 0
        assert run("opt-out", "list", "--all") == 0

        assert register.kind_of(JANE, TRIAL) is None
        assert JANE in said.out
        assert "jane-doe" not in said.out + said.err + "".join(capsys.readouterr())
        assert b"jane-doe" not in b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))

    def test_each_patient_has_lines_in_the_audit_log(self, run: Run, engine: Engine) -> None:
        """SEC-36: it shows in the log."""
        run("opt-out", "add", "jane-doe", "john", "--kind", "consent-withdrawn", "--who", "Adams")
        run("opt-out", "lift", "jane-doe", "--who", "Baker", "--why", "asked to")

        lines = audited(engine)
        john = patient_key("north", SERVER, "Patient/john")
        assert sorted((line["patient"], line["outcome"]) for line in lines[:4]) == sorted(
            (key, outcome) for key in (JANE, john) for outcome in ("begun", "done")
        )
        assert {line["reason"] for line in lines[:4]} == {"consent-withdrawn"}
        assert [(line["action"], line["patient"], line["reason"]) for line in lines[4:]] == [
            ("lift-opt-out", JANE, "asked to")
        ] * 2

    def test_a_file_is_entered_whole(self, run: Run, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "patients"
        file.write_text("\ufeffjane-doe\n\nPatient/john\r\njane-doe\n", encoding="utf-8")

        assert run("opt-out", "add", "--file", str(file), "--kind", "no-contact", "--who", "Adams") == 0

        assert "Entered: 2 of 2" in capsys.readouterr().out
        assert StoreOptOuts(engine, "north").kind_of(JANE, TRIAL) is OptOutKind.NO_CONTACT

    def test_a_file_with_a_wrong_line_enters_nobody_and_the_line_is_not_repeated(
        self, run: Run, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "patients"
        file.write_text("jane-doe\nDoe, Jane; 2013-08-17\n", encoding="utf-8")

        assert run("opt-out", "add", "--file", str(file), "--kind", "no-contact", "--who", "Adams") == 2

        said = capsys.readouterr().err
        assert f"{file}:2: " in said
        assert "Doe" not in said
        assert StoreOptOuts(engine, "north").all() == []
        assert audited(engine) == []

    @pytest.mark.parametrize(("words", "status"), [(("Jane Doe",), 2), ((), 2), (("--file", "/nowhere/to/be/found"), 1)])
    def test_without_a_readable_patient_nobody_is_entered(
        self, run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], status: int
    ) -> None:
        assert run("opt-out", "add", *words, "--kind", "no-contact", "--who", "Adams") == status
        assert "Jane" not in capsys.readouterr().err

    def test_if_the_audit_log_cannot_be_written_nobody_is_entered(
        self, run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from fhir_trial.audit import AuditUnavailableError

        def broken(*_: Any) -> None:
            raise AuditUnavailableError("The audit log cannot be written.")

        monkeypatch.setattr("fhir_trial.store.StoreAudit.record", broken)

        assert run("opt-out", "add", "jane-doe", "--kind", "no-contact", "--who", "Adams") == 70

        assert StoreOptOuts(engine, "north").all() == []

    def test_the_same_id_on_another_server_is_another_patient(
        self, run: Run, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        elsewhere = "https://other.example.invalid/fhir"

        run("opt-out", "add", "jane-doe", "--server", elsewhere, "--kind", "no-contact", "--who", "Adams")

        register = StoreOptOuts(engine, "north")
        assert register.kind_of(JANE, TRIAL) is None
        assert register.kind_of(patient_key("north", elsewhere, "Patient/jane-doe"), TRIAL) is OptOutKind.NO_CONTACT
        assert "another server than FHIR_TRIAL_SERVER" in capsys.readouterr().err
        run("opt-out", "add", "jane-doe", "--server", SERVER, "--kind", "no-contact", "--who", "Adams")
        assert "another server" not in capsys.readouterr().err
        assert register.kind_of(JANE, TRIAL) is OptOutKind.NO_CONTACT


class TestClients:
    SECRET = "PLANTED-SECRET"  # nosec B105 - planted, to be looked for

    def clients(self, engine: Engine, tmp_path: Path) -> SmartClients:
        return SmartClients(engine, read_keyring(tmp_path / "keys"), "north")

    def test_a_secret_comes_from_a_variable_and_is_never_shown(
        self, run: Run, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """SEC-28."""
        monkeypatch.setenv("EHR_SECRET", self.SECRET)
        ways = ("--authentication", "symmetric", "--secret-variable", "EHR_SECRET", "--practice", "a-1", "--scope-version", "v1")

        assert run("client", "register", f"{SERVER}/", "our-app", *ways, "--who", "Adams") == 0
        assert run("client", "list") == 0

        said = capsys.readouterr()
        assert f"{SERVER}  a-1       our-app  symmetric" in said.out
        assert self.SECRET not in said.out + said.err
        assert self.SECRET not in json.dumps(audited(engine))
        found = self.clients(engine, tmp_path).find(SERVER, "a-1")
        assert found is not None
        assert (found.secret, found.scope_version) == (self.SECRET, "v1")

    def test_a_secret_is_asked_for_without_being_shown(
        self, run: Run, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: self.SECRET)

        assert run("client", "register", SERVER, "our-app", "--authentication", "symmetric", "--who", "Adams") == 0

        found = self.clients(engine, tmp_path).find(SERVER)
        assert found is not None
        assert found.secret == self.SECRET

    def test_a_client_is_disabled_and_who_did_so_and_why_is_in_the_audit_log(
        self, run: Run, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run("client", "register", SERVER, "our-app", "--authentication", "asymmetric", "--who", "Adams")

        assert run("client", "disable", SERVER, "--who", "Baker", "--why", "contract ended") == 0

        assert self.clients(engine, tmp_path).find(SERVER) is None
        run("client", "list")
        assert capsys.readouterr().out.splitlines()[-1].endswith("no")
        assert told(engine)[1::2] == [
            ("register-client", "done", f"our-app, asymmetric, for {SERVER}"),
            ("register-client", "done", f"disabled {SERVER}: contract ended"),
        ]

    def test_all_that_was_registered_before_is_in_the_audit_log_but_the_secret(self, run: Run, engine: Engine) -> None:
        """SEC-08: a registration is replaced in its place, so the log keeps what it was."""
        known = ("--id-issuer", IDP, "--id-keys", f"{IDP}/keys", "--scope-version", "v2", "--frame-ancestors", IDP)

        run("client", "register", SERVER, "our-app", "--authentication", "public", "--practice", "a-1", *known, "--who", "Adams")

        (_, (_, _, reason)) = told(engine)
        assert reason == (
            f"our-app, public, for {SERVER} a-1, id issuer {IDP}, id keys {IDP}/keys, scope version v2, frame ancestors {IDP}"
        )

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("--authentication", "symmetric", "--secret-variable", "NOT_SET"), "NOT_SET is not set"),
            (("--authentication", "public", "--secret-variable", "NOT_SET"), "has no secret"),
            (("--authentication", "public", "--id-issuer", "http://login.example.invalid"), "https"),
        ],
    )
    def test_what_cannot_be_right_is_refused(
        self, run: Run, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
    ) -> None:
        assert run("client", "register", SERVER, "our-app", *words, "--who", "Adams") == 2

        assert says in capsys.readouterr().err
        assert self.clients(engine, tmp_path).all() == []


def test_every_change_of_a_site_needs_somebody_who_makes_it(run: Run) -> None:
    """SEC-08."""
    for words in (
        ("grant", IDP, "li", "screener"),
        ("basis", "record", TRIAL, "treatment"),
        ("basis", "end", TRIAL, "--why", "x"),
        ("opt-out", "add", "jane-doe", "--kind", "objection"),
        ("opt-out", "lift", "jane-doe", "--why", "x"),
        ("client", "register", SERVER, "our-app", "--authentication", "public"),
        ("client", "disable", SERVER, "--why", "x"),
    ):
        assert run(*words) == 2


def test_a_moment_is_kept_as_it_was(run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_trial.wiring.clock.now", lambda: datetime(2026, 3, 2, 12, 0, tzinfo=UTC))

    run("grant", IDP, "li", "auditor", "--who", "Adams")

    assert [one.given_at for one in StoreGrants(engine, "north").all()] == [datetime(2026, 3, 2, 12, 0, tzinfo=UTC)]
