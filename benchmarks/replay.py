"""A FHIR server that only repeats: the chart of 300 resources, from memory, for as many patients as are asked for.

python -m benchmarks.replay: prints its address, ends when its standard input closes. A process of its own, so that its work
counts for nobody else. GET /log gives the requests so far as JSON lines, to be sent again.
"""

import json
import sys
import threading
from collections.abc import Iterable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

import msgspec

from benchmarks.chart import bundle
from fhir_trial import load_trial

TRIAL = "nct06789107"
_CHART_ID = "benchmark"
_CHART = [entry["resource"] for entry in msgspec.json.decode(bundle())["entry"]]

Pairs = tuple[tuple[str, str], ...]


def statement() -> bytes:
    """A CapabilityStatement with a search by patient of everything that the trial needs."""
    kinds = sorted({*load_trial(TRIAL).needs.resource_types, "Patient"})
    parameters = [{"name": name, "type": "token"} for name in ("patient", "subject", "category", "_id")]
    offered = [
        {"type": kind, "interaction": [{"code": "search-type"}, {"code": "read"}], "searchParam": parameters} for kind in kinds
    ]
    return msgspec.json.encode({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": offered}]})


@cache
def page(base: str, kind: str, filters: Pairs, count: int, start: int) -> bytes:
    """One page of the chart's own patient, whose id is then put in."""
    found = [resource for resource in _CHART if resource["resourceType"] == kind and matches(resource, filters)]
    query = urlencode((("patient", _CHART_ID), *filters, ("_count", str(count))))
    links = [{"relation": "self", "url": f"{base}/{kind}?{query}"}]
    if start + count < len(found):
        links.append({"relation": "next", "url": f"{base}/{kind}?{query}&_start={start + count}"})
    entries = [
        {"fullUrl": f"{base}/{kind}/{resource['id']}", "resource": resource, "search": {"mode": "match"}}
        for resource in found[start : start + count]
    ]
    answer = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links, "entry": entries}
    return msgspec.json.encode(answer)


def matches(resource: dict[str, Any], filters: Iterable[tuple[str, str]]) -> bool:
    """By category or its absence (``category:not``), the only filters that are understood."""
    held = {coding["code"] for category in resource.get("category", ()) for coding in category["coding"]}
    for name, value in filters:
        wanted = {word.rpartition("|")[2] for word in value.split(",")}
        if bool(held & wanted) != (name == "category"):
            return False
    return True


class Replay(BaseHTTPRequestHandler):
    """Answers /fhir/metadata, /fhir/Patient/ID, searches by GET and by POST, and /log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    log: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/log":
            self.answer("\n".join(map(json.dumps, self.log)).encode())
            return
        self.log.append({"method": "GET", "path": self.path, "body": ""})
        if path == "/fhir/metadata":
            self.answer(_STATEMENT)
        elif path.startswith("/fhir/Patient/"):
            self.answer(_of(msgspec.json.encode(_CHART[0]), path.rpartition("/")[2]))
        else:
            self.search(path.split("/")[2], query)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.log.append({"method": "POST", "path": self.path, "body": body})
        self.search(self.path.split("/")[2], body)

    def search(self, kind: str, query: str) -> None:
        asked = parse_qsl(query)
        patient = next(value for name, value in asked if name in ("patient", "subject", "individual")).removeprefix("Patient/")
        control = dict(asked)
        filters = tuple((name, value) for name, value in asked if name.partition(":")[0] == "category")
        base = f"http://{self.headers['Host']}/fhir"
        self.answer(_of(page(base, kind, filters, int(control["_count"]), int(control.get("_start", 0))), patient))

    def answer(self, body: bytes) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""


def _of(body: bytes, patient: str) -> bytes:
    return body.replace(_CHART_ID.encode(), patient.encode())


_STATEMENT = statement()


def main() -> None:
    """Serves until standard input closes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Replay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
