"""The dialect of a careless server, and the lock on what is not FHIR."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.sandbox.manners import Application, CarelessServer, Message, OnlyFhir, Receive, Scope, Send, careless, in_dialect

BASE = "http://127.0.0.1:1/fhir"


def answering(body: bytes, *, pieces: int = 1) -> Application:
    """A server that answers 200 with this body, in pieces."""

    async def application(_: Scope, __: Receive, send: Send) -> None:
        length = [(b"content-length", str(len(body)).encode()), (b"etag", b'W/"1"')]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        size = max(1, -(-len(body) // pieces))
        parts = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
        for nth, part in enumerate(parts):
            await send({"type": "http.response.body", "body": part, "more_body": nth + 1 < len(parts)})

    return application


def asked(application: Application, path: str, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(_call(application, {"type": "http", "path": path, "method": method}, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])


async def _call(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    await application(scope, receive, send)


@pytest.mark.parametrize(
    ("reference", "answered"),
    [
        ("Patient/p1", f"{BASE}/Patient/p1"),
        ("Patient/p1/_history/2", f"{BASE}/Patient/p1/_history/2"),
        ("#contained", "#contained"),
        ("urn:uuid:1", "urn:uuid:1"),
        ("https://ehr.example.invalid/fhir/Patient/p1", "https://ehr.example.invalid/fhir/Patient/p1"),
    ],
)
def test_relative_references_become_absolute_and_others_stay(reference: str, answered: str) -> None:
    # DATA-23
    assert careless({"subject": {"reference": reference, "display": "Jane"}}, BASE) == {
        "subject": {"reference": answered, "display": "Jane"}
    }


def test_codes_lose_their_display_and_keep_everything_else() -> None:
    coding = {"system": "http://loinc.org", "code": "777-3", "display": "Platelets", "version": "2"}

    assert careless({"code": {"coding": [coding], "text": "Platelets"}}, BASE) == {
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3", "version": "2"}], "text": "Platelets"}
    }


def test_the_hidden_type_is_in_no_bundle_no_metadata_and_no_export() -> None:
    # DATA-20
    bundle = {"entry": [{"resource": {"resourceType": "MedicationStatement"}}, {"resource": {"resourceType": "Patient"}}]}
    metadata = {
        "rest": [{"resource": [{"type": "MedicationStatement", "interaction": []}, {"type": "Patient", "interaction": []}]}]
    }
    lines = b'{"resourceType":"MedicationStatement"}\n{"resourceType":"Patient"}\n'

    assert careless(bundle, BASE) == {"entry": [{"resource": {"resourceType": "Patient"}}]}
    assert careless(metadata, BASE) == {"rest": [{"resource": [{"type": "Patient", "interaction": []}]}]}
    assert in_dialect(lines, BASE) == b'{"resourceType":"Patient"}\n'


@pytest.mark.parametrize("body", [b"not json", b"\xff\xfe", b"{}\nnot json\n"])
def test_what_is_no_json_passes_as_it_is(body: bytes) -> None:
    assert in_dialect(body, BASE) == body


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_the_dialect_leaves_other_data_alone_and_twice_is_once(value: Any) -> None:
    once = careless(value, BASE)

    assert careless(once, BASE) == once


@pytest.mark.parametrize(("method", "status"), [("GET", 404), ("HEAD", 404), ("POST", 400), ("PUT", 400)])
def test_the_hidden_type_is_answered_for_by_nobody(method: str, status: int) -> None:
    server = CarelessServer(answering(b"{}"), BASE)

    for path in ("/fhir/MedicationStatement", "/fhir/MedicationStatement/_search", "/fhir/MedicationStatement/1"):
        assert asked(server, path, method)[0] == status


@pytest.mark.parametrize("pieces", [1, 3])
def test_an_answer_is_rewritten_whole_with_its_new_length(pieces: int) -> None:
    body = json.dumps({"subject": {"reference": "Patient/p1"}}).encode()

    status, headers, answered = asked(CarelessServer(answering(body, pieces=pieces), BASE), "/fhir/Condition/1")

    assert (status, json.loads(answered)) == (200, {"subject": {"reference": f"{BASE}/Patient/p1"}})
    assert headers == {b"etag": b'W/"1"', b"content-length": str(len(answered)).encode()}


def test_an_empty_answer_stays_empty_and_other_pages_are_not_touched() -> None:
    body = b'{"reference":"Patient/p1"}'

    assert asked(CarelessServer(answering(b""), BASE), "/fhir/Condition/1")[2] == b""
    assert asked(CarelessServer(answering(body), BASE), "/auth/token")[2] == body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir", 200),
        ("/fhir/Patient", 200),
        ("/auth/token", 200),
        ("/.well-known/smart-configuration", 200),
        ("/", 404),
        ("/ui", 404),
        ("/fhirx", 404),
        ("/auth", 404),
        ("/api/docs", 404),
    ],
)
def test_under_a_lock_only_fhir_tokens_and_discovery_are_answered(path: str, status: int) -> None:
    assert asked(OnlyFhir(answering(b"{}")), path)[0] == status


def test_what_is_no_request_passes_both() -> None:
    seen: list[str] = []

    async def application(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        return None

    for outer in (OnlyFhir(application), CarelessServer(application, BASE)):
        asyncio.run(_call(outer, {"type": "lifespan"}, nothing, nothing))

    assert seen == ["lifespan", "lifespan"]
