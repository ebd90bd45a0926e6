"""The ways in which the door says no before anything is done: who are you, not you, not so fast, not here."""

from __future__ import annotations

from fhir_trial.errors import FhirTrialError

DATABASE = "FHIR_TRIAL_DATABASE"


class NotSignedInError(FhirTrialError):
    """No bearer token, or one that does not prove who sends it (401)."""

    issue_type = "login"


class NotAllowedError(FhirTrialError):
    """The user is known, and has no role that allows this, or none on this trial (403)."""

    issue_type = "forbidden"


class NothingThereError(FhirTrialError):
    """No such thing, or none that this user may know of: both are answered alike (404; SEC-13)."""

    issue_type = "not-found"


class TooManyRequestsError(FhirTrialError):
    """More requests than one user may make (429; SEC-59).

    Attributes:
        retry_after: Seconds.
    """

    issue_type = "throttled"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotPluggedInError(FhirTrialError):
    """This installation does not do that: what it needs is not configured (501)."""

    issue_type = "not-supported"


def no_such_screening() -> NothingThereError:
    """The same words whether it is not there or another trial's."""
    return NothingThereError("No such screening.")


def not_stored(what: str) -> NotPluggedInError:
    """For what needs the database."""
    return NotPluggedInError(f"{what} need a database, and none is configured: set {DATABASE}.")
