"""What must hold for people's decisions when servers fail, records are merged, patients opt out in between, or nobody may look."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from fhir_trial.audit import AuditAction, AuditUnavailableError, OutcomeUnrecordedError, patient_key
from fhir_trial.config import Settings
from fhir_trial.people.opt_outs import OptOutKind
from fhir_trial.sandbox import Sandbox
from fhir_trial.store import chain
from fhir_trial.transport import FhirServer, Json
from fhir_trial.wiring.clock import today
from fhir_trial.writeback import WriteBack
from tests.functional.clinics import AS_OF, SIGNING_IN, Clinic, issuer_keys
from tests.functional.stores import NOW, TRIAL, kept, store_settings, with_basis

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings(fhir: Sandbox, tmp_path: Path) -> Settings:
    return with_basis(store_settings(fhir, tmp_path, **SIGNING_IN))


@pytest.fixture(autouse=True)
def issuer(fhir: Sandbox) -> Iterator[None]:
    with issuer_keys(fhir):
        yield


@pytest.fixture
def clinic(settings: Settings, jane: str) -> Clinic:
    return Clinic(settings, jane)


def audited(clinic: Clinic) -> list[Json]:
    """Every event of the tenant, oldest first."""
    return [row.fields() for row in chain.lines(kept(clinic.settings).engine, clinic.settings.tenant)]


def since(clinic: Clinic, before: int) -> list[tuple[str, str]]:
    return [(event["action"], event["outcome"]) for event in audited(clinic)[before:]]


def opt_out(settings: Settings, key: str) -> None:
    kept(settings).opt_outs.record(key, None, OptOutKind.OBJECTION, by="dr-li", at=NOW)


class TestLooking:
    def test_a_standing_is_audited_where_nothing_is_written_back_too(self, settings: Settings, jane: str) -> None:
        """SEC-02: it shows what people wrote about the patient."""
        clinic = Clinic(replace(settings, write_back=WriteBack.OFF), jane)
        clinic.screened()
        clinic.decided("contacted")
        before = len(audited(clinic))

        clinic.standing()

        assert since(clinic, before) == [("view-screening", "begun"), ("view-screening", "done")]
        assert audited(clinic)[-1]["patient"] == clinic.key

    def test_a_list_says_by_which_role_somebody_looked(self, clinic: Clinic) -> None:
        """SEC-03."""
        clinic.screened()

        clinic.ask("GET", f"/api/patients/{clinic.key}/screenings")

        last = audited(clinic)[-1]
        assert (last["action"], last["role"]) == ("list-screenings", "coordinator")

    def test_a_refusal_for_an_opt_out_stands_in_the_audit_log(self, clinic: Clinic) -> None:
        """SEC-36."""
        clinic.screened()
        shown = clinic.standing()["shown"]
        opt_out(clinic.settings, clinic.key)
        before = len(audited(clinic))
        decision = {"patient": clinic.key, "trial": TRIAL, "status": "contacted", "reason": "Spoken with.", "shown": shown}

        assert clinic.ask("POST", "/api/decisions", decision).status_code == 403
        assert since(clinic, before) == [("decide", "begun"), ("decide", "failed")]


class TestPeopleDecide:
    def test_whoever_declined_is_not_flagged_again_when_the_subject_is_gone_from_the_server(self, clinic: Clinic) -> None:
        """WB-01: the server was set up anew, or somebody deleted the subject; the person's decision stands here."""
        clinic.screened()
        clinic.decided("contacted")
        clinic.decided("declined", reason_code="too-far")
        (subject,) = clinic.subjects()
        delete(clinic, f"ResearchSubject/{subject['id']}")
        forget(clinic)

        written = clinic.screened()["written"]

        assert clinic.subjects() == [], written

    def test_a_status_does_not_begin_in_the_future(self, clinic: Clinic) -> None:
        clinic.screened()

        answer = clinic.decided("contacted", since="2199-01-01")

        assert answer.status_code == 422
        assert clinic.standing()["history"] == []

    def test_decisions_kept_while_nothing_was_written_are_no_change_in_the_ehr(self, settings: Settings, jane: str) -> None:
        """WB-38: two steps that never left are on their way, and are not to be taken back."""
        loud = Clinic(settings, jane)
        loud.screened()
        loud.decided("contacted")
        quiet = Clinic(replace(settings, write_back=WriteBack.OFF), jane)
        quiet.decided("consented")
        quiet.decided("withdrawn", reason_code="not-stated")

        seen = Clinic(settings, jane).standing()

        assert (seen["status"], seen["on_server"], seen["differs"]) == ("withdrawn", "candidate", False)

    def test_an_opt_out_while_a_decision_waits_stops_it(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        """SEC-36: before every write."""
        from fhir_trial.wiring.deciding import Deciding

        clinic.screened()
        shown = clinic.standing()["shown"]
        look = Deciding._view

        def opted_out_meanwhile(self: Deciding, asked: Any) -> Any:
            found = look(self, asked)
            opt_out(clinic.settings, clinic.key)
            return found

        monkeypatch.setattr(Deciding, "_view", opted_out_meanwhile)
        decision = {"patient": clinic.key, "trial": TRIAL, "status": "contacted", "reason": "Spoken with.", "shown": shown}

        assert clinic.ask("POST", "/api/decisions", decision).status_code == 403
        assert kept(clinic.settings).steps.of_patient(clinic.key, TRIAL) == []
        assert [subject["status"] for subject in clinic.subjects()] == ["potential-candidate"]


class TestAWriteWhoseEndIsNotRecorded:
    @pytest.mark.parametrize("method", ["read_back", "audit"])
    def test_what_arrived_is_not_called_refused(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        """SEC-05, WB-07: the server took it; that cannot be shown, or not be recorded."""
        clinic.screened()
        shown = clinic.standing()["shown"]
        if method == "audit":
            audit_fails(monkeypatch, "update", "done")
        else:
            read_back_fails(monkeypatch)
        decision = {"patient": clinic.key, "trial": TRIAL, "status": "contacted", "reason": "Spoken with.", "shown": shown}

        answer = clinic.ask("POST", "/api/decisions", decision)

        monkeypatch.undo()
        assert answer.status_code >= 500, answer.text
        seen = clinic.standing()
        assert (seen["status"], seen["on_server"], seen["differs"]) == ("contacted", "candidate", False)
        assert [step["state"] for step in seen["history"]] == ["written"]


class TestMergedRecords:
    def test_an_opt_out_of_a_record_that_was_merged_into_another_counts_for_that_one(
        self, settings: Settings, jane: str, fhir: Sandbox, tmp_path: Path
    ) -> None:
        """SEC-36, DATA-45: the surviving record names the one that it replaces."""
        clinic = Clinic(settings, jane)
        with FhirServer(settings.server_url) as server:
            patient = server.read(jane)
            link = [{"other": {"reference": "Patient/adult"}, "type": "replaces"}]
            server.update({**patient, "link": link}, if_match=patient["meta"]["versionId"])
        opt_out(settings, patient_key(settings.tenant, settings.server_url, "Patient/adult"))

        answer = clinic.ask("POST", "/api/screenings", {"patient": jane, "trial": TRIAL, "as_of": AS_OF})

        assert answer.status_code == 403
        assert clinic.subjects() == []


def delete(clinic: Clinic, reference: str) -> None:
    import requests

    assert requests.delete(f"{clinic.settings.server_url}/{reference}", timeout=10).ok


def forget(clinic: Clinic) -> None:
    """The outbox of a site whose database was restored, or whose server is a new one, does not know the subject."""


def audit_fails(monkeypatch: pytest.MonkeyPatch, action: str, outcome: str) -> None:
    from fhir_trial.audit import Journal

    end = Journal.end

    def failing(self: Journal, event: Any, how: Any) -> None:
        if (str(event.action), str(how)) == (action, outcome):
            raise OutcomeUnrecordedError("It cannot be recorded.")
        end(self, event, how)

    monkeypatch.setattr(Journal, "end", failing)


def read_back_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from fhir_trial.errors import FatalServerError
    from fhir_trial.writeback.sending import Sender

    def failing(*_: Any) -> Any:
        raise FatalServerError("ResearchSubject: the server took it, but does not show it.")

    monkeypatch.setattr(Sender, "_confirmed", failing)
