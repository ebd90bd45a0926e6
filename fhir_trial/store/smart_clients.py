"""How we are registered with the EHRs of a tenant, by FHIR base and practice (SMART-10, SMART-35, SMART-62).

A launch names its ``iss``; only one that is registered here, and enabled, is ever asked for anything.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.errors import UsageError
from fhir_trial.store.engine import transaction
from fhir_trial.store.fitting import check_text, fitting, may_be_kept
from fhir_trial.store.sealing import Keyring, Place
from fhir_trial.store.tables import SmartClientRow
from fhir_trial.transport.settings import LOOPBACK

Authentication = Literal["public", "symmetric", "asymmetric"]
AUTHENTICATIONS: Final[tuple[Authentication, ...]] = ("public", "symmetric", "asymmetric")
ScopeVersion = Literal["v1", "v2"]
SCOPE_VERSIONS: Final[tuple[ScopeVersion, ...]] = ("v1", "v2")
Word = TypeVar("Word", bound=str)
#: No user, no query, no fragment, nothing to be encoded.
_URL = re.compile(r"https?://(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?(/[A-Za-z0-9._~/%:-]*)?")
_ANCESTOR = re.compile(r"https://(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class SmartClient:
    """A registration.

    Attributes:
        iss: The FHIR base as a launch names it; a trailing slash does not count.
        authentication: At the token endpoint: with nothing, with a secret, with a signed assertion.
        practice: Where one base serves several (athena's ``ah-practice``); else empty (SMART-62).
        secret: Of a symmetric client.
        id_issuer: ``iss`` of its id_tokens, where the discovery document does not say it; never derived from ours (SMART-35).
        id_keys: URL of the JWKS for its id_tokens, likewise.
        scope_version: Syntax of the scopes to ask for; None: by the server's capabilities.
        frame_ancestors: Origins, with spaces between, that may show our pages in a frame; None: nobody.
    """

    iss: str
    client_id: str
    authentication: Authentication
    practice: str = ""
    secret: str | None = field(default=None, repr=False)
    id_issuer: str | None = None
    id_keys: str | None = None
    scope_version: ScopeVersion | None = None
    frame_ancestors: str | None = None
    is_enabled: bool = True


class SmartClients:
    """The registrations of one tenant (SEC-13). Secrets are sealed (SEC-28)."""

    def __init__(self, engine: Engine, keys: Keyring, tenant: str) -> None:
        self._engine, self._keys, self._tenant = engine, keys, tenant

    def register(self, client: SmartClient, *, by: str, at: datetime) -> None:
        """Keeps it; a former registration for the same base and practice is replaced, with its secret.

        Raises:
            UsageError: An address is not https, a secret is missing or one too many, or a text does not fit.
        """
        _check(client)
        iss = _normal(client.iss)
        with transaction(self._engine, self._tenant) as session:
            row = session.get(SmartClientRow, (self._tenant, iss, client.practice))
            if row is None:
                row = SmartClientRow(tenant=self._tenant, iss=iss, practice=client.practice)
            row.client_id, row.authentication = client.client_id, client.authentication
            row.seal = secrets.token_hex(16)
            row.sealed_secret = self._keys.seal(client.secret, _place(row)) if client.secret else None
            row.id_issuer, row.id_keys = client.id_issuer, client.id_keys
            row.scope_version, row.frame_ancestors = client.scope_version, client.frame_ancestors
            row.is_enabled, row.registered_at, row.registered_by = client.is_enabled, at, by
            session.add(fitting(row))

    def find(self, iss: str, practice: str = "") -> SmartClient | None:
        """The enabled registration for exactly this base and practice, with its secret; None: unknown, so nothing is asked of it.

        Raises:
            SealError: The keys file does not hold the key of its secret.
        """
        if not may_be_kept(iss, practice):
            return None
        with Session(self._engine) as session:
            row = session.get(SmartClientRow, (self._tenant, _normal(iss), practice))
            if row is None or not row.is_enabled:
                return None
            secret = self._keys.open(row.sealed_secret, _place(row)) if row.sealed_secret is not None else None
            return _client(row, secret)

    def disable(self, iss: str, practice: str = "", *, by: str, why: str, at: datetime) -> None:
        """No launch from it is taken any more; registering it again enables it. Who, when and why is in the audit log.

        Raises:
            UsageError: It is not registered, or disabled already.
        """
        with transaction(self._engine, self._tenant) as session:
            row = session.get(SmartClientRow, (self._tenant, _normal(iss), practice))
            if row is None or not row.is_enabled:
                raise UsageError("No enabled client of this base and practice is registered. `fhir-trial site client list`.")
            row.is_enabled = False

    def all(self) -> list[SmartClient]:
        """Every registration, by base and practice, without its secret."""
        of_tenant = select(SmartClientRow).where(SmartClientRow.tenant == self._tenant)
        with Session(self._engine) as session:
            rows = session.scalars(of_tenant.order_by(SmartClientRow.iss, SmartClientRow.practice)).all()
            return [_client(row, None) for row in rows]


def _check(client: SmartClient) -> None:
    check_text("practice", client.practice)
    _check_address("iss", client.iss)
    for name, address in (("id-issuer", client.id_issuer), ("id-keys", client.id_keys)):
        if address is not None:
            _check_address(name, address)
    if client.authentication not in AUTHENTICATIONS:
        raise UsageError(f"authentication is one of {', '.join(AUTHENTICATIONS)}.")
    if client.scope_version not in (None, *SCOPE_VERSIONS):
        raise UsageError(f"scope-version is one of {', '.join(SCOPE_VERSIONS)}.")
    if client.authentication == "symmetric" and not (client.secret or "").strip():
        raise UsageError("A symmetric client needs its secret.")
    if client.authentication != "symmetric" and client.secret is not None:
        raise UsageError(f"A client that is {client.authentication} has no secret.")
    for origin in (client.frame_ancestors or "").split():
        if _ANCESTOR.fullmatch(origin) is None:
            raise UsageError("frame-ancestors are https origins with spaces between, such as https://ehr.example.invalid.")


def _check_address(name: str, address: str) -> None:
    if _URL.fullmatch(address) is None:
        raise UsageError(f"{name} is a URL without query, such as https://ehr.example.invalid/fhir.")
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise UsageError(f"{name} is an https URL; http is for loopback alone.")


def _normal(iss: str) -> str:
    return iss.rstrip("/")


def _place(row: SmartClientRow) -> Place:
    return Place(row.tenant, "smart_clients.secret", row.seal)


def _client(row: SmartClientRow, secret: str | None) -> SmartClient:
    return SmartClient(
        iss=row.iss,
        client_id=row.client_id,
        authentication=_one_of(AUTHENTICATIONS, row.authentication),
        practice=row.practice,
        secret=secret,
        id_issuer=row.id_issuer,
        id_keys=row.id_keys,
        scope_version=_one_of(SCOPE_VERSIONS, row.scope_version) if row.scope_version is not None else None,
        frame_ancestors=row.frame_ancestors,
        is_enabled=row.is_enabled,
    )


def _one_of(words: tuple[Word, ...], word: str) -> Word:
    return next(each for each in words if each == word)
