"""What a person says of a criterion, beside what was computed: an argument of the one evaluator.

Which answer of whom counts is known by the room ``people``; here is only its shape, so that the evaluator need not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fhir_trial.criteria.answers import Answer, Outcome


class Says(StrEnum):
    """What a person may say of a criterion's sentence."""

    MET = "met"
    NOT_MET = "not-met"
    NOT_APPLICABLE = "not-applicable"
    CANNOT_SAY = "cannot-say"

    @property
    def outcome(self) -> Outcome:
        """A person who cannot say leaves the question to another one."""
        return Outcome.NEEDS_CLINICIAN if self is Says.CANNOT_SAY else Outcome(self.value)


@dataclass(frozen=True, slots=True)
class Person:
    """Who answers.

    Attributes:
        issuer: Who vouches for them: the URL of the service that signed them in.
        subject: Their name there, unique and never given to another.
        name: To be shown.
    """

    issuer: str
    subject: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PersonsAnswer:
    """What one person said of one criterion.

    Attributes:
        reason: In their own words; needed where the computed answer was decided and theirs is another (SEC-51).
        at: When, with its zone.
        evidence: Digest of the computed answer that they had before them.
    """

    says: Says
    by: Person
    at: datetime
    evidence: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Adjudication:
    """A person's answer beside the computed one.

    Attributes:
        answer: The one that counts: the person's, or, when theirs has expired, the computed one.
        expired: What they based it on has changed since.
    """

    given: PersonsAnswer
    computed: Answer
    answer: Answer
    expired: bool


#: From the computed answer of a day to what counts on that day. No clock: the same computed answer always gives the same.
Adjudicate = Callable[[Answer], Adjudication]

#: By the id of the criterion.
Adjudicators = Mapping[str, Adjudicate]
