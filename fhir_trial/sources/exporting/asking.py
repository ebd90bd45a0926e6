"""What an export asks for, made from the one search plan of the trials.

Source: FHIR Bulk Data Access, Kick-off Request (BULK-06, BULK-08 to BULK-11, BULK-20).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from fhir_trial.errors import UsageError
from fhir_trial.sources.patient_links import PATIENT_LINK
from fhir_trial.sources.search_plan import SearchPlan

#: Left in a filter as FHIR writes it. A comma within one is sent encoded, and GET then encodes it once more (BULK-10).
_PLAIN = ":|/.-_"


class Level(StrEnum):
    """Of whom."""

    GROUP = "group"
    PATIENTS = "patients"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Asked:
    """An export, whole but for its ``_since``.

    Attributes:
        server: FHIR base.
        group: Id of the Group, at that level alone.
        types: In alphabetical order.
        filters: ``_typeFilter``, one a type at most: of two, some servers give what answers both.
    """

    server: str
    level: Level
    group: str | None
    types: tuple[str, ...]
    filters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.level is Level.GROUP) != (self.group is not None):
            raise UsageError("An export of a group names the group, and no other export does.")
        if self.group is not None and not _is_id(self.group):
            raise UsageError("The id of a Group is made of letters, digits, '-' and '.', 64 at most.")

    @property
    def path(self) -> str:
        """Under the FHIR base."""
        where = {Level.GROUP: f"Group/{self.group}/", Level.PATIENTS: "Patient/", Level.SYSTEM: ""}
        return f"{where[self.level]}$export"

    @property
    def filtered_types(self) -> tuple[str, ...]:
        """Types of which not everything is asked for: that something is absent says nothing."""
        return tuple(each.split("?", 1)[0] for each in self.filters)

    def parameters(self, since: str | None, *, joined: bool) -> list[tuple[str, str]]:
        """In the order in which they are sent.

        Args:
            joined: Types in one value with commas (BULK-09); else a value each, as later versions want it (BULK-08).
        """
        types = [("_type", ",".join(self.types))] if joined else [("_type", each) for each in self.types]
        moment = [("_since", since)] if since is not None else []
        return [*types, *moment, *(("_typeFilter", each) for each in self.filters)]


def asked_for(
    plans: Sequence[SearchPlan], server: str, level: Level, group: str | None = None, *, filtered: bool = False
) -> Asked:
    """The export that trials need.

    Types of no patient (Medication) are asked for at the level of the system alone: at the others servers leave them out, or
    refuse them, and they are read afterwards, by what refers to them (BULK-20).

    Args:
        filtered: Observations by the codes that are known, where there are any; what has another code does not come.
    """
    wanted = {kind for plan in plans for kind in plan.read_types}
    types = tuple(sorted(kind for kind in wanted if level is Level.SYSTEM or kind == "Patient" or kind in PATIENT_LINK))
    return Asked(server, level, group, types, _filters(plans) if filtered else ())


def _filters(plans: Iterable[SearchPlan]) -> tuple[str, ...]:
    codes: dict[str, None] = {}
    for plan in plans:
        for planned in plan.types:
            if planned.resource_type != "Observation" or planned.refused is not None:
                continue
            if not planned.by_code:
                return ()  # one of the trials needs all
            codes |= {code: None for search in planned.by_code for _, value in search.filters for code in value.split(",")}
    return (f"Observation?code={quote(','.join(codes), safe=_PLAIN)}",) if codes else ()


def _is_id(word: str) -> bool:
    return 0 < len(word) <= 64 and word.isascii() and all(letter.isalnum() or letter in "-." for letter in word)
