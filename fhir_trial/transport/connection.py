"""Requests over pooled connections: retries for reads, a cap on size, no word of a patient in errors or logs.

Two sessions, because safety differs: a read (GET, and POST to ``_search``) may be sent again; a write never is (WB-04).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from fhir_trial.errors import FatalServerError, TemporaryServerError
from fhir_trial.transport.bodies import Json, decode_json, encode_json
from fhir_trial.transport.outcomes import issues_of
from fhir_trial.transport.refusals import refusal
from fhir_trial.transport.settings import ServerSettings

FHIR_JSON = "application/fhir+json"
_RETRY_ON = (408, 429, 500, 502, 503, 504)
_NO_ANSWER = (
    requests.Timeout,
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.RetryError,
)

# urllib3 announces each retry at WARNING with the path and query, which hold patient ids (SEC-27).
logging.getLogger("urllib3").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. ``resource`` is None for an empty body; ``url`` is where it came from."""

    status: int
    resource: Json | None
    headers: Mapping[str, str]
    url: str


class Connection:
    """Speaks HTTP with one server."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        reads = Retry(
            total=settings.retries,
            status_forcelist=_RETRY_ON,
            allowed_methods=frozenset({"GET", "HEAD", "POST"}),
            backoff_factor=0.5,
            backoff_jitter=0.5,
            backoff_max=30,
            retry_after_max=settings.longest_wait,
            redirect=0,
            raise_on_status=False,
        )
        self._reads = _session(reads)
        self._writes = _session(Retry(total=0, raise_on_status=False))

    def close(self) -> None:
        self._reads.close()
        self._writes.close()

    def get(self, url: str, what: str, params: Sequence[tuple[str, str]] = ()) -> Answer:
        return self._send(self._reads, "GET", url, what, params=list(params))

    def post_search(self, url: str, what: str, params: Sequence[tuple[str, str]]) -> Answer:
        return self._send(self._reads, "POST", url, what, data=list(params))

    def write(self, method: str, url: str, what: str, resource: Json, headers: Mapping[str, str]) -> Answer:
        content = {"Content-Type": FHIR_JSON, **headers}
        return self._send(self._writes, method, url, what, data=encode_json(resource), headers=content)

    def _send(self, session: requests.Session, method: str, url: str, what: str, **kwargs: Any) -> Answer:
        limits = (self._settings.connect_timeout, self._settings.read_timeout)
        try:
            with session.request(method, url, timeout=limits, stream=True, allow_redirects=False, **kwargs) as response:
                content = self._content(response, what)
        except _NO_ANSWER:
            raise TemporaryServerError(f"{what}: no answer from the server; is it running, and is the address right?") from None
        except requests.RequestException:
            raise FatalServerError(f"{what}: the request could not be sent.") from None
        resource = _resource(response, content, what)
        if not 200 <= response.status_code < 300:
            raise refusal(what, response.status_code, issues_of(resource))
        return Answer(response.status_code, resource, response.headers, response.url)

    def _content(self, response: requests.Response, what: str) -> bytes:
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_content(65536):
            size += len(piece)
            if size > self._settings.largest_answer:
                raise FatalServerError(f"{what}: the answer is larger than the setting 'largest_answer' allows.")
            pieces.append(piece)
        return b"".join(pieces)


def _session(retry: Retry) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a .netrc of this machine must not decide who we are to the hospital
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one call must not colour the next
    session.headers.update({"Accept": FHIR_JSON})
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=8, max_retries=retry, pool_block=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _resource(response: requests.Response, content: bytes, what: str) -> Json | None:
    """The resource in an answer. A 2xx may be HTML from a proxy (DATA-04); an error may be anything, so that is let pass."""
    if not content.strip():
        return None
    good = 200 <= response.status_code < 300
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind and "json" not in kind:
        if good:
            raise FatalServerError(f"{what}: the server answered {kind} rather than FHIR JSON; is the address its FHIR base?")
        return None
    try:
        value = decode_json(content)
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("resourceType"), str):
        return value
    if good:
        raise FatalServerError(f"{what}: the server's answer is no FHIR resource.")
    return None
