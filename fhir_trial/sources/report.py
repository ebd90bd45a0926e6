"""What could not be read, by reason: for the person at the command line, and for the exit status (VER-03)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Reasons that make the input "some unreadable" (exit status 1); the others are counted and told.
UNREADABLE = frozenset({"file-unreadable", "line-unreadable", "not-a-resource"})

#: In ``lost_types``: nobody can tell of which type the lost piece was.
ANY_TYPE = "Resource"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing left out.

    Attributes:
        code: "file-unreadable", "line-unreadable", "not-a-resource", "no-subject", "absent-patient", "subject-not-a-patient",
            "wrong-patient", "server-remark", "export-incomplete".
        place: ``file:line``, a file, or a resource type on a server.
        text: One sentence, with nothing of a patient in it.
    """

    code: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(slots=True)
class ReadReport:
    """Filled while patients are read.

    Attributes:
        counts: Left out, by code; for resources, one each.
        troubles: Those worth a line each, in the order met.
        lost_types: Types of which some unknown piece was lost: no claim of completeness can hold for them.
        resources: Resources read, by type.
    """

    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[Trouble] = field(default_factory=list)
    lost_types: set[str] = field(default_factory=set)
    resources: Counter[str] = field(default_factory=Counter)

    def note(self, code: str, place: str, text: str) -> None:
        """Counts one, with a line of its own."""
        self.counts[code] += 1
        self.troubles.append(Trouble(code, place, text))

    def count(self, code: str) -> None:
        """Counts one of many."""
        self.counts[code] += 1

    @property
    def some_unreadable(self) -> bool:
        return any(self.counts[code] for code in UNREADABLE)
