"""What a person sees before they decide about a patient's status: what is kept here beside what the FHIR server says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from fhir_trial.people.statuses import AFTER_DEATH, REOPENED, TRANSITIONS, Standing, Status
from fhir_trial.writeback.codes import FLAGGED
from fhir_trial.writeback.enrolment import ENROLMENT_CODES, enrolment_code
from fhir_trial.writeback.standing import HeldSubject

if TYPE_CHECKING:
    from fhir_trial.store import Step

#: Codes of FHIR that we read, and write none of: what happens to a patient on study.
_FINER: Final = {Status.ON_STUDY: ("on-study-intervention", "on-study-observation")}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the FHIR server says of a patient.

    Attributes:
        held: The ResearchSubject; None where there is none, or nothing is written there.
        is_machines: The subject is as the machine wrote it last: its flag, or its flag taken back.
        is_read: The server was asked: where nothing is written back, it is not.
        is_deceased: The patient's record says that they have died; where the server is not asked, as last screened.
    """

    held: HeldSubject | None
    is_machines: bool = False
    is_read: bool = False
    is_deceased: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A patient's place on a trial.

    Attributes:
        whose: Our key of the patient, and the trial's id.
        standing: By the last step that counts; else by the machine's flag on the server.
        step: The last step that counts.
        seen: What the FHIR server says.
        history: Every step, oldest first.
    """

    whose: tuple[str, str]
    standing: Standing
    step: Step | None
    seen: Seen
    history: tuple[Step, ...]

    @property
    def held(self) -> HeldSubject | None:
        """The ResearchSubject on the server."""
        return self.seen.held

    @property
    def others(self) -> tuple[str, ...]:
        """What subjects that are not ours say."""
        return self.held.others if self.held else ()

    @property
    def against(self) -> tuple[str, ...]:
        """Those of the others' words that ours does not say: nobody decides beside them."""
        return self.held.against if self.held else ()

    @property
    def is_deceased(self) -> bool:
        """Whether the patient has died."""
        return self.seen.is_deceased

    @property
    def enrolment(self) -> str | None:
        """What the server says."""
        return self.held.enrolment if self.held else None

    @property
    def token(self) -> str:
        """Stands for all that a decision rests on: whose it is, the last step, the subject in its version, others', a death."""
        held = (self.held.reference, self.held.version or "", self.held.enrolment or "", *self.others) if self.held else ()
        parts = (*self.whose, str(self.step.number) if self.step else "", "deceased" if self.is_deceased else "", *held)
        return "st-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    @property
    def unsent(self) -> Step | None:
        """The last step, while the server does not have it."""
        return self.step if self.step is not None and self.step.state.is_open else None

    @property
    def is_lost(self) -> bool:
        """Whether the last step was written, and the server knows nothing of it any more: it was set up anew, or restored.

        What stands there is at most the machine's flag. A step that was taken over from the EHR cannot be sent there again.
        """
        if self.step is None or self.step.state.is_open or not self.seen.is_read:
            return False
        if self.held is not None and self.held.enrolment != FLAGGED:
            return False
        return self.step.status in TRANSITIONS[self.step.before]

    @property
    def to_send(self) -> Step | None:
        """The last step, where it may be sent: it has never arrived, or is lost."""
        return self.step if self.is_lost else self.unsent

    @property
    def agrees(self) -> bool:
        """Whether the server says what is kept here, in our words or in finer ones."""
        status, is_registered = self.standing.status, self.standing.is_registered
        if self.held is None or status is None:
            return False
        as_written = enrolment_code(status, is_registered=is_registered) == self.held.enrolment
        return as_written or (status, is_registered) in meanings(self.held.enrolment)

    @property
    def differs(self) -> bool:
        """Whether the EHR says something else than what is kept here, so that a person must take it over first.

        The machine's flag beside a person's step is only a step that has not arrived yet, and a flag that it has taken back is
        nobody's finding that the patient failed screening.
        """
        if self.held is None or self.held.enrolment == FLAGGED or self.seen.is_machines:
            return False
        return not self.agrees and not self._is_on_its_way

    @property
    def _is_on_its_way(self) -> bool:
        """Whether the server still says what was before a step that it does not have yet, the last or one of several."""
        counting = [step for step in reversed(self.history) if step.state.counts]
        unsent = takewhile(lambda step: step.state.is_open, counting)
        enrolment = self.held.enrolment if self.held is not None else None
        return any(step.before is not None and enrolment in ENROLMENT_CODES[step.before] for step in unsent)

    @property
    def possible(self) -> tuple[Status, ...]:
        """What a person may decide now: the steps that may follow, and first a lost one again.

        Where the EHR differs, what it can mean; nothing while another's subject says something else.
        """
        if self.against:
            return ()
        if self.held is not None and self.differs:
            return tuple(dict.fromkeys(status for status, _ in meanings(self.held.enrolment)))
        again = [self.standing.status] if self.is_lost and self.standing.status is not None else []
        following = TRANSITIONS[self.standing.status]
        steps = [*again, *(status for status in Status if status in following and status is not Status.POTENTIAL)]
        return tuple(status for status in steps if status in AFTER_DEATH or not self.is_deceased)

    @property
    def may_reopen(self) -> bool:
        """Whether a new episode may begin."""
        in_the_way = self.differs or self.against or self.is_deceased
        return not in_the_way and self.standing.status in REOPENED


def view_of(whose: tuple[str, str], kept: tuple[Standing, Step | None], seen: Seen, history: tuple[Step, ...]) -> View:
    """The standing kept; where no person has taken a step, the machine's flag on the server is one."""
    standing, step = kept
    flagged = step is None and seen.held is not None and seen.held.enrolment == FLAGGED
    return View(whose, Standing(Status.POTENTIAL) if flagged else standing, step, seen, history)


def meanings(enrolment: str | None) -> tuple[tuple[Status, bool], ...]:
    """The statuses that an enrolment of the server can stand for, and whether the patient was registered."""
    return tuple(
        (status, is_registered)
        for status, codes in ENROLMENT_CODES.items()
        for is_registered in (False, True)
        if enrolment in (codes[is_registered], *_FINER.get(status, ()))
        and status is not Status.POTENTIAL
        and _makes_sense(status, is_registered)
    )


def _makes_sense(status: Status, is_registered: bool) -> bool:
    """Before registration nobody is on study; after it nobody is being contacted."""
    if status in (Status.WITHDRAWN, Status.DECEASED):
        return True
    return is_registered is (status in (Status.ON_STUDY, Status.FOLLOW_UP, Status.OFF_STUDY))
