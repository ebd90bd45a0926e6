"""What somebody may be, by a grant of ours, on one trial or on all (SEC-12). ``web/rules.py`` says what each may do."""

from __future__ import annotations

from enum import StrEnum

from fhir_trial.errors import UsageError


class Role(StrEnum):
    """The six roles."""

    SCREENER = "screener"
    COORDINATOR = "coordinator"
    INVESTIGATOR = "investigator"
    DATA_MANAGER = "data-manager"
    ADMIN = "admin"
    AUDITOR = "auditor"


def role_of(word: str) -> Role:
    """The role of that name.

    Raises:
        UsageError: There is none; the sentence names those there are.
    """
    try:
        return Role(word)
    except ValueError:
        raise UsageError(f"Unknown role '{word}'. Expected one of: {', '.join(Role)}.") from None
