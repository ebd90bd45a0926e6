"""Who sends a bearer token: its signature by a configured issuer's key, and its claims (SMART-33, SMART-34, SEC-16).

Source: RFC 7519; RFC 8725 (best current practices); OpenID Connect Core 3.1.3.7.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhir_trial.web.refusals import NotSignedInError

#: Never none, never a shared secret.
ALGORITHMS: Final = ("RS256", "RS384", "ES256", "ES384")
SKEW: Final = 60  # seconds that clocks may differ
_LONGEST: Final = 8192  # characters of a token
_LONGEST_SUBJECT: Final = 255
_LEAST_RSA_BITS: Final = 2048
_HALF: Final = re.compile(r"[\ud800-\udfff]")  # half a character, which no database takes
_JTI: Final = re.compile(r"[!-~]{1,128}")
_TYPES: Final = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})


class RefusedTokenError(NotSignedInError):
    """A bearer token that proves nothing.

    Attributes:
        issuer: It claims to be this configured issuer's; None when it names another, or none.
        subject: Only where the signature held, and the issuer is known.
        token: Its ``jti``, likewise.
    """

    issuer: str | None = None
    subject: str | None = None
    token: str | None = None


class KeysOfIssuer(Protocol):
    """``transport.issuers.IssuerKeys``."""

    def key(self, kid: str) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Signed:
    """Who a token speaks of. Nothing else in it is believed: no role, no name, no e-mail (SMART-36).

    Attributes:
        token: Its ``jti``, for the audit log (SEC-04); None where it has none that is short and printable.
    """

    issuer: str
    subject: str
    token: str | None = None


class TokenCheck:
    """Checks tokens.

    Args:
        issuers: Configured issuer -> its keys.
        audience: What ``aud`` must be or hold, to the letter.
        clock: Seconds since 1970.
    """

    def __init__(self, issuers: Mapping[str, KeysOfIssuer], audience: str, clock: Callable[[], float]) -> None:
        self._issuers = issuers
        self._audience = audience
        self._clock = clock

    def __call__(self, token: str) -> Signed:
        """Who sent it.

        Raises:
            RefusedTokenError: It proves nothing; the words say why, and nothing of the token.
            ServerError: The issuer's keys cannot be had.
        """
        if len(token) > _LONGEST:
            _refuse("is too long")
        try:
            unproved = jws.extract_compact(token.encode("ascii"))
        except (JoseError, ValueError, TypeError, RecursionError):
            _refuse("is no JWT")
        algorithm, kid = _header(unproved.headers())
        issuer = _claimed_issuer(unproved.payload)
        keys = self._issuers.get(issuer)
        if keys is None:
            _refuse("comes from an issuer that is not configured")
        with _told(issuer=issuer):
            jwk = keys.key(kid)
            if jwk is None:
                _refuse("is signed with a key that its issuer does not publish")
            claims = _proved(token, jwk, algorithm)
            with _told(subject=_subject(claims), token=_jti(claims)):
                return self._claims(claims)

    def _claims(self, claims: Mapping[str, Any]) -> Signed:
        issuer, subject, audience = claims.get("iss"), _subject(claims), claims.get("aud")
        if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
            _refuse("is meant for another audience")
        now = self._clock()
        if not _moment(claims, "exp") > now - SKEW:
            _refuse("has expired")
        if not _moment(claims, "iat") <= now + SKEW or ("nbf" in claims and not _moment(claims, "nbf") <= now + SKEW):
            _refuse("is not valid yet")
        if not isinstance(issuer, str) or subject is None:
            _refuse("names no subject")
        return Signed(issuer, subject, _jti(claims))


def _header(header: Mapping[str, Any]) -> tuple[str, str]:
    """Algorithm and key id. A key in the header, or an address of one, is not looked at."""
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if algorithm not in ALGORITHMS:
        _refuse(f"is signed otherwise than by {', '.join(ALGORITHMS)}")
    if not isinstance(kid, str) or not kid:
        _refuse("names no key (kid)")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        _refuse("is of another type than JWT")
    return algorithm, kid


def _claimed_issuer(payload: bytes | None) -> str:
    """Only to choose among the configured issuers whose key must have signed."""
    import json

    try:
        claims = json.loads(payload or b"")
    except (ValueError, RecursionError):
        _refuse("is no JWT")
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else ""


def _proved(token: str, jwk: Mapping[str, Any], algorithm: str) -> Mapping[str, Any]:
    """The claims, once the signature has proved to be that key's."""
    kind: type[RSAKey | ECKey] = RSAKey if algorithm.startswith("RS") else ECKey
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm or jwk.get("kty") != kind.key_type:
        _refuse("is signed with a key that is meant for something else")
    try:
        public = {name: value for name, value in jwk.items() if name in ("kty", "n", "e", "crv", "x", "y", "kid", "use", "alg")}
        key = kind.import_key(public)
        if isinstance(key, RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS:
            _refuse("is signed with a key that is too short")
        return jwt.decode(token, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        _refuse("has a signature that does not prove it")


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _refuse(f"has no {name}")
    return value


def _subject(claims: Mapping[str, Any]) -> str | None:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or _HALF.search(subject):
        return None
    return subject


def _jti(claims: Mapping[str, Any]) -> str | None:
    jti = claims.get("jti")
    return jti if isinstance(jti, str) and _JTI.fullmatch(jti) else None


@contextmanager
def _told(**known: str | None) -> Iterator[None]:
    """A refusal within says what was known by then."""
    try:
        yield
    except RefusedTokenError as refused:
        for name, value in known.items():
            setattr(refused, name, value)
        raise


def _refuse(why: str) -> NoReturn:
    raise RefusedTokenError(f"The bearer token {why}.") from None
