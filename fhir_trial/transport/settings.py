"""How one server is spoken to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fhir_trial.errors import UsageError
from fhir_trial.transport.access import Access, Open
from fhir_trial.transport.export_settings import ExportSettings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Address and limits of a FHIR server.

    Attributes:
        base: The FHIR base URL, without a trailing slash.
        aliases: Other bases under which this server's references and ``next`` links may point (behind a proxy, say). Links
            under one of plain http are not followed where a token would go along.
        connect_timeout, read_timeout: Seconds.
        retries: Further tries of a read, after 408, 429, 5xx and transport errors (DATA-18).
        longest_wait: Seconds; a longer Retry-After is cut to this.
        largest_answer: Bytes of one answer, unpacked.
        largest_search: Bytes of all pages of one search, unpacked.
        longest_answer: Seconds from the head of an answer to its end.
        most_pages: Pages of one search.
        page_size: ``_count``, a wish (DATA-09).
        access: How the server learns who we are.
        parallel: Requests under way at the same time, in the whole process.
        requests_per_minute: None for no limit (DATA-18).
        headers: Sent with every request: what one vendor wants of its clients (SMART-59); never a secret.
        ca_file: Certificates of the authority that signed the server's own; None for those of the machine (SEC-23).
        export: How its bulk exports are asked for and fetched.
    """

    base: str
    aliases: tuple[str, ...] = ()
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    retries: int = 3
    longest_wait: int = 120
    largest_answer: int = 64 * 1024 * 1024
    largest_search: int = 512 * 1024 * 1024
    longest_answer: float = 300.0
    most_pages: int = 1000
    page_size: int = 200
    access: Access = field(default_factory=Open)
    parallel: int = 4
    requests_per_minute: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    ca_file: Path | None = None
    export: ExportSettings = field(default_factory=ExportSettings)

    def __post_init__(self) -> None:
        for address in (self.base, *self.aliases):
            if not _is_base(address):
                raise UsageError(
                    "A server, and each alias, is given as a FHIR base URL, such as https://ehr.example.invalid/fhir."
                )
        if not self._may_have_token(self.base):
            raise UsageError("A server that asks for a token is spoken to over https only.")
        if any(name.lower() in _SECRET_HEADERS for name, _ in self.headers):
            raise UsageError("A header that says who we are holds a secret: name its file by 'access' instead (token_file).")
        if self.parallel < 1 or (self.requests_per_minute is not None and self.requests_per_minute < 1):
            raise UsageError("A server is asked at least one thing at a time, and one a minute.")
        if min(self.page_size, self.most_pages, self.largest_answer, self.largest_search) < 1 or self.longest_answer <= 0:
            raise UsageError("A limit of what a server may send is at least 1.")
        object.__setattr__(self, "base", self.base.rstrip("/"))
        object.__setattr__(self, "aliases", tuple(alias.rstrip("/") for alias in self.aliases))

    @property
    def followed_bases(self) -> tuple[str, ...]:
        """The base and the aliases to which requests go, with the token; under any other alias names are known, no more."""
        return tuple(address for address in (self.base, *self.aliases) if self._may_have_token(address))

    def _may_have_token(self, address: str) -> bool:
        return isinstance(self.access, Open) or urlsplit(address).scheme == "https" or _is_loopback(address)

    @property
    def is_loopback(self) -> bool:
        return _is_loopback(self.base)


def _is_base(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    stray = parts.query or parts.fragment or parts.username is not None
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not stray


def _is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in LOOPBACK
