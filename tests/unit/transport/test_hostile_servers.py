"""A server that means harm, or is broken in ways no specification names: DATA-01, DATA-05, SMART-23, SMART-45, WB-16, SEC-27."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses

from fhir_trial.errors import FatalServerError, TemporaryServerError, UsageError
from fhir_trial.transport import FhirServer, NotAuthorisedError, NotFoundError, ServerSettings, decode_json
from fhir_trial.transport.access import BackendServices
from fhir_trial.transport.capabilities import read_capabilities
from fhir_trial.transport.keys import generate_key
from fhir_trial.transport.links import followed

BASE = "https://ehr.example.invalid/fhir"
TOKEN = "https://login.example.invalid/token"
PATIENT = {"resourceType": "Patient", "id": "p1"}
SUBJECT = {"resourceType": "ResearchSubject", "id": "r1"}


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": []})
        yield mock


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer(ServerSettings(BASE, retries=0)) as speaking:
        yield speaking


@pytest.fixture
def known(http: responses.RequestsMock, tmp_path: Path) -> Iterator[FhirServer]:
    """A client with a key, of a server that says where tokens are had."""
    key = tmp_path / "client.pem"
    key.write_bytes(generate_key("ES384").as_pem(private=True))
    key.chmod(0o600)
    http.get(f"{BASE}/.well-known/smart-configuration", json={"token_endpoint": TOKEN})
    http.get(f"{BASE}/Patient/p1", json=PATIENT)
    with FhirServer(ServerSettings(BASE, access=BackendServices("us", key), retries=0)) as speaking:
        yield speaking


def page(relation: str, url: str) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": relation, "url": url}]}


# --- links ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "https://ehr.example.invalid.evil.invalid/fhir/x",
        "https://ehr.example.invalid@evil.invalid/fhir/x",
        "https://us:pw@ehr.example.invalid/fhir/x",
        "https://ehr.example.invalid:444/fhir/x",
        "https://ehr.example.invalid:0/fhir/x",
        "https://ehr.example.invalid:99999/fhir/x",
        "http://ehr.example.invalid/fhir/x",
        "//evil.invalid/fhir/x",
        "https://ehr.example.invalid/fhirx",
        "https://ehr.example.invalid/fhir/../admin",
        "https://ehr.example.invalid/fhir/%2e%2e/admin",
        "https://ehr.example.invalid/fhir/%252e%252e/admin",
        "https://ehr.example.invalid/fhir/..;/admin",
        "https://ehr.example.invalid/fhir/..%3Bx=y/admin",
        "http://[bad",
        "https://ehr.example.invalid\u2100evil/fhir",
    ],
)
def test_a_link_that_only_looks_like_the_servers_own_is_not_followed(link: str) -> None:
    """DATA-01, SMART-45: whatever is wrong with it, the error is ours and names the setting, not the link."""
    with pytest.raises(FatalServerError, match="aliases") as failed:
        followed(link, f"{BASE}/Observation", ServerSettings(BASE))

    assert "evil" not in str(failed.value)


@pytest.mark.parametrize(("relation", "is_complete"), [("next", False), ("self", True)])
def test_a_link_that_is_no_address_ends_the_search_and_not_the_run(
    http: responses.RequestsMock, server: FhirServer, relation: str, is_complete: bool
) -> None:
    """DATA-01, DATA-05."""
    http.get(f"{BASE}/Observation", json=page(relation, "http://[p1"))

    found = server.search("Observation", [("patient", "p1")])

    assert found.complete is is_complete


@pytest.mark.parametrize("location", ["http://[p1", "https://evil.invalid/\xff"])
def test_a_redirect_to_no_address_is_a_redirect(http: responses.RequestsMock, server: FhirServer, location: str) -> None:
    """DATA-45."""
    http.get(f"{BASE}/Patient/p1", status=302, headers={"Location": location})

    with pytest.raises(FatalServerError, match="302; it points elsewhere"):
        server.read("Patient/p1")


@pytest.mark.parametrize("alias", ["ehr.example.invalid/fhir", "", "https://us@inner/fhir", "https://[bad", "file:///fhir"])
def test_an_alias_that_is_no_base_is_refused(alias: str) -> None:
    """SMART-45: links under an alias are followed with the token."""
    with pytest.raises(UsageError):
        ServerSettings(BASE, aliases=(alias,))


@pytest.mark.parametrize(
    ("alias", "is_followed"), [("http://inner.example.invalid/fhir", False), ("https://inner.invalid", True)]
)
def test_no_token_goes_to_an_alias_in_clear(alias: str, is_followed: bool, tmp_path: Path) -> None:
    """SMART-45: a server behind a proxy may write its inner address into references, and that is all it is good for."""
    asked = ServerSettings(BASE, aliases=(alias,), access=BackendServices("us", tmp_path / "key.pem"))
    is_open = ServerSettings(BASE, aliases=(alias,))

    assert followed(f"{alias}/x", BASE, is_open) == f"{alias}/x"
    if is_followed:
        assert followed(f"{alias}/x", BASE, asked) == f"{alias}/x"
    else:
        with pytest.raises(FatalServerError, match="https, where a token"):
            followed(f"{alias}/x", BASE, asked)


@pytest.mark.parametrize("name", ["Authorization", "cookie", "Proxy-Authorization"])
def test_a_header_that_says_who_we_are_is_no_setting(name: str) -> None:
    """SEC-57: it would stand in the servers file, and go to an open server over plain http."""
    with pytest.raises(UsageError, match="token_file"):
        ServerSettings("http://ehr.example.invalid/fhir", headers=((name, "s3cr3t"),))


def test_a_base_that_is_no_address_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        ServerSettings("https://[bad/fhir")


def test_pages_without_end_are_given_up_before_they_fill_the_memory(http: responses.RequestsMock) -> None:
    """DATA-01: each page is new and of a legal size."""
    entries = [{"resource": {"resourceType": "Observation", "id": str(number), "note": "x" * 1000}} for number in range(10)]

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        after = f"{BASE}/Observation?page={len(http.calls)}"
        return 200, {}, json.dumps({**page("next", after), "entry": entries})

    http.add_callback(responses.GET, f"{BASE}/Observation", answer, content_type="application/fhir+json")

    with FhirServer(ServerSettings(BASE, retries=0, largest_search=100_000)) as server:
        found = server.search("Observation", [("patient", "p1")])

    assert not found.complete
    assert "largest_search" in str(found.failure)
    assert len(found.matches) <= 100


@pytest.mark.parametrize("entry", [{"fullUrl": f"{BASE}/Observation/o1"}, {"resource": None}, {"response": {"status": "403"}}])
def test_an_entry_that_holds_nothing_leaves_the_answer_incomplete(
    http: responses.RequestsMock, server: FhirServer, entry: dict[str, Any]
) -> None:
    """DATA-19: something is there, and did not come."""
    http.get(f"{BASE}/Observation", json={"resourceType": "Bundle", "type": "searchset", "entry": [entry]})

    assert not server.search("Observation", [("patient", "p1")]).complete


# --- names ----------------------------------------------------------------------


@pytest.mark.parametrize("identity", ["..", ".", "../../admin", "a/b", "a?b", ""])
def test_a_name_that_leads_out_of_the_base_is_never_requested(
    http: responses.RequestsMock, server: FhirServer, identity: str
) -> None:
    """SMART-45: ids come from the server, and stand in the URLs that our token goes to."""
    with pytest.raises(NotFoundError):
        server.read(f"Patient/{identity}")
    with pytest.raises(FatalServerError):
        server.update({**SUBJECT, "id": identity}, if_match="1")
    with pytest.raises(FatalServerError):
        server.operate(f"ResearchSubject/{identity}", "$meta-delete", {"resourceType": "Parameters"})

    assert len(http.calls) == 0


@pytest.mark.parametrize("identity", ["a.b", "1.2.840", "-", "..a"])
def test_an_id_may_hold_dots(http: responses.RequestsMock, server: FhirServer, identity: str) -> None:
    http.get(f"{BASE}/Patient/{identity}", json={**PATIENT, "id": identity})

    assert server.read(f"Patient/{identity}")["id"] == identity


@pytest.mark.parametrize(
    ("location", "reference", "version"),
    [
        (f"{BASE}/ResearchSubject/r1/_history/3", "ResearchSubject/r1", "3"),
        ("ResearchSubject/r1", "ResearchSubject/r1", None),
        ("https://inner.example.invalid:8443/x/ResearchSubject/r.1/_history/3", "ResearchSubject/r.1", "3"),
        (f"{BASE}/ResearchSubject", None, None),
        (f"{BASE}/Patient/p1/_history/3", None, None),
        ("ResearchSubject/..", None, None),
    ],
)
def test_a_location_counts_where_it_names_the_type_written(
    http: responses.RequestsMock, server: FhirServer, location: str, reference: str | None, version: str | None
) -> None:
    """WB-16."""
    http.post(f"{BASE}/ResearchSubject", status=201, headers={"Location": location})

    written = server.create({"resourceType": "ResearchSubject"})

    assert (written.reference, written.version) == (reference, version)


# --- words ----------------------------------------------------------------------


def test_a_servers_codes_are_told_where_they_are_codes(http: responses.RequestsMock, server: FhirServer) -> None:
    """SEC-27: a careless server puts words, and with them patients, where a code belongs."""
    codings = [{"code": code} for code in ("59108", "Jane Roe, MRN 4711", "line\nbreak", "x" * 200)]
    issue = {"severity": "error", "code": "business-rule", "details": {"coding": codings}}
    http.get(f"{BASE}/Patient/p1", status=400, json={"resourceType": "OperationOutcome", "issue": [issue]})

    with pytest.raises(FatalServerError) as failed:
        server.read("Patient/p1")

    assert str(failed.value) == "Patient read: the server answered 400 (59108, business-rule)."


@pytest.mark.parametrize("status", [507, 520, 522, 524, 529, 599])
def test_what_a_proxy_says_in_front_of_a_broken_server_may_pass(
    http: responses.RequestsMock, server: FhirServer, status: int
) -> None:
    """DATA-18: 5xx, but for what the server will never do."""
    http.get(f"{BASE}/Patient/p1", status=status)

    with pytest.raises(TemporaryServerError):
        server.read("Patient/p1")


@pytest.mark.parametrize("number", [b"1e99999999999999999999", b"-1E-99999999999999999999", b"1" * 5000])
def test_a_number_beyond_all_numbers_is_no_json(number: bytes) -> None:
    """DATA-28."""
    with pytest.raises(ValueError, match="not JSON"):
        decode_json(b'{"value": ' + number + b"}")


def test_what_a_server_would_ask_of_others_is_not_what_it_offers() -> None:
    """DATA-20: a CapabilityStatement may describe the server's own doings as a client."""
    client = {"mode": "client", "resource": [{"type": "ResearchSubject", "interaction": [{"code": "create"}]}]}
    served = {"mode": "server", "resource": [{"type": "ResearchSubject", "interaction": [{"code": "read"}]}]}

    read = read_capabilities({"rest": [served, client]})

    assert not read.offers("ResearchSubject", "create")
    assert read.offers("ResearchSubject", "read")


# --- tokens ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mac", "DPoP", 5])
def test_a_token_of_another_kind_is_not_used_as_a_bearers(http: responses.RequestsMock, known: FhirServer, kind: object) -> None:
    """SMART-23; RFC 6749, section 7.1: a client uses no token whose type it does not understand."""
    http.post(TOKEN, json={"access_token": "t0ken", "token_type": kind, "expires_in": 300})

    with pytest.raises(FatalServerError, match="token_type"):
        known.read("Patient/p1")


@pytest.mark.parametrize("token", ["a b", "a\r\nX: y", "\u20ac", "t" * 20_000, ["t"]])
def test_a_token_that_fits_no_header_is_refused(http: responses.RequestsMock, known: FhirServer, token: object) -> None:
    """SMART-61."""
    http.post(TOKEN, json={"access_token": token, "token_type": "bearer", "expires_in": 300})

    with pytest.raises(FatalServerError, match=r"^Token: "):
        known.read("Patient/p1")


@pytest.mark.parametrize("life", ["1" + "0" * 400, "1e400", "1e-400", '"1e400"', '"nan"', "-5", '"0"', "true", "[]"])
def test_a_life_that_is_no_life_is_borne(http: responses.RequestsMock, known: FhirServer, life: str) -> None:
    """SMART-23: whatever is said, the token is asked for again within a day."""
    http.post(TOKEN, body=f'{{"access_token": "t0ken", "token_type": "Bearer", "expires_in": {life}}}')

    assert known.read("Patient/p1") == PATIENT


@pytest.mark.parametrize("status", [408, 425, 429])
def test_an_authorisation_server_that_is_busy_refuses_nobody(
    http: responses.RequestsMock, known: FhirServer, status: int
) -> None:
    """DATA-19: what does not come for a busy server is not what is not allowed."""
    http.post(TOKEN, status=status, json={"error": "slow_down"})

    with pytest.raises(TemporaryServerError):
        known.read("Patient/p1")


@pytest.mark.parametrize("endpoint", ["http://[bad", "https://:443/token", "ftp://login.example.invalid/token"])
def test_a_token_endpoint_that_is_no_address_is_told(http: responses.RequestsMock, known: FhirServer, endpoint: str) -> None:
    """SMART-02."""
    http.replace(responses.GET, f"{BASE}/.well-known/smart-configuration", json={"token_endpoint": endpoint})

    with pytest.raises(FatalServerError, match=r"^Token: "):
        known.read("Patient/p1")


def test_a_server_that_answers_401_forever_is_asked_twice(http: responses.RequestsMock, known: FhirServer) -> None:
    """WB-22."""
    http.replace(responses.GET, f"{BASE}/Patient/p1", status=401)
    http.post(TOKEN, json={"access_token": "t0ken", "token_type": "bearer", "expires_in": 300})

    with pytest.raises(NotAuthorisedError):
        known.read("Patient/p1")

    assert [str(call.request.url) for call in http.calls if call.request.url != TOKEN].count(f"{BASE}/Patient/p1") == 2


def test_a_cookie_of_the_authorisation_server_is_not_brought_back(http: responses.RequestsMock, known: FhirServer) -> None:
    """SEC-23: one call must not colour the next, nor one hospital's tell another's who we are."""
    http.post(
        TOKEN,
        json={"access_token": "t0ken", "token_type": "bearer", "expires_in": 300},
        headers={"Set-Cookie": "session=abc; Path=/"},
    )
    http.replace(responses.GET, f"{BASE}/Patient/p1", status=401)

    with pytest.raises(NotAuthorisedError):
        known.read("Patient/p1")

    asked = [call.request for call in http.calls if call.request.url == TOKEN]
    assert len(asked) == 2
    assert not any("Cookie" in request.headers for request in asked)
