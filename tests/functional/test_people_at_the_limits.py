"""What must hold for people's decisions when servers fail, records are merged, patients opt out in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog

from fhir_trial.audit import OutcomeUnrecordedError, patient_key
from fhir_trial.config import Settings
from fhir_trial.errors import FatalServerError, TemporaryServerError
from fhir_trial.people.opt_outs import OptOutKind
from fhir_trial.sandbox import Sandbox
from fhir_trial.store import chain
from fhir_trial.transport import FhirServer, Json
from fhir_trial.wiring.deciding import Deciding
from fhir_trial.wiring.keeping import Keeping
from fhir_trial.writeback import WriteBack
from fhir_trial.writeback.routes import FhirRoute
from fhir_trial.writeback.sending import Sender
from tests.functional.clinics import AS_OF, SIGNING_IN, Clinic, issuer_keys
from tests.functional.stores import NOW, TRIAL, kept, store_settings, with_basis

pytestmark = pytest.mark.server

#: Jane was not born yet, and not eligible.
TOO_OLD = "2000-01-01"


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

    def test_each_look_is_audited_before_anything_is_shown(self, clinic: Clinic) -> None:
        """SEC-02, SEC-03."""
        first = clinic.screened()
        looks = {
            f"/api/screenings/{first['id']}": "view-screening",
            f"/api/patients/{clinic.key}/screenings": "list-screenings",
            f"/api/answers?patient={clinic.key}&trial={TRIAL}": "view-screening",
            f"/api/patients/{clinic.key}/standing?trial={TRIAL}": "view-screening",
        }
        for path, action in looks.items():
            before = len(audited(clinic))

            assert clinic.ask("GET", path).status_code == 200

            events = audited(clinic)[before:]
            begun, done = events[0], events[-1]
            assert [(each["action"], each["outcome"]) for each in (begun, done)] == [(action, "begun"), (action, "done")], path
            assert {each["patient"] for each in events} == {clinic.key}
            assert (begun["subject"], begun["role"]) == ("u1", "coordinator")

    def test_each_answer_is_audited_and_an_override_as_one_and_neither_says_what(self, clinic: Clinic) -> None:
        """SEC-02, SEC-03, SEC-51: what people write about a patient does not stand in the audit log."""
        first = clinic.screened()
        criteria = first["verdict"]["criteria"]
        decided = next(one for one in criteria if one["answer"] in ("met", "not-met"))
        left_open = next(one for one in criteria if one["answer"] in ("unknown", "needs-clinician"))
        other = "met" if decided["answer"] == "not-met" else "not-met"
        before = len(audited(clinic))

        for name, says in ((left_open["id"], "met"), (decided["id"], other)):
            body = {"screening": first["id"], "criterion": name, "answer": says, "reason": "Plantedreason."}
            assert clinic.ask("POST", "/api/answers", body).status_code == 201

        assert since(clinic, before) == [
            ("answer", "begun"),
            ("answer", "done"),
            ("override", "begun"),
            ("override", "done"),
        ]
        assert "Plantedreason" not in str(audited(clinic))

    def test_a_screening_is_a_step_around_all_that_is_read_and_written(self, clinic: Clinic) -> None:
        """SEC-02, SEC-05: each intent before its outcome, and none left open."""
        clinic.screened()

        events = [(each["action"], each.get("target"), each["outcome"]) for each in audited(clinic)]
        assert events[:4] == [
            ("screen", None, "begun"),
            ("read-patient", "Patient", "begun"),
            ("read-patient", "Patient", "done"),
            ("screen", None, "done"),
        ]
        assert ("create", "ResearchSubject", "begun") in events
        assert chain.inspect(kept(clinic.settings).engine, clinic.settings.tenant).unfinished == ()

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
    @pytest.mark.parametrize("server_has", [None, "potential-candidate"])
    def test_what_a_person_decided_stands_where_the_server_knows_it_no_more(self, clinic: Clinic, server_has: str | None) -> None:
        """WB-01: the server was restored from a day before the decision, or before the flag."""
        clinic.screened()
        clinic.decided("contacted")
        (subject,) = clinic.subjects()
        restored(clinic, subject, server_has)

        written = clinic.screened(as_of=TOO_OLD)["written"]

        assert [result["action"] for result in written] == ["withheld"]
        assert [subject["status"] for subject in clinic.subjects()] == [server_has] * (server_has is not None)

    def test_as_of_a_day_to_come_nothing_is_written(self, clinic: Clinic) -> None:
        """WB-01: what would be if nothing changed until then is no result; it would take back a flag."""
        clinic.screened()

        written = clinic.screened(as_of="2150-01-01")["written"]

        assert [result["action"] for result in written] == ["withheld"]
        assert [subject["status"] for subject in clinic.subjects()] == ["potential-candidate"]

    def test_what_was_shown_of_one_patient_is_no_ground_to_decide_about_another(self, settings: Settings, jane: str) -> None:
        """SEC-56: neither has a subject or a step, so that nothing else tells them apart."""
        quiet = replace(settings, write_back=WriteBack.OFF)
        clinic, other = Clinic(quiet, jane), Clinic(quiet, "Patient/adult")
        clinic.screened()
        other.screened()

        assert clinic.decided("contacted", shown=other.standing()["shown"]).status_code == 409
        assert clinic.standing()["history"] == []

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

    def test_a_flag_that_the_machine_took_back_is_no_screen_failure_that_a_person_must_record(self, clinic: Clinic) -> None:
        """WB-26, WB-38: nobody in the EHR has said anything."""
        clinic.screened()
        clinic.screened(as_of=TOO_OLD)

        seen = clinic.standing()

        assert (seen["status"], seen["on_server"], seen["differs"]) == (None, "ineligible", False)
        assert seen["possible"] == ["contacted"]
        assert clinic.decided("contacted").status_code == 200
        assert [subject["status"] for subject in clinic.subjects()] == ["candidate"]

    def test_what_a_person_made_ineligible_after_the_machine_did_is_taken_over(self, clinic: Clinic) -> None:
        """WB-38: a later version is somebody's."""
        clinic.screened()
        clinic.screened(as_of=TOO_OLD)
        clinic.set_on_server("ineligible")

        seen = clinic.standing()

        assert (seen["differs"], seen["possible"]) == (True, ["screen-failure"])

    def test_a_decision_that_did_not_arrive_is_sent_again_as_it_is_kept_and_not_otherwise(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """WB-01, SEC-08: another reason is another decision, and is not quietly dropped."""
        clinic.screened()
        with monkeypatch.context() as away:
            away.setattr(FhirRoute, "decide", no_answer)
            clinic.decided("declined", reason_code="too-far")
        held_back = clinic.screened()["written"]

        other = clinic.decided("declined", reason_code="not-interested")
        same = clinic.decided("declined", reason_code="too-far")

        assert [(result["action"], "does not have it yet" in result["reason"]) for result in held_back] == [("withheld", True)]
        assert (other.status_code, same.status_code) == (422, 200)
        (step,) = clinic.standing()["history"]
        assert (step["reason_code"], step["state"]) == ("too-far", "written")

    def test_an_opt_out_while_a_decision_waits_stops_it(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        """SEC-36: before every write."""
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

    def test_an_opt_out_while_a_patient_is_screened_stops_the_writing(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SEC-36."""
        keep = Keeping.keep

        def opted_out_meanwhile(self: Keeping, *made_of: Any) -> str:
            opt_out(clinic.settings, clinic.key)
            return keep(self, *made_of)

        monkeypatch.setattr(Keeping, "keep", opted_out_meanwhile)

        answer = clinic.ask("POST", "/api/screenings", {"patient": clinic.patient, "trial": TRIAL, "as_of": AS_OF})

        assert answer.status_code == 403
        assert clinic.subjects() == []


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


def restored(clinic: Clinic, subject: Json, status: str | None) -> None:
    """The subject as a server has it that was restored: not at all, or in its first version, under whatever id."""
    base = clinic.settings.server_url
    assert requests.delete(f"{base}/ResearchSubject/{subject['id']}", timeout=10).ok
    if status is not None:
        former = {key: value for key, value in subject.items() if key not in ("id", "meta")} | {"status": status}
        assert requests.post(f"{base}/ResearchSubject", json=former, timeout=10).ok


def no_answer(*_: Any, **__: Any) -> Any:
    raise TemporaryServerError("No answer.")


def audit_fails(monkeypatch: pytest.MonkeyPatch, action: str, outcome: str) -> None:
    from fhir_trial.audit import Journal

    end = Journal.end

    def failing(self: Journal, event: Any, how: Any) -> None:
        if (str(event.action), str(how)) == (action, outcome):
            raise OutcomeUnrecordedError("It cannot be recorded.")
        end(self, event, how)

    monkeypatch.setattr(Journal, "end", failing)


def read_back_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise FatalServerError("ResearchSubject: the server took it, but does not show it.")

    monkeypatch.setattr(Sender, "_confirmed", failing)
