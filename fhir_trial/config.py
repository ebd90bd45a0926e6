"""Settings of the service and the sandbox: environment variables ``FHIR_TRIAL_*``, read once, every mistake reported at once.

A name that is no setting is an error: a misspelt FHIR_TRIAL_WRITE_BACK must not quietly mean its default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError
from marshmallow import ValidationError
from marshmallow.validate import OneOf, Range

from fhir_trial.errors import UsageError
from fhir_trial.transport.servers_file import read_servers
from fhir_trial.transport.settings import ServerSettings
from fhir_trial.writeback.settings import Observations, WriteBack

PREFIX = "FHIR_TRIAL_"
_PACKAGE = Path(__file__).resolve().parent
_KIB = 1024


def samples_folder() -> Path:
    """The sample bundles: beside the checkout, or inside an installed package."""
    packed = _PACKAGE / "_sample_bundles"
    return packed if packed.is_dir() else _PACKAGE.parent / "sample_bundles"


@dataclass(frozen=True, slots=True)
class Settings:
    """Each attribute is the environment variable ``FHIR_TRIAL_`` and its name in capitals.

    Attributes:
        server: FHIR base URL, or a name in ``servers``, of the server that is read and written; None until one is given.
        servers_file: TOML file with the servers' names, and how each learns who we are (docs/servers.md); None for none.
        servers: Names for open servers, "ward=https://ehr.example.invalid/fhir,sandbox=http://127.0.0.1:8080/fhir".
        site: Site whose local codes and settings apply; None for none.
        timezone: IANA zone, before the site's own; None for the site's, by default UTC.
        tenant: The site's name in identifiers and audit lines. Changing it makes earlier results unknown as ours.
        identifier_base: Under which our identifiers and code systems stand; None for the site's own.
        former_bases: Earlier bases, whose resources are still ours, comma-separated.
        write_back: Which patients are flagged on the server: off (nothing leaves), candidates, work-list.
        create_study: Whether a missing ResearchStudy is created.
        observations: Which patients get an eligibility Observation: with-subject, all (research stores).
        host: Address to listen on; loopback only, since the service asks nobody who they are.
        port: 0 picks a free one.
        allowed_hosts: Names, besides loopback's own, that a Host header may hold.
        largest_body: Bytes of a request's body.
        threads: Requests answered at the same time; one process, because it remembers which versions it wrote.
        samples: Folder that the sandbox is filled with.
        log_level: debug, info, warning or error.
        database: Where intents, the audit chain and the kill switch are kept, "sqlite:////var/lib/fhir-trial/store.db" or
            "postgresql+psycopg://user@host/name"; None: in memory and on standard error, for trying out.
        keys_file: File with the keys that seal what is kept (mode 0600; ``fhir-trial site new-key``); needed with ``database``.
        transactions: Whether subject, result and Provenance go in one transaction, where the server offers it.
        note_code: LOINC code under which the site files notes, where the server takes no ResearchSubject; None: no note.
        export_folder: Where results are put as files, where the server takes neither; None: nowhere.
        issuers: Who may sign users in: issuer URLs exactly as tokens name them; none: this machine only, one local user.
        audience: What a token's ``aud`` must hold; needed with ``issuers``.
        issuer_jwks: Where an issuer's keys are, "issuer=url"; by default its discovery document says.
        rate_limit: Requests a minute that one user may make; 0 for no limit.
    """

    server: str | None = None
    servers_file: Path | None = None
    servers: Mapping[str, str] = field(default_factory=dict)
    site: str | None = None
    timezone: str | None = None
    tenant: str = "default"
    identifier_base: str | None = None
    former_bases: tuple[str, ...] = ()
    write_back: WriteBack = WriteBack.OFF
    create_study: bool = False
    observations: Observations = Observations.WITH_SUBJECT
    host: str = "127.0.0.1"
    port: int = 8090
    allowed_hosts: tuple[str, ...] = ()
    largest_body: int = 16 * _KIB
    threads: int = 4
    samples: Path = field(default_factory=samples_folder)
    log_level: str = "info"
    database: str | None = None
    keys_file: Path | None = None
    transactions: bool = False
    note_code: str | None = None
    export_folder: Path | None = None
    issuers: tuple[str, ...] = ()
    audience: str | None = None
    issuer_jwks: Mapping[str, str] = field(default_factory=dict)
    rate_limit: int = 600

    @property
    def server_url(self) -> str:
        """The FHIR base URL of ``server``.

        Raises:
            UsageError: None is set, or the name is unknown.
        """
        if self.server is None:
            raise UsageError(f"No FHIR server is set: give --server, or set {PREFIX}SERVER.")
        return self.url_of(self.server)

    def url_of(self, server: str) -> str:
        """The URL of a server given by URL or by a name of the settings."""
        return self.server_settings(server).base

    def server_settings(self, server: str) -> ServerSettings:
        """How a server is spoken to that is given by URL, or by a name in ``servers`` or ``servers_file``.

        A URL that the servers file has is that server, with its access.

        Raises:
            UsageError: The name is unknown, stands in both, or its table is wrong.
        """
        named = read_servers(self.servers_file) if self.servers_file else {}
        if "://" in server:
            asked = ServerSettings(server)
            return next((known for known in named.values() if known.base == asked.base), asked)
        if server in named and server in self.servers:
            raise UsageError(f"The server '{server}' stands in {PREFIX}SERVERS and in the servers file: take one away.")
        if server in named:
            return named[server]
        if server not in self.servers:
            known_names = ", ".join(sorted({*self.servers, *named})) or "none"
            expected = f"a URL, or a name in {PREFIX}SERVERS or the servers file (now: {known_names})"
            raise UsageError(f"Unknown server '{server}'. Expected {expected}.")
        return ServerSettings(self.servers[server])


def read_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        UsageError: Every wrong name and value, without the values.
    """
    mistakes = _unknown_names()
    env = Env(eager=False, prefix=PREFIX)
    values = {name: read(env, name.upper()) for name, read in _READERS.items() if PREFIX + name.upper() in os.environ}
    try:
        env.seal()
    except EnvValidationError as error:
        mistakes += _sentences(error.error_messages)
    if mistakes:
        raise UsageError("; ".join(mistakes))
    return Settings(**values)


def _sentences(messages: list[str] | Mapping[str, list[str]]) -> list[str]:
    if isinstance(messages, list):
        return messages
    return [f"{name}: {' '.join(found)}" for name, found in sorted(messages.items())]


def _unknown_names() -> list[str]:
    known = [PREFIX + item.name.upper() for item in fields(Settings)]
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    return [f"{name}: unknown setting.{_nearest(name, known)}" for name in unknown]


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _word(env: Env, name: str) -> str | None:
    """Set but empty is as good as unset."""
    return env.str(name).strip() or None


def _words(env: Env, name: str) -> tuple[str, ...]:
    return tuple(word for word in env.list(name, subcast=str.strip) or () if word)


def _named_servers(env: Env, name: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in env.list(name, subcast=str.strip, validate=_are_pairs) or ()]
    return {server: url for server, _, url in pairs}


def _are_pairs(pairs: list[str]) -> None:
    if not all(re.fullmatch(r"[\w-]+=https?://\S+", pair) for pair in pairs):
        raise ValidationError("Expected NAME=URL, several with commas between.")


_ISSUER_AND_URL = re.compile(r"(https?://[^\s=]+)=(https?://\S+)")


def _keys_of_issuers(env: Env, name: str) -> dict[str, str]:
    pairs = [_ISSUER_AND_URL.fullmatch(pair) for pair in env.list(name, subcast=str.strip, validate=_name_their_keys) or ()]
    return {pair[1]: pair[2] for pair in pairs if pair is not None}


def _name_their_keys(pairs: list[str]) -> None:
    if not all(_ISSUER_AND_URL.fullmatch(pair) for pair in pairs):
        raise ValidationError("Expected ISSUER=URL, several with commas between.")


def _tenant(env: Env, name: str) -> str:
    return env.str(name, validate=_is_a_word)


def _is_a_word(value: str) -> None:
    if not value.strip() or "\n" in value:
        raise ValidationError("Expected a name on one line.")


def _level(env: Env, name: str) -> str:
    return env.str(name, validate=OneOf(["debug", "info", "warning", "error"], error="Expected one of: {choices}."))


#: How each setting is read when its variable is there; the defaults stand in the class alone.
_READERS: Mapping[str, Callable[[Env, str], Any]] = {
    "server": _word,
    "servers_file": lambda env, name: env.path(name),
    "servers": _named_servers,
    "site": _word,
    "timezone": _word,
    "tenant": _tenant,
    "identifier_base": _word,
    "former_bases": _words,
    "write_back": lambda env, name: env.enum(name, enum=WriteBack, by_value=True),
    "create_study": lambda env, name: env.bool(name),
    "observations": lambda env, name: env.enum(name, enum=Observations, by_value=True),
    "host": lambda env, name: env.str(name),
    "port": lambda env, name: env.int(name, validate=Range(0, 65535, error="Expected a port, 0 to 65535.")),
    "allowed_hosts": _words,
    "largest_body": lambda env, name: env.int(name, validate=Range(_KIB, 1024 * _KIB, error="Expected bytes, 1024 to 1048576.")),
    "threads": lambda env, name: env.int(name, validate=Range(1, 64, error="Expected a number of threads, 1 to 64.")),
    "samples": lambda env, name: env.path(name),
    "log_level": _level,
    "database": _word,
    "keys_file": lambda env, name: env.path(name),
    "transactions": lambda env, name: env.bool(name),
    "note_code": _word,
    "export_folder": lambda env, name: env.path(name),
    "issuers": _words,
    "audience": _word,
    "issuer_jwks": _keys_of_issuers,
    "rate_limit": lambda env, name: env.int(name, validate=Range(0, 100_000, error="Expected requests a minute, 0 to 100000.")),
}
