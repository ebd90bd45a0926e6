"""Which searches bring what a trial needs: one plan, made from the needs and from what the server says of itself (DATA-20).

Everything of a type is fetched and matched locally: a search by code misses local codes without a word (DATA-15).
Observations are asked for by category, since large servers refuse less (DATA-14), and then once more for all other categories.
The same plan is printed by ``server check``, and is what scopes and ``_typeFilter`` are made from.
Source: FHIR R4 Search, Patient compartment; FHIR R4 Observation category.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fhir_trial.criteria.needs import Needs
from fhir_trial.sources.patient_links import SHARED_TYPES
from fhir_trial.transport import Capabilities
from fhir_trial.trials.model import ResolvedTrial

#: Of the FHIR value set observation-category: those that may hold evidence of anything.
_CATEGORIES = ("exam", "imaging", "laboratory", "procedure", "social-history", "survey", "vital-signs")
_NO_WORD = Capabilities()


@dataclass(frozen=True, slots=True)
class Search:
    """One search of a patient's resources.

    Attributes:
        filters: Parameters beside the patient.
        optional: A server that refuses this search is no gap, since not every server knows it.
    """

    resource_type: str
    filters: tuple[tuple[str, str], ...] = ()
    optional: bool = False

    def query(self, patient_parameter: str = "patient") -> str:
        """As it would stand in a URL, with the patient left out: ``Observation?patient=...&category=laboratory``."""
        rest = f"&{urlencode(self.filters, safe=':,')}" if self.filters else ""
        return f"{self.resource_type}?{patient_parameter}=...{rest}"


@dataclass(frozen=True, slots=True)
class PlannedType:
    """What is asked of one type.

    Attributes:
        searches: In order; none when the type is not asked for.
        why: Why in this way, one sentence.
        needed_by: Ids of the criteria that read the type, in the trial's order.
        patient_parameter: How this server names the patient.
        refused: Why the type is not asked for; None when it is.
    """

    resource_type: str
    searches: tuple[Search, ...]
    why: str
    needed_by: tuple[str, ...] = ()
    patient_parameter: str = "patient"
    refused: str | None = None

    def __str__(self) -> str:
        for_whom = f" [{', '.join(self.needed_by)}]" if self.needed_by else ""
        if self.refused is not None:
            return f"{self.resource_type}: not asked for. {self.refused}{for_whom}"
        asked = "\n".join(
            f"  {each.query(self.patient_parameter)}{' (if the server knows it)' * each.optional}" for each in self.searches
        )
        return f"{self.resource_type}: {self.why}{for_whom}\n{asked}"


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Every type that a trial needs, in alphabetical order. Shared types are read when something refers to them."""

    types: tuple[PlannedType, ...]

    def of(self, resource_type: str) -> PlannedType:
        """What is planned for a type.

        Raises:
            KeyError: The trial does not need it.
        """
        for planned in self.types:
            if planned.resource_type == resource_type:
                return planned
        raise KeyError(resource_type)

    @property
    def read_types(self) -> tuple[str, ...]:
        """Every type that the plan reads: those searched for, the Patient, and what they refer to."""
        asked = {planned.resource_type for planned in self.types if planned.refused is None}
        referred = {"Medication"} if any(kind.startswith("Medication") for kind in asked) else set[str]()
        if "ResearchSubject" in asked:
            referred.add("ResearchStudy")
        return tuple(sorted({"Patient", *asked, *referred}))

    def scopes(self, level: str = "system") -> tuple[str, ...]:
        """The SMART v2 scopes that the plan needs, such as ``system/Condition.rs``: a type is read and searched."""
        return tuple(f"{level}/{kind}.rs" for kind in self.read_types)

    def __str__(self) -> str:
        return "\n".join(map(str, self.types))

    def as_json(self) -> list[dict[str, Any]]:
        """The plan as JSON values: type, parameters, why, and which criteria need it."""
        return [
            {
                "resource_type": planned.resource_type,
                "searches": [
                    {"parameters": [list(pair) for pair in each.filters], "optional": each.optional} for each in planned.searches
                ],
                "patient_parameter": planned.patient_parameter,
                "why": planned.why,
                "needed_by": list(planned.needed_by),
                "not_asked": planned.refused,
            }
            for planned in self.types
        ]


def plan(
    needs: Needs, capabilities: Capabilities = _NO_WORD, needed_by: Mapping[str, tuple[str, ...]] | None = None
) -> SearchPlan:
    """The searches for some needs on one server.

    Args:
        capabilities: What the server says of itself; a server that says nothing is asked everything.
        needed_by: Type -> criteria, as ``criteria_by_type`` gives.
    """
    types = [kind for kind in needs.resource_types if kind != "Patient" and kind not in SHARED_TYPES]
    return SearchPlan(tuple(_planned(kind, needs, capabilities, (needed_by or {}).get(kind, ())) for kind in types))


def criteria_by_type(trial: ResolvedTrial) -> dict[str, tuple[str, ...]]:
    """For each type the ids of the criteria that read it, in the trial's order."""
    found: dict[str, tuple[str, ...]] = {}
    for criterion in trial.trial.criteria:
        for kind in criterion.rule.needs().resource_types:
            found[kind] = (*found.get(kind, ()), criterion.id)
    return found


def trial_plan(trial: ResolvedTrial, capabilities: Capabilities = _NO_WORD) -> SearchPlan:
    """The one plan of a trial, with the criteria that need each search."""
    return plan(trial.needs, capabilities, criteria_by_type(trial))


def patient_parameter(resource_type: str, patient_id: str, capabilities: Capabilities) -> tuple[str, str]:
    """How this server names the patient in a search of this type."""
    name = _patient_name(resource_type, capabilities)
    return name, patient_id if name == "patient" else f"Patient/{patient_id}"


def _patient_name(resource_type: str, capabilities: Capabilities) -> str:
    if not capabilities.searches_by(resource_type, "patient"):
        for other in ("subject", "individual"):
            if capabilities.searches_by(resource_type, other):
                return other
    return "patient"


def _planned(kind: str, needs: Needs, capabilities: Capabilities, needed_by: tuple[str, ...]) -> PlannedType:
    name = _patient_name(kind, capabilities)
    if capabilities.interactions and not capabilities.offers(kind, "search-type"):
        refused = "The server does not offer a search of this type."
        return PlannedType(kind, (), "", needed_by, name, refused)
    if kind != "Observation":
        return PlannedType(kind, (Search(kind),), "the whole type, since codes are matched here.", needed_by, name)
    if capabilities.parameters.get(kind) and not capabilities.searches_by(kind, "category"):
        return PlannedType(kind, (Search(kind),), "the whole type: the server names no search by category.", needed_by, name)
    why = "by category, which large servers want; the last search is for what has another category, or none."
    return PlannedType(kind, _by_category(needs), why, needed_by, name)


def _by_category(needs: Needs) -> tuple[Search, ...]:
    categories = _observation_categories(needs)
    by_category = (Search("Observation", (("category", category),)) for category in categories)
    # ":not" also finds results without any category: hospital systems outside the US send many.
    return (*by_category, Search("Observation", (("category:not", ",".join(categories)),), optional=True))


def _observation_categories(needs: Needs) -> tuple[str, ...]:
    named: Iterable[tuple[str, ...]] = [need.categories for need in needs.needs if need.resource_type == "Observation"]
    wanted = {category for categories in named for category in (categories or _CATEGORIES)}
    return tuple(sorted(wanted))
