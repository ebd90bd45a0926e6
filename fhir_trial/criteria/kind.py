"""What every kind of criterion can do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Protocol, runtime_checkable

from fhir_trial.criteria.answers import Answer
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Needs


@runtime_checkable
class Kind(Protocol):
    """A parametrised kind of criterion; each is a frozen dataclass whose fields are what a trial file may write."""

    def needs(self) -> Needs:
        """What must be fetched to answer."""
        ...

    def answer(self, case: Case) -> Answer:
        """The answer on ``case.as_of``; never raises for anything a record may hold."""
        ...

    def turning_points(self, case: Case) -> Iterable[date]:
        """Days after ``case.as_of`` on which the clock alone may change the outcome, of the whole or of a part.

        A superset is right, a missing day is a defect. They include the dates of data recorded for the future.
        """
        ...

    def in_words(self) -> str:
        """The rule in plain English."""
        ...
