"""A FHIR server's bulk exports: kick-off, status, end. What an answer means is said here; what to do about it, by the caller.

Source: FHIR Bulk Data Access 2.0 and 3.0, Asynchronous Request Pattern. Bodies may be HTML or empty at any time (BULK-25).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic, time
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from fhir_trial.errors import FatalServerError, TemporaryServerError
from fhir_trial.transport.bodies import Json, decode_json, encode_json
from fhir_trial.transport.connection import FHIR_JSON
from fhir_trial.transport.downloads import Came, Downloads, HostNotAllowedError
from fhir_trial.transport.links import followed
from fhir_trial.transport.outcomes import OutcomeIssue, issues_of
from fhir_trial.transport.refusals import NotFoundError, NotSupportedError, refusal
from fhir_trial.transport.retries import TryAgain, seconds_asked
from fhir_trial.transport.server import FhirServer

_ACCEPTED = 202
_OK = 200
_TOO_MANY = 429
_UNAVAILABLE = 503
_MAYBE_LATER = frozenset({408, 425, 500, 502, 503, 504})
_LONGEST_PROGRESS = 100
_LONGEST_QUERY = 4000


class Why(StrEnum):
    """Why to ask again later."""

    UNDER_WAY = "under-way"
    SLOW_DOWN = "slow-down"
    TRANSIENT = "transient"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Later:
    """Ask again later.

    Attributes:
        seconds: What the server asks for; 0 when it does not say.
        progress: Its words on how far it is, printable characters only; "" without (BULK-21).
        said: What came instead of an answer, with nothing of a patient in it.
    """

    why: Why
    seconds: float = 0.0
    progress: str = ""
    said: str = ""


class ExportRefusedError(FatalServerError):
    """The export cannot be had in this way, or has ended without one."""


class _Body(NamedTuple):
    """A short answer: the JSON object that it is, None for anything else, HTML and nothing among it; and its length."""

    value: Json | None
    length: int


class BulkServer(FhirServer):
    """A FHIR server that is asked for bulk exports, and for all that any is asked."""

    def kick_off(self, path: str, parameters: Sequence[tuple[str, str]]) -> str | Later:
        """Begins an export.

        Args:
            path: "$export", "Patient/$export" or "Group/ID/$export".
            parameters: In order; a name may stand several times. In the query or, with ``export.method`` POST and where a query
                would be too long for a URL, as Parameters.

        Returns:
            The absolute status URL. Whether it may be asked is looked at when it is, since the export has begun by then.

        Raises:
            TemporaryServerError: No answer, or one of the server's own faults: nobody knows whether an export began.
            ServerError: Refused (BULK-18), or an answer that is none (BULK-27).
        """
        what = "Export kick-off"
        url, body = f"{self.base}/{path}", None
        headers = {"Accept": FHIR_JSON, "Prefer": "respond-async"}
        query = f"?{urlencode(parameters)}" if parameters else ""
        if self.settings.export.method == "POST" or len(query) > _LONGEST_QUERY:
            headers["Content-Type"] = FHIR_JSON
            body = encode_json(_parameters(parameters))
        else:
            url += query
        try:
            with self._connection.opened("GET" if body is None else "POST", url, what, headers=headers, body=body) as response:
                if response.status_code == _ACCEPTED:
                    return self._status_url(response, url)
                status, issues, asked = response.status_code, issues_of(self._body(response).value), _asked(response)
        except TryAgain as failed:
            raise failed.error from None
        if status == _TOO_MANY or (status == _UNAVAILABLE and asked):
            return Later(Why.SLOW_DOWN, asked, said=f"{what}: the server answered {status}")
        if status < 300:
            raise ExportRefusedError(f"{what}: the server answered {status} rather than 202: it did not begin an export.")
        raise refusal(what, status, issues)

    def poll(self, url: str) -> Json | Later:
        """A manifest, or when to ask again.

        Raises:
            HostNotAllowedError: The URL is not under the server's base or an alias.
            NotFoundError: The server does not know the export any more.
            NotAuthorisedError: Our token is not good for this.
            ServerError: The export has failed.
        """
        what, url = "Export status", self._allowed(url, self.base)
        try:
            with self._connection.opened("GET", url, what, headers={"Accept": "application/json"}) as response:
                body, asked = self._body(response), _asked(response)
        except TryAgain as failed:
            return Later(Why.FAULT, seconds_asked(failed.retry_after, time()), said=failed.error.message)
        status, issues = _status(response), issues_of(body.value)
        said = f"{what}: the server answered {status} with {body.length} bytes that are no manifest"
        if status == _OK and body.value is not None and isinstance(body.value.get("output"), list):
            return body.value
        if status == _ACCEPTED:
            return Later(Why.UNDER_WAY, asked, _shown(response.headers.get("X-Progress", "")))
        if status == _TOO_MANY:
            return Later(Why.SLOW_DOWN, asked, said=said)
        if status >= 400 and any("transient" in issue.codes for issue in issues):
            return Later(Why.TRANSIENT, asked, said=said)
        if status == _OK or status in _MAYBE_LATER:
            return Later(Why.FAULT, asked, said=said)
        return _judged(what, status, issues)

    def next_manifest(self, link: str, current: str) -> str:
        """The URL of the page of a manifest that a link names (BULK-28).

        Raises:
            HostNotAllowedError: It leads away from the server.
        """
        return self._allowed(link, current)

    def fetch(self, link: str, current: str, came: Came, *, as_us: bool, given_up: Callable[[], bool]) -> None:
        """One try to fetch a file, from where the last one stopped if the server allows it; as ``Downloads.fetch``.

        Args:
            given_up: Asked now and then while it comes; true ends it with a FatalServerError.
        """
        Downloads(self._connection, self.settings, self._halted, given_up).fetch(link, current, came, as_us=as_us)

    def end(self, url: str) -> bool:
        """Tells the server that the export is not needed any more (BULK-46); whether it took that, or knew nothing of it.

        Raises:
            ServerError: No answer, or our token is not accepted.
        """
        what, url = "Export end", self._allowed(url, self.base)
        try:
            with self._connection.opened("DELETE", url, what, headers={"Accept": FHIR_JSON}) as response:
                status, issues = response.status_code, issues_of(self._body(response).value)
        except TryAgain as failed:
            raise failed.error from None
        if status < 300:
            return True
        error = refusal(what, status, issues)
        if isinstance(error, NotFoundError):
            return True
        if isinstance(error, NotSupportedError):
            return False
        raise error

    def _status_url(self, response: requests.Response, url: str) -> str:
        location = response.headers.get("Content-Location", "").strip()
        if not location:
            raise ExportRefusedError("Export kick-off: the server began an export and did not say where its status is.")
        return urljoin(url, location)  # absolute by the specification, relative at some (BULK-07)

    def _allowed(self, link: str, current: str) -> str:
        """The URL that a link names, under the server's base or an alias.

        A server behind a proxy that ends TLS may name itself with http: it is the same server, and asked by https.

        Raises:
            HostNotAllowedError: It leads elsewhere.
        """
        url = urljoin(current, link)
        if urlsplit(self.base).scheme == "https" and urlsplit(url).scheme == "http":
            url = urlsplit(url)._replace(scheme="https").geturl()
        try:
            return followed(url, current, self.settings)
        except FatalServerError as error:
            raise HostNotAllowedError(error.message) from None

    def _body(self, response: requests.Response) -> _Body:
        content = bytearray()
        latest = monotonic() + self.settings.longest_answer
        try:
            while piece := response.raw.read1(65536, decode_content=True):
                content += piece
                if len(content) > self.settings.largest_answer:
                    raise FatalServerError("Export: the answer is larger than the setting 'largest_answer' allows.")
                if monotonic() > latest:
                    raise TryAgain(TemporaryServerError("Export: the answer takes longer than 'longest_answer' allows."))
            value = decode_json(bytes(content))
        except (HTTPError, OSError):
            raise TryAgain(TemporaryServerError("Export: the server's answer breaks off.")) from None
        except ValueError:
            value = None
        return _Body(value if isinstance(value, dict) else None, len(content))


def _judged(what: str, status: int, issues: Sequence[OutcomeIssue]) -> Later:
    if status < 300:
        raise ExportRefusedError(f"{what}: the server answered {status}, which is neither an end nor a wait.")
    raise refusal(what, status, issues)


def _parameters(parameters: Sequence[tuple[str, str]]) -> Json:
    kinds = {"_since": "valueInstant"}
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, kinds.get(name, "valueString"): value} for name, value in parameters],
    }


def _status(response: requests.Response) -> int:
    """The status of the export, where the server tells it beside that of the answer (BULK-26)."""
    word = response.headers.get("X-Export-Status", "").strip()
    return int(word) if response.status_code == _OK and word.isascii() and word.isdigit() else response.status_code


def _asked(response: requests.Response) -> float:
    return seconds_asked(response.headers.get("Retry-After"), time())


def _shown(progress: str) -> str:
    """Free text, for people alone: no control character, no markup of a terminal (BULK-21)."""
    return "".join(letter if letter.isprintable() else " " for letter in progress[:_LONGEST_PROGRESS]).strip()


__all__ = ["BulkServer", "Came", "ExportRefusedError", "Later", "Why"]
