"""What must hold for people's decisions when servers fail, records are merged, patients opt out in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from fhir_trial.audit import OutcomeUnrecordedError, patient_key
from fhir_trial.config import Settings
from fhir_trial.errors import FatalServerError, TemporaryServerError
from fhir_trial.sandbox import Sandbox
from fhir_trial.transport import FhirServer, Json
from fhir_trial.wiring.keeping import Keeping
from fhir_trial.wiring.looking import Looking
from fhir_trial.writeback import WriteBack
from fhir_trial.writeback.routes import FhirRoute
from fhir_trial.writeback.sending import Sender
from tests.functional.clinics import AS_OF, Clinic, opt_out
from tests.functional.stores import TRIAL, kept

pytestmark = pytest.mark.server


class TestPeopleDecide:
    @pytest.mark.parametrize("server_has", [None, "potential-candidate"])
    def test_what_a_person_decided_stands_where_the_server_knows_it_no_more(self, clinic: Clinic, server_has: str | None) -> None:
        """WB-01: the server was restored from a day before the decision, or before the flag."""
        clinic.screened()
        clinic.decided("contacted")
        (subject,) = clinic.subjects()
        restored(clinic, subject, server_has)
        clinic.found_too_young()

        written = clinic.screened()["written"]

        assert [result["action"] for result in written] == ["withheld"]
        assert [subject["status"] for subject in clinic.subjects()] == [server_has] * (server_has is not None)

    @pytest.mark.parametrize("days", [{"as_of": "2150-01-01"}, {"first_dose": "1950-01-01"}])
    def test_for_days_that_are_no_days_of_a_screening_now_nothing_is_written(self, clinic: Clinic, days: dict[str, str]) -> None:
        """WB-01: what would be is no result; it would take back a flag."""
        clinic.screened()

        written = clinic.screened(**days)["written"]

        assert [result["action"] for result in written] == ["withheld"]
        assert [subject["status"] for subject in clinic.subjects()] == ["potential-candidate"]

    def test_what_was_shown_of_one_patient_is_no_ground_to_decide_about_another(self, settings: Settings, jane: str) -> None:
        """WB-14: neither has a subject or a step, so that nothing else tells them apart."""
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
        """WB-14: two steps that never left are on their way, and are not to be taken back."""
        loud = Clinic(settings, jane)
        loud.screened()
        loud.decided("contacted")
        quiet = Clinic(replace(settings, write_back=WriteBack.OFF), jane)
        quiet.decided("consented")
        quiet.decided("withdrawn", reason_code="not-stated")

        seen = Clinic(settings, jane).standing()

        assert (seen["status"], seen["on_server"], seen["differs"]) == ("withdrawn", "candidate", False)

    def test_a_flag_that_the_machine_took_back_is_no_screen_failure_that_a_person_must_record(self, clinic: Clinic) -> None:
        """WB-26: nobody in the EHR has said anything."""
        clinic.screened()
        clinic.found_too_young()
        clinic.screened()

        seen = clinic.standing()

        assert (seen["status"], seen["on_server"], seen["differs"]) == (None, "ineligible", False)
        assert seen["possible"] == ["contacted"]
        assert clinic.decided("contacted").status_code == 200
        assert [subject["status"] for subject in clinic.subjects()] == ["candidate"]

    def test_what_a_person_made_ineligible_after_the_machine_did_is_taken_over(self, clinic: Clinic) -> None:
        """WB-14: a later version is somebody's."""
        clinic.screened()
        clinic.found_too_young()
        clinic.screened()
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

    def test_a_decision_that_did_not_arrive_does_not_overwrite_what_the_ehr_says_meanwhile(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """WB-14: sent again, it would undo what somebody has set there since."""
        clinic.screened()
        with monkeypatch.context() as away:
            away.setattr(FhirRoute, "decide", no_answer)
            clinic.decided("contacted")
        clinic.set_on_server("on-study")
        assert clinic.standing()["possible"] == ["on-study"]

        again = clinic.decided("contacted")

        assert again.status_code == 422
        assert [subject["status"] for subject in clinic.subjects()] == ["on-study"]

    def test_an_opt_out_while_a_decision_waits_stops_it(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        """SEC-36: before every write."""
        clinic.screened()
        shown = clinic.standing()["shown"]
        look = Looking.view

        def opted_out_meanwhile(self: Looking, asked: Any) -> Any:
            found = look(self, asked)
            opt_out(clinic.settings, clinic.key)
            return found

        monkeypatch.setattr(Looking, "view", opted_out_meanwhile)
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

    def test_what_arrives_late_while_it_is_sent_again_is_not_called_refused(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """WB-04: the first request reaches the server after all, and the second one finds another version."""
        clinic.screened()
        with monkeypatch.context() as away:
            away.setattr(FhirRoute, "decide", no_answer)
            clinic.decided("contacted")
        decide = FhirRoute.decide

        def after_the_first(self: FhirRoute, *asked: Any, **how: Any) -> Any:
            clinic.set_on_server("candidate")
            return decide(self, *asked, **how)

        with monkeypatch.context() as late:
            late.setattr(FhirRoute, "decide", after_the_first)
            again = clinic.decided("contacted")

        seen = clinic.standing()
        assert (again.status_code, seen["status"], seen["differs"]) == (409, "contacted", False)
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


class TestAWriteThatIsRefused:
    def test_the_decision_does_not_count_and_stays_in_the_history(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        """SEC-08, WB-03: the server said no, and took nothing."""
        clinic.screened()
        with monkeypatch.context() as refusing:
            refusing.setattr(FhirServer, "update", refused)
            answer = clinic.decided("contacted")

        seen = clinic.standing()

        assert answer.status_code == 502
        assert (seen["status"], seen["on_server"], seen["differs"]) == ("potential", "potential-candidate", False)
        assert [(step["status"], step["state"]) for step in seen["history"]] == [("contacted", "refused")]
        assert clinic.decided("contacted").status_code == 200


def restored(clinic: Clinic, subject: Json, status: str | None) -> None:
    """The subject as a server has it that was restored: not at all, or in its first version, under whatever id."""
    base = clinic.settings.server_url
    assert requests.delete(f"{base}/ResearchSubject/{subject['id']}", timeout=10).ok
    if status is not None:
        former = {key: value for key, value in subject.items() if key not in ("id", "meta")} | {"status": status}
        assert requests.post(f"{base}/ResearchSubject", json=former, timeout=10).ok


def no_answer(*_: Any, **__: Any) -> Any:
    raise TemporaryServerError("No answer.")


def refused(*_: Any, **__: Any) -> Any:
    raise FatalServerError("ResearchSubject update: the server answered 422.")


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
