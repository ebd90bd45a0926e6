"""One search, all its pages, and an honest word on whether that was everything.

Source: FHIR R4 Search; the ways in which real servers differ are DATA-01 to DATA-18.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_trial.errors import FatalServerError, ServerError
from fhir_trial.transport.bodies import Json
from fhir_trial.transport.outcomes import OutcomeIssue, issues_of
from fhir_trial.transport.refusals import RestrictedError


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brought.

    Attributes:
        matches: Resources of the type asked for, as they came; duplicates across pages are left in.
        included: Other resources.
        issues: What the server remarked.
        ignored: Names of parameters that it did not apply (DATA-05).
        failure: Why a later page is missing; None when every page was read.
        has_blanks: Whether some entry held nothing: what was there did not come.
    """

    matches: tuple[Json, ...] = ()
    included: tuple[Json, ...] = ()
    issues: tuple[OutcomeIssue, ...] = ()
    ignored: frozenset[str] = frozenset()
    failure: ServerError | None = None
    has_blanks: bool = False

    @property
    def complete(self) -> bool:
        return self.failure is None and not self.has_blanks and not any(issue.says_cut_short for issue in self.issues)


@dataclass(slots=True)
class Page:
    """One searchset Bundle, sorted by what its entries are; ``size`` in bytes, as it came."""

    matches: list[Json] = field(default_factory=list)
    included: list[Json] = field(default_factory=list)
    issues: list[OutcomeIssue] = field(default_factory=list)
    self_link: str | None = None
    next_link: str | None = None
    size: int = 0
    has_blanks: bool = False


def read_page(resource: Json | None, resource_type: str, what: str, size: int = 0) -> Page:
    """Reads a searchset; FatalServerError when the answer is no Bundle, be its status 200 (DATA-04)."""
    if resource is None or resource.get("resourceType") != "Bundle":
        issues = issues_of(resource)
        if any(issue.says_restricted for issue in issues):
            raise RestrictedError(f"{what}: the record is restricted.")
        codes = sorted({code for issue in issues for code in issue.codes})
        raise FatalServerError(f"{what}: the answer is no Bundle" + (f" ({', '.join(codes)})." if codes else "."))
    page = Page(size=size)
    for entry in _dicts(resource.get("entry")):
        _sort_entry(entry, resource_type, page)
    for link in _dicts(resource.get("link")):
        url = link.get("url")
        if not isinstance(url, str):
            continue
        if link.get("relation") == "next":
            page.next_link = url
        elif link.get("relation") == "self":
            page.self_link = url
    return page


def _sort_entry(entry: Json, resource_type: str, page: Page) -> None:
    """By search.mode, or by type where the server leaves the mode out (DATA-03)."""
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        page.has_blanks = True
        return
    kind = resource.get("resourceType")
    if kind == "OperationOutcome":
        page.issues.extend(issues_of(resource))
        return
    search = entry.get("search")
    mode = search.get("mode") if isinstance(search, dict) else None
    if mode == "outcome":
        return
    is_match = kind == resource_type and mode in (None, "match")
    (page.matches if is_match else page.included).append(resource)


def _dicts(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
