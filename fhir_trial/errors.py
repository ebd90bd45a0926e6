"""What can go wrong, in the words of the person who has to mend it.

Unknown is an answer and never an error: these classes are for broken things. Each names its FHIR issue type
(OperationOutcome.issue.code) and the exit status of the command line (VER-03).
"""

from __future__ import annotations


class FhirTrialError(Exception):
    """A broken thing, with a sentence that says what and what to do.

    Attributes:
        expression: Where: ``file:line:column path``, or a FHIR path, or None.
        issue_type: FHIR IssueType code.
        exit_status: Exit status of the command line.
    """

    issue_type = "exception"
    exit_status = 70

    def __init__(self, message: str, *, expression: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.expression = expression

    def __str__(self) -> str:
        return f"{self.expression}: {self.message}" if self.expression else self.message


class DefinitionError(FhirTrialError):
    """A trial, site overlay or mapping is written wrong."""

    issue_type = "invalid"
    exit_status = 4


class UsageError(FhirTrialError):
    """The caller named a trial, site, setting or date that does not exist."""

    issue_type = "value"
    exit_status = 2


class UnknownTrialError(UsageError):
    """No trial, or no version of it, has that name."""

    issue_type = "not-found"


class SourceError(FhirTrialError):
    """A file cannot be read at all."""

    issue_type = "structure"
    exit_status = 1


class PatientNotFoundError(FhirTrialError):
    """No patient of that name in the source."""

    issue_type = "not-found"
    exit_status = 3


class ServerError(FhirTrialError):
    """A FHIR server did not do what was asked."""

    exit_status = 5


class TemporaryServerError(ServerError):
    """Worth another try later: overload, time-out, no connection."""

    issue_type = "transient"


class FatalServerError(ServerError):
    """Another try will end the same way: refused, forbidden, not understood."""

    issue_type = "processing"


class ConflictError(FatalServerError):
    """The server holds another version than the one expected (409, 412)."""

    issue_type = "conflict"


class StoreUnavailableError(FhirTrialError):
    """What is kept cannot be read or written now: the database does not answer, or is locked. Retry."""

    issue_type = "transient"


class WriteRefusedError(FhirTrialError):
    """A resource of ours is not fit to be sent, or the settings forbid sending it."""

    issue_type = "business-rule"
    exit_status = 5
