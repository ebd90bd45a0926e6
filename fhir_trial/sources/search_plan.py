"""Which searches bring what a trial needs.

Everything of a type is fetched and matched locally: a search by code misses local codes without a word (DATA-15).
Observations are asked for by category, since large servers refuse less (DATA-14), and then once more for all other categories.
Source: FHIR R4 Search, Patient compartment; FHIR R4 Observation category.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_trial.criteria.needs import Needs
from fhir_trial.sources.patient_links import SHARED_TYPES
from fhir_trial.transport import Capabilities

#: Of the FHIR value set observation-category: those that may hold evidence of anything.
_CATEGORIES = ("exam", "imaging", "laboratory", "procedure", "social-history", "survey", "vital-signs")


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


def plan(needs: Needs) -> dict[str, tuple[Search, ...]]:
    """The searches, by type, in a fixed order. Shared types are read when something refers to them."""
    types = [kind for kind in needs.resource_types if kind != "Patient" and kind not in SHARED_TYPES]
    return {kind: _observation_searches(needs) if kind == "Observation" else (Search(kind),) for kind in types}


def patient_parameter(resource_type: str, patient_id: str, capabilities: Capabilities) -> tuple[str, str]:
    """How this server names the patient in a search of this type."""
    if not capabilities.searches_by(resource_type, "patient"):
        for other in ("subject", "individual"):
            if capabilities.searches_by(resource_type, other):
                return other, f"Patient/{patient_id}"
    return "patient", patient_id


def _observation_searches(needs: Needs) -> tuple[Search, ...]:
    categories = _observation_categories(needs)
    by_category = (Search("Observation", (("category", category),)) for category in categories)
    # ":not" also finds results without any category: hospital systems outside the US send many.
    return (*by_category, Search("Observation", (("category:not", ",".join(categories)),), optional=True))


def _observation_categories(needs: Needs) -> tuple[str, ...]:
    named: Iterable[tuple[str, ...]] = [need.categories for need in needs.needs if need.resource_type == "Observation"]
    wanted = {category for categories in named for category in (categories or _CATEGORIES)}
    return tuple(sorted(wanted))
