"""One FHIR server: read, search, create, update.

Source: FHIR R4 RESTful API (http.html), Search (search.html).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from fhir_trial.errors import FatalServerError, ServerError
from fhir_trial.transport.bodies import Json
from fhir_trial.transport.capabilities import Capabilities, read_capabilities
from fhir_trial.transport.connection import Answer, Connection, StoppedError
from fhir_trial.transport.links import followed, sent_names_missing
from fhir_trial.transport.outcomes import OutcomeIssue
from fhir_trial.transport.refusals import NotFoundError, RestrictedError
from fhir_trial.transport.scopes import Scope
from fhir_trial.transport.searching import Found, Page, read_page
from fhir_trial.transport.settings import ServerSettings

Parameters = Sequence[tuple[str, str]]

_RESTARTS = 2
#: An id of dots alone leads out of the base.
_REFERENCE = re.compile(r"[A-Za-z]+/(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
_LOCATION = re.compile(r"([A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/([^/?#]+))?/?$")


@dataclass(frozen=True, slots=True)
class Written:
    """What a create or an update left on the server.

    Attributes:
        reference: ``Type/id``; None when the server said neither Location nor body.
        version: meta.versionId, else from ETag, else from Location (WB-15, WB-16); None when versions are not kept.
        created: Whether the server made a new resource (201).
        resource: As returned; None with ``return=minimal``.
    """

    reference: str | None
    version: str | None
    created: bool
    resource: Json | None


class _FirstPage(NamedTuple):
    """Of a search: the page, where it came from, and the parameters that its self link leaves out."""

    page: Page
    url: str
    ignored: frozenset[str]


class _PageExpired(Exception):
    """A later page is no longer there: its search session ended (DATA-08)."""


class FhirServer:
    """A FHIR server. Errors are those of ``errors.py`` and ``refusals.py``; none names a patient.

    Args:
        scopes: SMART scopes to ask for where the settings name none.
        halted: Asked before every request; once it says true, none leaves (SEC-60).
    """

    def __init__(
        self, settings: ServerSettings | str, *, scopes: tuple[str, ...] = (), halted: Callable[[], bool] | None = None
    ) -> None:
        self.settings = ServerSettings(settings) if isinstance(settings, str) else settings
        self._scopes, self._halted = scopes, halted
        self._connection = Connection(self.settings, scopes, halted)
        self._capabilities: Capabilities | None = None
        self._post_refused: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def likewise(self, **changes: Any) -> FhirServer:
        """Another client of this server, known to it and halted as this one is, with other limits. The caller closes it."""
        return FhirServer(replace(self.settings, **changes), scopes=self._scopes, halted=self._halted)

    @property
    def base(self) -> str:
        return self.settings.base

    @property
    def granted_scopes(self) -> tuple[Scope, ...] | None:
        """What the server granted us; None on an open server, or one that does not say."""
        return self._connection.granted

    def sign_in(self) -> None:
        """Gets a token now, where one is needed, so that a refusal shows before any work."""
        self._connection.sign_in()

    def capabilities(self) -> Capabilities:
        """Reads /metadata once."""
        if self._capabilities is None:
            statement = self._connection.get(f"{self.base}/metadata", "CapabilityStatement").resource
            if statement is None or statement.get("resourceType") != "CapabilityStatement":
                raise FatalServerError("CapabilityStatement: /metadata answered something else; is the address a FHIR base?")
            self._capabilities = read_capabilities(statement)
        return self._capabilities

    def read(self, reference: str) -> Json:
        """Reads ``Type/id``. The caller compares the id: a merged record may come back under another (DATA-45)."""
        if not _REFERENCE.fullmatch(reference):
            raise NotFoundError("A read needs Type/id, the id of letters, digits, '-' and '.', 64 at most.")
        resource_type = reference.split("/", maxsplit=1)[0]
        resource = self._connection.get(f"{self.base}/{reference}", f"{resource_type} read").resource
        if resource is None or resource.get("resourceType") != resource_type:
            raise FatalServerError(f"{resource_type} read: the server answered something else.")
        return resource

    def search(self, resource_type: str, parameters: Parameters) -> Found:
        """Reads all pages. An error on the first page is raised; on a later one it stands in ``Found.failure``."""
        for _ in range(_RESTARTS):
            try:
                return self._all_pages(resource_type, parameters)
            except _PageExpired:
                continue  # what was read so far is another moment's truth: begin again
        return self._all_pages(resource_type, parameters, last_try=True)

    def create(self, resource: Json, *, if_none_exist: str | None = None) -> Written:
        """POST, with If-None-Exist when given. Never retried: after a time-out search first (WB-04)."""
        resource_type = str(resource["resourceType"])
        headers = {"Prefer": "return=representation"}
        if if_none_exist is not None:
            headers["If-None-Exist"] = if_none_exist
        url = f"{self.base}/{resource_type}"
        return _written(self._connection.write("POST", url, f"{resource_type} create", resource, headers), resource_type)

    def update(self, resource: Json, *, if_match: str) -> Written:
        """PUT by id with If-Match, never without. ConflictError when the server holds another version (WB-14)."""
        return self._put(resource, {"Prefer": "return=representation", "If-Match": f'W/"{if_match}"'})

    def place(self, resource: Json) -> Written:
        """PUT by id, whatever is there: for filling a server of one's own, never for a hospital's."""
        return self._put(resource, {"Prefer": "return=representation"})

    def _put(self, resource: Json, headers: Mapping[str, str]) -> Written:
        resource_type, identity = str(resource["resourceType"]), str(resource["id"])
        url = f"{self.base}/{_named(f'{resource_type}/{identity}')}"
        return _written(self._connection.write("PUT", url, f"{resource_type} update", resource, dict(headers)), resource_type)

    def operate(self, reference: str, operation: str, parameters: Json) -> None:
        """An operation on one resource, such as "$meta-delete"; its answer is not looked at.

        Args:
            reference: ``Type/id``.

        Raises:
            ServerError: The server does not offer it, or failed.
        """
        what = f"{reference.split('/', maxsplit=1)[0]} {operation}"
        self._connection.write("POST", f"{self.base}/{_named(reference)}/{operation}", what, parameters, {})

    def process(self, bundle: Json) -> Json:
        """POST of a batch or transaction Bundle to the base; each entry of the answer is judged by the caller (WB-19)."""
        answer = self._connection.write("POST", self.base, "Bundle", bundle, {}).resource
        if answer is None or answer.get("resourceType") != "Bundle":
            raise FatalServerError("Bundle: the server answered something else.")
        return answer

    def _all_pages(self, resource_type: str, parameters: Parameters, last_try: bool = False) -> Found:
        what = f"{resource_type} search"
        first = self._first_page(resource_type, parameters, what)
        page, current = first.page, first.url
        matches, included, issues = page.matches, page.included, page.issues
        seen = {current}
        size, has_blanks = page.size, page.has_blanks
        failure = None
        while page.next_link is not None:
            try:
                current = followed(page.next_link, current, self.settings)
                if current in seen or len(seen) >= self.settings.most_pages:
                    raise FatalServerError(f"{what}: its pages run in a circle, or exceed the setting 'most_pages'.")
                seen.add(current)
                page = self._next_page(current, resource_type, what)
                size += page.size
                if size > self.settings.largest_search:
                    raise FatalServerError(f"{what}: its pages together are larger than the setting 'largest_search' allows.")
            except StoppedError:
                raise
            except ServerError as error:
                if isinstance(error, NotFoundError) and not last_try:
                    raise _PageExpired from None
                failure = error
                break
            matches += page.matches
            included += page.included
            issues += page.issues
            has_blanks |= page.has_blanks
        return Found(tuple(matches), tuple(included), tuple(issues), first.ignored, failure, has_blanks)

    def _next_page(self, url: str, resource_type: str, what: str) -> Page:
        answer = self._connection.get(url, what)
        page = read_page(answer.resource, resource_type, what, answer.size)
        if any(issue.says_expired for issue in page.issues):
            raise NotFoundError(f"{what}: the page is no longer there.")
        return page

    def _first_page(self, resource_type: str, parameters: Parameters, what: str) -> _FirstPage:
        """By POST ``_search``, which keeps patient ids out of URLs and proxies' logs (DATA-17); by GET where that is refused.

        R4 has no word in the CapabilityStatement for POST: a server that searches the type is asked, once.
        """
        wanted = [*parameters, ("_count", str(self.settings.page_size))]
        url = f"{self.base}/{resource_type}"

        def first(answer: Answer) -> _FirstPage:
            page = read_page(answer.resource, resource_type, what, answer.size)
            return _FirstPage(page, answer.url, sent_names_missing(page.self_link, [name for name, _ in parameters]))

        if resource_type in self._post_refused or not self.capabilities().offers(resource_type, "search-type"):
            return first(self._connection.get(url, what, wanted))
        try:
            posted = first(self._connection.post_search(f"{url}/_search", what, wanted))
            if not parameters or posted.ignored != {name.split(":")[0] for name, _ in parameters}:
                return posted  # else the body was not read: none of its parameters is in the self link
        except RestrictedError:
            raise
        except FatalServerError:
            pass  # 405 by the book, but gateways answer 400, 403 and 404 as well
        answer = self._connection.get(url, what, wanted)
        self._post_refused.add(resource_type)
        return first(answer)


def _named(reference: str) -> str:
    """``Type/id`` as it may stand in a URL of ours: ids come from the server, and our token goes there (SMART-45)."""
    if not _REFERENCE.fullmatch(reference):
        raise FatalServerError("The server names a resource by an id that FHIR does not allow: nothing was sent to it.")
    return reference


def _written(answer: Answer, resource_type: str) -> Written:
    resource = answer.resource if answer.resource and answer.resource["resourceType"] == resource_type else None
    reference = version = None
    match = _LOCATION.search(answer.headers.get("Location", ""))
    if match and match[1].startswith(f"{resource_type}/") and _REFERENCE.fullmatch(match[1]):
        reference, version = match.groups()
    if tag := re.search(r'"([^"]+)"', answer.headers.get("ETag", "")):
        version = tag[1]
    if resource is not None and isinstance(resource.get("id"), str):
        reference = f"{resource['resourceType']}/{resource['id']}"
        meta = resource.get("meta")
        version = (meta.get("versionId") if isinstance(meta, dict) else None) or version
    return Written(reference, version, answer.status == 201, resource)


__all__ = ["FhirServer", "OutcomeIssue", "Parameters", "Written"]
