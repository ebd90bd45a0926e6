"""Patients who are not to be screened, listed, contacted or written about (SEC-36).

Source: GDPR articles 7(3) and 21; a site's own register. Every kind stops all of it; the kind says why.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from fhir_trial.errors import FhirTrialError


class OptOutKind(StrEnum):
    """Why a patient is left alone; of several that hold at once, the first here is named."""

    CONSENT_WITHDRAWN = "consent-withdrawn"
    OBJECTION = "objection"
    NO_CONTACT = "no-contact"


class OptedOutError(FhirTrialError):
    """The patient is on the register. The message does not say who."""

    issue_type = "suppressed"
    exit_status = 5

    def __init__(self, kind: OptOutKind) -> None:
        super().__init__(
            f"This patient is on the site's register ({kind}): not screened, not listed, not written about. "
            "`fhir-trial site opt-out lift` takes a patient from it."
        )
        self.kind = kind


def check_not_opted_out(kind: OptOutKind | None) -> None:
    """Goes on only for a patient who is not on the register.

    Args:
        kind: As the register says it; None for not on it.

    Raises:
        OptedOutError: The patient is on it.
    """
    if kind is not None:
        raise OptedOutError(kind)


def first_of(kinds: Collection[OptOutKind]) -> OptOutKind | None:
    """Of several that hold at once, the one to name."""
    return next((kind for kind in OptOutKind if kind in kinds), None)
