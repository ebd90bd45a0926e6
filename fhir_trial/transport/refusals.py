"""The ways in which a server says no, told apart because callers act on them differently."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_trial.errors import ConflictError, FatalServerError, ServerError, TemporaryServerError
from fhir_trial.transport.outcomes import OutcomeIssue
from fhir_trial.transport.retries import RETRY_ON


class NotAuthorisedError(FatalServerError):
    """401 or 403: the token, the scope or the relationship to the patient is missing."""

    issue_type = "forbidden"


class RestrictedError(FatalServerError):
    """The record is under break-the-glass protection; it is neither bypassed nor asked for again (DATA-27)."""

    issue_type = "suppressed"


class MovedError(FatalServerError):
    """A redirect, which is never followed: it may lead away from the server, or quietly to a merged patient (DATA-45)."""


class NotFoundError(FatalServerError):
    """404 or 410."""

    issue_type = "not-found"


class NotSupportedError(FatalServerError):
    """405, 415 or 501: the server does not do this."""

    issue_type = "not-supported"


_BY_STATUS: dict[int, tuple[type[ServerError], str]] = {
    401: (NotAuthorisedError, "did not accept our identity"),
    403: (NotAuthorisedError, "does not allow it: check the granted scopes"),
    404: (NotFoundError, "does not know it"),
    405: (NotSupportedError, "does not offer it"),
    409: (ConflictError, "holds another version"),
    410: (NotFoundError, "no longer has it"),
    412: (ConflictError, "holds another version, or several matches"),
    415: (NotSupportedError, "does not read this form"),
    501: (NotSupportedError, "does not offer it"),
}


def refusal(what: str, status: int, issues: Sequence[OutcomeIssue]) -> ServerError:
    """The error for an HTTP status of 300 or more.

    Args:
        what: What was asked, in words that name no patient: "Observation search".
    """
    codes = sorted({code for issue in issues for code in issue.codes})
    said = f"{what}: the server answered {status}" + (f" ({', '.join(codes)})" if codes else "")
    if any(issue.says_restricted for issue in issues):
        return RestrictedError(f"{said}; the record is restricted.")
    if 300 <= status < 400:
        return MovedError(f"{said}; it points elsewhere. Is the address its FHIR base?")
    if status in _BY_STATUS:
        error, meaning = _BY_STATUS[status]
        return error(f"{said}; it {meaning}.")
    if status in RETRY_ON:
        return TemporaryServerError(f"{said}; try again later.")
    return FatalServerError(f"{said}.")
