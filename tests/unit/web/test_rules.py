"""Every route has a rule, and every rule is kept: route by role, without a token, of a foreign trial (SEC-12, SEC-13, SEC-62)."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fhir_trial.config import Settings
from fhir_trial.errors import UsageError
from fhir_trial.web import create_app
from fhir_trial.web.rules import RULES, Membership, Role, RouteWithoutRule, check_rules
from fhir_trial.web.service import Ports
from tests.unit.web.conftest import issues
from tests.unit.web.identities import AUDIENCE, ISSUER, OTHER, STRANGER, claims, jwks, token
from tests.unit.web.services import FakeService
from tests.unit.web.stores import FOREIGN, PATIENT, SHOWN, TRIAL, FakeGrants, FakeKeys, all_ports

KEYS = "https://keys.example.invalid/jwks"
OTHER_KEYS = "https://keys.example.invalid/other"

#: What makes each route answer 2xx to whoever is allowed: path, body, query.
CALLS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "health.live": ("/livez", None),
    "health.ready": ("/readyz", None),
    "keys.show_keys": ("/.well-known/jwks.json", None),
    "metrics.show_metrics": ("/metrics", None),
    "api-docs.openapi_json": ("/openapi.json", None),
    "trials.list_trials": ("/api/trials", None),
    "trials.show_trial": (f"/api/trials/{TRIAL}", None),
    "trials.show_needs": (f"/api/trials/{TRIAL}/needs", None),
    "screenings.screen": ("/api/screenings", {"patient": "Patient/p1", "trial": TRIAL}),
    "screenings.show_screening": ("/api/screenings/s1", None),
    "patients.list_screenings": (f"/api/patients/{PATIENT}/screenings", None),
    "patients.show_standing": (f"/api/patients/{PATIENT}/standing?trial={TRIAL}", None),
    "server_check.check": ("/api/server-check", {"trial": TRIAL}),
    "answers.give_answer": (
        "/api/answers",
        {"screening": "s1", "criterion": "C1", "answer": "met", "reason": "Seen on paper."},
    ),
    "answers.list_answers": (f"/api/answers?patient={PATIENT}&trial={TRIAL}", None),
    "decisions.decide": (
        "/api/decisions",
        {"patient": PATIENT, "trial": TRIAL, "status": "eligible", "reason": "All met.", "shown": SHOWN},
    ),
    "decisions.list_unsent": ("/api/decisions/unsent", None),
    "outbox.list_outbox": ("/api/outbox", None),
    "switch.stop": ("/api/stop", {"reason": "A fault."}),
    "switch.resume": ("/api/resume", {"reason": "Mended."}),
    "audit.verify": ("/api/audit/verify", {}),
}

#: Written out, so that a change of a rule is a change of two files: S screener, C coordinator, I investigator, D data manager,
#: A admin, U auditor.
ALLOWED = {
    "api-docs.openapi_json": "SCIDAU",
    "trials.list_trials": "SCIDAU",
    "trials.show_trial": "SCIDAU",
    "trials.show_needs": "SCIDAU",
    "screenings.screen": "SCI",
    "screenings.show_screening": "SCID",
    "patients.list_screenings": "SCID",
    "patients.show_standing": "SCID",
    "server_check.check": "D",
    "answers.give_answer": "CI",
    "answers.list_answers": "SCID",
    "decisions.decide": "CI",
    "decisions.list_unsent": "CID",
    "outbox.list_outbox": "DAU",
    "switch.stop": "A",
    "switch.resume": "A",
    "audit.verify": "U",
    "metrics.show_metrics": "A",
}
LETTERS = {
    Role.SCREENER: "S", Role.COORDINATOR: "C", Role.INVESTIGATOR: "I", Role.DATA_MANAGER: "D", Role.ADMIN: "A", Role.AUDITOR: "U",
}  # fmt: skip
PUBLIC = {"health.live", "health.ready", "keys.show_keys"}


@pytest.fixture
def grants() -> FakeGrants:
    return FakeGrants()


@pytest.fixture
def app(service: FakeService, grants: FakeGrants) -> Iterator[Flask]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        http.get(KEYS, json=jwks())
        http.get(OTHER_KEYS, json=jwks(STRANGER))
        settings = Settings(
            issuers=(ISSUER, OTHER), audience=AUDIENCE, issuer_jwks={ISSUER: KEYS, OTHER: OTHER_KEYS}, log_level="error"
        )
        yield create_app(settings, service, all_ports(grants=grants))


@pytest.fixture
def asking(app: Flask) -> FlaskClient:
    return app.test_client()


def call(asking: FlaskClient, endpoint: str, bearer: str | None) -> TestResponse:
    """From afar, so that /metrics asks for a token as well."""
    path, body = CALLS[endpoint]
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    method = "POST" if body is not None else "GET"
    return asking.open(path, method=method, json=body, headers=headers, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})


def signed(**changes: Any) -> str:
    return token(claims(int(time.time()), **changes))


def test_every_route_has_a_rule_and_every_rule_a_route_and_a_row_here(app: Flask) -> None:
    """SEC-12: a new route without a rule, or without its row in this file, fails."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}

    assert endpoints == set(RULES) == set(CALLS)
    assert set(ALLOWED) | PUBLIC == endpoints
    assert {endpoint for endpoint, rule in RULES.items() if rule.public} == PUBLIC


def test_every_path_is_that_of_its_endpoint(app: Flask) -> None:
    adapter = app.url_map.bind("localhost")

    for endpoint, (path, body) in CALLS.items():
        assert adapter.match(path.partition("?")[0], method="POST" if body is not None else "GET")[0] == endpoint


def test_a_route_without_a_rule_is_refused_at_the_start() -> None:
    app = Flask("other", static_folder=None)
    app.add_url_rule("/new", "new.thing", lambda: "x")

    with pytest.raises(RouteWithoutRule, match=r"new\.thing"):
        check_rules(app)


def test_a_route_that_came_later_without_a_rule_answers_nobody(app: Flask, grants: FakeGrants) -> None:
    """SEC-12: denied by default."""
    app.add_url_rule("/new", "new.thing", lambda: "planted")
    for role in Role:
        grants.give(role)

    answer = app.test_client().get("/new", headers={"Authorization": f"Bearer {signed()}"})

    assert answer.status_code == 403
    assert "planted" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("endpoint", sorted(CALLS))
def test_without_a_token_only_public_routes_answer(asking: FlaskClient, endpoint: str) -> None:
    answer = call(asking, endpoint, None)

    assert answer.status_code == (200 if endpoint in PUBLIC else 401)
    if endpoint not in PUBLIC:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert [issue["code"] for issue in issues(answer)] == ["login"]


@pytest.mark.parametrize("endpoint", sorted(ALLOWED))
def test_a_signed_in_stranger_has_no_role(asking: FlaskClient, endpoint: str) -> None:
    """SMART-36: nothing in the token gives a role."""
    bearer = signed(roles=["admin"], groups=["investigator"], scope="admin", role="admin", sub="stranger")

    assert call(asking, endpoint, bearer).status_code == 403


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("endpoint", sorted(ALLOWED))
def test_each_role_is_allowed_exactly_what_the_table_says(
    asking: FlaskClient, grants: FakeGrants, endpoint: str, role: Role
) -> None:
    """SEC-12, on all trials."""
    grants.give(role)

    status = call(asking, endpoint, signed()).status_code

    assert (status in (200, 201)) is (LETTERS[role] in ALLOWED[endpoint]), status
    assert status in (200, 201, 403, 404)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("endpoint", sorted(ALLOWED))
def test_a_member_of_the_trial_is_allowed_and_of_a_foreign_one_is_not(
    asking: FlaskClient, grants: FakeGrants, endpoint: str, role: Role
) -> None:
    """SEC-12, SEC-13: one trial's roles open nothing of another, and nothing of the whole site."""
    grants.give(role, TRIAL, "member")
    grants.give(role, FOREIGN, "foreigner")
    holds = LETTERS[role] in ALLOWED[endpoint]
    membership = RULES[endpoint].membership

    member = call(asking, endpoint, signed(sub="member")).status_code
    foreigner = call(asking, endpoint, signed(sub="foreigner")).status_code

    assert (member in (200, 201)) is (holds and membership is not Membership.EVERYWHERE), member
    assert (foreigner in (200, 201)) is (holds and membership in (Membership.NONE, Membership.FILTERED)), foreigner
    assert {member, foreigner} <= {200, 201, 403, 404}


def test_a_foreign_screening_is_as_if_it_were_not_there(asking: FlaskClient, grants: FakeGrants) -> None:
    """SEC-13."""
    grants.give("investigator", TRIAL)
    headers = {"Authorization": f"Bearer {signed()}"}

    foreign = asking.get("/api/screenings/s2", headers=headers)
    nowhere = asking.get("/api/screenings/s9", headers=headers)

    assert (foreign.status_code, nowhere.status_code) == (404, 404)
    assert foreign.get_json() == nowhere.get_json()
    answered = [
        asking.post("/api/answers", json={"screening": name, "criterion": "C1", "answer": "met"}, headers=headers)
        for name in ("s2", "s9")
    ]
    assert [answer.status_code for answer in answered] == [404, 404]
    assert answered[0].get_json() == answered[1].get_json()


def test_a_history_and_the_outbox_hold_the_users_trials_alone(asking: FlaskClient, grants: FakeGrants) -> None:
    """SEC-13."""
    grants.give("data-manager", TRIAL)
    headers = {"Authorization": f"Bearer {signed()}"}

    history = asking.get(f"/api/patients/{PATIENT}/screenings", headers=headers).get_json()
    outbox = asking.get("/api/outbox", headers=headers).get_json()
    unsent = asking.get("/api/decisions/unsent", headers=headers).get_json()

    assert [one["trial"] for one in unsent["decisions"]] == [TRIAL]
    assert [one["trial"] for one in history["screenings"]] == [TRIAL]
    assert [one["trial"] for one in outbox["entries"]] == [TRIAL]


def test_a_role_on_one_trial_and_another_role_on_the_other_do_not_add_up(asking: FlaskClient, grants: FakeGrants) -> None:
    grants.give("data-manager", TRIAL)
    grants.give("investigator", FOREIGN)

    assert call(asking, "decisions.decide", signed()).status_code == 403


def test_the_same_subject_of_another_issuer_has_nothing(asking: FlaskClient, grants: FakeGrants) -> None:
    """SEC-16."""
    grants.give("investigator")
    content = claims(int(time.time()), iss=OTHER)

    assert call(asking, "screenings.screen", signed()).status_code == 200
    assert call(asking, "screenings.screen", token(content, key=STRANGER)).status_code == 403


def test_a_withdrawn_grant_ends_at_once(asking: FlaskClient, grants: FakeGrants) -> None:
    grants.give("screener")
    assert call(asking, "screenings.screen", signed()).status_code == 200

    grants.given.clear()

    assert call(asking, "screenings.screen", signed()).status_code == 403


@pytest.mark.parametrize("header", ["", "Basic dTpw", "Bearer", "Bearer ", "Token x", "Bearer a.b.c", "bearer x y"])
def test_another_authorization_is_none(asking: FlaskClient, header: str) -> None:
    answer = asking.get("/api/trials", headers={"Authorization": header})

    assert answer.status_code == 401


def test_a_token_in_the_address_is_not_looked_at(asking: FlaskClient, grants: FakeGrants) -> None:
    grants.give("screener")

    assert asking.get(f"/api/trials?access_token={signed()}").status_code == 401


def test_who_screened_is_known_from_the_token(asking: FlaskClient, grants: FakeGrants, service: FakeService) -> None:
    grants.give("coordinator", TRIAL)

    call(asking, "screenings.screen", signed())

    (asked,) = service.asked
    actor = asked["actor"]
    assert (actor.issuer, actor.subject, actor.role, actor.tenant) == (ISSUER, "u1", "coordinator", "default")


def test_without_issuers_one_local_user_has_all_clinical_roles_and_no_other(service: FakeService) -> None:
    asking = create_app(Settings(), service, all_ports()).test_client()

    statuses = {
        endpoint: asking.open(path, method="POST" if body is not None else "GET", json=body).status_code
        for endpoint, (path, body) in CALLS.items()
    }

    denied = {endpoint for endpoint, status in statuses.items() if status == 403}
    assert denied == {"switch.stop", "switch.resume", "audit.verify"}
    assert set(statuses.values()) == {200, 201, 403}
    assert "actor" not in service.asked[0], "the service acts itself"


def test_metrics_answer_loopback_itself_but_no_proxy_on_it(asking: FlaskClient) -> None:
    near = asking.get("/metrics")
    proxied = asking.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"})

    assert (near.status_code, proxied.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("settings", "ports", "named"),
    [
        (Settings(issuers=(ISSUER,)), all_ports(), "FHIR_TRIAL_AUDIENCE"),
        (Settings(issuers=(ISSUER,), audience=AUDIENCE), Ports(), "FHIR_TRIAL_DATABASE"),
        (Settings(issuers=(ISSUER,), audience=AUDIENCE, issuer_jwks={OTHER: KEYS}), all_ports(), "FHIR_TRIAL_ISSUER_JWKS"),
        (Settings(audience=AUDIENCE), all_ports(), "FHIR_TRIAL_ISSUERS"),
        (Settings(issuer_jwks={ISSUER: KEYS}), all_ports(), "FHIR_TRIAL_ISSUERS"),
        (Settings(issuers=("http://id.example.invalid",), audience=AUDIENCE), all_ports(), "https"),
    ],
)
def test_a_half_configured_door_does_not_open(service: FakeService, settings: Settings, ports: Ports, named: str) -> None:
    """SEC-25: fail closed."""
    with pytest.raises(UsageError, match=re.escape(named)):
        create_app(settings, service, ports)


def test_an_issuer_that_does_not_answer_is_503(service: FakeService) -> None:
    with responses.RequestsMock() as http:
        http.get(KEYS, status=500)
        settings = Settings(issuers=(ISSUER,), audience=AUDIENCE, issuer_jwks={ISSUER: KEYS}, log_level="error")

        answer = call(create_app(settings, service, all_ports()).test_client(), "trials.list_trials", signed())

    assert answer.status_code == 503
    assert [issue["code"] for issue in issues(answer)] == ["transient"]


def test_with_issuers_the_service_may_be_reached_from_afar(asking: FlaskClient) -> None:
    answer = asking.get("/livez", environ_overrides={"SERVER_NAME": "0.0.0.0", "HTTP_HOST": "localhost"})

    assert answer.status_code == 200


def test_our_public_keys_are_public_and_nothing_more_of_them(service: FakeService) -> None:
    """SMART-48."""
    private = {**STRANGER.as_dict(private=True), "use": "sig", "key_ops": ["sign"], "note": "planted"}
    keys = FakeKeys([private, {"kty": "oct", "k": "planted", "kid": "o"}])

    answer = create_app(Settings(), service, all_ports(keys=keys)).test_client().get("/.well-known/jwks.json")

    (shown,) = answer.get_json()["keys"]
    assert set(shown) == {"kty", "crv", "x", "y", "kid", "use", "key_ops"}
    assert shown["key_ops"] == ["verify"]
    assert str(private["d"]) not in answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "public, max-age=300"
