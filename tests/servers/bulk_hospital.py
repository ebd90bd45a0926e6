"""A server on loopback that answers as it is told, one answer after another: for faults of bulk exports.

Real connections, so that they can be cut, and so that what was sent can be looked at.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
NDJSON = "application/fhir+ndjson"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it arrived."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        cut: Bytes of the body after which the connection is closed; None: it is sent whole.
        unsized: No Content-Length: the end of the connection is the end of the body.
        chunked: Sent in chunks of ten bytes.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    unsized: bool = False
    chunked: bool = False

    def on_the_wire(self) -> bytes:
        if not self.chunked:
            return self.body if self.cut is None else self.body[: self.cut]
        pieces = [self.body[start : start + 10] for start in range(0, len(self.body), 10)]
        whole = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
        return whole if self.cut is None else whole[: self.cut]


Script = Reply | Callable[[Sent], Reply]


def as_json(value: Json, status: int = 200, **headers: str) -> Reply:
    """JSON; names of headers with ``_`` for ``-``."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def outcome(code: str, severity: str = "error") -> Json:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": code, "diagnostics": "Jane Roe, MRN 4711"}],
    }


def lines(*resources: Json) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in resources)


def ndjson(*resources: Json, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(200, lines(*resources), {"Content-Type": NDJSON, **named})


def packed(*resources: Json, encoding: bool = True) -> Reply:
    """As a Content-Encoding, or as a .gz file."""
    return Reply(
        200, gzip.compress(lines(*resources)), {"Content-Type": NDJSON} | ({"Content-Encoding": "gzip"} if encoding else {})
    )


def ranged(content: bytes, tag: str = '"v1"') -> Callable[[Sent], Reply]:
    """A file that can be taken up in the middle."""

    def answer(sent: Sent) -> Reply:
        asked = sent.headers.get("range", "")
        if asked and sent.headers.get("if-range") == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            whole = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}", "ETag": tag}
            return Reply(206, content[start:], whole)
        return Reply(200, content, {"ETag": tag})

    return answer


class Hospital:
    """The server.

    Attributes:
        base: Its FHIR base.
        sent: Every request, in order.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._scripts: dict[tuple[str, str], list[Script]] = defaultdict(list)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.base = f"{self.origin}/fhir"

    def on(self, method: str, path: str, *scripts: Script) -> None:
        """What is answered, one after another; the last one from then on. Replaces what was told before."""
        with self._lock:
            self._scripts[method, path] = list(scripts)

    def requests(self, method: str, path: str) -> list[Sent]:
        return [each for each in self.sent if (each.method, each.path) == (method, path)]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, sent: Sent) -> Reply:
        with self._lock:
            self.sent.append(sent)
            scripts = self._scripts.get((sent.method, sent.path))
            if not scripts:
                return as_json(outcome("not-found"), 404)
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(sent) if callable(script) else script

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hospital = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self._send(hospital._answer(Sent(self.command, parts.path, parts.query, headers, body)))

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.unsized:
                    self.send_header("Connection", "close")
                elif reply.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                elif reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.on_the_wire())
                if reply.cut is not None or reply.unsized:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Says nothing."""

        return Handler


@contextmanager
def running_hospital() -> Iterator[Hospital]:
    hospital = Hospital()
    hospital.start()
    try:
        yield hospital
    finally:
        hospital.stop()
