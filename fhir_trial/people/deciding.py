"""A person's decision about a patient's status on a trial, as they make it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided.

    Attributes:
        status: A value of ``people.statuses.Status``, never "potential".
        reason_code: One of ``people.statuses.REASONS``, or None.
        reason: In their own words.
        new_episode: Begins anew after a final status that can be reopened.
        shown: Stands for all that they were shown: a decision rests on that, and on nothing that came after (WB-14).
        since: First day of the status; today unless given.
    """

    status: str
    reason_code: str | None
    reason: str = field(repr=False)
    new_episode: bool
    shown: str
    since: date | None = None
