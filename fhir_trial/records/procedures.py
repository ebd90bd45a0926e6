"""Procedure. Source: FHIR R4 Procedure."""

from __future__ import annotations

from fhir_trial.records.gathered import Gathered
from fhir_trial.records.model import Procedure
from fhir_trial.records.observations import start_of
from fhir_trial.records.page import NOTHING, Page
from fhir_trial.times import Span


def read_procedure(page: Page, into: Gathered) -> None:
    """A Procedure; an age or a text as its date is not read."""
    resource = page.resource
    code = page.concept(resource, "code")
    if code is None:
        page.note("code-missing", "Nothing says what was done.", "code")
    into.procedures.append(
        Procedure(
            origin=page.origin,
            status=page.string(resource, "status"),
            code=code or NOTHING,
            performed=_performed(page),
            notes=page.notes(resource),
            unusable=page.unusable,
        )
    )


def _performed(page: Page) -> Span | None:
    if "performedPeriod" in page.resource:
        return start_of(page, page.resource, "performedPeriod")
    return page.event(page.resource, "performedDateTime")
