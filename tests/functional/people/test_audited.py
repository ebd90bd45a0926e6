"""Who looks at a patient, or says something about one, is in the audit log first: who, by which role, and nothing clinical."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_trial.config import Settings
from fhir_trial.store import chain
from fhir_trial.transport import Json
from fhir_trial.writeback import WriteBack
from tests.functional.clinics import Clinic, opt_out
from tests.functional.stores import TRIAL, kept

pytestmark = pytest.mark.server


def audited(clinic: Clinic) -> list[Json]:
    """Every event of the tenant, oldest first."""
    return [row.fields() for row in chain.lines(kept(clinic.settings).engine, clinic.settings.tenant)]


def since(clinic: Clinic, before: int) -> list[tuple[str, str]]:
    return [(event["action"], event["outcome"]) for event in audited(clinic)[before:]]


def test_a_standing_is_audited_where_nothing_is_written_back_too(settings: Settings, jane: str) -> None:
    """SEC-02: it shows what people wrote about the patient."""
    clinic = Clinic(replace(settings, write_back=WriteBack.OFF), jane)
    clinic.screened()
    clinic.decided("contacted")
    before = len(audited(clinic))

    clinic.standing()

    assert since(clinic, before) == [("view-screening", "begun"), ("view-screening", "done")]
    assert audited(clinic)[-1]["patient"] == clinic.key


def test_each_look_is_audited_before_anything_is_shown(clinic: Clinic) -> None:
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


def test_each_answer_is_audited_and_an_override_as_one_and_neither_says_what(clinic: Clinic) -> None:
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


def test_a_screening_is_a_step_around_all_that_is_read_and_written(clinic: Clinic) -> None:
    """SEC-02, SEC-05: each intent before its outcome, and none left open."""
    clinic.screened()

    events = [(each["action"], each.get("target"), each["outcome"]) for each in audited(clinic)]
    assert events[:5] == [
        ("screen", None, "begun"),
        ("read-patient", "Patient", "begun"),
        ("read-patient", "Patient", "done"),
        ("screen", None, "done"),
        ("read-patient", "ResearchSubject", "begun"),
    ]
    assert ("create", "ResearchSubject", "begun") in events
    assert chain.inspect(kept(clinic.settings).engine, clinic.settings.tenant).unfinished == ()


def test_a_list_says_by_which_role_somebody_looked(clinic: Clinic) -> None:
    """SEC-03."""
    clinic.screened()

    clinic.ask("GET", f"/api/patients/{clinic.key}/screenings")

    last = audited(clinic)[-1]
    assert (last["action"], last["role"]) == ("list-screenings", "coordinator")


def test_a_refusal_for_an_opt_out_stands_in_the_audit_log(clinic: Clinic) -> None:
    """SEC-36."""
    clinic.screened()
    shown = clinic.standing()["shown"]
    opt_out(clinic.settings, clinic.key)
    before = len(audited(clinic))
    decision = {"patient": clinic.key, "trial": TRIAL, "status": "contacted", "reason": "Spoken with.", "shown": shown}

    assert clinic.ask("POST", "/api/decisions", decision).status_code == 403
    assert since(clinic, before) == [("decide", "begun"), ("decide", "failed")]
