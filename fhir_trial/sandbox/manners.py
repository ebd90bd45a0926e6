"""What stands between the sandbox's server and its callers: a lock on all that is not FHIR, and the dialect of a careless server.

Both are thin ASGI applications around the server's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The type that the careless server does not have.
HIDDEN = "MedicationStatement"
_OPEN = ("/fhir", "/auth/token", "/.well-known")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?")


class OnlyFhir:
    """Answers 404 to everything but the FHIR API, the token endpoint and discovery: pages that ask for no token show data too."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_under(scope["path"], _OPEN):
            await _answer(send, 404, _outcome("not-found", "Only the FHIR API is served here."))
            return
        await self._application(scope, receive, send)


class CarelessServer:
    """Answers as real servers do, legally and inconveniently.

    No MedicationStatement (not in /metadata, 404 for a GET, 400 for anything else), absolute references, codes without display.
    """

    def __init__(self, application: Application, base: str) -> None:
        self._application, self._base = application, base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_under(scope["path"], ("/fhir",)):
            await self._application(scope, receive, send)
        elif _is_under(scope["path"], (f"/fhir/{HIDDEN}",)):
            await _answer(send, 404 if scope["method"] in ("GET", "HEAD") else 400, _outcome("not-supported", "Unknown type."))
        else:
            await self._application(scope, receive, _Rewriting(send, self._base).send)


class _Rewriting:
    """Holds an answer back until it is whole, then sends it in the dialect."""

    def __init__(self, send: Send, base: str) -> None:
        self._send, self._base = send, base
        self._start: Message = {}
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = in_dialect(self._body, self._base) if self._body else self._body
        kept = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        length = [(b"content-length", str(len(body)).encode())] if self._body else []
        await self._send({**self._start, "headers": kept + length})
        await self._send({"type": "http.response.body", "body": body})


def in_dialect(body: bytes, base: str) -> bytes:
    """A JSON document, or one JSON document a line (NDJSON), as the careless server writes it; anything else as it is."""
    try:
        return _written(careless(json.loads(body), base))
    except ValueError:
        pass
    try:
        documents = [careless(json.loads(line), base) for line in body.splitlines() if line.strip()]
    except ValueError:
        return body
    return b"".join(_written(document) + b"\n" for document in documents if not _is_hidden(document))


def careless(node: Any, base: str) -> Any:
    """A copy with absolute references, without the display of codes, and without entries of the hidden type."""
    if isinstance(node, list):
        return [careless(item, base) for item in node if not _is_hidden(item)]
    if not isinstance(node, dict):
        return node
    copy = {key: careless(value, base) for key, value in node.items() if not (key == "display" and "code" in node)}
    reference = copy.get("reference")
    if isinstance(reference, str) and _RELATIVE.fullmatch(reference):
        copy["reference"] = f"{base}/{reference}"
    return copy


def _is_hidden(item: Any) -> bool:
    """A resource of the hidden type, a Bundle's entry with one, or what /metadata says of the type."""
    if not isinstance(item, dict):
        return False
    resource = item.get("resource")
    inner = resource.get("resourceType") if isinstance(resource, dict) else None
    offered = item.get("type") == HIDDEN and "interaction" in item
    return offered or HIDDEN in (item.get("resourceType"), inner)


def _is_under(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def _outcome(code: str, text: str) -> bytes:
    issue = {"severity": "error", "code": code, "details": {"text": text}}
    return _written({"resourceType": "OperationOutcome", "issue": [issue]})


def _written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/fhir+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
