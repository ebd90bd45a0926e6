"""What to do about a ResearchSubject: pure decisions, from what the server holds and what the verdict says.

The machine writes ``potential-candidate`` and takes back its own untouched flag; a person's work it leaves (WB-01).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from fhir_trial.transport import Json
from fhir_trial.verdict.model import Overall
from fhir_trial.writeback.codes import FLAGGED, TAKEN_BACK
from fhir_trial.writeback.enrolment import enrolment_of, has_only_states, is_r5, moved_to, patient_of
from fhir_trial.writeback.settings import Observations, WriteBack, WriteSettings

#: What a ResearchSubject of the machine's making holds; anything else in it is somebody's work.
_KEYS = frozenset({"resourceType", "id", "meta", "text", "identifier", "status", "study"})
_MACHINE_KEYS = {False: _KEYS | {"individual"}, True: _KEYS | {"subject", "progress"}}


class Action(StrEnum):
    """What became, or in a dry run would become, of a resource (VER-20)."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to send, if anything.

    Attributes:
        resource: The body to send; None when nothing is sent.
        held: The resource on the server that the decision is about, or None.
        version: For If-Match; None for a create.
        identifier: ``system|value`` by which it is found again, where the resource itself carries none (Provenance).
    """

    action: Action
    reason: str
    resource: Json | None = None
    held: Json | None = None
    version: str | None = None
    identifier: str | None = None


def wants_flag(overall: Overall, setting: WriteBack) -> bool:
    """Whether a patient with this verdict belongs on the list."""
    match setting:
        case WriteBack.OFF:
            return False
        case WriteBack.CANDIDATES:
            return overall is Overall.POTENTIALLY_ELIGIBLE
        case WriteBack.WORK_LIST:
            return overall is not Overall.NOT_ELIGIBLE


def is_listed(overall: Overall, settings: WriteSettings) -> bool:
    """Whether a note or a line is begun for a patient with this verdict; one that was begun is kept up to date."""
    return settings.observations is Observations.ALL or wants_flag(overall, settings.write_back)


def decide_subject(
    overall: Overall,
    setting: WriteBack,
    wanted: Json,
    *,
    ours: Sequence[Json],
    others: Sequence[Json],
    written: Mapping[str, str],
    when: date | None = None,
) -> Decision:
    """The decision.

    Args:
        when: Day of the change, which R5 keeps and R4 does not.
        wanted: The ResearchSubject with status ``potential-candidate``.
        ours: Those on the server that carry our identifier.
        others: Other subjects of the same patient and study.
        written: Reference -> version that the machine is known to have written last.
    """
    if setting is WriteBack.OFF:
        return Decision(Action.WITHHELD, "Writing back is off.")
    if len(ours) > 1:
        return Decision(Action.WITHHELD, "Several subjects carry the same identifier: a person must tidy up.", held=ours[0])
    if not ours and others:
        return _beside(others[0], others[0])
    if not ours:
        return _without_subject(overall, setting, wanted)
    decision = _with_own_subject(overall, setting, wanted, ours[0], written, when or date.min)
    if others and decision.resource is not None and enrolment_of(decision.resource) == FLAGGED:
        return _beside(others[0], ours[0])
    return decision


def _beside(theirs: Json, held: Json) -> Decision:
    """The patient is on the study by another's account: theirs is no work of the machine (WB-01)."""
    reason = f"Somebody else's subject is there (status {enrolment_of(theirs)}); it is left."
    return Decision(Action.WITHHELD, reason, held=held)


def _without_subject(overall: Overall, setting: WriteBack, wanted: Json) -> Decision:
    if wants_flag(overall, setting):
        return Decision(Action.CREATED, _why(overall), wanted)
    if overall is Overall.NOT_ELIGIBLE:
        return Decision(Action.WITHHELD, "No subject is created for a patient who is not eligible.")
    return Decision(Action.WITHHELD, "Only potentially eligible patients are flagged here.")


def _with_own_subject(
    overall: Overall, setting: WriteBack, wanted: Json, held: Json, written: Mapping[str, str], when: date
) -> Decision:
    status = enrolment_of(held)
    if _is_worked_on(held, wanted) or status not in (FLAGGED, TAKEN_BACK):
        return Decision(Action.WITHHELD, f"A person has worked on this subject (status {status}); it is left.", held=held)
    if status == FLAGGED:
        if overall is not Overall.NOT_ELIGIBLE:
            return Decision(Action.UNCHANGED, "It says so already.", held=held)
        if not _is_untouched_flag(held, written):
            return Decision(Action.WITHHELD, "Not eligible, but the flag may have been touched: a person decides.", held=held)
        return _changed_to(TAKEN_BACK, "The patient is not eligible any more; the machine takes back its own flag.", held, when)
    if not wants_flag(overall, setting):
        return Decision(Action.UNCHANGED, "It says so already.", held=held)
    if version_of(held) is None or written.get(_reference(held)) != version_of(held):
        return Decision(Action.WITHHELD, "The subject was found ineligible, perhaps by a person: a person decides.", held=held)
    return _changed_to(FLAGGED, _why(overall), held, when)


def _changed_to(status: str, reason: str, held: Json, when: date) -> Decision:
    """The server's own JSON with another status, so that nothing else of it is lost."""
    return Decision(Action.UPDATED, reason, moved_to(held, status, when), held, version_of(held))


def _is_worked_on(held: Json, wanted: Json) -> bool:
    """Whether it holds more, or names others, than the machine writes. Tags do not count: servers strip them (R40)."""
    same_study = _target(held.get("study")) == _target(wanted["study"])
    same_patient = _target(patient_of(held)) == _target(patient_of(wanted))
    plain = set(held) <= _MACHINE_KEYS[is_r5(wanted)] and has_only_states(held, (FLAGGED, TAKEN_BACK))
    return not (same_study and same_patient and plain)


def _is_untouched_flag(held: Json, written: Mapping[str, str]) -> bool:
    """Whether the server still holds the version that the machine wrote: known, or its very first.

    A server that names no version cannot tell, and a PUT without If-Match would be blind.
    """
    return version_of(held) == written.get(_reference(held), "1")


def _why(overall: Overall) -> str:
    return "Potentially eligible." if overall is Overall.POTENTIALLY_ELIGIBLE else "Undecided: for the work list."


def _target(reference: Any) -> str:
    value = reference.get("reference") if isinstance(reference, dict) else None
    return "/".join(value.split("/_history/")[0].split("/")[-2:]) if isinstance(value, str) else ""


def _reference(held: Json) -> str:
    return f"{held['resourceType']}/{held.get('id')}"


def version_of(held: Json) -> str | None:
    """``meta.versionId``; None where the server names none."""
    meta = held.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None
