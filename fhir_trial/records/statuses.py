"""Which states of a resource count, which are kept without deciding, and which are not data at all (DATA-21, DATA-57).

Source: the required status value sets of FHIR R4. A word that is in none of them decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_trial.records.page import Page

ENTERED_IN_ERROR = "entered-in-error"


@dataclass(frozen=True, slots=True)
class Statuses:
    """What each status word of a resource type means for reading.

    Attributes:
        counted: Read in full.
        shown: Kept, with ``unusable`` = "status-<word>": shown beside an open question, never decides.
        left_out: Not data; left out with an issue, as entered-in-error always is.
        may_be_missing: Whether a resource without status counts (where FHIR does not require one, or nothing hangs on it).
    """

    counted: frozenset[str]
    shown: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    may_be_missing: bool = False


def _of(counted: str, shown: str = "", left_out: str = "", *, may_be_missing: bool = False) -> Statuses:
    return Statuses(
        frozenset(counted.split()), frozenset(shown.split()), frozenset({*left_out.split(), ENTERED_IN_ERROR}), may_be_missing
    )


#: Every status of a medication but entered-in-error is read: what it means is a question of use (DATA-34).
STATUSES: dict[str, Statuses] = {
    "Observation": _of("final amended corrected", "preliminary", "registered cancelled unknown"),
    "DiagnosticReport": _of("final amended corrected appended", "preliminary partial", "registered cancelled unknown"),
    "DocumentReference": _of("current", "", "superseded", may_be_missing=True),
    "Procedure": _of("completed in-progress stopped", "on-hold unknown", "preparation not-done", may_be_missing=True),
    "Encounter": _of("planned arrived triaged in-progress onleave finished cancelled unknown", may_be_missing=True),
    "Consent": _of("draft proposed active rejected inactive", may_be_missing=True),
    "ResearchSubject": _of(
        "candidate eligible follow-up ineligible not-registered off-study on-study on-study-intervention on-study-observation "
        "pending-on-study potential-candidate screening withdrawn",
        may_be_missing=True,
    ),
    "QuestionnaireResponse": _of("completed amended", "", "in-progress stopped"),
    "MedicationRequest": _of("active on-hold cancelled completed stopped draft unknown"),
    "MedicationStatement": _of("active completed intended stopped on-hold unknown not-taken"),
    "MedicationDispense": _of("preparation in-progress cancelled on-hold completed stopped declined unknown"),
    "MedicationAdministration": _of("in-progress not-done on-hold completed stopped unknown"),
    "List": _of("current", "", "retired"),
    "Composition": _of("final amended", "", "preliminary"),
}


def judge(page: Page, kind: str) -> bool:
    """Whether to read on; sets ``page.unusable`` for a status that decides nothing. Condition and Patient have no status."""
    rule = STATUSES.get(kind)
    if rule is None:
        return True
    raw = page.resource.get("status")
    if isinstance(raw, str) and raw in rule.counted:  # nearly always
        return True
    status = page.string(page.resource, "status")
    if status is None:
        if raw is not None or not rule.may_be_missing:
            _decides_nothing(page, "status-missing" if raw is None else "status-not-understood")
        return True
    if status in rule.counted:
        return True
    if status in rule.shown:
        _decides_nothing(page, f"status-{status}")
        return True
    if status in rule.left_out:
        page.note("status-left-out", f"Of status {status}: not data.", "status", "information")
        return False
    _decides_nothing(page, "status-not-understood")
    return True


def _decides_nothing(page: Page, why: str) -> None:
    page.unusable = page.unusable or why
    page.note(why, "Its status lets it decide nothing; kept to be shown.", "status", "information")
