"""A standing on a trial as a ResearchSubject, in R4 and in R5, and read back from either.

R4: ``status`` is the enrolment. R5: ``status`` is the publication's, the enrolment is the open item of ``progress``.
Source: FHIR R4 and R5 ResearchSubject; HL7 code systems research-subject-state and -state-type; WB-24, WB-25, WB-26.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from fhir_trial.people.statuses import Status
from fhir_trial.transport import Json
from fhir_trial.trials.model import Identifier
from fhir_trial.writeback.codes import SUBJECT_STATE, SUBJECT_STATE_TYPE

#: Status -> code before registration, code after it. R5 has the same codes as subjectState. Every status, no default (WB-26).
ENROLMENT_CODES: Final[Mapping[Status, tuple[str, str]]] = MappingProxyType(
    {
        Status.POTENTIAL: ("potential-candidate", "potential-candidate"),
        Status.CONTACTED: ("candidate", "candidate"),
        Status.DECLINED: ("not-registered", "not-registered"),
        Status.CONSENTED: ("screening", "screening"),
        Status.SCREENING: ("screening", "screening"),
        Status.ELIGIBLE: ("eligible", "eligible"),
        Status.SCREEN_FAILURE: ("ineligible", "ineligible"),
        Status.ON_STUDY: ("on-study", "on-study"),
        Status.FOLLOW_UP: ("follow-up", "follow-up"),
        Status.OFF_STUDY: ("off-study", "off-study"),
        Status.WITHDRAWN: ("withdrawn", "off-study"),
        Status.DECEASED: ("withdrawn", "off-study"),
    }
)
_ENDED = frozenset({"off-study", "withdrawn", "not-registered", "ineligible"})


def enrolment_code(status: Status, *, is_registered: bool) -> str:
    """The R4 status, or R5 subjectState."""
    return ENROLMENT_CODES[status][is_registered]


def research_subject_r4(
    status: Status,
    when: date,
    study: str,
    patient: str,
    identifiers: Iterable[Identifier],
    *,
    registered_on: date | None = None,
) -> Json:
    """A patient's standing in R4.

    Args:
        when: Since when it is so.
        study, patient: ``Type/id``.
        registered_on: Begins the period, which is participation: absent before registration.
    """
    code = enrolment_code(status, is_registered=registered_on is not None)
    subject: Json = {
        "resourceType": "ResearchSubject",
        "identifier": [{"system": each.system, "value": each.value} for each in identifiers],
        "status": code,
        "study": {"reference": study},
        "individual": {"reference": patient},
    }
    return _with_period(subject, code, when, registered_on)


def research_subject_r5(
    status: Status,
    when: date,
    study: str,
    patient: str,
    identifiers: Iterable[Identifier],
    *,
    registered_on: date | None = None,
) -> Json:
    """A patient's standing in R5; arguments as for R4."""
    code = enrolment_code(status, is_registered=registered_on is not None)
    subject: Json = {
        "resourceType": "ResearchSubject",
        "identifier": [{"system": each.system, "value": each.value} for each in identifiers],
        "status": "active",
        "progress": [_progress(code, when)],
        "study": {"reference": study},
        "subject": {"reference": patient},
    }
    return _with_period(subject, code, when, registered_on)


def moved_to(held: Json, code: str, when: date, *, registered_on: date | None = None) -> Json:
    """The server's own JSON with another enrolment, so that nothing else of it is lost.

    R5: the open item of progress ends, and a new one begins.
    """
    if not is_r5(held):
        return _with_period({**held, "status": code}, code, when, registered_on)
    items = _items(held)
    current = _current(items)
    ended = [{**item, "endDate": when.isoformat()} if item is current else item for item in items]
    return _with_period({**held, "progress": [*ended, _progress(code, when)]}, code, when, registered_on)


def enrolment_of(subject: Json) -> str | None:
    """The enrolment that a ResearchSubject of either release holds now; None when it says none that we can read."""
    if not is_r5(subject):
        status = subject.get("status")
        return status if isinstance(status, str) else None
    current = _current(_items(subject))
    return _state(current) if current is not None else None


def patient_of(subject: Json) -> object:
    """The Reference to the patient: R4 ``individual``, R5 ``subject``."""
    return subject.get("subject") if is_r5(subject) else subject.get("individual")


def is_r5(subject: Json) -> bool:
    """Whether it is written in R5's words."""
    return "subject" in subject or "progress" in subject


def has_only_states(subject: Json, codes: Iterable[str]) -> bool:
    """Whether an R5 progress holds nothing but these states of enrolment; true of R4, which has none."""
    plain = {"type", "subjectState", "startDate", "endDate", "id"}
    known = set(codes)
    return all(set(item) <= plain and _state(item) in known for item in _items(subject))


def _with_period(subject: Json, code: str, when: date, registered_on: date | None) -> Json:
    if registered_on is None:
        return subject
    held = subject.get("period")
    period = {**(held if isinstance(held, dict) else {}), "start": registered_on.isoformat()}
    if code in _ENDED:
        period["end"] = when.isoformat()
    return {**subject, "period": period}


def _progress(code: str, when: date) -> Json:
    return {
        "type": {"coding": [{"system": SUBJECT_STATE_TYPE, "code": "Enrollment"}]},
        "subjectState": {"coding": [{"system": SUBJECT_STATE, "code": code}]},
        "startDate": when.isoformat(),
    }


def _items(subject: Json) -> list[dict[str, Any]]:
    items = subject.get("progress")
    return [item for item in (items if isinstance(items, list) else ()) if isinstance(item, dict)]


def _current(items: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The state that has begun last and not ended; of equals, the one listed last. Milestones have no state."""
    states = [item for item in items if _state(item) is not None]
    open_ones = [item for item in states if "endDate" not in item] or states
    return max(reversed(open_ones), key=lambda item: str(item.get("startDate", "")), default=None)


def _state(item: Json) -> str | None:
    concept = item.get("subjectState")
    codings = concept.get("coding") if isinstance(concept, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict) and coding.get("system") == SUBJECT_STATE and isinstance(coding.get("code"), str):
            return str(coding["code"])
    return None
