"""Every status but the machine's own flag, and every answer, comes from a named person (WB-01, SEC-51)."""

from __future__ import annotations

from fhir_trial.errors import FhirTrialError


class NobodyNamedError(FhirTrialError):
    """Somebody would decide of whom nobody knows who they are."""

    issue_type = "forbidden"


def named(issuer: str | None, what: str) -> str:
    """The issuer who vouches for a person.

    Args:
        issuer: None for the local user, whom nobody has signed in.
        what: What is to be done, "A decision".

    Raises:
        NobodyNamedError: It is None.
    """
    if issuer is None:
        raise NobodyNamedError(f"{what} needs a named person: set FHIR_TRIAL_ISSUERS, so that people sign in.")
    return issuer
