"""Whatever goes wrong, as an OperationOutcome with its HTTP status, and with nothing of a patient in it.

Source: FHIR R4 OperationOutcome, value set issue-type; VER-20, SEC-25.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from fhir_trial.audit import AuditUnavailableError
from fhir_trial.definitions.yaml_source import DefinitionErrors
from fhir_trial.errors import (
    ConflictError,
    FhirTrialError,
    PatientNotFoundError,
    ServerError,
    StoreUnavailableError,
    TemporaryServerError,
    UnknownTrialError,
    UsageError,
    WriteRefusedError,
)
from fhir_trial.people.bases import NoBasisError
from fhir_trial.people.naming import NobodyNamedError
from fhir_trial.people.opt_outs import OptedOutError
from fhir_trial.transport import RestrictedError, encode_json
from fhir_trial.transport.connection import StoppedError
from fhir_trial.web.access import request_id
from fhir_trial.web.measures import metrics
from fhir_trial.web.refusals import NotAllowedError, NothingThereError, NotPluggedInError, NotSignedInError, TooManyRequestsError

FHIR_JSON = "application/fhir+json"
_PACKAGE = Path(__file__).resolve().parent.parent
Json = dict[str, Any]

#: The nearest class above an error decides; errors of the FHIR server are a gateway's errors, whatever its own status was.
_STATUS: dict[type[FhirTrialError], int] = {
    FhirTrialError: 500,
    UsageError: 422,
    UnknownTrialError: 404,
    PatientNotFoundError: 404,
    ServerError: 502,
    TemporaryServerError: 503,
    RestrictedError: 403,
    ConflictError: 409,
    WriteRefusedError: 422,
    StoppedError: 422,  # ours, and not the FHIR server's
    AuditUnavailableError: 503,
    StoreUnavailableError: 503,
    NoBasisError: 403,
    OptedOutError: 403,
    NobodyNamedError: 403,
    NotSignedInError: 401,
    NotAllowedError: 403,
    NothingThereError: 404,
    TooManyRequestsError: 429,
    NotPluggedInError: 501,
}
_ISSUE_TYPES = {400: "structure", 403: "forbidden", 404: "not-found", 405: "not-supported", 413: "too-long", 415: "not-supported"}
_SENTENCES = {
    404: "There is nothing at this address; /openapi.json lists what there is.",
    405: "This address does not take that method.",
    413: "The request is too long.",
}
NO_SUCH_TRIAL = "No trial has such a name; /api/trials lists them."
_FIELD = re.compile(r"[a-z][a-z_]{0,30}")

log = structlog.get_logger()


class NotReadyError(TemporaryServerError):
    """The service runs, but cannot screen now."""


def install(app: Flask) -> None:
    """One handler for errors of ours, one for HTTP's own, one for defects."""
    app.register_error_handler(FhirTrialError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _defect)


def status_of(kind: type[FhirTrialError]) -> int:
    """The HTTP status of an error of ours."""
    return next(_STATUS[above] for above in kind.__mro__ if above in _STATUS)


def operation_outcome(*issues: Json) -> Json:
    """The resource around its issues."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def _issue(code: str, text: str, *, expression: str | None = None, diagnostics: str | None = None) -> Json:
    issue: Json = {"severity": "error", "code": code, "details": {"text": text}}
    if diagnostics:
        issue["diagnostics"] = diagnostics
    if expression:
        issue["expression"] = [expression]
    return issue


def _answer(status: int, *issues: Json) -> Response:
    return Response(encode_json(operation_outcome(*issues)), status, content_type=FHIR_JSON)


def _ours(error: FhirTrialError) -> Response:
    status = status_of(type(error))
    if status >= 500:
        log.error("failed", request=request_id(), error=type(error).__name__, issue=error.issue_type, status=status)
    elif status in (401, 403, 429):
        log.warning("refused", request=request_id(), error=type(error).__name__, issue=error.issue_type, status=status)
    metrics().failed(error)
    each = error.errors if isinstance(error, DefinitionErrors) else [error]
    answer = _answer(status, *(_issue(one.issue_type, _sentence(one), diagnostics=one.expression) for one in each))
    if isinstance(error, NotSignedInError):
        answer.headers["WWW-Authenticate"] = 'Bearer realm="fhir_trial"'
    if isinstance(error, TooManyRequestsError):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _sentence(error: FhirTrialError) -> str:
    """Its own, but for the one that repeats what was asked for: a record number may stand where a trial belongs (SEC-27)."""
    return NO_SUCH_TRIAL if isinstance(error, UnknownTrialError) else error.message


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 422:
        return _answer(status, *_misfits(_messages(error), getattr(error, "data", {}).get("schema")))
    if status < 400:
        return Response(status=status, headers=error.get_headers())
    own = error.description if status in (400, 403, 415) and type(error).description != error.description else None
    answer = _answer(status, _issue(_ISSUE_TYPES.get(status, "processing"), own or _SENTENCES.get(status, error.name)))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer


def _messages(error: HTTPException) -> Any:
    """Of the body, or of the query."""
    found = getattr(error, "data", {}).get("messages", {})
    return found.get("json", found.get("query", {}))


def _misfits(messages: Any, schema: Any, within: str = "") -> Iterator[Json]:
    """One issue for each member of the request that does not fit; values, and names that are no words, are not repeated."""
    members = messages if isinstance(messages, dict) else {"_schema": messages}
    known = getattr(schema, "fields", {})
    for name, sentences in members.items():
        is_word = isinstance(name, str) and _FIELD.fullmatch(name) is not None
        place = f"{within}.{name}".lstrip(".") if is_word else within
        if isinstance(sentences, dict):
            yield from _misfits(sentences, getattr(known.get(name), "schema", None), place)
            continue
        for sentence in sentences:
            code = "required" if sentence.startswith("Missing") else "value"
            told = f"Unknown; what may be sent is {', '.join(known)}." if sentence.startswith("Unknown") else str(sentence)
            yield _issue(code, told, expression=place or None)


def _defect(error: Exception) -> Response:
    """A defect of ours. Its message may quote a record, so only its type and place are logged."""
    log.error("defect", request=request_id(), error=type(error).__name__, where=_where(error))
    return _answer(500, _issue("exception", f"A defect in fhir_trial; the log tells of it under {request_id()}."))


def _where(error: Exception) -> list[str]:
    """Our own frames as "web/screenings.py:23 screen", and the innermost whosever it is; no source lines, no locals."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [(Path(frame.filename), f"{frame.lineno} {frame.name}") for frame in frames]
    shown = [f"{path.relative_to(_PACKAGE).as_posix()}:{place}" for path, place in places if path.is_relative_to(_PACKAGE)]
    innermost, place = places[-1]
    return shown if innermost.is_relative_to(_PACKAGE) else [*shown, f"{innermost.name}:{place}"]
