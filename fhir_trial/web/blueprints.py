"""What all blueprints share: the strict parser, and errors documented as what they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask_smorest import Blueprint

from fhir_trial.web.bodies import StrictParser
from fhir_trial.web.errors import FHIR_JSON
from fhir_trial.web.schemas import OperationOutcome

View = TypeVar("View", bound=Callable[..., object])

#: Status -> description, and an example: issue type and sentence.
_ERRORS: Final[dict[int, tuple[str, str, str]]] = {
    400: ("No JSON, or a foreign Host", "structure", "The body is no JSON object, or gives a member twice."),
    401: (
        "No bearer token, or one that does not prove who sends it",
        "login",
        "Sign in: send Authorization: Bearer and a token of your identity provider.",
    ),
    403: (
        "No role for this, or not for this trial; the record is restricted; the service is not on loopback",
        "forbidden",
        "Your roles are not for this trial; an admin grants them.",
    ),
    404: ("No such trial, patient, screening or address", "not-found", "No such screening."),
    409: ("The server holds another version", "conflict", "ResearchSubject was changed meanwhile; screen again."),
    413: ("The request is too long", "too-long", "The request is too long."),
    415: ("Not application/json", "not-supported", "Send application/json, in UTF-8."),
    422: ("A member does not fit, or the settings forbid it", "value", "Expected a date such as 2026-03-02."),
    429: (
        "Too many requests of one user; see Retry-After",
        "throttled",
        "Too many requests; ask again later, as Retry-After says.",
    ),
    500: (
        "A defect, or a trial written wrong",
        "exception",
        "A defect in fhir_trial; the log tells of it under 0b9f8f3e-2f0f-4b8e-9a55-1f0c3d2e4a51.",
    ),
    501: (
        "What this needs is not configured",
        "not-supported",
        "Kept screenings need a database, and none is configured: set FHIR_TRIAL_DATABASE.",
    ),
    502: ("The FHIR server refused or was not understood", "processing", "Patient read: the server answered 400."),
    503: (
        "The FHIR server, the issuer, the database or the audit log does not answer; try again",
        "transient",
        "Patient read: no answer from the server.",
    ),
}
_REQUEST_ID: Final = {"X-Request-Id": "X-Request-Id"}
_OWN_HEADERS: Final = {401: {"WWW-Authenticate": "WWW-Authenticate"}, 429: {"Retry-After": "Retry-After"}}


class StrictBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest ships no types
    """A blueprint whose requests are read strictly, and whose answers are documented with their headers."""

    ARGUMENTS_PARSER = StrictParser()

    def response(self, status_code: int, schema: Any = None, **documented: Any) -> Callable[[View], View]:
        documented["headers"] = _REQUEST_ID | documented.get("headers", {})
        decorated: Callable[[View], View] = super().response(status_code, schema, **documented)
        return decorated


def fails_with(blueprint: StrictBlueprint, *statuses: int) -> Callable[[View], View]:
    """Documents the errors of a view."""

    def documented(view: View) -> View:
        for status in statuses:
            meaning, code, sentence = _ERRORS[status]
            issue = {"severity": "error", "code": code, "details": {"text": sentence}}
            issue |= {"expression": ["as_of"]} if status == 422 else {}
            view = blueprint.alt_response(
                status,
                schema=OperationOutcome,
                content_type=FHIR_JSON,
                description=meaning,
                example={"resourceType": "OperationOutcome", "issue": [issue]},
                headers=_REQUEST_ID | _OWN_HEADERS.get(status, {}),
                success=False,
            )(view)
        return view

    return documented


def in_path(name: str, pattern: re.Pattern[str], description: str, example: str) -> list[dict[str, Any]]:
    """Documents the one variable part of an address."""
    schema = {"type": "string", "pattern": pattern.pattern}
    return [{"in": "path", "name": name, "required": True, "description": description, "schema": schema, "example": example}]
