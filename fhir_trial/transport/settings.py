"""How one server is spoken to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fhir_trial.errors import UsageError
from fhir_trial.transport.access import Access, Open

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Address and limits of a FHIR server.

    Attributes:
        base: The FHIR base URL, without a trailing slash.
        aliases: Other bases under which this server's ``next`` links may point (behind a proxy, say).
        connect_timeout, read_timeout: Seconds.
        retries: Further tries of a read, after 408, 429, 5xx and transport errors (DATA-18).
        longest_wait: Seconds; a longer Retry-After is cut to this.
        largest_answer: Bytes of one answer, unpacked.
        most_pages: Pages of one search.
        page_size: ``_count``, a wish (DATA-09).
        access: How the server learns who we are.
        parallel: Requests under way at the same time, in the whole process.
        requests_per_minute: None for no limit (DATA-18).
        headers: Sent with every request: what one vendor wants of its clients (SMART-59); never a secret.
        ca_file: Certificates of the authority that signed the server's own; None for those of the machine (SEC-23).
    """

    base: str
    aliases: tuple[str, ...] = ()
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    retries: int = 3
    longest_wait: int = 120
    largest_answer: int = 64 * 1024 * 1024
    most_pages: int = 1000
    page_size: int = 200
    access: Access = field(default_factory=Open)
    parallel: int = 4
    requests_per_minute: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise UsageError("A server is given as its FHIR base URL, such as https://ehr.example.invalid/fhir.")
        if not isinstance(self.access, Open) and parts.scheme != "https" and not self.is_loopback:
            raise UsageError("A server that asks for a token is spoken to over https only.")
        if self.parallel < 1 or (self.requests_per_minute is not None and self.requests_per_minute < 1):
            raise UsageError("A server is asked at least one thing at a time, and one a minute.")
        object.__setattr__(self, "base", self.base.rstrip("/"))
        object.__setattr__(self, "aliases", tuple(alias.rstrip("/") for alias in self.aliases))

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.base).hostname in LOOPBACK
