"""SMART Backend Services: who we are to a server, and what becomes of a token that ends."""

from __future__ import annotations

import json
import logging
import stat
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_trial.errors import FatalServerError, TemporaryServerError, UsageError
from fhir_trial.transport import FhirServer, NotAuthorisedError, ServerSettings
from fhir_trial.transport.access import BackendServices, Bearer
from fhir_trial.transport.connection import StoppedError
from fhir_trial.transport.keys import generate_key, key_id, public_jwks, read_keys
from fhir_trial.transport.pace import Pace
from fhir_trial.transport.scopes import allows, read_scopes, system_scopes

BASE = "https://ehr.example.invalid/fhir"
TOKEN = "https://login.example.invalid/token"
CONFIGURATION = f"{BASE}/.well-known/smart-configuration"
SECRET = "s3cr3t-opaque-token"
PATIENT = {"resourceType": "Patient", "id": "p1"}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "client.pem"
    path.write_bytes(generate_key("ES384").as_pem(private=True))
    path.chmod(0o600)
    return path


@pytest.fixture
def http() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def server(key_file: Path, **more: Any) -> FhirServer:
    access = BackendServices("us", key_file, **more)
    return FhirServer(ServerSettings(BASE, access=access, retries=0), scopes=("system/Patient.rs",))


def grant(http: responses.RequestsMock, **answer: Any) -> None:
    http.get(CONFIGURATION, json={"token_endpoint": TOKEN})
    http.post(TOKEN, json={"access_token": SECRET, "token_type": "bearer", "expires_in": 300, **answer})


def claims_of(call: Any, key_file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    assertion = parse_qs(str(call.request.body))["client_assertion"][0]
    token = jwt.decode(assertion, read_keys(key_file, "ES384")[0], algorithms=["ES384"])
    return token.header, token.claims


def test_the_assertion_names_us_the_token_url_and_lives_four_minutes(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-01, SMART-46."""
    grant(http)
    http.get(f"{BASE}/Patient/p1", json=PATIENT)

    server(key_file).read("Patient/p1")

    header, claims = claims_of(http.calls[1], key_file)
    assert header == {"alg": "ES384", "typ": "JWT", "kid": key_id(read_keys(key_file, "ES384")[0])}
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("us", "us", TOKEN)
    assert claims["exp"] - claims["iat"] == 240
    form = parse_qs(str(http.calls[1].request.body))
    assert form["grant_type"] == ["client_credentials"]
    assert form["scope"] == ["system/Patient.rs"]
    assert http.calls[2].request.headers["Authorization"] == f"Bearer {SECRET}"


def test_no_assertion_is_used_twice(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-46: a fresh jti for each request, also when the token request is tried again."""
    http.get(CONFIGURATION, json={"token_endpoint": TOKEN})
    http.post(TOKEN, status=503)
    http.post(TOKEN, json={"access_token": SECRET})

    server(key_file).sign_in()

    jtis = [claims_of(call, key_file)[1]["jti"] for call in http.calls if call.request.method == "POST"]
    assert len(set(jtis)) == 2


def test_a_token_is_kept_until_shortly_before_it_ends(http: responses.RequestsMock, key_file: Path) -> None:
    grant(http)
    http.get(f"{BASE}/Patient/p1", json=PATIENT)
    ours = server(key_file)

    ours.read("Patient/p1")
    ours.read("Patient/p1")

    assert http.assert_call_count(TOKEN, 1)


@pytest.mark.parametrize("expires_in", [None, "300", 300, "soon"])
def test_a_life_that_is_absent_or_a_word_is_borne(http: responses.RequestsMock, key_file: Path, expires_in: object) -> None:
    """SMART-23."""
    grant(http, expires_in=expires_in)
    http.get(f"{BASE}/Patient/p1", json=PATIENT)

    assert server(key_file).read("Patient/p1")["id"] == "p1"


def page(number: int, following: str | None) -> dict[str, Any]:
    links = [{"relation": "self", "url": f"{BASE}/Patient?_count=200"}]
    if following:
        links.append({"relation": "next", "url": following})
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": links,
        "entry": [{"resource": {"resourceType": "Patient", "id": f"p{number}"}, "search": {"mode": "match"}}],
    }


def test_a_token_that_ends_on_page_three_is_renewed_once_and_nothing_is_lost(
    http: responses.RequestsMock, key_file: Path
) -> None:
    """WB-22: a 401 says that nothing was done."""
    grant(http)
    http.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "rest": []})
    http.get(f"{BASE}/Patient", json=page(1, f"{BASE}?page=2"))
    http.get(f"{BASE}?page=2", json=page(2, f"{BASE}?page=3"))
    http.get(f"{BASE}?page=3", status=401)
    http.get(f"{BASE}?page=3", json=page(3, None))

    found = server(key_file).search("Patient", [])

    assert [patient["id"] for patient in found.matches] == ["p1", "p2", "p3"]
    assert found.complete
    assert http.assert_call_count(TOKEN, 2)


def test_a_token_that_is_refused_twice_is_a_refusal(http: responses.RequestsMock, key_file: Path) -> None:
    grant(http)
    http.get(f"{BASE}/Patient/p1", status=401)

    with pytest.raises(NotAuthorisedError, match="401"):
        server(key_file).read("Patient/p1")

    assert http.assert_call_count(f"{BASE}/Patient/p1", 2)


def test_the_error_code_is_shown_and_the_servers_words_are_not(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-61."""
    http.get(CONFIGURATION, json={"token_endpoint": TOKEN})
    http.post(TOKEN, status=400, json={"error": "unauthorized_client", "error_description": "Jane Doe may not"})

    with pytest.raises(NotAuthorisedError, match="unauthorized_client") as caught:
        server(key_file).sign_in()

    assert "Jane" not in str(caught.value)


def test_a_token_server_that_fails_is_asked_twice_and_no_more(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-41."""
    http.get(CONFIGURATION, json={"token_endpoint": TOKEN})
    http.post(TOKEN, status=503)

    with pytest.raises(TemporaryServerError):
        server(key_file).sign_in()

    assert http.assert_call_count(TOKEN, 2)


def test_the_token_url_may_stand_in_the_capability_statement(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-07, and SMART-03: nothing else of the discovery document is needed."""
    uris = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    security = {"extension": [{"url": uris, "extension": [{"url": "token", "valueUri": TOKEN}]}]}
    http.get(CONFIGURATION, status=404)
    http.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "rest": [{"security": security}]})
    http.post(TOKEN, json={"access_token": SECRET})

    server(key_file).sign_in()

    assert http.assert_call_count(TOKEN, 1)


def test_a_relative_token_url_starts_at_the_base(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-02."""
    http.get(CONFIGURATION, json={"token_endpoint": "auth/token"})
    http.post(f"{BASE}/auth/token", json={"access_token": SECRET})

    server(key_file).sign_in()

    assert http.assert_call_count(f"{BASE}/auth/token", 1)


def test_no_assertion_goes_over_plain_http_or_after_a_redirect(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-11, SEC-23."""
    http.get(CONFIGURATION, status=307, headers={"Location": "https://elsewhere.example.invalid/"})
    http.get(f"{BASE}/metadata", status=404)
    with pytest.raises(FatalServerError, match="token_url"):
        server(key_file).sign_in()

    with pytest.raises(FatalServerError, match="not https"):
        server(key_file, token_url="http://login.example.invalid/token").sign_in()

    with pytest.raises(UsageError, match="https"):
        ServerSettings("http://ehr.example.invalid/fhir", access=Bearer(key_file))


def test_a_token_stays_under_the_base(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-45: a next link elsewhere gets no token, and no request; the setting is named."""
    grant(http)
    http.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "rest": []})
    http.get(f"{BASE}/Patient", json=page(1, "https://other.example.invalid/fhir?page=2"))

    found = server(key_file).search("Patient", [])

    assert found.failure is not None
    assert "aliases" in found.failure.message
    assert not any("other.example" in str(call.request.url) for call in http.calls)


def test_the_granted_scopes_are_known(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-24."""
    grant(http, scope="system/Observation.read launch system/Patient.rs")
    ours = server(key_file)

    ours.sign_in()

    granted = ours.granted_scopes or ()
    assert allows(granted, "Observation", "s")
    assert not allows(granted, "Condition", "r")


def test_parallel_requests_renew_once(http: responses.RequestsMock, key_file: Path) -> None:
    """SMART-39."""
    grant(http)
    http.get(f"{BASE}/Patient/p1", json=PATIENT)
    ours = server(key_file)
    threads = [threading.Thread(target=ours.read, args=("Patient/p1",)) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert http.assert_call_count(TOKEN, 1)


def test_neither_token_nor_key_nor_assertion_is_said_anywhere(
    http: responses.RequestsMock, key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SEC-27, SMART-43."""
    caplog.set_level(logging.DEBUG)
    grant(http)
    http.get(f"{BASE}/Patient/p1", status=403)
    ours = server(key_file)

    with pytest.raises(NotAuthorisedError) as caught:
        ours.read("Patient/p1")

    private = read_keys(key_file, "ES384")[0].as_dict(private=True)["d"]
    said = caplog.text + repr(caught.value) + repr(ours) + repr(ours.settings) + str(http.calls[-1].request.url)
    assert SECRET not in said
    assert str(private) not in said


def test_a_bearer_token_is_read_from_its_file_each_time(http: responses.RequestsMock, tmp_path: Path) -> None:
    """SEC-57: a secret is named by its file."""
    file = tmp_path / "token"
    file.write_text("first\n")
    http.get(f"{BASE}/Patient/p1", json=PATIENT)
    ours = FhirServer(ServerSettings(BASE, access=Bearer(file)))

    ours.read("Patient/p1")
    file.write_text("second\n")
    ours.read("Patient/p1")

    assert [call.request.headers["Authorization"] for call in http.calls] == ["Bearer first", "Bearer second"]


def test_the_kill_switch_stops_the_next_request(http: responses.RequestsMock) -> None:
    """SEC-60."""
    http.get(f"{BASE}/Patient/p1", json=PATIENT)
    stopped = False
    ours = FhirServer(BASE, halted=lambda: stopped)
    ours.read("Patient/p1")

    stopped = True

    with pytest.raises(StoppedError, match="kill switch"):
        ours.read("Patient/p1")
    assert len(http.calls) == 1


def test_a_stopped_site_asks_for_no_token_either(http: responses.RequestsMock, key_file: Path) -> None:
    """SEC-60."""
    grant(http)
    ours = FhirServer(ServerSettings(BASE, access=BackendServices("us", key_file)), halted=lambda: True)

    for call in (ours.sign_in, lambda: ours.read("Patient/p1")):
        with pytest.raises(StoppedError):
            call()

    assert len(http.calls) == 0


def test_headers_of_a_vendor_are_sent(http: responses.RequestsMock) -> None:
    """SMART-59."""
    http.get(f"{BASE}/Patient/p1", json=PATIENT)

    FhirServer(ServerSettings(BASE, headers=(("Epic-Client-ID", "abc"),))).read("Patient/p1")

    assert http.calls[0].request.headers["Epic-Client-ID"] == "abc"


@pytest.mark.parametrize(("algorithm", "kind"), [("ES384", ECKey), ("RS384", RSAKey)])
def test_public_keys_hold_no_private_member(tmp_path: Path, algorithm: str, kind: type) -> None:
    """SMART-47, SMART-48, SMART-49: the first signs, all are published."""
    path = tmp_path / "keys.json"
    made = [generate_key(algorithm), generate_key(algorithm)]
    path.write_text(json.dumps({"keys": [key.as_dict(private=True) for key in made]}))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)

    keys = read_keys(path, algorithm)
    published = public_jwks(keys)["keys"]

    assert all(isinstance(key, kind) for key in keys)
    assert [key["kid"] for key in published] == [key_id(key) for key in made]
    allowed = {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops"}
    assert all(set(key) <= allowed for key in published)


def test_a_key_that_others_may_read_or_that_is_of_another_kind_is_refused(key_file: Path) -> None:
    with pytest.raises(UsageError, match="RS384"):
        read_keys(key_file, "RS384")

    key_file.chmod(0o644)

    with pytest.raises(UsageError, match="0600"):
        read_keys(key_file, "ES384")


@given(st.sampled_from(["patient", "user", "system"]), st.sampled_from(["Observation", "*"]), st.sets(st.sampled_from("cruds")))
def test_scopes_of_version_two_are_read_as_written(context: str, kind: str, letters: set[str]) -> None:
    """SMART-28."""
    ordered = "".join(letter for letter in "cruds" if letter in letters)
    written = f"{context}/{kind}.{ordered}"

    found = read_scopes(f"openid {written} fhirUser")

    assert [str(scope) for scope in found] == ([written] if letters else [])
    assert all(allows(found, "Observation", letter) == (letter in letters) for letter in "cruds")


def test_scopes_of_version_one_and_granular_ones() -> None:
    """SMART-28: .read is rs, .write is cud. A granular scope allows no conclusion from an absence."""
    found = read_scopes("system/Patient.read system/Observation.rs?category=laboratory user/Task.*")

    assert [scope.letters for scope in found] == ["rs", "rs", "cruds"]
    assert not allows(found, "Observation", "s")
    assert allows(found, "Task", "d")


def test_no_wildcard_is_asked_for() -> None:
    """SMART-30."""
    assert system_scopes(["Patient", "Observation"], ["Observation"]) == ("system/Observation.crus", "system/Patient.rs")


def test_requests_are_spread_over_the_minute() -> None:
    """DATA-18."""
    now, slept = 0.0, list[float]()
    pace = Pace(2, per_minute=60, clock=lambda: now, sleep=slept.append)

    for _ in range(3):
        with pace.turn():
            pass

    assert slept == [1.0, 2.0]


def test_no_more_requests_at_once_than_allowed() -> None:
    pace = Pace(2)
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with pace.turn():
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most <= 2
