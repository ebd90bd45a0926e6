"""People at work: signed in, they answer criteria and decide, on a real FHIR server; nobody is screened without a basis."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fhir_trial.audit import patient_key
from fhir_trial.config import Settings
from fhir_trial.people.bases import Basis, BasisKind
from fhir_trial.people.opt_outs import OptOutKind
from fhir_trial.sandbox import Sandbox
from fhir_trial.transport import FhirServer, Json
from fhir_trial.web import create_app
from fhir_trial.wiring.service import ScreeningService
from fhir_trial.writeback import WriteBack
from tests.functional.clinics import AS_OF, Clinic
from tests.functional.stores import NOW, TREATMENT, TRIAL, kept, store_settings, with_basis
from tests.unit.web.identities import ISSUER

pytestmark = pytest.mark.server


def criterion(verdict: Json, name: str) -> Json:
    return next(one for one in verdict["criteria"] if one["id"] == name)


class TestAnswers:
    def test_what_a_person_answers_counts_at_the_next_screening_and_says_who(self, clinic: Clinic) -> None:
        """SEC-51: with the screening before them; the computed answer stays beside it."""
        first = clinic.screened()
        left_open = next(one["id"] for one in first["verdict"]["criteria"] if one["answer"] in ("unknown", "needs-clinician"))

        given = clinic.ask(
            "POST", "/api/answers", {"screening": first["id"], "criterion": left_open, "answer": "met", "reason": "On paper."}
        )

        assert given.status_code == 201, given.text
        again = criterion(clinic.screened()["verdict"], left_open)
        assert again["answer"] == "met"
        assert again["person"]["by"]["name"] == "Mei Lin"
        listed = clinic.ask("GET", f"/api/answers?patient={clinic.key}&trial={TRIAL}").get_json()["answers"]
        assert [(one["criterion"], one["answer"], one["subject"]) for one in listed] == [(left_open, "met", "u1")]

    def test_a_decided_answer_is_not_overridden_without_a_reason(self, clinic: Clinic) -> None:
        """SEC-51."""
        first = clinic.screened()
        decided = next(one for one in first["verdict"]["criteria"] if one["answer"] in ("met", "not-met"))
        other = "met" if decided["answer"] == "not-met" else "not-met"
        body = {"screening": first["id"], "criterion": decided["id"], "answer": other}

        assert clinic.ask("POST", "/api/answers", body).status_code == 422
        assert clinic.ask("POST", "/api/answers", {**body, "reason": "The result was another patient's."}).status_code == 201

    def test_a_screening_is_shown_again_as_it_was_and_stands_in_the_history(self, clinic: Clinic) -> None:
        """VER-20: results with their history; SEC-52."""
        first, second = clinic.screened(), clinic.screened()

        shown = clinic.ask("GET", f"/api/screenings/{first['id']}").get_json()
        history = clinic.ask("GET", f"/api/patients/{clinic.key}/screenings").get_json()["screenings"]
        assert shown["verdict"] == first["verdict"]
        assert [one["id"] for one in history] == [second["id"], first["id"]]
        store = kept(clinic.settings).screenings
        inputs = store.inputs(first["id"])
        assert {each.reference for each in inputs} >= {clinic.patient}


class TestDecisions:
    def test_a_person_moves_the_patient_on_and_the_machine_leaves_it_so(self, clinic: Clinic) -> None:
        """WB-01, WB-26: each step on the FHIR server, and no run of the machine's takes it back."""
        clinic.screened()
        before = clinic.standing()
        assert (before["status"], before["on_server"], before["possible"]) == (
            "potential",
            "potential-candidate",
            ["contacted", "declined", "screen-failure", "deceased"],
        )

        answer = clinic.decided("contacted")

        assert [result["action"] for result in answer.get_json()["written"]] == ["updated"]
        clinic.screened()
        (subject,) = clinic.subjects()
        after = clinic.standing()
        assert (subject["status"], after["status"], after["on_server"], after["differs"]) == (
            "candidate",
            "contacted",
            "candidate",
            False,
        )
        (step,) = after["history"]
        assert (step["subject"], step["issuer"], step["state"], step["reason"]) == ("u1", ISSUER, "written", "Spoken with.")

    def test_a_step_that_the_table_does_not_have_is_refused(self, clinic: Clinic) -> None:
        clinic.screened()

        answer = clinic.decided("on-study")

        assert answer.status_code == 422
        assert clinic.standing()["history"] == []

    def test_who_looked_before_somebody_else_decided_looks_again(self, clinic: Clinic) -> None:
        """WB-14."""
        clinic.screened()
        shown = clinic.standing()["shown"]
        assert clinic.decided("contacted").status_code == 200

        late = clinic.decided("contacted", shown=shown)

        assert late.status_code == 409
        assert len(clinic.standing()["history"]) == 1

    def test_who_looked_before_the_ehr_changed_looks_again_and_takes_it_over(self, clinic: Clinic) -> None:
        """WB-14: what a person set in the EHR is never overwritten."""
        clinic.screened()
        clinic.decided("contacted")
        shown = clinic.standing()["shown"]
        clinic.set_on_server("on-study")
        assert clinic.decided("consented", shown=shown).status_code == 409

        seen = clinic.standing()
        assert (seen["status"], seen["on_server"], seen["differs"], seen["possible"]) == (
            "contacted",
            "on-study",
            True,
            ["on-study"],
        )
        assert clinic.decided("consented").status_code == 422
        taken_over = clinic.decided("on-study")

        assert [result["action"] for result in taken_over.get_json()["written"]] == ["unchanged"]
        after = clinic.standing()
        assert (after["status"], after["differs"], clinic.subjects()[0]["status"]) == ("on-study", False, "on-study")

    def test_after_a_refusal_a_new_episode_has_a_subject_of_its_own(self, clinic: Clinic) -> None:
        """WB-05, WB-26: the former episode stays as it was."""
        clinic.screened()
        clinic.decided("contacted")
        clinic.decided("declined", reason_code="too-far")
        assert clinic.standing()["may_reopen"]

        answer = clinic.decided("contacted", new_episode=True)

        assert answer.status_code == 200, answer.text
        assert sorted(subject["status"] for subject in clinic.subjects()) == ["candidate", "not-registered"]
        assert clinic.standing()["episode"] == 2

    def test_where_nothing_is_written_back_the_decision_is_kept_and_the_machine_writes_nothing_later(
        self, settings: Settings, jane: str
    ) -> None:
        """WB-01, WB-47."""
        quiet = Clinic(replace(settings, write_back=WriteBack.OFF), jane)
        quiet.screened()

        answer = quiet.decided("contacted")

        assert [result["action"] for result in answer.get_json()["written"]] == ["withheld"]
        assert quiet.standing()["history"][0]["state"] == "kept"
        loud = Clinic(settings, jane)
        assert [result["action"] for result in loud.screened()["written"]] == ["withheld"]
        assert loud.subjects() == []
        assert [result["action"] for result in loud.decided("contacted").get_json()["written"]] == ["created"]
        assert (loud.subjects()[0]["status"], loud.standing()["history"][0]["state"]) == ("candidate", "written")

    def test_nobody_decides_without_a_name(self, fhir: Sandbox, tmp_path: Path, jane: str) -> None:
        """WB-01: without issuers there is one local user, who may look."""
        settings = with_basis(store_settings(fhir, tmp_path))
        asking = create_app(settings, ScreeningService(settings)).test_client()
        first = asking.post("/api/screenings", json={"patient": jane, "trial": TRIAL, "as_of": AS_OF}).get_json()
        key = first["patient_key"]
        shown = asking.get(f"/api/patients/{key}/standing?trial={TRIAL}").get_json()["shown"]
        decision = {"patient": key, "trial": TRIAL, "status": "contacted", "reason": "Spoken with.", "shown": shown}
        answer = {"screening": first["id"], "criterion": first["verdict"]["criteria"][0]["id"], "answer": "met", "reason": "So."}

        assert asking.post("/api/decisions", json=decision).status_code == 403
        assert asking.post("/api/answers", json=answer).status_code == 403


class TestBases:
    """SEC-34, SEC-35, SEC-36."""

    @pytest.mark.parametrize(
        "basis",
        [
            replace(TREATMENT, last_day=date(2026, 1, 31)),
            replace(TREATMENT, first_day=date(2999, 1, 1)),
            replace(TREATMENT, kind=BasisKind.PREPARATORY),
        ],
    )
    def test_without_a_basis_that_names_patients_nobody_is_screened(self, settings: Settings, jane: str, basis: Basis) -> None:
        clinic = Clinic(with_basis(settings, basis), jane)

        answer = clinic.ask("POST", "/api/screenings", {"patient": jane, "trial": TRIAL})

        assert answer.status_code == 403
        assert "basis" in answer.text
        assert clinic.subjects() == []

    def test_when_the_basis_has_ended_nothing_that_was_kept_is_shown(self, clinic: Clinic) -> None:
        first = clinic.screened()
        kept(clinic.settings).bases.end(TRIAL, by="dr-li", why="The study is closed.", at=NOW)

        for path in (f"/api/screenings/{first['id']}", f"/api/answers?patient={clinic.key}&trial={TRIAL}"):
            assert clinic.ask("GET", path).status_code == 403
        assert clinic.ask("GET", f"/api/patients/{clinic.key}/standing?trial={TRIAL}").status_code == 403
        assert clinic.ask("GET", f"/api/patients/{clinic.key}/screenings").get_json()["screenings"] == []

    def test_a_patient_who_opts_out_is_neither_screened_nor_shown_nor_decided_about(self, clinic: Clinic) -> None:
        first = clinic.screened()
        shown = clinic.standing()["shown"]
        kept(clinic.settings).opt_outs.record(clinic.key, TRIAL, OptOutKind.CONSENT_WITHDRAWN, by="dr-li", at=NOW)
        body = {"patient": clinic.patient, "trial": TRIAL}
        decision = {"patient": clinic.key, "trial": TRIAL, "status": "contacted", "reason": "Spoken with.", "shown": shown}
        answer = {"screening": first["id"], "criterion": first["verdict"]["criteria"][0]["id"], "answer": "met", "reason": "So."}

        assert clinic.ask("POST", "/api/screenings", body).status_code == 403
        assert clinic.ask("GET", f"/api/screenings/{first['id']}").status_code == 403
        assert clinic.ask("POST", "/api/decisions", decision).status_code == 403
        assert clinic.ask("POST", "/api/answers", answer).status_code == 403
        assert clinic.ask("GET", f"/api/patients/{clinic.key}/screenings").get_json()["screenings"] == []
        (subject,) = clinic.subjects()
        assert subject["meta"]["versionId"] == "1"

    def test_the_basis_on_which_was_screened_is_kept_with_the_screening(self, clinic: Clinic) -> None:
        first = clinic.screened()

        screening = kept(clinic.settings).screenings.screening(first["id"])
        in_force = kept(clinic.settings).bases.in_force(TRIAL)
        assert screening is not None
        assert in_force is not None
        assert screening.basis == in_force.number


def test_another_tenant_of_the_same_store_sees_none_of_it(settings: Settings, clinic: Clinic, jane: str) -> None:
    """SEC-13."""
    first = clinic.screened()
    other = Clinic(with_basis(replace(settings, tenant="other")), jane)

    assert other.ask("GET", f"/api/screenings/{first['id']}").status_code == 404
    assert other.ask("GET", f"/api/patients/{clinic.key}/standing?trial={TRIAL}").status_code == 404
    assert other.ask("GET", f"/api/patients/{clinic.key}/screenings").get_json()["screenings"] == []
    assert other.ask("GET", "/api/outbox").status_code == 403


def test_the_server_is_checked_by_a_data_manager_and_who_opted_out_is_not_read(clinic: Clinic) -> None:
    """DATA-20, SEC-36: a count needs no naming basis, and reads are audited."""
    store = kept(clinic.settings)
    store.grants.grant(ISSUER, "u1", "data-manager", TRIAL, name=None, by="admin", why=None, at=NOW)
    store.bases.record(replace(TREATMENT, kind=BasisKind.PREPARATORY), by="dr-li", at=NOW)

    answer = clinic.ask("POST", "/api/server-check", {"trial": TRIAL, "patients": 2})

    assert answer.status_code == 200, answer.text
    report = answer.get_json()["report"]
    assert (report["trial"], report["sample"]) == (TRIAL, 2)
    assert clinic.patient not in answer.text
    with FhirServer(clinic.settings.server_url) as server:
        everybody = [f"Patient/{each['id']}" for each in server.search("Patient", []).matches]
    keys = [patient_key(clinic.settings.tenant, clinic.settings.server_url, each) for each in everybody]
    store.opt_outs.record_all(keys, TRIAL, OptOutKind.OBJECTION, by="dr-li", at=NOW)
    assert clinic.ask("POST", "/api/server-check", {"trial": TRIAL}).get_json()["report"]["sample"] == 0
