"""Requests over pooled connections: retries for reads, a cap on size, no word of a patient in errors or logs.

Two sessions, because safety differs: a read (GET, and POST to ``_search``) may be sent again; a write never is (WB-04).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from fhir_trial.errors import FatalServerError, TemporaryServerError
from fhir_trial.transport.access import BackendServices, Bearer, Open
from fhir_trial.transport.bodies import Json, decode_json, encode_json
from fhir_trial.transport.outcomes import issues_of
from fhir_trial.transport.pace import pace_of
from fhir_trial.transport.refusals import NotAuthorisedError, refusal
from fhir_trial.transport.scopes import Scope
from fhir_trial.transport.settings import ServerSettings
from fhir_trial.transport.tokens import BackendToken, FileToken, TokenSource

FHIR_JSON = "application/fhir+json"
UNAUTHORIZED = 401
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


class _Patience(Retry):
    """A Retry-After that is no number and no date counts as none: the library would break off (DATA-18)."""

    def parse_retry_after(self, retry_after: str) -> float:
        try:
            return super().parse_retry_after(retry_after)
        except InvalidHeader:
            return 0.0


class UnknownTokenError(NotAuthorisedError):
    """401 although a token was sent: it ended before its time, or was withdrawn."""


class StoppedError(FatalServerError):
    """The site's kill switch is thrown: nothing is sent (SEC-60)."""

    issue_type = "business-rule"


class Connection:
    """Speaks HTTP with one server.

    Args:
        scopes: To ask for where the settings name none.
        halted: Asked before every request; true stops it.
    """

    def __init__(self, settings: ServerSettings, scopes: tuple[str, ...] = (), halted: Callable[[], bool] | None = None) -> None:
        self._settings = settings
        self._halted = halted
        self._pace = pace_of(settings.base, settings.parallel, settings.requests_per_minute)
        reads = _Patience(
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
        self._reads = _session(reads, settings)
        self._writes = _session(Retry(total=0, raise_on_status=False), settings)
        # Without the vendor's headers, which are the FHIR server's affair.
        self._sign_ins = _session(Retry(total=0, raise_on_status=False), replace(settings, headers=()))
        self._tokens = self._token_source(scopes)

    def close(self) -> None:
        self._reads.close()
        self._writes.close()
        self._sign_ins.close()

    @property
    def granted(self) -> tuple[Scope, ...] | None:
        """The scopes that the server granted; None where it does not say, or nobody asked."""
        return self._tokens.granted if self._tokens else None

    def sign_in(self) -> None:
        """Has a token at hand, so that a refusal shows before any work. Nothing on an open server."""
        self._check_not_halted("Token")
        if self._tokens:
            self._tokens.token()

    def _token_source(self, scopes: tuple[str, ...]) -> TokenSource | None:
        match self._settings.access:
            case Open():
                return None
            case Bearer() as bearer:
                return FileToken(bearer)
            case BackendServices() as services:
                return BackendToken(self._settings.base, services, self._sign_ins, scopes)

    def get(self, url: str, what: str, params: Sequence[tuple[str, str]] = ()) -> Answer:
        return self._send(self._reads, "GET", url, what, params=list(params))

    def post_search(self, url: str, what: str, params: Sequence[tuple[str, str]]) -> Answer:
        return self._send(self._reads, "POST", url, what, data=list(params))

    def write(self, method: str, url: str, what: str, resource: Json, headers: Mapping[str, str]) -> Answer:
        content = {"Content-Type": FHIR_JSON, **headers}
        return self._send(self._writes, method, url, what, data=encode_json(resource), headers=content)

    def _send(self, session: requests.Session, method: str, url: str, what: str, **kwargs: Any) -> Answer:
        """Sends with a token, and once more with a fresh one after a 401, which says that nothing was done (WB-22)."""
        self._check_not_halted(what)  # asked again before each request: a token request comes first
        if self._tokens is None:
            return self._send_as(None, session, method, url, what, **kwargs)
        token = self._tokens.token()
        try:
            return self._send_as(token, session, method, url, what, **kwargs)
        except UnknownTokenError:
            if not self._tokens.refused(token):
                raise
        return self._send_as(self._tokens.token(), session, method, url, what, **kwargs)

    def _send_as(
        self,
        token: str | None,
        session: requests.Session,
        method: str,
        url: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Answer:
        """Every URL that comes here is under the server's base or an alias: only there goes the token (SMART-45)."""
        self._check_not_halted(what)
        limits = (self._settings.connect_timeout, self._settings.read_timeout)
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            with (
                self._pace.turn(),
                session.request(
                    method, url, timeout=limits, stream=True, allow_redirects=False, headers=sent, **kwargs
                ) as response,
            ):
                content = self._content(response, what)
        except _NO_ANSWER:
            raise TemporaryServerError(f"{what}: no answer from the server; is it running, and is the address right?") from None
        except requests.RequestException:
            raise FatalServerError(f"{what}: the request could not be sent.") from None
        if response.status_code == UNAUTHORIZED and token is not None:
            raise UnknownTokenError(f"{what}: the server answered 401; it did not accept our token.")
        resource = _resource(response, content, what)
        if not 200 <= response.status_code < 300:
            raise refusal(what, response.status_code, issues_of(resource))
        return Answer(response.status_code, resource, response.headers, response.url)

    def _check_not_halted(self, what: str) -> None:
        if self._halted is not None and self._halted():
            raise StoppedError(f"{what}: everything towards this server is stopped by the site's kill switch.")

    def _content(self, response: requests.Response, what: str) -> bytes:
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_content(65536):
            size += len(piece)
            if size > self._settings.largest_answer:
                raise FatalServerError(f"{what}: the answer is larger than the setting 'largest_answer' allows.")
            pieces.append(piece)
        return b"".join(pieces)


def _session(retry: Retry, settings: ServerSettings) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a .netrc of this machine must not decide who we are to the hospital
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one call must not colour the next
    session.headers.update({"Accept": FHIR_JSON, **dict(settings.headers)})
    if settings.ca_file is not None:
        session.verify = str(settings.ca_file)
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=max(8, settings.parallel), max_retries=retry, pool_block=True)
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
