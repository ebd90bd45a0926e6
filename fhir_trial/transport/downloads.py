"""Files of an export: streamed to disk as they come, taken up again after a cut, from no host that the settings do not name.

Source: FHIR Bulk Data Access, Output File Request (BULK-30 to BULK-33); RFC 9110, Range and If-Range.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import IO
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from fhir_trial.errors import FatalServerError, SourceError, TemporaryServerError
from fhir_trial.transport.bodies import decode_json
from fhir_trial.transport.connection import UNAUTHORIZED, Connection, StoppedError
from fhir_trial.transport.links import followed, port_of
from fhir_trial.transport.outcomes import OutcomeIssue, issues_of
from fhir_trial.transport.refusals import refusal
from fhir_trial.transport.retries import RETRY_ON, TryAgain, seconds_asked
from fhir_trial.transport.settings import LOOPBACK, ServerSettings

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
#: What storage says to a link whose time is over; each maker has its own word (BULK-32).
_GONE = frozenset({400, 401, 403, 404, 410})
_PIECE = 65536
_LOOK_EVERY = 1.0  # seconds, between two looks at the kill switch
_LONGEST_OUTCOME = 1024 * 1024
_OWNER_ONLY = 0o600
_WHAT = "Export file"


class LinkGoneError(FatalServerError):
    """The link is not good any more, or not for us: the manifest may have a fresh one."""


class HostNotAllowedError(FatalServerError):
    """The way leads to a host that the settings do not name."""

    issue_type = "forbidden"


@dataclass(slots=True)
class Came:
    """What has come of one file, as it was sent.

    Attributes:
        path: Where it is put.
        size: Bytes there.
        validator: Says that a later answer is of the same file; "" when a later try begins anew.
        is_vouched_for: The server said how long the file is, or where it ends.
    """

    path: Path
    size: int = 0
    validator: str = ""
    is_vouched_for: bool = False

    def begin(self, headers: requests.structures.CaseInsensitiveDict[str]) -> None:
        """Nothing has come yet of what these headers announce."""
        self.size = 0
        tag, moment = headers.get("ETag", ""), headers.get("Last-Modified", "")
        self.validator = tag if tag and not tag.startswith("W/") else moment
        self.is_vouched_for = "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()


class Downloads:
    """Fetches files that a manifest of one server names.

    Args:
        halted: The site's kill switch.
        given_up: Whether nobody wants the file any more.
    """

    def __init__(
        self,
        connection: Connection,
        settings: ServerSettings,
        halted: Callable[[], bool] | None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._connection, self._settings, self._halted, self._given_up = connection, settings, halted, given_up

    def fetch(self, link: str, current: str, came: Came, *, as_us: bool) -> None:
        """One try.

        Args:
            link: As the manifest has it; relative ones start at ``current``.
            came: What earlier tries brought; afterwards, the whole file as it was sent.
            as_us: With our token, as far as the way leads under the server's base or an alias, and no further (BULK-30).

        Raises:
            TryAgain: Another try may go better.
            HostNotAllowedError: The way leads to a host that the settings do not name.
            LinkGoneError: The manifest may have a fresh link.
            ServerError: Refused.
            SourceError: The disk is full.
        """
        url = urljoin(current, link)
        for _ in range(_MOST_REDIRECTS + 1):
            with self._answer(url, came, as_us) as response:
                target = response.headers.get("Location") if response.status_code in _REDIRECTS else None
                if target is None:
                    self._take(response, came, as_us=as_us and self._is_ours(url))
                    return
            url = urljoin(url, target)
        raise FatalServerError(f"{_WHAT}: the server redirects in a circle.")

    def _answer(self, url: str, came: Came, as_us: bool) -> AbstractContextManager[requests.Response]:
        # HAPI packs a file into a Binary as JSON for whoever asks for fhir+json.
        headers = {"Accept": "application/fhir+ndjson", "Accept-Encoding": "gzip"}
        if came.size and came.validator:
            headers |= {"Range": f"bytes={came.size}-", "If-Range": came.validator}
        if self._is_ours(url):
            return self._connection.opened("GET", url, _WHAT, headers=headers, as_us=as_us)
        self._check_allowed(url)
        return self._connection.opened_elsewhere(url, _WHAT, headers=headers)

    def _is_ours(self, url: str) -> bool:
        try:
            followed(url, url, self._settings)
        except FatalServerError:
            return False
        return True

    def _check_allowed(self, url: str) -> None:
        """Raises for a host that the settings do not name; its name is no secret, the rest of the link is (BULK-32)."""
        parts = urlsplit(url)
        names = {parts.hostname or "", f"{parts.hostname}:{port_of(parts)}"}
        if parts.username is not None or not names & set(self._settings.export.download_hosts):
            raise HostNotAllowedError(
                f"{_WHAT}: it lies on the host '{parts.hostname}', which is not allowed. If the hospital vouches for it, add it "
                "to 'download_hosts' of the server in the servers file; if it is the server itself, by another name, add its "
                "base to 'aliases', and our token goes there too."
            )
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise HostNotAllowedError(f"{_WHAT}: the server sends us to '{parts.hostname}' without https, which is not followed.")

    def _take(self, response: requests.Response, came: Came, *, as_us: bool) -> None:
        status, largest = response.status_code, self._settings.export.largest_file
        if status == 206 and came.size and _begins_at(response) == came.size:
            self._stream(response, came, largest)
        elif status == 200:
            if "html" in response.headers.get("Content-Type", "").lower():
                raise TryAgain(TemporaryServerError(f"{_WHAT}: the server answered HTML rather than a file."))
            came.begin(response.headers)
            self._stream(response, came, largest)
        elif status in (206, 416):
            came.size, came.validator = 0, ""
            raise TryAgain(TemporaryServerError(f"{_WHAT}: the server does not take it up where it broke off."))
        else:
            raise _refused(status, response, as_us=as_us)

    def _check_wanted(self) -> None:
        if self._halted is not None and self._halted():
            raise StoppedError(f"{_WHAT}: everything towards this server is stopped by the site's kill switch.")
        if self._given_up():
            raise FatalServerError(f"{_WHAT}: the export was stopped.")

    def _stream(self, response: requests.Response, came: Came, largest: int) -> None:
        with _opened(came) as file:
            look = 0.0
            for piece in _pieces(response):
                if monotonic() >= look:
                    self._check_wanted()
                    look = monotonic() + _LOOK_EVERY
                try:
                    file.write(piece)
                except OSError as error:
                    raise disk_error(error) from None
                came.size += len(piece)
                if came.size > largest:
                    raise FatalServerError(f"{_WHAT}: it is larger than is allowed.")


def disk_error(error: OSError) -> SourceError:
    """What to tell of a disk that does not take a file."""
    return SourceError(f"A file of the export cannot be written: {error.strerror}. Make room, and run again to go on.")


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The bytes as they were sent, packed or not, each piece when it comes, however small."""
    try:
        while piece := response.raw.read1(_PIECE, decode_content=False):
            yield piece
    except (HTTPError, OSError):
        raise TryAgain(TemporaryServerError(f"{_WHAT}: the connection was cut.")) from None


@contextmanager
def _opened(came: Came) -> Iterator[IO[bytes]]:
    """The file of what came, for what comes next."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if came.size else os.O_TRUNC)
    try:
        file = os.fdopen(os.open(came.path, flags, _OWNER_ONLY), "wb")
    except OSError as error:
        raise disk_error(error) from None
    try:
        yield file
    finally:
        try:
            file.close()
        except OSError as error:
            raise disk_error(error) from None


def _begins_at(response: requests.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _refused(status: int, response: requests.Response, *, as_us: bool) -> Exception:
    error = refusal(_WHAT, status, _issues(response))
    if status in RETRY_ON:
        return TryAgain(error, response.headers.get("Retry-After"))
    if as_us and status == UNAUTHORIZED:  # a fresh token was tried already
        return error
    return LinkGoneError(error.message) if status in _GONE else error


def _issues(response: requests.Response) -> tuple[OutcomeIssue, ...]:
    content = b""
    try:
        for piece in response.iter_content(_PIECE):
            content += piece
            if len(content) > _LONGEST_OUTCOME:
                return ()
        return issues_of(decode_json(content))
    except (requests.RequestException, ValueError):
        return ()


def wait_asked(failed: TryAgain) -> float:
    """Seconds that the server asks for before another try."""
    return seconds_asked(failed.retry_after, time())


__all__ = ["Came", "Downloads", "HostNotAllowedError", "LinkGoneError", "disk_error", "wait_asked"]
