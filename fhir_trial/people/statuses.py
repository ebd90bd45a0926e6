"""Where a patient stands on a trial, which steps are legal, and who may take them (WB-26).

Independent of FHIR: write-back has the table to R4 and R5. One *episode* runs from the first flag to a final status; after a
refusal or a screen failure a new episode may begin, and the old one stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fhir_trial.errors import UsageError


class Status(StrEnum):
    """A patient's standing within one episode."""

    POTENTIAL = "potential"
    CONTACTED = "contacted"
    DECLINED = "declined"
    CONSENTED = "consented"
    SCREENING = "screening"
    ELIGIBLE = "eligible"
    SCREEN_FAILURE = "screen-failure"
    ON_STUDY = "on-study"
    FOLLOW_UP = "follow-up"
    OFF_STUDY = "off-study"
    WITHDRAWN = "withdrawn"
    DECEASED = "deceased"


class By(StrEnum):
    """Who takes a step."""

    MACHINE = "machine"
    PERSON = "person"


class IllegalStatusError(UsageError):
    """A step that the table does not have, that this actor may not take, or that lacks its reason."""

    issue_type = "business-rule"


_S = Status

#: Status -> what may follow it. None is no standing: before the first flag, and after the machine took its flag back.
TRANSITIONS: Final[Mapping[Status | None, frozenset[Status | None]]] = MappingProxyType(
    {
        None: frozenset({_S.POTENTIAL, _S.CONTACTED}),
        _S.POTENTIAL: frozenset({None, _S.CONTACTED, _S.DECLINED, _S.SCREEN_FAILURE, _S.DECEASED}),
        _S.CONTACTED: frozenset({_S.DECLINED, _S.CONSENTED, _S.SCREEN_FAILURE, _S.DECEASED}),
        _S.CONSENTED: frozenset({_S.SCREENING, _S.WITHDRAWN, _S.DECEASED}),
        _S.SCREENING: frozenset({_S.ELIGIBLE, _S.SCREEN_FAILURE, _S.WITHDRAWN, _S.DECEASED}),
        _S.ELIGIBLE: frozenset({_S.ON_STUDY, _S.SCREEN_FAILURE, _S.WITHDRAWN, _S.DECEASED}),
        _S.ON_STUDY: frozenset({_S.FOLLOW_UP, _S.OFF_STUDY, _S.WITHDRAWN, _S.DECEASED}),
        _S.FOLLOW_UP: frozenset({_S.OFF_STUDY, _S.WITHDRAWN, _S.DECEASED}),
        _S.DECLINED: frozenset(),
        _S.SCREEN_FAILURE: frozenset(),
        _S.OFF_STUDY: frozenset(),
        _S.WITHDRAWN: frozenset(),
        _S.DECEASED: frozenset(),
    }
)

#: The machine's own steps; it takes no other, and nobody else takes these (WB-01).
MACHINE_STEPS: Final[frozenset[tuple[Status | None, Status | None]]] = frozenset({(None, _S.POTENTIAL), (_S.POTENTIAL, None)})

#: Final statuses after which a new episode may begin.
REOPENED: Final = frozenset({_S.DECLINED, _S.SCREEN_FAILURE})

#: Status -> the codes of which one must be given.
REASONS: Final[Mapping[Status, frozenset[str]]] = MappingProxyType(
    {
        _S.DECLINED: frozenset({"not-interested", "too-burdensome", "too-far", "other-trial", "physician-advice", "not-stated"}),
        _S.SCREEN_FAILURE: frozenset({"inclusion-not-met", "exclusion-met", "not-reachable", "trial-closed", "physician-advice"}),
        _S.OFF_STUDY: frozenset({"completed", "adverse-event", "lack-of-effect", "lost-to-follow-up", "protocol", "trial-ended"}),
        _S.WITHDRAWN: frozenset({"consent-withdrawn", "adverse-event", "physician-decision", "moved-away", "not-stated"}),
    }
)

#: What may still be said of a patient who has died: how their part in the trial ended. Nothing begins or goes on.
AFTER_DEATH: Final = frozenset({_S.DECLINED, _S.SCREEN_FAILURE, _S.OFF_STUDY, _S.WITHDRAWN, _S.DECEASED})

_REGISTERING = frozenset({_S.ON_STUDY, _S.FOLLOW_UP})


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a patient stands on a trial.

    Attributes:
        status: None: no standing.
        episode: From 1.
        is_registered: Whether the patient was on study in this episode; decides what withdrawn and deceased mean in FHIR.
        reason: A code of ``REASONS``, where the status needs one.
    """

    status: Status | None = None
    episode: int = 1
    is_registered: bool = False
    reason: str | None = None


#: Where everybody begins.
NO_STANDING: Final = Standing()


def moved(standing: Standing, to: Status | None, by: By, reason: str | None = None) -> Standing:
    """The standing after one step.

    Args:
        to: None: the flag is taken back.

    Raises:
        IllegalStatusError: Says in a sentence why not.
    """
    if to not in TRANSITIONS[standing.status]:
        raise IllegalStatusError(_no_such_step(standing.status, to))
    if ((standing.status, to) in MACHINE_STEPS) is not (by is By.MACHINE):
        raise IllegalStatusError(_wrong_actor(to, by))
    _check_reason(to, reason)
    return Standing(to, standing.episode, standing.is_registered or to in _REGISTERING, reason)


def taken_over(standing: Standing, to: Status, *, is_registered: bool, reason: str | None = None) -> Standing:
    """The standing that a person takes over from the EHR, where somebody there has moved the patient on.

    No step of the table: the EHR is not held to it.

    Raises:
        IllegalStatusError: It is the machine's own flag, or lacks its reason.
    """
    if to is Status.POTENTIAL:
        raise IllegalStatusError(_wrong_actor(to, By.PERSON))
    _check_reason(to, reason)
    return Standing(to, standing.episode, is_registered, reason)


def check_living(to: Status) -> None:
    """Refuses what can only be said of the living.

    Raises:
        IllegalStatusError: The patient's record says that they have died, and ``to`` does not end their part in the trial.
    """
    if to not in AFTER_DEATH:
        raise IllegalStatusError(
            f"The patient's record says that they have died, so {_name(to)} cannot follow; possible are, where the table has the "
            f"step, {_listed(AFTER_DEATH)}. If the record is wrong, it is to be mended in the EHR first."
        )


def new_episode(standing: Standing) -> Standing:
    """The beginning of the next episode, after the patient declined or failed screening.

    Raises:
        IllegalStatusError: The present episode is still open, or ended in a way that is not reopened.
    """
    if standing.status not in REOPENED:
        raise IllegalStatusError(
            f"A new episode begins only after {_listed(REOPENED)}, and this patient is {_name(standing.status)}."
        )
    return Standing(episode=standing.episode + 1)


def _check_reason(to: Status | None, reason: str | None) -> None:
    codes = REASONS.get(to, frozenset()) if to is not None else frozenset()
    if codes and reason not in codes:
        raise IllegalStatusError(f"The status {_name(to)} needs a reason, one of: {', '.join(sorted(codes))}.")
    if not codes and reason is not None:
        raise IllegalStatusError(f"The status {_name(to)} takes no coded reason.")


def _no_such_step(status: Status | None, to: Status | None) -> str:
    following = TRANSITIONS[status]
    if following:
        return f"From {_name(status)} there is no step to {_name(to)}; possible are {_listed(following)}."
    end = "a new episode may begin" if status in REOPENED else "it stays so"
    return f"The status {_name(status)} is final, so {_name(to)} cannot follow; {end}."


def _wrong_actor(to: Status | None, by: By) -> str:
    if by is By.MACHINE:
        return f"Only a person may set {_name(to)}: the machine flags and takes back its own flag, nothing else."
    return f"Only the machine sets {_name(to)}; a person says what became of the patient."


def _listed(statuses: frozenset[Status] | frozenset[Status | None]) -> str:
    return ", ".join(sorted(_name(status) for status in statuses))


def _name(status: Status | None) -> str:
    return "no standing" if status is None else str(status)
