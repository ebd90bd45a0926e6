"""On what a site screens its patients for a trial: without a basis in force nobody is screened, listed or written about (SEC-34).

Source: 45 CFR 164.506 (treatment), 164.508 (authorisation), 164.512(i)(1)(i) (waiver of a board) and (ii) (preparatory).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fhir_trial.errors import FhirTrialError, UsageError


class BasisKind(StrEnum):
    """Which ground it is."""

    TREATMENT = "treatment"  # by those who treat the patient, in the course of it
    AUTHORISATION = "authorisation"  # the patients have agreed
    PARTIAL_WAIVER = "partial-waiver"  # a board has waived their agreement, for a time
    PREPARATORY = "preparatory"  # counts alone, to see whether a trial is feasible


class NoBasisError(FhirTrialError):
    """Nothing allows that patients are screened for this trial, today."""

    issue_type = "forbidden"
    exit_status = 5


class CountsOnlyError(NoBasisError):
    """The basis allows counts, and this would name a patient (SEC-35)."""


@dataclass(frozen=True, slots=True)
class Basis:
    """A ground to screen, as somebody of the site recorded it.

    Attributes:
        reference: Number of the board's decision, of the agreement, of the protocol; a waiver needs one.
        first_day: Counts from this day, in the site's zone.
        last_day: Counts until the end of this day; None for no end. A waiver needs one.
        number: Ours, once it is kept.
    """

    trial: str
    kind: BasisKind
    reference: str | None
    first_day: date
    last_day: date | None
    number: int | None = None

    @property
    def names_patients(self) -> bool:
        """Whether a patient may be named: shown, exported, listed, written about (SEC-35)."""
        return self.kind is not BasisKind.PREPARATORY

    def in_words(self) -> str:
        """One line for a log or a table: "partial-waiver IRB-12, 2026-03-01 to 2026-12-31"."""
        reference = f" {self.reference}" if self.reference else ""
        end = f" to {self.last_day}" if self.last_day is not None else " on"
        return f"{self.kind}{reference}, {self.first_day}{end}"


def check_recordable(basis: Basis) -> None:
    """Whether it says all that its kind needs.

    Raises:
        UsageError: A waiver has no reference or no last day; the last day is before the first.
    """
    if basis.kind is BasisKind.PARTIAL_WAIVER:
        if not (basis.reference or "").strip():
            raise UsageError("A partial waiver is recorded with the number of the board's decision: give --reference.")
        if basis.last_day is None:
            raise UsageError("A partial waiver is recorded with the day on which it expires: give --until.")
    if basis.last_day is not None and basis.last_day < basis.first_day:
        raise UsageError(f"The basis would end ({basis.last_day}) before it begins ({basis.first_day}).")


def check_basis(basis: Basis | None, trial: str, today: date, *, naming: bool = True) -> Basis:
    """The basis, if it holds for what is to be done.

    Args:
        basis: What is recorded for the trial and not ended; None for nothing.
        today: In the site's zone; first and last day both count.
        naming: Whether a patient will be named; not for a count.

    Raises:
        NoBasisError: None is recorded, it has not begun, or it has expired.
        CountsOnlyError: It allows counts alone, and a patient would be named.
    """
    record = f"`fhir-trial site basis record {trial} KIND` records one."
    if basis is None or basis.trial != trial:
        raise NoBasisError(f"No basis to screen for {trial} is recorded. {record}")
    if today < basis.first_day:
        raise NoBasisError(f"The basis to screen for {trial} ({basis.kind}) begins on {basis.first_day}. {record}")
    if basis.last_day is not None and basis.last_day < today:
        raise NoBasisError(f"The basis to screen for {trial} ({basis.kind}) expired after {basis.last_day}. {record}")
    if naming and not basis.names_patients:
        raise CountsOnlyError(
            f"The basis to screen for {trial} is preparatory to research: it allows counts, and names no patient. "
            "To screen patients, record another: `fhir-trial site basis record`."
        )
    return basis
