"""DiagnosticReport and DocumentReference: what they are about, when, and their words.

Source: FHIR R4 DiagnosticReport, DocumentReference; DATA-63.
"""

from __future__ import annotations

from fhir_trial.records.attachments import read_attachment
from fhir_trial.records.gathered import Gathered
from fhir_trial.records.model import Report
from fhir_trial.records.observations import Setting, read_members, start_of
from fhir_trial.records.page import NOTHING, Page
from fhir_trial.records.raw import Json
from fhir_trial.terminology.concepts import Concept
from fhir_trial.times import Span

#: Versions of a document that are not yet, or no longer, what its author says.
_UNFINISHED = frozenset({"preliminary"})


def read_diagnostic_report(page: Page, into: Gathered) -> None:
    """A report, and the results contained in it."""
    resource = page.resource
    conclusions = page.concepts(resource, "conclusionCode")
    said = [page.string(resource, "conclusion"), *_spoken(conclusions), *page.notes(resource)]
    attached, unread = _attached(page, page.objects(resource, "presentedForm"), "presentedForm")
    effective = (
        start_of(page, resource, "effectivePeriod")
        if "effectivePeriod" in resource
        else page.event(resource, "effectiveDateTime")
    )
    report = _report(
        page,
        code=page.concept(resource, "code"),
        effective=effective or page.event(resource, "issued"),
        text=[*said, *attached],
        conclusions=conclusions,
        unread=unread,
    )
    into.reports.append(report)
    if "result" in resource:
        dated_by = "effective" if effective is not None else "issued"
        setting = Setting(report.status, report.effective, dated_by, report.issued, page.unusable)
        read_members(page, into, "result", setting)


def read_document(page: Page, into: Gathered) -> None:
    """A document, dated by the time it speaks of, else by its own date."""
    resource = page.resource
    version = page.string(resource, "docStatus")
    if version == "entered-in-error":
        page.note("status-left-out", "Entered in error: not data.", "docStatus", "information")
        return
    if version in _UNFINISHED:
        page.unusable = page.unusable or f"status-{version}"
    attachments = [
        found for item in page.objects(resource, "content") if (found := page.object(item, "attachment", "content")) is not None
    ]
    attached, unread = _attached(page, attachments, "content.attachment")
    titles = [page.string(item, "title", "content.attachment") for item in attachments]
    context = page.object(resource, "context") or {}
    report = _report(
        page,
        code=page.concept(resource, "type"),
        effective=start_of(page, context, "period", "context") or page.event(resource, "date"),
        text=[page.string(resource, "description"), *titles, *attached],
        conclusions=(),
        unread=unread,
    )
    into.reports.append(report)


def _report(
    page: Page,
    *,
    code: Concept | None,
    effective: Span | None,
    text: list[str | None],
    conclusions: tuple[Concept, ...],
    unread: bool,
) -> Report:
    resource = page.resource
    if code is None:
        page.note("code-missing", "Nothing says what the report is about.", "code", "information")
    return Report(
        origin=page.origin,
        kind=resource["resourceType"],
        status=page.string(resource, "status"),
        code=code or NOTHING,
        categories=page.concepts(resource, "category"),
        effective=effective,
        issued=page.moment(resource, "issued" if "issued" in resource else "date"),
        text="\n".join(dict.fromkeys(one for one in text if one)),
        conclusions=conclusions,
        results=page.names(resource, "result"),
        unread=unread,
        unusable=page.unusable,
    )


def _spoken(conclusions: tuple[Concept, ...]) -> list[str]:
    return [text for conclusion in conclusions for text in conclusion.texts()]


def _attached(page: Page, attachments: list[Json], path: str) -> tuple[list[str | None], bool]:
    read = [read_attachment(page, item, path) for item in attachments]
    return [text for text, _ in read], not all(whole for _, whole in read)
