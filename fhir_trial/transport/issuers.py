"""An issuer's public keys: its discovery document, its JWKS, kept and fetched again with restraint (SMART-33, SMART-34).

Source: OpenID Connect Discovery 1.0 section 4; RFC 7517. The address of the keys is configured, or stands in the discovery
document of a configured issuer; nothing in a token ever names an address that is opened.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from fhir_trial.errors import FatalServerError, ServerError, TemporaryServerError, UsageError
from fhir_trial.transport.bodies import decode_json
from fhir_trial.transport.outgoing import Unredirected
from fhir_trial.transport.settings import LOOPBACK

Key = Mapping[str, Any]

_LARGEST = 1024 * 1024
_LIMITS = (5.0, 10.0)  # seconds: to connect, to read
_LONGEST = 20.0  # seconds, for all of it: everybody who signs in waits
#: Seconds between two fetches when a key is not known.
THROTTLE = 60.0
#: Seconds between two tries as long as nothing was ever fetched.
RETRY = 5.0
#: Seconds after which keys are fetched again although all were known, so that a withdrawn key ends.
FRESH = 3600.0
#: Seconds after which keys that could not be fetched again count no more.
OLDEST = 86400.0


class IssuerUnavailableError(TemporaryServerError):
    """The keys of an issuer cannot be had, so nobody of it can be signed in now."""


class IssuerKeys:
    """The keys of one configured issuer. Safe for threads.

    Args:
        issuer: Its URL, exactly as its tokens say it; https, or loopback for trying out.
        jwks_url: Where its keys are; by default its discovery document is asked.
        clock: Seconds that only grow.

    Raises:
        UsageError: An address is not https.
    """

    def __init__(self, issuer: str, jwks_url: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer = _safe(issuer, UsageError("An issuer is given as an https URL, exactly as its tokens name it."))
        if jwks_url is not None:
            _safe(jwks_url, UsageError("The keys of an issuer are fetched from an https URL."))
        self._jwks_url = jwks_url
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}
        self._fetched: float | None = None
        self._tried: float | None = None

    def key(self, kid: str) -> Key | None:
        """The JWK of that id; None when the issuer has none, also after being asked anew, at most once a minute.

        Raises:
            IssuerUnavailableError: The issuer does not answer as it should, and no keys younger than a day are known.
        """
        with self._lock:
            if self._is_due(kid) and self._may_try():
                self._fetch()
            if self._fetched is None or self._clock() - self._fetched > OLDEST:
                raise IssuerUnavailableError("The issuer's keys cannot be had, so nobody can be signed in; try again later.")
            return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        return kid not in self._keys or self._fetched is None or self._clock() - self._fetched > FRESH

    def _may_try(self) -> bool:
        pause = RETRY if self._fetched is None else THROTTLE
        return self._tried is None or self._clock() - self._tried >= pause

    def _fetch(self) -> None:
        """Replaces the keys; on failure those known stay."""
        self._tried = self._clock()
        try:
            keys = _document(self._jwks_url or self._discovered(), "JWKS of the issuer").get("keys")
        except ServerError as error:
            if self._fetched is None:
                raise IssuerUnavailableError(error.message) from None
            return
        if not isinstance(keys, list):
            return
        found = [key for key in keys if isinstance(key, dict) and isinstance(key.get("kid"), str)]
        self._keys = {key["kid"]: key for key in found}
        self._fetched = self._tried

    def _discovered(self) -> str:
        document = _document(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration", "Discovery document of the issuer")
        if document.get("issuer") != self.issuer:
            raise FatalServerError("Discovery document of the issuer: it names another issuer than the one configured.")
        wrong = FatalServerError("Discovery document of the issuer: its jwks_uri is no https URL.")
        return _safe(document.get("jwks_uri"), wrong)


def now() -> float:
    """Seconds since 1970: what a token's exp and iat are compared with."""
    return time.time()


def _safe(url: Any, error: Exception) -> str:
    """The URL if it is https, or http on loopback, without user or fragment; else the error. Keys may have a query: some do."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        raise error from None
    if not good or not parts.hostname or parts.username or parts.fragment:
        raise error
    return str(url)


def _document(url: str, what: str) -> Mapping[str, Any]:
    """A JSON object, at most 1 MiB; redirects are not followed."""
    session = Unredirected()
    session.trust_env = False
    try:
        with session.get(
            url, timeout=_LIMITS, stream=True, allow_redirects=False, headers={"Accept": "application/json"}
        ) as answer:
            content, latest = b"", time.monotonic() + _LONGEST
            while piece := answer.raw.read1(65536, decode_content=True):
                content += piece
                if len(content) > _LARGEST or time.monotonic() > latest:
                    raise FatalServerError(f"{what}: larger than 1 MiB, or slower than {_LONGEST:.0f} seconds.")
            status = answer.status_code
    except (requests.RequestException, HTTPError):
        raise TemporaryServerError(f"{what}: no answer; is its address right?") from None
    finally:
        session.close()
    if status != 200:
        error = TemporaryServerError if status >= 500 or status == 429 else FatalServerError
        raise error(f"{what}: answered {status}; is its address right?")
    try:
        value = decode_json(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise FatalServerError(f"{what}: the answer is no JSON object.")
    return value
