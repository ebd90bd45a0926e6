"""Who may speak with a sandbox that asks for a token: clients with a key pair, and what they must know to use it.

Source: SMART App Launch 2.2, Backend Services and Client Authentication: Asymmetric.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_trial.errors import UsageError
from fhir_trial.transport.access import ALGORITHMS, BackendServices
from fhir_trial.transport.keys import generate_key, public_jwks, read_keys

#: What screening reads and what the write-back writes; nothing may be deleted.
SCOPES = (
    "system/*.rs",
    *(f"system/{kind}.crus" for kind in ("ResearchStudy", "ResearchSubject", "Observation", "Provenance", "Task")),
)
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class SandboxClient:
    """A client that the sandbox lets in.

    Attributes:
        client_id: Its name: letters, digits, ``-``, ``_`` and ``.``.
        scopes: The most it is granted, SMART v2 system scopes. A POST of a Bundle to the base needs ``system/*.c``, and the
            deletion of a bulk export job ``system/*.d``.
        key_file: Its private key in PEM; None to have one made in the data folder, for the owner's eyes only (SMART-49).
        algorithm: ES384 or RS384 (SMART-47).
    """

    client_id: str = "fhir-trial"
    scopes: tuple[str, ...] = SCOPES
    key_file: Path | None = None
    algorithm: str = "ES384"

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise UsageError(f"A sandbox client signs with {' or '.join(ALGORITHMS)}.")
        if not self.client_id or not all(letter.isalnum() or letter in "-_." for letter in self.client_id):
            raise UsageError("The id of a sandbox client is made of letters, digits, '-', '_' and '.'.")


#: Fills the sandbox; its key never leaves the data folder.
LOADER = SandboxClient("sandbox-loader", ("system/*.cruds",))


@dataclass(frozen=True, slots=True)
class SandboxAccess:
    """What a client of a running sandbox has to know; the private key itself stays in its file.

    Attributes:
        token_url: Where assertions are sent; also their ``aud``.
        kid: The thumbprint of the public key, as in the registered JWKS.
    """

    client_id: str
    key_file: Path
    algorithm: str
    kid: str
    token_url: str
    scopes: tuple[str, ...]

    def services(self) -> BackendServices:
        """The same, for ``ServerSettings(base, access=...)``."""
        return BackendServices(self.client_id, self.key_file, self.algorithm, self.kid, self.token_url, self.scopes)


@dataclass(frozen=True, slots=True)
class Registered:
    """A client whose key is there."""

    client: SandboxClient
    key_file: Path
    public: dict[str, Any]

    def entry(self) -> dict[str, Any]:
        """For the server's settings: public members only (SMART-48)."""
        return {
            "client_id": self.client.client_id,
            "jwks": {"keys": [self.public]},
            "scopes": " ".join(self.client.scopes),
        }

    def access(self, token_url: str) -> SandboxAccess:
        client = self.client
        return SandboxAccess(client.client_id, self.key_file, client.algorithm, self.public["kid"], token_url, client.scopes)


def register(clients: Sequence[SandboxClient], folder: Path) -> tuple[Registered, ...]:
    """Reads or makes the key of each client.

    Raises:
        UsageError: Two clients have one id; a key file is not there, not for its owner only, or not for the client's algorithm.
    """
    if len({client.client_id for client in clients}) < len(clients):
        raise UsageError("Two clients of the sandbox have the same id.")
    return tuple(_registered(client, folder) for client in clients)


def _registered(client: SandboxClient, folder: Path) -> Registered:
    path = client.key_file or folder / f"{client.client_id}.pem"
    if client.key_file is None and not path.exists():
        _make_key(client.algorithm, path)
    (public, *_) = public_jwks(read_keys(path, client.algorithm))["keys"]
    return Registered(client, path.resolve(), public)


def _make_key(algorithm: str, path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
        file.write(generate_key(algorithm).as_pem(private=True))
