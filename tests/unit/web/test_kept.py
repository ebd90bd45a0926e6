"""What is kept: screenings, people's answers and decisions, the outbox, the switch, the audit log."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from fhir_trial.config import Settings
from fhir_trial.errors import FhirTrialError
from fhir_trial.people.deciding import Decision
from fhir_trial.web import create_app
from fhir_trial.web.kept_schemas import STATUSES
from fhir_trial.web.service import Ports
from fhir_trial.web.signing_in import User
from tests.unit.web.conftest import issues
from tests.unit.web.services import FakeService
from tests.unit.web.stores import FOREIGN, PATIENT, SHOWN, TRIAL, VERDICT, FakeDatabase, all_ports

ANSWER = {"screening": "s1", "criterion": "C1", "answer": "met", "reason": "Seen on paper."}
DECISION = {"patient": PATIENT, "trial": TRIAL, "status": "eligible", "reason": "All met.", "shown": SHOWN}


@pytest.fixture
def ports() -> Ports:
    return all_ports()


@pytest.fixture
def asking(service: FakeService, ports: Ports) -> FlaskClient:
    return create_app(Settings(tenant="harbour"), service, ports).test_client()


@pytest.fixture
def as_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local user with every role, to reach the admin's and the auditor's routes without an issuer."""
    from fhir_trial.web import signing_in
    from fhir_trial.web.rules import Role

    monkeypatch.setattr(signing_in, "LOCAL", User(None, "local", frozenset((role, None) for role in Role)))


UNPLUGGED = [
    ("GET", "/api/screenings/s1", None),
    ("GET", f"/api/patients/{PATIENT}/screenings", None),
    ("POST", "/api/answers", ANSWER),
    ("GET", f"/api/answers?patient={PATIENT}&trial={TRIAL}", None),
    ("POST", "/api/decisions", DECISION),
    ("GET", f"/api/patients/{PATIENT}/standing?trial={TRIAL}", None),
    ("GET", "/api/decisions/unsent", None),
    ("GET", "/api/outbox", None),
    ("POST", "/api/stop", {"reason": "A fault."}),
    ("POST", "/api/resume", {"reason": "Mended."}),
    ("POST", "/api/audit/verify", {}),
]


@pytest.mark.usefixtures("as_everybody")
@pytest.mark.parametrize(("method", "path", "body"), UNPLUGGED)
def test_without_a_database_it_says_so_and_pretends_nothing(
    client: FlaskClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    answer = client.open(path, method=method, json=body)

    assert answer.status_code == 501
    (issue,) = issues(answer)
    assert issue["code"] == "not-supported"
    assert "FHIR_TRIAL_DATABASE" in issue["details"]["text"]


def test_without_keys_of_ours_there_are_none_to_publish(client: FlaskClient) -> None:
    assert client.get("/.well-known/jwks.json").status_code == 501


def test_a_screening_is_shown_as_it_was_kept(asking: FlaskClient) -> None:
    shown = asking.get("/api/screenings/s1").get_json()

    assert shown == {
        "id": "s1",
        "patient": PATIENT,
        "trial": TRIAL,
        "version": "v1",
        "at": "2026-03-02T09:30:00+00:00",
        "verdict": VERDICT,
    }


def test_who_looked_at_a_screening_is_audited_before_it_is_shown(asking: FlaskClient, ports: Any) -> None:
    """SEC-02, SEC-05: what cannot be audited is not shown."""
    shown = asking.get("/api/screenings/s1")
    ports.screenings.audit_is_full = True
    refused = asking.get("/api/screenings/s1")

    ((identity, actor, request),) = ports.screenings.views
    assert (identity, actor.subject, request) == ("s1", "local", shown.headers["X-Request-Id"])
    assert refused.status_code == 503
    assert "verdict" not in refused.get_data(as_text=True)


@pytest.mark.parametrize("identity", ["s9", "..", "a b", "x" * 65, "s1%0a"])
def test_a_screening_that_is_not_there_is_not_found(asking: FlaskClient, identity: str) -> None:
    assert asking.get(f"/api/screenings/{identity}").status_code == 404


def test_a_patients_history_is_asked_for_by_our_own_key(asking: FlaskClient) -> None:
    """SEC-26."""
    history = asking.get(f"/api/patients/{PATIENT}/screenings").get_json()

    assert history["patient"] == PATIENT
    assert [(one["id"], one["trial"], one["overall"]) for one in history["screenings"]] == [
        ("s1", TRIAL, "indeterminate"),
        ("s2", FOREIGN, "indeterminate"),
    ]


@pytest.mark.parametrize("key", ["p1", "Patient%2Fp1", "MRN-99887766", "pt-", "pt-XYZ", "pt-00000000000000AA"])
def test_an_id_of_the_hospitals_is_no_key(asking: FlaskClient, key: str) -> None:
    """SEC-26: names and record numbers have no place in an address."""
    assert asking.get(f"/api/patients/{key}/screenings").status_code == 404


def test_a_screening_tells_the_key_by_which_its_history_is_found(asking: FlaskClient) -> None:
    answer = asking.post("/api/screenings", json={"patient": "Patient/p1", "trial": TRIAL})

    assert answer.get_json()["patient_key"] == PATIENT


def test_an_answer_is_kept_with_who_gave_it(asking: FlaskClient, ports: Any) -> None:
    """SEC-51: with its reason."""
    given = asking.post("/api/answers", json=ANSWER)

    assert given.status_code == 201
    assert given.get_json() == {
        "id": "a1",
        "criterion": "C1",
        "answer": "met",
        "reason": "Seen on paper.",
        "subject": "local",
        "issuer": None,
        "at": "2026-03-02T09:30:00+00:00",
    }
    assert ports.answers.screenings == ["s1"]
    assert (ports.answers.actors[0].tenant, ports.answers.actors[0].role) == ("harbour", "coordinator")
    listed = asking.get(f"/api/answers?patient={PATIENT}&trial={TRIAL}").get_json()
    assert listed == {"answers": [given.get_json()]}


@pytest.mark.parametrize("name", ["subject", "issuer", "actor", "user", "at", "role", "tenant"])
@pytest.mark.parametrize(("path", "body"), [("/api/answers", ANSWER), ("/api/decisions", DECISION)])
def test_who_answers_is_never_taken_from_the_body(
    asking: FlaskClient, ports: Any, path: str, body: dict[str, Any], name: str
) -> None:
    answer = asking.post(path, json={**body, name: "somebody else"})

    assert answer.status_code == 422
    assert (ports.answers.kept, ports.decisions.made) == ([], [])


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"screening": ""}, "screening"),
        ({"screening": "Patient/p1"}, "screening"),
        ({"patient": "Patient/p1"}, "patient"),
        ({"answer": "pass"}, "answer"),
        ({"answer": None}, "answer"),
        ({"reason": ""}, "reason"),
        ({"reason": "   "}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"criterion": ""}, "criterion"),
        ({"criterion": 1}, "criterion"),
    ],
)
def test_an_answer_that_does_not_fit_is_not_kept(asking: FlaskClient, ports: Any, change: dict[str, Any], member: str) -> None:
    answer = asking.post("/api/answers", json={**ANSWER, **change})

    assert answer.status_code == 422
    assert {expression for issue in issues(answer) for expression in issue["expression"]} == {member}
    assert ports.answers.kept == []


@pytest.mark.parametrize(
    ("change", "status"),
    [({"criterion": "C99"}, 422), ({"screening": "s9"}, 404)],
)
def test_an_answer_about_nothing_is_refused(asking: FlaskClient, change: dict[str, Any], status: int) -> None:
    assert asking.post("/api/answers", json={**ANSWER, **change}).status_code == status


@pytest.mark.parametrize("query", ["", f"patient={PATIENT}", f"trial={TRIAL}", f"patient=Patient/p1&trial={TRIAL}"])
def test_answers_are_asked_for_by_patient_and_trial(asking: FlaskClient, query: str) -> None:
    answer = asking.get(f"/api/answers?{query}")

    assert answer.status_code == 422
    assert issues(answer)


def test_a_decision_goes_back_to_the_server_and_says_what_became_of_it(asking: FlaskClient, ports: Any) -> None:
    answer = asking.post("/api/decisions", json=DECISION)

    assert answer.get_json() == {
        "written": [{"reference": "ResearchSubject/1", "action": "updated", "reason": "A person decided."}]
    }
    (made,) = ports.decisions.made
    assert (made["trial"], made["to"]) == (TRIAL, Decision("eligible", None, "All met.", new_episode=False, shown=SHOWN))
    assert made["actor"].subject == "local"


def test_a_decision_may_have_a_coded_reason_and_begin_anew(asking: FlaskClient, ports: Any) -> None:
    asking.post("/api/decisions", json={**DECISION, "status": "declined", "reason_code": "too-far", "new_episode": True})

    assert ports.decisions.made[0]["to"] == Decision("declined", "too-far", "All met.", new_episode=True, shown=SHOWN)


@pytest.mark.parametrize(
    "change", [{"reason_code": "because"}, {"new_episode": "true"}, {"reason": None}, {"shown": "st-1"}, {"since": "soon"}]
)
def test_a_decision_that_does_not_fit_is_not_made(asking: FlaskClient, ports: Any, change: dict[str, Any]) -> None:
    assert asking.post("/api/decisions", json={**DECISION, **change}).status_code == 422
    assert ports.decisions.made == []


@pytest.mark.parametrize("status", ["potential", "potential-candidate", "enrolled", "", None])
def test_no_person_writes_what_only_the_machine_writes(asking: FlaskClient, ports: Any, status: str | None) -> None:
    """WB-01."""
    answer = asking.post("/api/decisions", json={**DECISION, "status": status})

    assert answer.status_code == 422
    assert ports.decisions.made == []
    assert status not in STATUSES


def test_who_decides_is_shown_where_the_patient_stands_and_what_may_follow(asking: FlaskClient) -> None:
    answer = asking.get(f"/api/patients/{PATIENT}/standing?trial={TRIAL}")

    shown = answer.get_json()
    assert {name: shown[name] for name in ("status", "on_server", "differs", "possible", "shown")} == {
        "status": "contacted",
        "on_server": "candidate",
        "differs": False,
        "possible": ["consented", "declined"],
        "shown": SHOWN,
    }
    (step,) = shown["history"]
    assert (step["subject"], step["reason"], step["state"]) == ("u1", "Telephoned.", "written")


@pytest.mark.parametrize("key", ["pt-00000000000000bb", "Patient-1"])
def test_nobody_stands_anywhere_who_was_not_screened(asking: FlaskClient, key: str) -> None:
    assert asking.get(f"/api/patients/{key}/standing?trial={TRIAL}").status_code == 404


def test_a_decision_about_nobody_is_not_found(asking: FlaskClient) -> None:
    assert asking.post("/api/decisions", json={**DECISION, "patient": "pt-00000000000000bb"}).status_code == 404


def test_the_outbox_shows_neither_contents_nor_patients(asking: FlaskClient) -> None:
    answer = asking.get("/api/outbox?state=confirmed&limit=1")

    assert answer.get_json() == {
        "entries": [
            {
                "number": 1,
                "trial": TRIAL,
                "kind": "ResearchSubject",
                "interaction": "create",
                "state": "confirmed",
                "at": "2026-03-02T09:30:00+00:00",
                "attempts": 1,
                "note": None,
            }
        ]
    }
    assert "planted" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "limit=501", "limit=many"])
def test_the_outbox_is_asked_for_in_its_own_words(asking: FlaskClient, query: str) -> None:
    assert asking.get(f"/api/outbox?{query}").status_code == 422


@pytest.mark.usefixtures("as_everybody")
def test_stopping_and_resuming_need_a_reason_and_a_name(asking: FlaskClient, ports: Any) -> None:
    """SEC-60."""
    stopped = asking.post("/api/stop", json={"reason": "Wrong results."})
    resumed = asking.post("/api/resume", json={"reason": "Mended."})
    without = asking.post("/api/stop", json={})

    assert (stopped.get_json(), resumed.get_json(), without.status_code) == ({"stopped": True}, {"stopped": False}, 422)
    assert [(what, why, actor.subject, actor.role) for what, why, actor in ports.switch.thrown] == [
        ("stop", "Wrong results.", "local", "admin"),
        ("resume", "Mended.", "local", "admin"),
    ]


def test_without_its_database_the_service_is_not_ready(service: FakeService) -> None:
    ports = all_ports(database=FakeDatabase(FhirTrialError("The database does not answer.")))

    answer = create_app(Settings(), service, ports).test_client().get("/readyz")

    assert answer.status_code == 503
    assert issues(answer)[0]["details"]["text"] == "The database does not answer."


def test_the_needs_of_a_trial_are_told_alone(client: FlaskClient) -> None:
    """What searches, scopes and exports are made of."""
    shown, needs = client.get("/api/trials/nct00000000").json, client.get("/api/trials/nct00000000/needs").json

    assert shown is not None
    assert needs == shown["needs"]
    assert client.get("/api/trials/unknown/needs").status_code == 404


def test_what_the_service_brings_along_is_plugged_in(service: FakeService, ports: Ports) -> None:
    service.ports = ports  # type: ignore[attr-defined]  # as wiring does

    assert create_app(Settings(), service).test_client().get("/api/screenings/s1").status_code == 200


def test_a_view_that_forgets_to_ask_about_the_trial_sends_nothing(
    asking: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SEC-12: fail closed."""
    monkeypatch.setattr("fhir_trial.web.trials.on_trial", lambda name: None)

    answer = asking.get(f"/api/trials/{TRIAL}")

    assert (answer.status_code, answer.get_data()) == (500, b"")
    assert "trial_not_checked" in capsys.readouterr().err
