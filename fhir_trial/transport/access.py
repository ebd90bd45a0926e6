"""How a server learns who we are: not at all, by a token from a file, or by SMART Backend Services.

Source: SMART App Launch 2.2, Backend Services. A secret is only ever named by the file that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fhir_trial.errors import UsageError

#: What SMART asks both sides to know (SMART-47); a server may know only one of them, so it is a setting.
ALGORITHMS = ("ES384", "RS384")


@dataclass(frozen=True, slots=True)
class Open:
    """The server asks nobody who they are."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that somebody else renews.

    Attributes:
        token_file: Holds the token alone; read for each token that is needed, so that it may be replaced while we run.
    """

    token_file: Path


@dataclass(frozen=True, slots=True)
class BackendServices:
    """A client with a key pair, known to the server by its public keys.

    Attributes:
        key_file: Private keys: one PEM, one JWK or a JWK set, whose first signs. For its owner's eyes only.
        algorithm: ES384 or RS384.
        kid: The key's id at the server; by default the one in the file, else the thumbprint of the key (RFC 7638).
        token_url: None to ask the server for it.
        scopes: Those registered (SMART-30); by default what the caller derives from its trials.
    """

    client_id: str
    key_file: Path
    algorithm: str = "ES384"
    kid: str | None = None
    token_url: str | None = None
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise UsageError(f"A client signs with {' or '.join(ALGORITHMS)}.")
        if not self.client_id:
            raise UsageError("A client of a server has a client_id.")


Access = Open | Bearer | BackendServices
