"""A sandbox that asks for tokens: strict where hospitals are, and usable by whoever holds the key."""

import stat
import time
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, import_key

from fhir_trial.config import samples_folder
from fhir_trial.sandbox import Sandbox, SandboxAccess, SandboxClient
from fhir_trial.transport import FhirServer, NotAuthorisedError
from fhir_trial.transport.settings import ServerSettings

pytestmark = pytest.mark.server

READER = SandboxClient("reader", ("system/Patient.rs",), algorithm="RS384")
SAMPLE = "lina-potentially-eligible"


@pytest.fixture(scope="module")
def locked() -> Iterator[Sandbox]:
    """Filled with one sample; two clients."""
    if find_spec("sekmet") is None:
        pytest.skip("sekmet-fhir is not installed: pip install 'fhir-trial[sandbox]'")
    with Sandbox(auth=(SandboxClient(), READER)) as running:
        report = running.load(samples_folder() / f"{SAMPLE}.json")
        assert report.refused == []
        assert report.loaded["Patient"] == 1
        yield running


@pytest.fixture
def access(locked: Sandbox) -> SandboxAccess:
    assert locked.access is not None
    return locked.access


def signed(access: SandboxAccess, header: dict[str, str] | None = None, key: ECKey | None = None, **other: Any) -> str:
    """An assertion made by hand, so that the sandbox is not measured with its own yardstick."""
    claims = {
        "iss": access.client_id,
        "sub": access.client_id,
        "aud": access.token_url,
        "exp": int(time.time()) + 200,
        "jti": str(uuid.uuid4()),
        **other,
    }
    heading = {"alg": access.algorithm, "kid": access.kid, "typ": "JWT", **(header or {})}
    signer = key or import_key(access.key_file.read_bytes(), "EC" if access.algorithm.startswith("ES") else "RSA")
    return jwt.encode(heading, {name: value for name, value in claims.items() if value}, signer, algorithms=[heading["alg"]])


def asked(access: SandboxAccess, assertion: str, scope: str = "system/*.rs") -> requests.Response:
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    return requests.post(access.token_url, data=form, timeout=20)


def bearer(access: SandboxAccess, scope: str = "system/*.rs") -> dict[str, str]:
    return {"Authorization": f"Bearer {asked(access, signed(access), scope).json()['access_token']}"}


def test_discovery_and_metadata_are_open_and_name_the_token_endpoint(locked: Sandbox, access: SandboxAccess) -> None:
    # SMART-46
    metadata = requests.get(f"{locked.base_url}/metadata", timeout=20)
    discovered = requests.get(f"{locked.base_url}/.well-known/smart-configuration", timeout=20)

    assert metadata.status_code == discovered.status_code == 200
    assert discovered.json()["token_endpoint"] == access.token_url
    assert "client-confidential-asymmetric" in discovered.json()["capabilities"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fhir/Patient", 401),
        ("GET", f"/fhir/Patient/{SAMPLE}", 401),
        ("HEAD", "/fhir/Patient", 401),
        ("POST", "/fhir/Patient/_search", 401),
        ("POST", "/fhir/Patient", 401),
        ("PUT", f"/fhir/Patient/{SAMPLE}", 401),
        ("PATCH", f"/fhir/Patient/{SAMPLE}", 401),
        ("DELETE", f"/fhir/Patient/{SAMPLE}", 401),
        ("POST", "/fhir", 401),
        ("GET", "/fhir/_history", 401),
        ("GET", "/fhir/$export", 401),
        ("GET", f"/fhir/Patient/{SAMPLE}/$everything", 401),
        ("GET", "/fhir/bulk-status/1", 401),
        ("GET", "/fhir/bulk-files/1/Patient.ndjson", 401),
        ("GET", "/ui", 404),  # the server's own pages ask nobody for a token: under a lock there are none
        ("GET", "/ui/resources", 404),
        ("GET", "/api/docs", 404),
        ("POST", "/hooks/self/key", 404),
        ("POST", "/auth/token", 400),
    ],
)
def test_everything_else_refuses_a_request_without_a_token(locked: Sandbox, method: str, path: str, status: int) -> None:
    # SMART-46
    url = locked.base_url.removesuffix("/fhir") + path

    assert requests.request(method, url, json={}, timeout=20).status_code == status


@pytest.mark.parametrize("header", ["Bearer forged", "Basic YTpi", "Bearer a.b.c", "Bearer "])
def test_a_forged_token_is_refused(locked: Sandbox, header: str) -> None:
    answer = requests.get(f"{locked.base_url}/Patient", headers={"Authorization": header}, timeout=20)

    assert answer.status_code == 401
    assert "forged" not in answer.text


def test_the_holder_of_the_key_gets_a_short_lived_token_that_reads(locked: Sandbox, access: SandboxAccess) -> None:
    # SMART-46, BULK-01: five minutes
    answer = asked(access, signed(access))

    assert (answer.status_code, answer.json()["expires_in"], answer.json()["scope"]) == (200, 300, "system/*.rs")
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert requests.get(f"{locked.base_url}/Patient", headers=headers, timeout=20).json()["total"] == 1
    assert requests.post(f"{locked.base_url}/Condition/_search", headers=headers, timeout=20).status_code == 200


def test_our_own_client_reads_and_writes_with_what_the_sandbox_tells_it(locked: Sandbox, access: SandboxAccess) -> None:
    # SMART-46
    with FhirServer(ServerSettings(locked.base_url, access=access.services())) as server:
        assert server.read(f"Patient/{SAMPLE}")["id"] == SAMPLE
        assert server.create({"resourceType": "ResearchStudy", "status": "active"}).created
        with pytest.raises(NotAuthorisedError):
            server.create({"resourceType": "Patient"})


def test_without_access_our_client_is_told_that_its_identity_is_wanted(locked: Sandbox) -> None:
    with FhirServer(locked.base_url) as server, pytest.raises(NotAuthorisedError, match="identity"):
        server.search("Patient", [])


def test_an_assertion_is_good_once(access: SandboxAccess) -> None:
    # SMART-46: jti
    once = signed(access)

    assert [asked(access, once).status_code, asked(access, once).status_code] == [200, 401]


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://ehr.example.invalid/token"},
        {"iss": "somebody"},
        {"sub": "somebody"},
        {"exp": 4_000_000_000},
        {"exp": 1_000_000_000},
        {"jti": None},
        {"exp": None},
        {"sub": None},
    ],
)
def test_an_assertion_with_a_wrong_claim_gets_no_token(access: SandboxAccess, wrong: dict[str, Any]) -> None:
    # SMART-46: iss = sub = client_id, aud, exp at most five minutes, jti
    answer = asked(access, signed(access, **wrong))

    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def test_an_assertion_of_another_key_or_algorithm_gets_no_token(access: SandboxAccess) -> None:
    # SMART-46, SMART-47: RS384 and ES384 only
    other, small = ECKey.generate_key("P-384"), ECKey.generate_key("P-256")

    assert asked(access, signed(access, key=other)).status_code == 401
    assert asked(access, signed(access, {"alg": "ES256"}, small)).status_code == 401


def test_a_second_client_signs_with_rs384_and_gets_no_more_than_its_scopes(locked: Sandbox) -> None:
    # SMART-47
    reader = locked.accesses[1]
    headers = bearer(reader, "system/Patient.rs system/Observation.rs")

    assert reader.algorithm == "RS384"
    assert requests.get(f"{locked.base_url}/Patient", headers=headers, timeout=20).status_code == 200
    assert requests.get(f"{locked.base_url}/Observation", headers=headers, timeout=20).status_code == 403
    assert asked(reader, signed(reader), "system/Observation.rs").json()["error"] == "invalid_scope"


def test_the_first_client_writes_results_and_no_patients(locked: Sandbox, access: SandboxAccess) -> None:
    headers = bearer(access, " ".join(access.scopes))
    study, patient = {"resourceType": "ResearchStudy", "status": "active"}, {"resourceType": "Patient"}

    assert requests.post(f"{locked.base_url}/ResearchStudy", headers=headers, json=study, timeout=20).status_code == 201
    assert requests.post(f"{locked.base_url}/Patient", headers=headers, json=patient, timeout=20).status_code == 403
    assert requests.delete(f"{locked.base_url}/Patient/{SAMPLE}", headers=headers, timeout=20).status_code == 403


def test_keys_are_for_the_owners_eyes_and_the_server_is_told_public_members_only(locked: Sandbox, access: SandboxAccess) -> None:

    keys = sorted(locked.data_dir.glob("*.pem"))

    assert [key.name for key in keys] == ["fhir-trial.pem", "reader.pem", "sandbox-loader.pem"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert access.key_file == keys[0]
    for name in ("launch.json", "settings.yaml", "server.log"):
        text = (locked.data_dir / name).read_text()
        assert '"d"' not in text
        assert "PRIVATE" not in text


def test_a_restart_keeps_the_keys_and_takes_a_key_that_is_given(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "one", auth=SandboxClient()) as first:
        before = first.access
    given = SandboxClient("own", key_file=tmp_path / "one" / "fhir-trial.pem")

    with Sandbox(tmp_path / "one", auth=(SandboxClient(), given)) as second:
        after, own = second.accesses

        assert before is not None
        assert (after.kid, own.kid, own.key_file) == (before.kid, before.kid, before.key_file)
        assert asked(own, signed(own)).status_code == 200


def test_a_folder_that_asked_for_tokens_can_be_opened_again_without(tmp_path: Path) -> None:
    with Sandbox(tmp_path, auth=SandboxClient()):
        pass

    with Sandbox(tmp_path) as opened:
        assert opened.access is None
        assert requests.get(f"{opened.base_url}/Patient", timeout=20).status_code == 200
