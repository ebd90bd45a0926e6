"""What the EHR says beside a decision: another's subject, a death, a lost step, a day gone by; decisions it never got."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from fhir_trial.config import Settings
from fhir_trial.errors import TemporaryServerError
from fhir_trial.store import chain
from fhir_trial.transport import FhirServer, Json
from fhir_trial.web import create_app
from fhir_trial.wiring.service import ScreeningService
from fhir_trial.writeback import WriteBack
from fhir_trial.writeback.routes import FhirRoute
from tests.functional.clinics import AS_OF, Clinic, opt_out
from tests.functional.stores import NOW, TRIAL, kept
from tests.unit.web.identities import ISSUER

pytestmark = pytest.mark.server

#: Jane was not born yet, and not eligible.
LONG_AGO = "2000-01-01"


class TestAnothersSubject:
    """WB-01, WB-14: the patient is on the study by somebody else's account, beside ours."""

    @pytest.mark.parametrize("transactions", [False, True])
    def test_it_is_shown_and_no_decision_is_written_against_it(self, settings: Settings, jane: str, transactions: bool) -> None:
        clinic = Clinic(replace(settings, transactions=transactions), jane)
        clinic.screened()
        before = clinic.standing()
        beside(clinic, "on-study")

        seen = clinic.standing()
        answer = clinic.decided("contacted")

        assert (before["others"], seen["others"], seen["possible"]) == ([], ["on-study"], [])
        assert seen["shown"] != before["shown"]
        assert answer.status_code == 409
        assert "tidy up in the EHR" in answer.text
        assert clinic.decided("contacted", shown=before["shown"]).status_code == 409
        assert sorted(subject["status"] for subject in clinic.subjects()) == ["on-study", "potential-candidate"]
        assert clinic.standing()["history"] == []

    @pytest.mark.parametrize("transactions", [False, True])
    def test_one_that_appears_while_a_decision_is_on_its_way_stops_it(
        self, settings: Settings, jane: str, monkeypatch: pytest.MonkeyPatch, transactions: bool
    ) -> None:
        clinic = Clinic(replace(settings, transactions=transactions), jane)
        clinic.screened()
        decide = FhirRoute.decide

        def just_then(self: FhirRoute, *asked: Any, **how: Any) -> Any:
            beside(clinic, "on-study")
            return decide(self, *asked, **how)

        with monkeypatch.context() as racing:
            racing.setattr(FhirRoute, "decide", just_then)
            answer = clinic.decided("contacted")

        assert answer.status_code == 409
        assert sorted(subject["status"] for subject in clinic.subjects()) == ["on-study", "potential-candidate"]
        assert [step["state"] for step in clinic.standing()["history"]] == ["refused"]

    def test_one_that_says_the_same_or_is_only_flagged_is_in_nobody_s_way(self, clinic: Clinic) -> None:
        clinic.screened()
        beside(clinic, "potential-candidate")

        answer = clinic.decided("contacted")

        assert answer.status_code == 200, answer.text
        assert clinic.standing()["others"] == ["potential-candidate"]
        assert clinic.decided("declined", reason_code="too-far").status_code == 200

    def test_a_subject_of_an_earlier_episode_is_no_other_s(self, clinic: Clinic) -> None:
        clinic.screened()
        clinic.decided("contacted")
        clinic.decided("declined", reason_code="too-far")
        clinic.decided("contacted", new_episode=True)

        seen = clinic.standing()

        assert (seen["episode"], seen["others"]) == (2, [])
        assert clinic.decided("consented").status_code == 200

    def test_a_new_episode_does_not_begin_beside_it(self, clinic: Clinic) -> None:
        clinic.screened()
        clinic.decided("contacted")
        clinic.decided("declined", reason_code="too-far")
        beside(clinic, "on-study")

        assert clinic.standing()["may_reopen"] is False
        assert clinic.decided("contacted", new_episode=True).status_code == 409
        assert len(clinic.subjects()) == 2


class TestADayGoneBy:
    """WB-01: what was, or would have been, on an earlier day is no result that replaces a later one."""

    @pytest.mark.parametrize("has_store", [True, False])
    def test_a_screening_as_of_an_earlier_day_takes_nothing_back(self, settings: Settings, jane: str, has_store: bool) -> None:
        clinic = Clinic(settings, jane)
        clinic.screened()
        if has_store:
            written = clinic.screened(as_of=LONG_AGO)["written"]
        else:
            bare = replace(settings, database=None, issuers=(), audience=None, issuer_jwks={})
            asking = create_app(bare, ScreeningService(bare)).test_client()
            body = {"patient": jane, "trial": TRIAL, "as_of": LONG_AGO}
            written = asking.post("/api/screenings", json=body).get_json()["written"]

        assert [result["action"] for result in written] == ["withheld"]
        assert "earlier" in written[0]["reason"]
        (subject,) = clinic.subjects()
        assert (subject["status"], subject["meta"]["versionId"]) == ("potential-candidate", "1")

    def test_the_next_day_is_written_and_so_is_the_same_day_again(self, clinic: Clinic) -> None:
        clinic.screened()
        clinic.found_too_young()

        written = clinic.screened(as_of="2026-03-03")["written"]

        assert [result["action"] for result in written if "ResearchSubject" in result["reference"]] == ["updated"]
        assert [subject["status"] for subject in clinic.subjects()] == ["ineligible"]
        assert all(result["action"] != "withheld" for result in clinic.screened(as_of="2026-03-03")["written"])

    def test_what_was_asked_of_a_day_to_come_keeps_nobody_from_writing_now(self, clinic: Clinic) -> None:
        clinic.screened(as_of="2150-01-01")

        written = clinic.screened()["written"]

        assert {result["action"] for result in written} == {"created", "unchanged"}


class TestTheDead:
    """WB-06, WB-26: nobody is contacted who has died."""

    def test_who_has_died_is_shown_so_and_not_contacted(self, clinic: Clinic) -> None:
        clinic.screened()
        before = clinic.standing()
        died(clinic)

        seen = clinic.standing()
        answer = clinic.decided("contacted")

        assert (before["deceased"], seen["deceased"]) == (False, True)
        assert seen["possible"] == ["declined", "screen-failure", "deceased"]
        assert seen["shown"] != before["shown"]
        assert answer.status_code == 422
        assert "died" in answer.text
        assert [subject["status"] for subject in clinic.subjects()] == ["potential-candidate"]
        assert clinic.decided("deceased").status_code == 200
        assert [subject["status"] for subject in clinic.subjects()] == ["withdrawn"]

    def test_a_decision_that_waits_to_be_sent_is_not_sent_after_the_death(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clinic.screened()
        with monkeypatch.context() as away:
            away.setattr(FhirRoute, "decide", no_answer)
            clinic.decided("contacted")
        died(clinic)

        again = clinic.decided("contacted")

        assert again.status_code == 422
        assert [subject["status"] for subject in clinic.subjects()] == ["potential-candidate"]
        assert clinic.decided("deceased").status_code == 200

    def test_a_refusal_before_the_death_may_be_recorded_and_nothing_begins_anew(self, clinic: Clinic) -> None:
        clinic.screened()
        clinic.decided("contacted")
        died(clinic)

        assert clinic.decided("declined", reason_code="too-far").status_code == 200
        assert clinic.standing()["may_reopen"] is False
        assert clinic.decided("contacted", new_episode=True).status_code == 422

    def test_where_nothing_is_written_back_the_last_screening_says_so(self, settings: Settings, jane: str) -> None:
        """WB-47."""
        clinic = Clinic(replace(settings, write_back=WriteBack.OFF), jane)
        died(clinic)
        clinic.screened()

        seen = clinic.standing()

        assert (seen["deceased"], seen["possible"]) == (True, [])
        assert clinic.decided("contacted").status_code == 422

    def test_what_the_ehr_says_of_somebody_who_has_died_is_still_taken_over(self, clinic: Clinic) -> None:
        """WB-14, WB-26: on study, and then dead."""
        clinic.screened()
        clinic.decided("contacted")
        clinic.set_on_server("on-study")
        died(clinic)
        assert clinic.standing()["possible"] == ["on-study"]

        assert clinic.decided("on-study").status_code == 200
        assert clinic.standing()["possible"] == ["off-study", "withdrawn", "deceased"]
        assert clinic.decided("deceased").status_code == 200
        assert [subject["status"] for subject in clinic.subjects()] == ["off-study"]


class TestALostStep:
    """WB-01, SEC-08: the FHIR server was restored from a day before the decision."""

    @pytest.mark.parametrize("server_has", [None, "potential-candidate"])
    def test_the_last_decision_is_sent_again_by_a_person_and_stays_one_step(self, clinic: Clinic, server_has: str | None) -> None:
        clinic.screened()
        clinic.decided("contacted")
        clinic.decided("declined", reason_code="too-far")
        restored(clinic, server_has)
        seen = clinic.standing()
        assert (seen["status"], seen["lost"], seen["differs"], seen["possible"]) == ("declined", True, False, ["declined"])
        before = len(audited(clinic))

        other = clinic.decided("declined", reason_code="not-interested")
        answer = clinic.decided("declined", reason_code="too-far")

        assert (other.status_code, answer.status_code) == (422, 200)
        assert [result["action"] for result in answer.get_json()["written"]] == ["updated" if server_has else "created"]
        assert [subject["status"] for subject in clinic.subjects()] == ["not-registered"]
        after = clinic.standing()
        assert (after["lost"], after["differs"], after["may_reopen"]) == (False, False, True)
        assert [(step["status"], step["state"]) for step in after["history"]] == [
            ("contacted", "written"),
            ("declined", "written"),
        ]
        actions = [event["action"] for event in audited(clinic)[before:] if event["outcome"] == "done"]
        assert actions.count("decide") == 1
        assert ("update" if server_has else "create") in actions

    def test_who_was_on_study_has_the_day_of_registration_again(self, clinic: Clinic) -> None:
        """WB-24."""
        clinic.screened()
        for status in ("contacted", "consented", "screening", "eligible", "on-study"):
            assert clinic.decided(status).status_code == 200
        clinic.decided("withdrawn", reason_code="not-stated", since="2026-03-09")
        restored(clinic, None)

        answer = clinic.decided("withdrawn", reason_code="not-stated", since="2026-03-09")

        assert answer.status_code == 200, answer.text
        (subject,) = clinic.subjects()
        assert (subject["status"], subject["period"]) == ("off-study", {"start": AS_OF, "end": "2026-03-09"})

    def test_where_it_does_not_arrive_it_counts_as_before(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        clinic.screened()
        clinic.decided("declined", reason_code="too-far")
        restored(clinic, None)
        with monkeypatch.context() as away:
            away.setattr(FhirRoute, "decide", no_answer)
            clinic.decided("declined", reason_code="too-far")

        seen = clinic.standing()

        assert (seen["status"], seen["lost"]) == ("declined", True)
        assert [step["state"] for step in seen["history"]] == ["written"]
        assert clinic.decided("declined", reason_code="too-far").status_code == 200

    def test_what_a_person_in_the_ehr_has_said_since_is_not_overwritten(self, clinic: Clinic) -> None:
        """WB-14."""
        clinic.screened()
        clinic.decided("declined", reason_code="too-far")
        clinic.set_on_server("on-study")

        seen = clinic.standing()

        assert (seen["lost"], seen["differs"], seen["possible"]) == (False, True, ["on-study"])
        assert clinic.decided("declined", reason_code="too-far").status_code == 422


class TestDecisionsThatNeverArrived:
    """WB-03, SEC-36, SEC-02: somebody is told of them."""

    def test_they_are_listed_for_those_who_can_send_them_until_they_have_arrived(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clinic.screened()
        with monkeypatch.context() as away:
            away.setattr(FhirRoute, "decide", no_answer)
            clinic.decided("contacted")
            clinic.decided("consented")
        before = len(audited(clinic))

        answer = clinic.ask("GET", "/api/decisions/unsent")

        assert answer.status_code == 200, answer.text
        (line,) = answer.get_json()["decisions"]
        assert {name: line[name] for name in ("patient", "trial", "status", "since", "state", "note")} == {
            "patient": clinic.key,
            "trial": TRIAL,
            "status": "consented",
            "since": AS_OF,
            "state": "decided",
            "note": None,
        }
        events = audited(clinic)[before:]
        assert [(event["action"], event["outcome"]) for event in events] == [
            ("list-screenings", "begun"),
            ("list-screenings", "done"),
        ]
        assert 'fhir_trial_decisions_unsent{state="decided"} 1.0' in numbers(clinic)
        assert clinic.decided("consented").status_code == 200
        assert clinic.ask("GET", "/api/decisions/unsent").get_json() == {"decisions": []}
        assert 'fhir_trial_decisions_unsent{state="decided"} 0.0' in numbers(clinic)

    def test_who_opted_out_is_not_among_them(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        clinic.screened()
        monkeypatch.setattr(FhirRoute, "decide", no_answer)
        clinic.decided("contacted")
        opt_out(clinic.settings, clinic.key)

        assert clinic.ask("GET", "/api/decisions/unsent").get_json() == {"decisions": []}

    def test_they_are_of_the_user_s_trials_alone(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        """SEC-13."""
        clinic.screened()
        monkeypatch.setattr(FhirRoute, "decide", no_answer)
        clinic.decided("contacted")
        grants = kept(clinic.settings).grants
        grants.revoke(ISSUER, "u1", "coordinator", TRIAL, by="admin", why="Moved.", at=NOW)
        grants.grant(ISSUER, "u1", "coordinator", "nct05471050", name=None, by="admin", why=None, at=NOW)

        assert clinic.ask("GET", "/api/decisions/unsent").get_json() == {"decisions": []}


def beside(clinic: Clinic, status: str) -> None:
    """Somebody else's subject of the same patient and study."""
    ours = clinic.subjects()[0]
    theirs = {key: ours[key] for key in ("resourceType", "study", "individual")} | {"status": status}
    assert requests.post(f"{clinic.settings.server_url}/ResearchSubject", json=theirs, timeout=10).ok


def died(clinic: Clinic) -> None:
    with FhirServer(clinic.settings.server_url) as server:
        patient = server.read(clinic.patient)
        server.update({**patient, "deceasedBoolean": True}, if_match=patient["meta"]["versionId"])


def restored(clinic: Clinic, status: str | None) -> None:
    """The subject as a server has it that was restored: not at all, or as it was first, under whatever id."""
    base = clinic.settings.server_url
    (subject,) = clinic.subjects()
    assert requests.delete(f"{base}/ResearchSubject/{subject['id']}", timeout=10).ok
    if status is not None:
        former = {key: value for key, value in subject.items() if key not in ("id", "meta")} | {"status": status}
        assert requests.post(f"{base}/ResearchSubject", json=former, timeout=10).ok


def audited(clinic: Clinic) -> list[Json]:
    return [row.fields() for row in chain.lines(kept(clinic.settings).engine, clinic.settings.tenant)]


def numbers(clinic: Clinic) -> str:
    return clinic.asking.get("/metrics").get_data(as_text=True)


def no_answer(*_: Any, **__: Any) -> Any:
    raise TemporaryServerError("No answer.")
