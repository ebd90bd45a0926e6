"""Access tokens: read from a file, or asked for with a signed assertion; kept until shortly before they end.

Source: SMART App Launch 2.2, Backend Services (client_credentials with private_key_jwt), Conformance (discovery); RFC 7523.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from joserfc import jwt
from urllib3.exceptions import HTTPError

from fhir_trial.errors import FatalServerError, TemporaryServerError, UsageError
from fhir_trial.transport.access import BackendServices, Bearer
from fhir_trial.transport.bodies import decode_json
from fhir_trial.transport.keys import key_id, read_keys
from fhir_trial.transport.refusals import NotAuthorisedError
from fhir_trial.transport.retries import RETRY_ON
from fhir_trial.transport.scopes import Scope, read_scopes
from fhir_trial.transport.settings import LOOPBACK

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Seconds. SMART allows five minutes at most; clocks differ (SMART-46).
ASSERTION_LIFE = 240
#: Seconds before its end at which a token is not used any more.
MARGIN = 30.0
#: Seconds a token is trusted whose answer does not say: the life that SMART recommends at most.
_UNSAID = 300.0
#: Seconds; one that is said to live longer is asked for again all the same.
_LONGEST = 86_400.0
_LARGEST = 1024 * 1024
_LONGEST_ANSWER = 60.0
_OWN_FAULT = 500
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
#: RFC 6750, section 2.1, as long as a header may be.
_TOKEN = re.compile(r"[!-~]{1,16384}")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


class TokenSource(Protocol):
    """Where the token for the next request comes from."""

    @property
    def granted(self) -> tuple[Scope, ...] | None:
        """What the server granted; None while nobody asked, or where it does not say."""
        ...

    def token(self) -> str:
        """A token that is good now.

        Raises:
            ServerError: None can be had.
        """
        ...

    def refused(self, token: str) -> bool:
        """Told that the server did not accept a token; whether another one is worth a try."""
        ...


class FileToken:
    """The token of a file, read anew each time."""

    granted: tuple[Scope, ...] | None = None

    def __init__(self, access: Bearer) -> None:
        self._access = access

    def token(self) -> str:
        try:
            token = self._access.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            token = None
        if not token or not token.isprintable() or " " in token:
            raise UsageError("The token file cannot be read, or holds no token.", expression=str(self._access.token_file))
        return token

    def refused(self, token: str) -> bool:
        return self.token() != token


class BackendToken:
    """Tokens by client_credentials; one renewal at a time, whoever asks (SMART-39).

    Args:
        session: Sends to the authorisation server; it carries no token.
        scopes: To ask for where the settings name none.
        clock: Seconds since the epoch, for the assertion.
    """

    def __init__(
        self,
        base: str,
        access: BackendServices,
        session: requests.Session,
        scopes: tuple[str, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._base, self._access, self._session = base, access, session
        self._keys = read_keys(access.key_file, access.algorithm)
        self._scopes = access.scopes or scopes
        self._clock = clock
        self._lock = threading.Lock()
        self._url = access.token_url
        self._token: str | None = None
        self._ends = 0.0
        self.granted: tuple[Scope, ...] | None = None

    def token(self) -> str:
        with self._lock:
            if self._token is None or time.monotonic() >= self._ends:
                self._renew()
            return str(self._token)

    def refused(self, token: str) -> bool:
        with self._lock:
            if self._token == token:  # unless another thread has renewed it meanwhile
                self._token = None
        return True

    def _renew(self) -> None:
        if self._url is None:
            self._url = self._discover()
        _check_safe(self._url)
        status, answer = self._exchange(self._url)
        if status >= _OWN_FAULT:
            status, answer = self._exchange(self._url)  # once more, and no more (SMART-41)
        if status >= _OWN_FAULT or status in RETRY_ON:
            raise TemporaryServerError(f"Token: the authorisation server answered {status}; try again later.")
        self._keep(status, answer)

    def _keep(self, status: int, answer: Any) -> None:
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if status != 200 or not isinstance(token, str) or not token:
            raise NotAuthorisedError(f"Token: the authorisation server refused ({_code(answer) or status}): {_ADVICE}")
        if not _TOKEN.fullmatch(token) or str(answer.get("token_type", "bearer")).lower() != "bearer":
            raise FatalServerError("Token: the authorisation server answered with a token_type or a token that is no bearer's.")
        self._token = token
        life = _seconds(answer.get("expires_in"))
        self._ends = time.monotonic() + max(life - MARGIN, life / 2)
        scope = answer.get("scope")
        self.granted = read_scopes(scope) if isinstance(scope, str) else None

    def _exchange(self, url: str) -> tuple[int, Any]:
        form = {
            "grant_type": "client_credentials",
            "scope": " ".join(self._scopes),
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self.assertion(url),
        }
        return self._send("POST", url, form)

    def assertion(self, url: str) -> str:
        """A fresh assertion for a token URL, for one use."""
        key, access = self._keys[0], self._access
        now = int(self._clock())
        header = {"alg": access.algorithm, "kid": access.kid or key_id(key), "typ": "JWT"}
        claims = {
            "iss": access.client_id,
            "sub": access.client_id,
            "aud": url,
            "iat": now,
            "exp": now + ASSERTION_LIFE,
            "jti": secrets.token_urlsafe(24),
        }
        return jwt.encode(header, claims, key, algorithms=[access.algorithm])

    def _discover(self) -> str:
        """The token URL, from the SMART configuration, else from the CapabilityStatement (SMART-01, SMART-02, SMART-07)."""
        status, configuration = self._send("GET", f"{self._base}/.well-known/smart-configuration")
        found = configuration.get("token_endpoint") if status == 200 and isinstance(configuration, dict) else None
        if not isinstance(found, str):
            status, statement = self._send("GET", f"{self._base}/metadata")
            found = _oauth_uri(statement) if status == 200 else None
        if found is None:
            raise FatalServerError("Token: the server does not say where tokens are had: set token_url for it.")
        try:
            return urljoin(f"{self._base}/", found)
        except ValueError:
            raise FatalServerError("Token: what the server gives as its token endpoint is no address: set token_url.") from None

    def _send(self, method: str, url: str, form: dict[str, str] | None = None) -> tuple[int, Any]:
        limits = {"timeout": (5, 30), "stream": True, "allow_redirects": False}
        headers = {"Accept": "application/json"}
        try:
            with self._session.request(method, url, data=form, headers=headers, **limits) as response:  # type: ignore[arg-type]
                content = _bounded(response)
                status = response.status_code
        except (requests.RequestException, HTTPError):
            raise TemporaryServerError("Token: no answer from the authorisation server.") from None
        try:
            return status, decode_json(content)
        except ValueError:
            return status, None


def _bounded(response: requests.Response) -> bytes:
    """The body, as far as a token's answer may go, and for as long: everybody who needs a token waits for it."""
    content = b""
    latest = time.monotonic() + _LONGEST_ANSWER
    while piece := response.raw.read1(4096, decode_content=True):
        content += piece
        if len(content) > _LARGEST or time.monotonic() > latest:
            raise FatalServerError("Token: the authorisation server's answer is far too long.")
    return content


_ADVICE = "check client_id, the registered key, the scopes, and the clock of this machine."


def _code(answer: Any) -> str | None:
    """The OAuth error code; its description is the server's own words, and is left out (SMART-61)."""
    code = answer.get("error") if isinstance(answer, dict) else None
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else None


def _seconds(value: Any) -> float:
    """``expires_in``: a number, or one in a string, or nothing (SMART-23)."""
    try:
        return min(max(1.0, float(value)), _LONGEST)
    except (TypeError, ValueError, OverflowError):
        return _UNSAID


def _check_safe(url: str) -> None:
    parts = urlsplit(url)
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or (parts.scheme != "https" and not loopback):
        raise FatalServerError("Token: the token URL is not https, so no assertion is sent to it.")


def _oauth_uri(statement: Any) -> str | None:
    for rest in _dicts(statement, "rest"):
        security = rest.get("security")
        for extension in _dicts(security, "extension"):
            if extension.get("url") != _OAUTH_URIS:
                continue
            for part in _dicts(extension, "extension"):
                if part.get("url") == "token" and isinstance(part.get("valueUri"), str):
                    return str(part["valueUri"])
    return None


def _dicts(owner: Any, key: str) -> list[dict[str, Any]]:
    value = owner.get(key) if isinstance(owner, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
