"""Private keys from files, and their public halves as others may see them (SMART-48, SMART-49).

Source: RFC 7517, RFC 7638; SMART App Launch 2.2, Client Authentication: Asymmetric.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from fhir_trial.errors import UsageError
from fhir_trial.transport.access import BackendServices

PrivateKey = ECKey | RSAKey
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SMALLEST_RSA = 2048


def read_keys(path: Path, algorithm: str) -> tuple[PrivateKey, ...]:
    """The private keys of a file: one PEM, one JWK, or a JWK set. The first signs, all are published.

    Raises:
        UsageError: It is not there, others may read it, or a key is not one that the algorithm signs with.
    """
    try:
        if path.stat().st_mode & _OTHERS:
            raise UsageError("Others may read this key file: set its mode to 0600.", expression=str(path))
        content = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise UsageError("The key file cannot be read.", expression=str(path)) from None
    try:
        keys = tuple(_import(one, algorithm) for one in _written(content))
    except (JoseError, ValueError, TypeError, KeyError):  # their words may quote the key
        keys = ()
    if not keys or not all(_fits(key, algorithm) for key in keys):
        raise UsageError(f"The key file must hold private keys for {algorithm}, as PEM or JWK.", expression=str(path))
    return keys


def generate_key(algorithm: str) -> PrivateKey:
    """A new key: P-384 for ES384, RSA of 3072 bits for RS384."""
    return ECKey.generate_key("P-384") if algorithm == "ES384" else RSAKey.generate_key(3072)


def key_id(key: PrivateKey) -> str:
    """The key's own ``kid``, else its thumbprint."""
    return str(key.kid or key.thumbprint())


def public_jwks(keys: Iterable[PrivateKey]) -> dict[str, Any]:
    """A JWK set of public members only, whatever the files hold."""
    return {"keys": [_public(key) for key in keys]}


def own_jwks(clients: Iterable[BackendServices]) -> dict[str, Any]:
    """The public keys of clients of ours, read from their files now: a key is published before it first signs (SMART-49).

    Raises:
        UsageError: As ``read_keys``.
    """
    published: dict[str, dict[str, Any]] = {}
    for client in clients:
        keys = public_jwks(read_keys(client.key_file, client.algorithm))["keys"]
        if client.kid is not None:
            keys[0]["kid"] = client.kid
        published |= {key["kid"]: key for key in keys}
    return {"keys": list(published.values())}


def _public(key: PrivateKey) -> dict[str, Any]:
    algorithm = "ES384" if isinstance(key, ECKey) else "RS384"
    members = ("kty", "crv", "x", "y", "n", "e")
    plain = {name: value for name, value in key.as_dict(private=False).items() if name in members}
    return {**plain, "kid": key_id(key), "use": "sig", "alg": algorithm, "key_ops": ["verify"]}


def _written(content: str) -> list[str | dict[str, Any]]:
    if not content.lstrip().startswith("{"):
        return [content]
    value = json.loads(content)
    return list(value["keys"]) if "keys" in value else [value]


def _import(written: str | dict[str, Any], algorithm: str) -> PrivateKey:
    key = import_key(written, "EC" if algorithm == "ES384" else "RSA")
    if not isinstance(key, ECKey | RSAKey):
        raise TypeError
    return key


def _fits(key: PrivateKey, algorithm: str) -> bool:
    if not key.is_private:
        return False
    if isinstance(key, ECKey):
        return algorithm == "ES384" and key.curve_name == "P-384"
    return algorithm == "RS384" and key.raw_value.key_size >= _SMALLEST_RSA
