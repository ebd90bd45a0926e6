"""Which searches bring what a trial needs: one plan, made from the needs and from what the server says of itself (DATA-20).

Everything of a type is fetched and matched locally: a search by code misses local codes without a word (DATA-15).
Observations are asked for by category, since large servers refuse less (DATA-14), and then once more for all other categories.
Only where a server refuses that and the whole type are they asked for by code; then the type is partial, whatever came.
The same plan is printed by ``server check``, and is what scopes and ``_typeFilter`` are made from.
Source: FHIR R4 Search, Patient compartment; FHIR R4 Observation category.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from fhir_trial.criteria.needs import Needs
from fhir_trial.sources.patient_links import SHARED_TYPES
from fhir_trial.transport import Capabilities
from fhir_trial.trials.model import ResolvedTrial

#: Of the FHIR value set observation-category: those that may hold evidence of anything.
_CATEGORIES = ("exam", "imaging", "laboratory", "procedure", "social-history", "survey", "vital-signs")
_NO_WORD = Capabilities()
#: Codes in one search, so that it fits into a URL of 2000 characters.
_CODES_AT_ONCE = 40
_FEW = 3


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

    def shown(self, patient_parameter: str = "patient") -> str:
        """The same for people: of a long list of codes their number and the first."""
        name, value = self.filters[0] if len(self.filters) == 1 else ("", "")
        codes = value.split(",")
        if name != "code" or len(codes) <= _FEW:
            return self.query(patient_parameter)
        return f"{self.resource_type}?{patient_parameter}=...&code=({len(codes)} codes from {codes[0]})"


@dataclass(frozen=True, slots=True)
class PlannedType:
    """What is asked of one type.

    Attributes:
        searches: In order; none when the type is not asked for.
        why: Why in this way, one sentence.
        needed_by: Ids of the criteria that read the type, in the trial's order.
        patient_parameter: How this server names the patient.
        refused: Why the type is not asked for; None when it is.
        by_code: Sent where the server refuses everything else. They miss what has a code that we do not know.
    """

    resource_type: str
    searches: tuple[Search, ...]
    why: str
    needed_by: tuple[str, ...] = ()
    patient_parameter: str = "patient"
    refused: str | None = None
    by_code: tuple[Search, ...] = ()

    def __str__(self) -> str:
        for_whom = f" [{', '.join(self.needed_by)}]" if self.needed_by else ""
        if self.refused is not None:
            return f"{self.resource_type}: not asked for. {self.refused}{for_whom}"
        asked = "\n".join(
            f"  {each.query(self.patient_parameter)}{' (if the server knows it)' * each.optional}" for each in self.searches
        )
        if self.by_code:
            asked += f"\n  where that is refused, by code, in {len(self.by_code)} searches: the type is partial then"
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
                "by_code": [[list(pair) for pair in each.filters] for each in planned.by_code],
                "patient_parameter": planned.patient_parameter,
                "why": planned.why,
                "needed_by": list(planned.needed_by),
                "not_asked": planned.refused,
            }
            for planned in self.types
        ]


def plan(
    needs: Needs,
    capabilities: Capabilities = _NO_WORD,
    needed_by: Mapping[str, tuple[str, ...]] | None = None,
    codes: Sequence[str] = (),
) -> SearchPlan:
    """The searches for some needs on one server.

    Args:
        capabilities: What the server says of itself; a server that says nothing is asked everything.
        needed_by: Type -> criteria, as ``criteria_by_type`` gives.
        codes: As ``observation_codes`` gives; none: Observations are never asked for by code.
    """
    types = [kind for kind in needs.resource_types if kind != "Patient" and kind not in SHARED_TYPES]
    planned = (_planned(kind, needs, capabilities, (needed_by or {}).get(kind, ())) for kind in types)
    return SearchPlan(tuple(_with_codes(each, capabilities, codes) for each in planned))


def criteria_by_type(trial: ResolvedTrial) -> dict[str, tuple[str, ...]]:
    """For each type the ids of the criteria that read it, in the trial's order."""
    found: dict[str, tuple[str, ...]] = {}
    for criterion in trial.trial.criteria:
        for kind in criterion.rule.needs().resource_types:
            found[kind] = (*found.get(kind, ()), criterion.id)
    return found


def trial_plan(trial: ResolvedTrial, capabilities: Capabilities = _NO_WORD) -> SearchPlan:
    """The one plan of a trial, with the criteria that need each search."""
    return plan(trial.needs, capabilities, criteria_by_type(trial), observation_codes(trial))


def observation_codes(trial: ResolvedTrial) -> tuple[str, ...]:
    """``system|code`` of every code that is known for an analyte that the trial reads, the site's own among them (DATA-61)."""
    wanted = {analyte for need in trial.needs.needs if need.resource_type == "Observation" for analyte in need.laboratory}
    known = trial.terminology.codes.items()
    return tuple(f"{system}|{code}" for (system, code), meant in known if any(each.analyte in wanted for each in meant))


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


def _with_codes(planned: PlannedType, capabilities: Capabilities, codes: Sequence[str]) -> PlannedType:
    kind = planned.resource_type
    named = capabilities.parameters.get(kind)
    if kind != "Observation" or planned.refused is not None or (named and "code" not in named):
        return planned
    starts = range(0, len(codes), _CODES_AT_ONCE)
    by_code = (Search(kind, (("code", ",".join(codes[start : start + _CODES_AT_ONCE])),)) for start in starts)
    return replace(planned, by_code=tuple(by_code))


def _by_category(needs: Needs) -> tuple[Search, ...]:
    categories = _observation_categories(needs)
    by_category = (Search("Observation", (("category", category),)) for category in categories)
    # ":not" also finds results without any category: hospital systems outside the US send many.
    return (*by_category, Search("Observation", (("category:not", ",".join(categories)),), optional=True))


def _observation_categories(needs: Needs) -> tuple[str, ...]:
    named: Iterable[tuple[str, ...]] = [need.categories for need in needs.needs if need.resource_type == "Observation"]
    wanted = {category for categories in named for category in (categories or _CATEGORIES)}
    return tuple(sorted(wanted))
