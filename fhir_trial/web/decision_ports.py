"""What the views need done about people's decisions: ports that ``wiring`` plugs, and tests fake."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fhir_trial.audit import Actor
    from fhir_trial.people.deciding import Decision
    from fhir_trial.people.statuses import Standing, Status
    from fhir_trial.writeback import WriteResult


class TakenStep(Protocol):
    """A step of a patient's status, as it was kept."""

    @property
    def status(self) -> Status | None: ...

    @property
    def episode(self) -> int: ...

    @property
    def reason_code(self) -> str | None: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def since(self) -> date: ...

    @property
    def issuer(self) -> str | None: ...

    @property
    def subject(self) -> str: ...

    @property
    def at(self) -> datetime: ...

    @property
    def state(self) -> str: ...

    @property
    def note(self) -> str | None: ...


class UnsentStep(TakenStep, Protocol):
    """A step that the server does not have.

    Attributes:
        patient: Our key.
    """

    @property
    def patient(self) -> str: ...

    @property
    def trial(self) -> str: ...


class Place(Protocol):
    """Where a patient stands on a trial, here and on the FHIR server."""

    @property
    def standing(self) -> Standing: ...

    @property
    def enrolment(self) -> str | None:
        """What the server's ResearchSubject says; None where there is none."""
        ...

    @property
    def others(self) -> Sequence[str]:
        """What subjects on the server say that are not ours."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether the last step was written, and the server knows it no more; it may be sent again."""
        ...

    @property
    def is_deceased(self) -> bool: ...

    @property
    def differs(self) -> bool:
        """Whether the server says something else, which a person must take over first."""
        ...

    @property
    def possible(self) -> Sequence[Status]: ...

    @property
    def may_reopen(self) -> bool: ...

    @property
    def token(self) -> str: ...

    @property
    def history(self) -> Sequence[TakenStep]: ...


class Decisions(Protocol):
    """People's decisions about a patient's status in a trial; each goes back to the FHIR server."""

    def standing(self, patient: str, trial: str, actor: Actor, request: str) -> Place | None:
        """What a person is shown before they decide; None: no patient of that key. Audited before it returns."""
        ...

    def decide(self, patient: str, trial: str, *, to: Decision, actor: Actor, request: str) -> Sequence[WriteResult] | None:
        """What was written. None: no patient of that key.

        Raises:
            IllegalStatusError: That status cannot follow the present one, or its coded reason is missing.
            ConflictError: The patient has moved on since the person looked.
        """
        ...

    def unsent(self, trials: Collection[str] | None, limit: int, actor: Actor, request: str) -> Sequence[UnsentStep]:
        """Those that the server does not have, that wait longest first; none of who has opted out. Audited before it returns.

        Args:
            trials: Those that the user may see; None for all.
        """
        ...

    def unsent_counts(self) -> Mapping[str, int]:
        """How many by state."""
        ...
