"""Requests over pooled connections: retries for reads, a cap on size, no word of a patient in errors or logs.

Safety differs: a read (GET, and POST to ``_search``) may be sent again; a write never is (WB-04). Each try of a read is a
request like any other: it asks the kill switch, takes its turn, and brings a token that is good then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from time import monotonic, sleep, time
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError, SSLError

from fhir_trial.errors import FatalServerError, TemporaryServerError
from fhir_trial.transport.access import BackendServices, Bearer, Open
from fhir_trial.transport.bodies import Json, decode_json, encode_json
from fhir_trial.transport.outcomes import issues_of
from fhir_trial.transport.outgoing import Blank, Unredirected
from fhir_trial.transport.pace import pace_of
from fhir_trial.transport.refusals import NotAuthorisedError, refusal
from fhir_trial.transport.retries import TryAgain, seconds_asked, wait_before
from fhir_trial.transport.scopes import Scope
from fhir_trial.transport.settings import ServerSettings
from fhir_trial.transport.tokens import BackendToken, FileToken, TokenSource

FHIR_JSON = "application/fhir+json"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UNAUTHORIZED = 401
_PIECE = 65536
_NO_ANSWER = (
    requests.Timeout,
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

# urllib3 tells of dropped connections with the path and query, which hold patient ids (SEC-27).
logging.getLogger("urllib3").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. ``resource`` is None for an empty body; ``url`` is where it came from; ``size`` in bytes, unpacked."""

    status: int
    resource: Json | None
    headers: Mapping[str, str]
    url: str
    size: int = 0


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
        self._session = _session(settings)
        # Without the vendor's headers, which are the FHIR server's affair.
        self._sign_ins = _session(replace(settings, headers=()))
        self._tokens = self._token_source(scopes)

    def close(self) -> None:
        self._session.close()
        self._sign_ins.close()

    @cached_property
    def _blank(self) -> Blank:
        """Made when first needed: what is wrong with an address or a header is an error of the request, not of the settings."""
        return Blank(self._session, self._settings.base)

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
        return self._read("GET", url, what, params=params)

    def post_search(self, url: str, what: str, params: Sequence[tuple[str, str]]) -> Answer:
        return self._read("POST", url, what, body=urlencode(params), headers=_FORM)

    def write(self, method: str, url: str, what: str, resource: Json, headers: Mapping[str, str]) -> Answer:
        content = {"Content-Type": FHIR_JSON, **headers}
        try:
            return self._send(method, url, what, body=encode_json(resource), headers=content)
        except TryAgain as failed:
            raise failed.error from None

    @contextmanager
    def opened(
        self, method: str, url: str, what: str, *, headers: Mapping[str, str], body: bytes | None = None, as_us: bool = True
    ) -> Iterator[requests.Response]:
        """One answer of any status, its body not yet read; a redirect is an answer. Never tried again, but for one 401 (BULK-02).

        Args:
            url: Under the server's base or an alias.
            as_us: With our token.

        Raises:
            TryAgain: No answer.
        """
        tokens = self._tokens if as_us else None
        token = None
        if tokens is not None:
            self._check_not_halted(what)
            token = tokens.token()
            with self._opened_as(token, method, url, what, headers=headers, body=body) as response:
                if response.status_code != UNAUTHORIZED or not tokens.refused(token):
                    yield response
                    return
            token = tokens.token()
        with self._opened_as(token, method, url, what, headers=headers, body=body) as response:
            yield response

    @contextmanager
    def opened_elsewhere(self, url: str, what: str, *, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """A GET of a file on a host that is not the server: neither our token nor the vendor's headers go there (BULK-31)."""
        blank = Blank(self._sign_ins, self._settings.base)
        with self._sent(self._sign_ins, lambda: blank.filled("GET", url, headers=headers), what) as response:
            yield response

    @contextmanager
    def _opened_as(
        self, token: str | None, method: str, url: str, what: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> Iterator[requests.Response]:
        sent = dict(headers) | ({"Authorization": f"Bearer {token}"} if token else {})
        with (
            self._pace.turn(),
            self._sent(self._session, lambda: self._blank.filled(method, url, headers=sent, body=body), what) as response,
        ):
            yield response

    @contextmanager
    def _sent(
        self, session: requests.Session, request: Callable[[], requests.PreparedRequest], what: str
    ) -> Iterator[requests.Response]:
        self._check_not_halted(what)
        limits = (self._settings.connect_timeout, self._settings.export.read_timeout)
        try:
            response = session.send(request(), timeout=limits, stream=True, allow_redirects=False)
        except _NO_ANSWER:
            text = f"{what}: no answer from the server; is it running, and is the address right?"
            raise TryAgain(TemporaryServerError(text)) from None
        except requests.RequestException:
            raise FatalServerError(f"{what}: the request could not be sent.") from None
        with response:
            yield response

    def _read(self, method: str, url: str, what: str, **kwargs: Any) -> Answer:
        """Tries again as often as the settings allow, a wait between two tries."""
        for number in range(1, self._settings.retries + 1):
            try:
                return self._send(method, url, what, **kwargs)
            except TryAgain as failed:
                asked = seconds_asked(failed.retry_after, time())
            sleep(wait_before(number, asked, self._settings.longest_wait))
        try:
            return self._send(method, url, what, **kwargs)
        except TryAgain as failed:
            raise failed.error from None

    def _send(self, method: str, url: str, what: str, **kwargs: Any) -> Answer:
        """Sends with a token, and once more with a fresh one after a 401, which says that nothing was done (WB-22)."""
        if self._tokens is None:
            return self._send_as(None, method, url, what, **kwargs)
        self._check_not_halted(what)  # asked again before each request: a token request comes first
        token = self._tokens.token()
        try:
            return self._send_as(token, method, url, what, **kwargs)
        except UnknownTokenError:
            if not self._tokens.refused(token):
                raise
        return self._send_as(self._tokens.token(), method, url, what, **kwargs)

    def _send_as(
        self,
        token: str | None,
        method: str,
        url: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Answer:
        """Every URL that comes here is under the server's base or an alias: only there goes the token (SMART-45).

        Raises:
            TryAgain: No answer, or one that may be better in a while.
        """
        limits = (self._settings.connect_timeout, self._settings.read_timeout)
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        with self._pace.turn():
            self._check_not_halted(what)  # now, and not before a wait for the turn
            try:
                request = self._blank.filled(method, url, headers=sent, **kwargs)
                with self._session.send(request, timeout=limits, stream=True, allow_redirects=False) as response:
                    content = self._content(response, what)
            except _NO_ANSWER:
                text = f"{what}: no answer from the server; is it running, and is the address right?"
                raise TryAgain(TemporaryServerError(text)) from None
            except requests.RequestException:
                raise FatalServerError(f"{what}: the request could not be sent.") from None
            except HTTPError:
                raise FatalServerError(f"{what}: the answer could not be unpacked.") from None
        if response.status_code == UNAUTHORIZED and token is not None:
            raise UnknownTokenError(f"{what}: the server answered 401; it did not accept our token.")
        return _judged(response, content, what)

    def _check_not_halted(self, what: str) -> None:
        if self._halted is not None and self._halted():
            raise StoppedError(f"{what}: everything towards this server is stopped by the site's kill switch.")

    def _content(self, response: requests.Response, what: str) -> bytes:
        """Piece by piece as they come: to wait for a whole piece would be to wait for a server that sends drop by drop."""
        pieces: list[bytes] = []
        size = 0
        latest = monotonic() + self._settings.longest_answer
        while piece := response.raw.read1(_PIECE, decode_content=True):
            size += len(piece)
            if size > self._settings.largest_answer:
                raise FatalServerError(f"{what}: the answer is larger than the setting 'largest_answer' allows.")
            if monotonic() > latest:
                raise TryAgain(TemporaryServerError(f"{what}: the answer takes longer than the setting 'longest_answer' allows."))
            pieces.append(piece)
        return b"".join(pieces)


def _judged(response: requests.Response, content: bytes, what: str) -> Answer:
    resource = _resource(response, content, what)
    if 200 <= response.status_code < 300:
        return Answer(response.status_code, resource, response.headers, response.url, len(content))
    error = refusal(what, response.status_code, issues_of(resource))
    if isinstance(error, TemporaryServerError):
        raise TryAgain(error, response.headers.get("Retry-After"))
    raise error


def _session(settings: ServerSettings) -> requests.Session:
    session = Unredirected()
    session.trust_env = False  # a .netrc of this machine must not decide who we are to the hospital
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one call must not colour the next
    session.headers.update({"Accept": FHIR_JSON, **dict(settings.headers)})
    if settings.ca_file is not None:
        session.verify = str(settings.ca_file)
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=max(8, settings.parallel), pool_block=True)
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
