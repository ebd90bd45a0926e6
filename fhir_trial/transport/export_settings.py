"""How one server's bulk exports are asked for and fetched.

Source: FHIR Bulk Data Access; the defaults are those that large servers agree on (BULK-09, BULK-22, BULK-23, BULK-44).
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_trial.errors import UsageError

_METHODS = ("GET", "POST")
_MOST_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Part of the settings of a server.

    Attributes:
        method: GET joins types with commas; POST sends a Parameters resource that repeats them (BULK-09).
        download_hosts: Other hosts, such as "files.example.invalid" or "files.example.invalid:8443", from which files may be
            fetched. Our token never goes there (BULK-31); a host that is to have it is an alias of the server.
        parallel_downloads: 5 at most.
        longest_days: An export that takes longer is given up.
        longest_wait: Seconds; a longer Retry-After is cut to this (BULK-22).
        read_timeout: Seconds without a byte of a file.
        largest_file: Bytes of one file, unpacked (BULK-33).
    """

    method: str = "GET"
    download_hosts: tuple[str, ...] = ()
    parallel_downloads: int = _MOST_AT_ONCE
    longest_days: int = 30
    longest_wait: float = 300.0
    read_timeout: float = 300.0
    largest_file: int = 64 * 1024**3

    def __post_init__(self) -> None:
        if self.method not in _METHODS:
            raise UsageError(f"export_method is {' or '.join(_METHODS)}.")
        if not 1 <= self.parallel_downloads <= _MOST_AT_ONCE:
            raise UsageError(f"parallel_downloads is a number from 1 to {_MOST_AT_ONCE}.")
        if self.longest_days < 1:
            raise UsageError("export_days is a number of days, 1 at least.")
        if any("/" in host or not host for host in self.download_hosts):
            raise UsageError("download_hosts are host names, such as files.example.invalid: no scheme, no path.")
