"""Secrets and clinical data at rest: AES-256-GCM, with the key's id beside the text and the row's place in it (SEC-28).

The associated data is tenant, table and row, so that a sealed value moved to another row does not open. Keys are in a file
outside the database: lines of an id and 32 bytes in base64; the first seals, the others open what was sealed before.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_trial.errors import FhirTrialError, UsageError

_NONCE = 12
_LINE = re.compile(r"([A-Za-z0-9_-]{1,32})\s+([A-Za-z0-9+/]{43}=)")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SealError(FhirTrialError):
    """What was sealed cannot be opened: the key is missing, or the value was altered or moved."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands."""

    tenant: str
    table: str
    row: str

    def bytes(self) -> bytes:
        return "\n".join((self.tenant, self.table, self.row)).encode()


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys at hand.

    Attributes:
        current: Id of the key that seals.
        keys: Every id and its 32 bytes; never shown.
    """

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def seal(self, text: str, place: Place) -> bytes:
        """Key id, nonce and ciphertext."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, text.encode(), place.bytes())
        return self.current.encode() + b":" + nonce + sealed

    def open(self, sealed: bytes, place: Place) -> str:
        """The text.

        Raises:
            SealError: Another key sealed it, or it was altered or moved.
        """
        name, _, rest = sealed.partition(b":")
        key = self.keys.get(name.decode("ascii", "replace"))
        if key is None:
            raise SealError(
                "A sealed value needs a key that the keys file does not hold: put the former key back below the new one."
            )
        try:
            return AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], place.bytes()).decode()
        except InvalidTag:
            raise SealError("A sealed value in the database was altered or moved, or the keys file holds another key.") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the newest key sealed it."""
        return sealed.startswith(self.current.encode() + b":")


def read_keyring(path: Path) -> Keyring:
    """The keys of a file.

    Raises:
        UsageError: It cannot be read, others may read it, or a line is no key.
    """
    try:
        if path.stat().st_mode & _OTHERS:
            raise UsageError("Others may read the keys file: set its mode to 0600.", expression=str(path))
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsageError("The keys file cannot be read.", expression=str(path)) from None
    keys: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] in keys:
            raise UsageError("Expected an id and 32 bytes in base64, each id once.", expression=f"{path}:{number}")
        keys[match[1]] = _bytes(match[2], f"{path}:{number}")
    if not keys:
        raise UsageError("The keys file holds no key.", expression=str(path))
    return Keyring(next(iter(keys)), keys)


def new_key_line(name: str) -> str:
    """A line for the keys file with a new key."""
    return f"{name} {base64.b64encode(secrets.token_bytes(32)).decode()}"


def _bytes(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise UsageError("Expected 32 bytes in base64.", expression=where) from None
