"""One FHIR server over HTTP, with the faults of real ones: DATA-01 to 05, 08, 10, 17, 18, 27, 28; WB-12, WB-14, WB-16."""

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests
import responses
from responses import matchers

from fhir_trial.errors import ConflictError, FatalServerError, ServerError, TemporaryServerError, UsageError
from fhir_trial.transport import (
    FhirServer,
    MovedError,
    NotAuthorisedError,
    NotFoundError,
    NotSupportedError,
    RestrictedError,
    ServerSettings,
    decode_json,
    encode_json,
)

BASE = "https://ehr.example.invalid/fhir"
FHIR = "application/fhir+json"


def capabilities(*types: str) -> dict[str, Any]:
    resources = [{"type": kind, "interaction": [{"code": "search-type"}]} for kind in types]
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": resources}]}


def bundle(*resources: dict[str, Any], next_link: str | None = None, self_link: str | None = None) -> dict[str, Any]:
    links = [{"relation": name, "url": url} for name, url in (("self", self_link), ("next", next_link)) if url]
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}


def lab(identity: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": identity}


def outcome(code: str, severity: str = "error", detail: str = "Jane Roe, MRN 4711") -> dict[str, Any]:
    issue = {"severity": severity, "code": "processing", "details": {"coding": [{"code": code}]}, "diagnostics": detail}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE}/metadata", json=capabilities(), content_type=FHIR)  # no search-type: searches go by GET
        yield mock


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer(ServerSettings(BASE, retries=0)) as speaking:
        yield speaking


def observations(server: FhirServer) -> list[str]:
    return [each["id"] for each in server.search("Observation", [("patient", "p1")]).matches]


# --- paging ---------------------------------------------------------------------


@pytest.mark.parametrize("link", [f"{BASE}?_getpages=abc", f"{BASE}/Observation?page=2", "Observation?page=2", "?page=2"])
def test_a_next_link_under_the_base_is_followed_as_it_stands(http: responses.RequestsMock, server: FhirServer, link: str) -> None:
    """DATA-01: opaque, absolute or relative."""
    http.get(
        f"{BASE}/Observation",
        json=bundle(lab("a"), next_link=link),
        match=[matchers.query_param_matcher({"patient": "p1", "_count": "200"})],
    )
    http.get(f"{BASE}/Observation", json=bundle(lab("b")), match=[matchers.query_param_matcher({"page": "2"})])
    http.get(BASE, json=bundle(lab("b")), match=[matchers.query_param_matcher({"_getpages": "abc"})])

    assert observations(server) == ["a", "b"]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.invalid/fhir/Observation?page=2",
        "http://ehr.example.invalid/fhir/Observation?page=2",
        "https://ehr.example.invalid:8443/fhir/Observation?page=2",
        "https://ehr.example.invalid/fhirs/Observation?page=2",
        "https://ehr.example.invalid/fhir/../admin",
        "https://ehr.example.invalid/fhir/%2e%2e/admin",
        "https://user@ehr.example.invalid/fhir/Observation?page=2",
        "https://ehr.example.invalid.evil.invalid/fhir/Observation",
    ],
)
def test_a_next_link_elsewhere_is_refused_and_the_search_is_incomplete(
    http: responses.RequestsMock, server: FhirServer, link: str
) -> None:
    http.get(f"{BASE}/Observation", json=bundle(lab("a"), next_link=link))

    found = server.search("Observation", [("patient", "p1")])

    assert [each["id"] for each in found.matches] == ["a"]
    assert not found.complete
    assert "aliases" in str(found.failure)
    assert link not in str(found.failure)


def test_an_alias_makes_another_address_the_same_server(http: responses.RequestsMock) -> None:
    inner = "http://inner.example.invalid:8080/fhir"
    http.get(f"{BASE}/Observation", json=bundle(lab("a"), next_link=f"{inner}/Observation?page=2"))
    http.get(f"{inner}/Observation", json=bundle(lab("b")))

    with FhirServer(ServerSettings(BASE, aliases=(f"{inner}/",))) as server:
        assert observations(server) == ["a", "b"]


def test_pages_that_run_in_a_circle_are_left(http: responses.RequestsMock, server: FhirServer) -> None:
    http.get(f"{BASE}/Observation", json=bundle(lab("a"), next_link=f"{BASE}/Observation?page=2"))

    found = server.search("Observation", [("patient", "p1")])

    assert "circle" in str(found.failure)
    assert len(http.calls) == 3


def test_more_pages_than_the_setting_allows_are_not_complete(http: responses.RequestsMock) -> None:
    for page in range(6):
        query = {"patient": "p1", "_count": "200"} if page == 0 else {"page": str(page)}
        link = f"{BASE}/Observation?page={page + 1}"
        http.get(f"{BASE}/Observation", json=bundle(lab(str(page)), next_link=link), match=[matchers.query_param_matcher(query)])

    with FhirServer(ServerSettings(BASE, most_pages=3)) as server:
        found = server.search("Observation", [("patient", "p1")])

    assert len(found.matches) == 3
    assert not found.complete


def test_an_empty_page_without_entry_or_total_may_still_have_a_next_one(http: responses.RequestsMock, server: FhirServer) -> None:
    """DATA-02."""
    first = {"resourceType": "Bundle", "link": [{"relation": "next", "url": f"{BASE}/Observation?page=2"}]}
    http.get(f"{BASE}/Observation", json=first, match=[matchers.query_param_matcher({"patient": "p1", "_count": "200"})])
    http.get(f"{BASE}/Observation", json=bundle(lab("b")), match=[matchers.query_param_matcher({"page": "2"})])

    assert observations(server) == ["b"]


def test_a_second_page_that_fails_leaves_the_first_and_says_so(http: responses.RequestsMock, server: FhirServer) -> None:
    """DATA-70: page 2 failing."""
    link = f"{BASE}/Observation?page=2"
    http.get(
        f"{BASE}/Observation",
        json=bundle(lab("a"), next_link=link),
        match=[matchers.query_param_matcher({"patient": "p1", "_count": "200"})],
    )
    http.get(f"{BASE}/Observation", status=500, match=[matchers.query_param_matcher({"page": "2"})])

    found = server.search("Observation", [("patient", "p1")])

    assert [each["id"] for each in found.matches] == ["a"]
    assert isinstance(found.failure, TemporaryServerError)


@pytest.mark.parametrize(
    "expired", [{"status": 410}, {"status": 200, "json": bundle() | {"entry": [{"resource": outcome("4113")}]}}]
)
def test_a_page_that_has_expired_starts_the_search_again(
    http: responses.RequestsMock, server: FhirServer, expired: dict[str, Any]
) -> None:
    """DATA-08: what was read so far is discarded."""
    first = matchers.query_param_matcher({"patient": "p1", "_count": "200"})
    second = matchers.query_param_matcher({"page": "2"})
    http.get(f"{BASE}/Observation", json=bundle(lab("a"), next_link="?page=2"), match=[first])
    http.get(f"{BASE}/Observation", match=[second], **expired)
    http.get(f"{BASE}/Observation", json=bundle(lab("b")), match=[second])

    assert observations(server) == ["a", "b"]


def test_pages_that_always_expire_end_as_incomplete(http: responses.RequestsMock, server: FhirServer) -> None:
    http.get(
        f"{BASE}/Observation",
        json=bundle(lab("a"), next_link="?page=2"),
        match=[matchers.query_param_matcher({"patient": "p1", "_count": "200"})],
    )
    http.get(f"{BASE}/Observation", status=410, match=[matchers.query_param_matcher({"page": "2"})])

    assert not server.search("Observation", [("patient", "p1")]).complete


# --- what an answer is -----------------------------------------------------------


def test_entries_are_sorted_by_mode_and_without_one_by_type(http: responses.RequestsMock, server: FhirServer) -> None:
    """DATA-03."""
    entries = [
        {"resource": lab("a"), "search": {"mode": "match"}},
        {"resource": lab("member"), "search": {"mode": "include"}},
        {"resource": lab("b")},
        {"resource": {"resourceType": "Medication", "id": "m"}},
        {"resource": outcome("4119", "warning"), "search": {"mode": "outcome"}},
        {"resource": "rubbish"},
        "rubbish",
    ]
    http.get(f"{BASE}/Observation", json={"resourceType": "Bundle", "entry": entries})

    found = server.search("Observation", [("patient", "p1")])

    assert [each["id"] for each in found.matches] == ["a", "b"]
    assert [each["id"] for each in found.included] == ["member", "m"]
    assert [issue.says_restricted for issue in found.issues] == [True]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<html>Login</html>", "text/html"),
        ("Login", FHIR),
        ("[]", FHIR),
        ('{"resourceType": "Bundle"', FHIR),
        ("", FHIR),
        ('{"resourceType": "Patient", "id": "p1"}', FHIR),
    ],
)
def test_a_200_that_is_no_bundle_is_a_failure(http: responses.RequestsMock, server: FhirServer, body: str, kind: str) -> None:
    """DATA-04."""
    http.get(f"{BASE}/Observation", body=body, content_type=kind)

    with pytest.raises(FatalServerError):
        server.search("Observation", [("patient", "p1")])


def test_a_200_that_is_an_outcome_names_its_codes_but_not_its_text(http: responses.RequestsMock, server: FhirServer) -> None:
    http.get(f"{BASE}/Observation", json=outcome("4101"))

    with pytest.raises(FatalServerError, match="4101") as caught:
        server.search("Observation", [("patient", "p1")])
    assert "Roe" not in str(caught.value)


def test_truncation_that_the_server_admits_is_not_complete(http: responses.RequestsMock, server: FhirServer) -> None:
    """DATA-10."""
    page = bundle(lab("a"))
    page["entry"].append({"resource": outcome("59133", "warning"), "search": {"mode": "outcome"}})
    http.get(f"{BASE}/Observation", json=page)

    assert not server.search("Observation", [("patient", "p1")]).complete


@pytest.mark.parametrize(
    ("self_link", "ignored"),
    [
        (f"{BASE}/Observation?patient=p1&category=laboratory", set()),
        (f"{BASE}/Observation?patient=p1", {"category"}),
        (f"{BASE}/Observation?patient:Patient=p1&category:in=x", set()),
        (f"{BASE}/Observation?_count=200&status=final", {"patient", "category"}),
        (f"{BASE}?_getpages=opaque", set()),
        (f"{BASE}/Observation", set()),
        (None, set()),
    ],
)
def test_the_self_link_tells_which_parameters_were_ignored(
    http: responses.RequestsMock, server: FhirServer, self_link: str | None, ignored: set[str]
) -> None:
    """DATA-05."""
    http.get(f"{BASE}/Observation", json=bundle(lab("a"), self_link=self_link))

    assert server.search("Observation", [("patient", "p1"), ("category", "laboratory")]).ignored == ignored


def test_numbers_are_decimals_and_keep_their_zeros_both_ways() -> None:
    """DATA-28."""
    value = decode_json(b'{"value": 8.10, "low": 0.123, "count": 3}')

    assert value == {"value": Decimal("8.10"), "low": Decimal("0.123"), "count": 3}
    assert str(value["value"]) == "8.10"
    assert encode_json(value) == b'{"value":8.10,"low":0.123,"count":3}'


def test_an_answer_beyond_the_size_limit_is_refused(http: responses.RequestsMock) -> None:
    http.get(f"{BASE}/Patient/p1", json={"resourceType": "Patient", "id": "p1", "language": "x" * 2000})

    with FhirServer(ServerSettings(BASE, largest_answer=1000)) as server, pytest.raises(FatalServerError, match="largest_answer"):
        server.read("Patient/p1")


# --- searching by POST ------------------------------------------------------------


def test_a_search_goes_by_post_so_that_no_patient_stands_in_a_url(server: FhirServer) -> None:
    """DATA-17, SEC-26."""
    with responses.RequestsMock() as http:
        http.get(f"{BASE}/metadata", json=capabilities("Observation"))
        form = {"patient": "p1", "_count": "200"}
        http.post(f"{BASE}/Observation/_search", json=bundle(lab("a")), match=[matchers.urlencoded_params_matcher(form)])

        assert observations(server) == ["a"]
        assert all("p1" not in str(call.request.url) for call in http.calls)


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 405},
        {"status": 403},
        {"status": 400},
        {"status": 404},
        {"json": bundle(lab("x"), self_link=f"{BASE}/Observation?_count=9&x=1")},
    ],
)
def test_where_post_is_refused_or_its_body_unread_the_search_goes_by_get_from_then_on(
    server: FhirServer, refusal: dict[str, Any]
) -> None:
    with responses.RequestsMock() as http:
        http.get(f"{BASE}/metadata", json=capabilities("Observation"))
        http.post(f"{BASE}/Observation/_search", **refusal)
        http.get(f"{BASE}/Observation", json=bundle(lab("a")))

        assert observations(server) == ["a"]
        assert observations(server) == ["a"]
        assert [call.request.method for call in http.calls] == ["GET", "POST", "GET", "GET"]


# --- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, FatalServerError),
        (401, NotAuthorisedError),
        (403, NotAuthorisedError),
        (404, NotFoundError),
        (405, NotSupportedError),
        (409, ConflictError),
        (410, NotFoundError),
        (412, ConflictError),
        (422, FatalServerError),
        (302, MovedError),
        (429, TemporaryServerError),
        (500, TemporaryServerError),
        (503, TemporaryServerError),
        (504, TemporaryServerError),
    ],
)
def test_each_status_has_its_error(
    http: responses.RequestsMock, server: FhirServer, status: int, error: type[ServerError]
) -> None:
    http.get(f"{BASE}/Patient/p1", status=status, body="<html>Jane Roe</html>", content_type="text/html")

    with pytest.raises(error) as caught:
        server.read("Patient/p1")
    assert type(caught.value) is error
    assert str(status) in str(caught.value)
    assert "Roe" not in str(caught.value)
    assert "p1" not in str(caught.value)


def test_break_the_glass_is_told_apart(http: responses.RequestsMock, server: FhirServer) -> None:
    """DATA-27."""
    http.get(f"{BASE}/Patient/p1", status=403, json=outcome("4130", "fatal"))

    with pytest.raises(RestrictedError):
        server.read("Patient/p1")


@pytest.mark.parametrize(
    "fault", [requests.ConnectionError("p1"), requests.Timeout("p1"), requests.exceptions.ChunkedEncodingError("p1")]
)
def test_no_answer_is_temporary_and_names_nobody(http: responses.RequestsMock, server: FhirServer, fault: Exception) -> None:
    http.get(f"{BASE}/Patient/p1", body=fault)

    with pytest.raises(TemporaryServerError) as caught:
        server.read("Patient/p1")
    assert "p1" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["Patient/a b", "Patient/../x", "Patient", "Patient/" + "x" * 65, "Patient/p1?x=1"])
def test_a_read_of_something_that_is_no_reference_is_not_sent(
    http: responses.RequestsMock, server: FhirServer, name: str
) -> None:
    with pytest.raises(NotFoundError):
        server.read(name)
    assert not http.calls


def test_a_read_is_tried_again_after_503_and_a_write_is_not(
    http: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    """DATA-18, WB-04; SEC-27: the retries are not logged with their URLs."""
    http.get(f"{BASE}/Patient/p1", status=503, headers={"Retry-After": "0"})
    http.get(f"{BASE}/Patient/p1", json={"resourceType": "Patient", "id": "p1"})
    write = http.post(f"{BASE}/Observation", status=503)

    with caplog.at_level(logging.DEBUG), FhirServer(BASE) as server:
        assert server.read("Patient/p1")["id"] == "p1"
        with pytest.raises(TemporaryServerError):
            server.create({"resourceType": "Observation"})

    assert write.call_count == 1
    assert "Patient/p1" not in caplog.text


@pytest.mark.parametrize(
    "base", ["ehr.example.invalid/fhir", "ftp://x/fhir", "https://user:secret@x/fhir", "https://x/fhir?a=1", "https://"]
)
def test_a_base_that_is_none_is_a_usage_error(base: str) -> None:
    with pytest.raises(UsageError) as caught:
        ServerSettings(base)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "is_loopback"),
    [
        ("http://127.0.0.1:1/fhir", True),
        ("http://localhost/fhir", True),
        ("http://[::1]:9/f", True),
        (BASE, False),
        ("http://127.0.0.1.evil.invalid/fhir", False),
    ],
)
def test_loopback_is_known_by_its_host(base: str, is_loopback: bool) -> None:
    assert ServerSettings(base).is_loopback is is_loopback


# --- writing ---------------------------------------------------------------------


def test_a_create_sends_its_condition_and_reads_location_and_etag_of_an_empty_answer(
    http: responses.RequestsMock, server: FhirServer
) -> None:
    """WB-12, WB-16."""
    condition = matchers.header_matcher({"If-None-Exist": "identifier=s|v", "Content-Type": FHIR})
    http.post(
        f"{BASE}/ResearchSubject",
        status=201,
        headers={"Location": "ResearchSubject/7/_history/3", "ETag": 'W/"3"'},
        match=[condition],
    )

    written = server.create({"resourceType": "ResearchSubject"}, if_none_exist="identifier=s|v")

    assert (written.reference, written.version, written.created, written.resource) == ("ResearchSubject/7", "3", True, None)


def test_an_update_is_guarded_by_the_version(http: responses.RequestsMock, server: FhirServer) -> None:
    """WB-14."""
    stored = {"resourceType": "ResearchSubject", "id": "7", "meta": {"versionId": "4"}}
    http.put(f"{BASE}/ResearchSubject/7", json=stored, match=[matchers.header_matcher({"If-Match": 'W/"3"'})])

    written = server.update({"resourceType": "ResearchSubject", "id": "7"}, if_match="3")

    assert (written.reference, written.version, written.created) == ("ResearchSubject/7", "4", False)


def test_a_cookie_of_one_answer_is_not_sent_with_the_next(http: responses.RequestsMock, server: FhirServer) -> None:
    http.get(f"{BASE}/Patient/p1", json={"resourceType": "Patient", "id": "p1"}, headers={"Set-Cookie": "who=p1; Path=/"})

    server.read("Patient/p1")
    server.read("Patient/p1")

    assert "Cookie" not in http.calls[-1].request.headers


@pytest.mark.parametrize("answer", [{"json": {"resourceType": "Patient", "id": "p1"}}, {"body": b""}])
def test_metadata_that_is_no_capability_statement_is_fatal(server: FhirServer, answer: dict[str, Any]) -> None:
    with responses.RequestsMock() as http:
        http.get(f"{BASE}/metadata", content_type=FHIR, **answer)

        with pytest.raises(FatalServerError, match="FHIR base"):
            server.capabilities()


def test_odd_capabilities_offer_nothing_and_break_nothing(server: FhirServer) -> None:
    odd = [{"type": 1}, "x", {"type": "Condition", "interaction": [{"code": 1}, "x"], "searchParam": {}}]
    with responses.RequestsMock() as http:
        http.get(
            f"{BASE}/metadata", json={"resourceType": "CapabilityStatement", "fhirVersion": 4, "rest": [{"resource": odd}, 7]}
        )

        capabilities = server.capabilities()

    assert capabilities.fhir_version is None
    assert not capabilities.offers("Condition", "read")
    assert not capabilities.searches_by("Patient", "name")


def test_a_batch_that_is_answered_by_something_else_is_fatal(http: responses.RequestsMock, server: FhirServer) -> None:
    """WB-19."""
    http.post(BASE, json=outcome("x", "information"))

    with pytest.raises(FatalServerError):
        server.process({"resourceType": "Bundle", "type": "batch"})


def test_a_restricted_search_is_not_tried_another_way(server: FhirServer) -> None:
    """DATA-27: no second attempt."""
    with responses.RequestsMock() as http:
        http.get(f"{BASE}/metadata", json=capabilities("Observation"))
        http.post(f"{BASE}/Observation/_search", status=403, json=outcome("4130", "fatal"))

        with pytest.raises(RestrictedError):
            server.search("Observation", [("patient", "p1")])
