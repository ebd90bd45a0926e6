"""An issuer for tests: its keys, and tokens signed with them."""

from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

ISSUER = "https://id.example.invalid/realms/ward"
OTHER = "https://other.example.invalid"
AUDIENCE = "https://trials.example.invalid"
RSA = RSAKey.generate_key(2048, {"kid": "r1", "use": "sig"})
EC256 = ECKey.generate_key("P-256", {"kid": "e1"})
EC384 = ECKey.generate_key("P-384", {"kid": "e2"})
STRANGER = ECKey.generate_key("P-256", {"kid": "e1"})
NOW = 1_790_000_000


def jwks(*keys: RSAKey | ECKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys or (RSA, EC256, EC384)]}


class HeldKeys:
    """The keys of an issuer, from memory."""

    def __init__(self, *keys: RSAKey | ECKey, **changes: Any) -> None:
        self._keys = {key["kid"]: {**key, **changes} for key in jwks(*keys)["keys"]}
        self.asked: list[str] = []

    def key(self, kid: str) -> Mapping[str, Any] | None:
        self.asked.append(kid)
        return self._keys.get(kid)


def claims(now: float = NOW, **changes: Any) -> dict[str, Any]:
    """Without those that are None."""
    plain = {"iss": ISSUER, "sub": "u1", "aud": AUDIENCE, "iat": now, "exp": now + 300}
    return {name: value for name, value in (plain | changes).items() if value is not None}


def token(
    content: Mapping[str, Any] | None = None,
    *,
    key: RSAKey | ECKey = EC256,
    alg: str = "ES256",
    kid: str | None = "e1",
    **header: Any,
) -> str:
    named = {"kid": kid} if kid else {}
    return jwt.encode({"alg": alg, "typ": "JWT", **named, **header}, dict(content or claims()), key, algorithms=[alg])
